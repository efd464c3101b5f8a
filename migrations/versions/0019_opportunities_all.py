"""Every opportunity can be walked through in three orders, and what is put away is found by its state

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "integration"
ORDERS = {
    "net_profit": "coalesce(net_profit, -100000000)",
    "price": "price",
    "quote_at": "coalesce(quote_at, to_timestamp(0))",
}
PUT_AWAY = "ix_opportunities_state"


def upgrade() -> None:
    for name, key in ORDERS.items():
        op.create_index(f"ix_opportunities_all_by_{name}", "opportunities", [sa.text(key), "id"], schema=SCHEMA)
    where = sa.text("state <> 'open' OR match_state <> 'firm'")
    op.create_index(PUT_AWAY, "opportunities", ["state", "match_state"], schema=SCHEMA, postgresql_where=where)


def downgrade() -> None:
    op.drop_index(PUT_AWAY, table_name="opportunities", schema=SCHEMA)
    for name in ORDERS:
        op.drop_index(f"ix_opportunities_all_by_{name}", table_name="opportunities", schema=SCHEMA)
