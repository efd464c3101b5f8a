"""Equal units of listings share a line, and every order of the Listings page has its index

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LIVE = "status IN ('pending', 'submitting', 'review', 'active', 'inactive')"
LINE = "md5(coalesce(catalog_variant_id::text, variant_id, id::text) || status || currency || ask_price::text)::uuid"
SORTED = {
    "ask": "ask_price",
    "state": "status",
    "listed": "coalesce(listed_at, created_at)",
    "lowest": "coalesce(current_lowest_ask, -99999999)",
    "bid": "coalesce(current_highest_bid, -99999999)",
    "gap": "coalesce(ask_price - current_lowest_ask, -99999999)",
    "floor": "coalesce(floor_price, -99999999)",
    "profit": "coalesce(expected_profit, -99999999)",
}


def upgrade() -> None:
    column = sa.Column("line", sa.Uuid(), sa.Computed(LINE, persisted=True), nullable=False)
    op.add_column("stockx_listings", column, schema="selling")
    op.create_index(op.f("ix_stockx_listings_line"), "stockx_listings", ["line"], schema="selling")
    for name, expression in SORTED.items():
        op.create_index(
            f"ix_stockx_listings_by_{name}",
            "stockx_listings",
            [sa.text(expression), "id"],
            schema="selling",
            postgresql_where=sa.text(LIVE),
        )
    op.create_index("ix_products_title", "products", [sa.text("lower(title)")], schema="products")


def downgrade() -> None:
    op.drop_index("ix_products_title", table_name="products", schema="products")
    for name in SORTED:
        op.drop_index(f"ix_stockx_listings_by_{name}", table_name="stockx_listings", schema="selling")
    op.drop_index(op.f("ix_stockx_listings_line"), table_name="stockx_listings", schema="selling")
    op.drop_column("stockx_listings", "line", schema="selling")
