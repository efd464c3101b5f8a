"""Pairs whose days to sell nobody knows stand behind the others

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NAME = "ix_opportunities_by_days_to_sell"


def upgrade() -> None:
    _order("99999")


def downgrade() -> None:
    _order("-100000000")


def _order(empty: str) -> None:
    op.drop_index(NAME, table_name="opportunities", schema="integration")
    op.create_index(
        NAME,
        "opportunities",
        [sa.text(f"coalesce(days_to_sell, {empty})"), "id"],
        schema="integration",
        postgresql_where=sa.text("state = 'open' AND is_worth"),
    )
