"""Opportunities carry what they are sorted and filtered by; watching; saved searches with alerts; feed folders

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "integration"
SHOWN = sa.text("state = 'open' AND is_worth")
SHOWN_BEFORE = sa.text("state = 'open' AND is_current")
BEFORE = {"ix_opportunities_best": "net_profit", "ix_opportunities_margin": "margin", "ix_opportunities_roi": "roi"}
SORTED_BY = (
    *("net_profit", "expected_profit", "margin", "roi", "cost", "price", "ask", "payout"),
    *("title", "brand", "shop_name", "size_rank", "quote_at"),
)
SORTED_BY_OPTIONAL = ("net_profit_now", "stock", "days_to_sell")
NARROWED_BY = ("shop_id", "brand_id", "product_id")
def columns() -> tuple[sa.Column, ...]:
    """What opportunities get: made anew each time, since a column belongs to the table it was added to."""
    return (
        sa.Column("expected_profit", sa.Numeric(10, 2)),
        sa.Column("is_worth", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("watched_at", sa.DateTime(timezone=True)),
        sa.Column("days_to_sell", sa.Numeric(7, 1)),
        sa.Column("shop_id", sa.Integer()),
        sa.Column("shop_name", sa.String(120), server_default="", nullable=False),
        sa.Column("product_id", sa.UUID()),
        sa.Column("title", sa.String(300), server_default="", nullable=False),
        sa.Column("brand_id", sa.Integer()),
        sa.Column("brand", sa.String(120), server_default="", nullable=False),
        sa.Column("size", sa.String(40), server_default="", nullable=False),
        sa.Column("size_eu", sa.String(40)),
        sa.Column("size_rank", sa.Numeric(6, 2), server_default="0", nullable=False),
        sa.Column("price", sa.Numeric(10, 2), server_default="0", nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
    )


# Their terms are forgotten, so that the next computation fills in everything else.
FILL = """
UPDATE integration.opportunities AS known SET terms = NULL, shop_id = offers.shop_id, shop_name = shops.name,
    product_id = variants.product_id, title = products.title, brand_id = products.brand_id,
    brand = COALESCE(brands.name, ''), size = variants.size, size_eu = variants.sizes ->> 'eu', size_rank = 0,
    price = offers.price, words = lower(concat_ws(' ', products.title, products.style_code, offers.style_code))
FROM integration.market_prices AS offers
JOIN integration.shops AS shops ON shops.id = offers.shop_id, products.variants AS variants
JOIN products.products AS products ON products.id = variants.product_id
LEFT JOIN products.brands AS brands ON brands.id = products.brand_id
WHERE offers.id = known.market_price_id AND variants.id = known.variant_id
"""


def upgrade() -> None:
    for name in BEFORE:
        op.drop_index(name, table_name="opportunities", schema=SCHEMA)
    for column in columns():
        op.add_column("opportunities", column, schema=SCHEMA)
    op.execute(FILL)
    keys = {name: [name, "id"] for name in SORTED_BY}
    keys |= {name: [sa.text(f"coalesce({name}, -100000000)"), "id"] for name in SORTED_BY_OPTIONAL}
    keys |= {name: [name, "net_profit", "id"] for name in NARROWED_BY}
    for name, key in keys.items():
        op.create_index(
            f"ix_opportunities_by_{name}", "opportunities", key, schema=SCHEMA, postgresql_where=SHOWN
        )
    op.create_index("ix_opportunities_product_id", "opportunities", ["product_id"], schema=SCHEMA)
    watched = sa.text("watched_at IS NOT NULL")
    op.create_index(
        "ix_opportunities_watched_at", "opportunities", ["watched_at"], schema=SCHEMA, postgresql_where=watched
    )
    op.add_column(
        "saved_searches",
        sa.Column("alerts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "search_hits",
        sa.Column("search_id", sa.Integer(), nullable=False),
        sa.Column("opportunity_id", sa.UUID(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id"],
            ["integration.saved_searches.id"],
            name=op.f("fk_search_hits_search_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["integration.opportunities.id"],
            name=op.f("fk_search_hits_opportunity_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("search_id", "opportunity_id", name=op.f("pk_search_hits")),
        schema=SCHEMA,
    )
    op.alter_column("feed_sources", "url", nullable=True, schema=SCHEMA)
    op.add_column("feed_sources", sa.Column("folder", sa.String(200)), schema=SCHEMA)
    nothing = sa.text("'{}'::jsonb")
    op.add_column(
        "feed_sources",
        sa.Column("seen", postgresql.JSONB(astext_type=sa.Text()), server_default=nothing, nullable=False),
        schema=SCHEMA,
    )
    op.add_column("feed_imports", sa.Column("source_id", sa.Integer()), schema=SCHEMA)
    op.create_foreign_key(
        op.f("fk_feed_imports_source_id"),
        "feed_imports",
        "feed_sources",
        ["source_id"],
        ["id"],
        source_schema=SCHEMA,
        referent_schema=SCHEMA,
        ondelete="SET NULL",
    )
    op.create_index(op.f("ix_feed_imports_source_id"), "feed_imports", ["source_id"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index(op.f("ix_feed_imports_source_id"), table_name="feed_imports", schema=SCHEMA)
    op.drop_constraint(op.f("fk_feed_imports_source_id"), "feed_imports", schema=SCHEMA, type_="foreignkey")
    op.drop_column("feed_imports", "source_id", schema=SCHEMA)
    op.execute("DELETE FROM integration.feed_sources WHERE url IS NULL")
    op.drop_column("feed_sources", "seen", schema=SCHEMA)
    op.drop_column("feed_sources", "folder", schema=SCHEMA)
    op.alter_column("feed_sources", "url", nullable=False, schema=SCHEMA)
    op.drop_table("search_hits", schema=SCHEMA)
    op.drop_column("saved_searches", "alerts", schema=SCHEMA)
    op.drop_index("ix_opportunities_watched_at", table_name="opportunities", schema=SCHEMA)
    op.drop_index("ix_opportunities_product_id", table_name="opportunities", schema=SCHEMA)
    for name in (*SORTED_BY, *SORTED_BY_OPTIONAL, *NARROWED_BY):
        op.drop_index(f"ix_opportunities_by_{name}", table_name="opportunities", schema=SCHEMA)
    for column in reversed(columns()):
        op.drop_column("opportunities", column.name, schema=SCHEMA)
    for name, column in BEFORE.items():
        op.create_index(name, "opportunities", [column, "id"], schema=SCHEMA, postgresql_where=SHOWN_BEFORE)
