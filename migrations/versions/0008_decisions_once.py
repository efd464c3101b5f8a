"""A decision that failed does not forbid another one at the same price.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME, TABLE = "uq_decisions_once", "decisions"


def upgrade() -> None:
    _replace("state NOT IN ('expired', 'failed')")


def downgrade() -> None:
    # Where several failed at one price only the newest keeps its state.
    op.execute(
        """
        UPDATE automation.decisions AS old SET state = 'expired'
        WHERE old.state = 'failed' AND EXISTS (
            SELECT FROM automation.decisions AS other
            WHERE other.rule_id = old.rule_id AND other.subject_id = old.subject_id AND other.basis = old.basis
            AND other.state <> 'expired' AND (other.created_at, other.id) > (old.created_at, old.id)
        )
        """
    )
    _replace("state <> 'expired'")


def _replace(where: str) -> None:
    op.drop_index(NAME, table_name=TABLE, schema="automation")
    op.create_index(
        NAME,
        TABLE,
        ["rule_id", "subject_id", "basis"],
        unique=True,
        schema="automation",
        postgresql_where=sa.text(where),
    )
