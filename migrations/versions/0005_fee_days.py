"""fee days

The fees of Settings become figures with a day from which they hold: those stored so far hold from the beginning.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        UPDATE ops.settings SET value = jsonb_build_object(
            'figures', jsonb_build_array(value || '{"valid_from": "2000-01-01", "category": "standard"}'::jsonb),
            'levels', '[]'::jsonb, 'penalties', '[]'::jsonb)
        WHERE key = 'fees' AND NOT value ? 'figures'
        """
    )


def downgrade() -> None:
    op.execute(
        """
        UPDATE ops.settings SET value = coalesce((
            SELECT entry - 'valid_from' - 'category' FROM jsonb_array_elements(value -> 'figures') AS entry
            WHERE entry ->> 'category' = 'standard' ORDER BY entry ->> 'valid_from' DESC LIMIT 1), '{}'::jsonb)
        WHERE key = 'fees' AND value ? 'figures'
        """
    )
