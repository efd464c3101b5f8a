"""Our asks on StockX, what was done to them, and what is being done (schema `selling`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, Computed, ForeignKey, Identity, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, Json, LongText, Moment, Percent, Updated, UuidKey
from soleflip.models.catalog import Product, Variant
from soleflip.models.stock import Item

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
"""What live listings can be sorted by, as services/listing_query.py words it."""


def _sorted(name: str, expression: str) -> Index:
    return Index(f"ix_stockx_listings_by_{name}", text(expression), "id", postgresql_where=text(LIVE))


class StockxListing(Base):
    """One ask of ours for one item; amounts in `currency`. The database refuses two live listings of one item.

    `strategy` is the one that acts; `strategy_from` says whose word it is: rules (of tag, brand or default), listing,
    or experiment; `experiment_arm` is what the lot once gave it. `strategy_settings`, `guards` and `tags` are the
    listing's own. `line` is the same for equal units: one size in one state at one ask.
    """

    __tablename__ = "stockx_listings"
    __table_args__ = (
        Index("idx_listings_status", "status"),
        Index("uq_stockx_listings_live_item", "item_id", unique=True, postgresql_where=text(LIVE)),
        Index("ix_stockx_listings_item", "item_id", "created_at"),
        Index("ix_stockx_listings_variant", "variant_id"),
        *(_sorted(name, expression) for name, expression in SORTED.items()),
        {"schema": "selling"},
    )

    id: Mapped[UuidKey]
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.products.id"), index=True)
    catalog_variant_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.variants.id"), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("inventory.items.id"))
    line: Mapped[UUID] = mapped_column(Computed(LINE, persisted=True), index=True, deferred=True)
    stockx_listing_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    stockx_product_id: Mapped[str] = mapped_column(String(100))
    variant_id: Mapped[str | None] = mapped_column(String(100))
    currency: Mapped[Currency]
    ask_price: Mapped[Amount]
    original_ask_price: Mapped[Amount | None]
    buy_price: Mapped[Amount | None]
    expected_profit: Mapped[Amount | None]
    expected_margin: Mapped[Percent | None]
    floor_price: Mapped[Amount | None]
    status: Mapped[str] = mapped_column(String(20), server_default="pending")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    stockx_status: Mapped[str | None] = mapped_column(String(40))
    expires_at: Mapped[Moment | None]
    current_lowest_ask: Mapped[Amount | None]
    current_highest_bid: Mapped[Amount | None]
    last_price_update: Mapped[Moment | None]
    source_opportunity_id: Mapped[UUID | None]
    created_from: Mapped[str | None] = mapped_column(String(50))
    strategy: Mapped[str] = mapped_column(String(40), server_default="profit_maximization")
    strategy_settings: Mapped[Json]
    strategy_from: Mapped[str] = mapped_column(String(12), server_default="rules")
    experiment_arm: Mapped[str | None] = mapped_column(String(40))
    guards: Mapped[Json]
    tags: Mapped[list[str]] = mapped_column(ARRAY(String(40)), server_default=text("'{}'"))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"), index=True)
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("selling.batches.id"), index=True)
    claimed_at: Mapped[Moment | None]
    error: Mapped[LongText | None]
    review: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    outside_change: Mapped[LongText | None]
    cost_unknown_accepted: Mapped[bool] = mapped_column(server_default=text("false"))
    synced_at: Mapped[Moment | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]
    listed_at: Mapped[Moment | None]
    delisted_at: Mapped[Moment | None]

    product: Mapped[Product] = relationship()
    variant: Mapped[Variant | None] = relationship()
    item: Mapped[Item | None] = relationship()


class StockxBatch(Base):
    """One batch call: written before it is sent. `state`: sending, sent, done, lost.

    `trouble` says of a call that brought nothing whether StockX was away or its answer was lost.
    """

    __tablename__ = "batches"
    __table_args__ = ({"schema": "selling"},)

    id: Mapped[UuidKey]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), server_default="sending")
    trouble: Mapped[str | None] = mapped_column(String(12))
    stockx_batch_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    items: Mapped[int]
    sent_at: Mapped[Moment]
    answered_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


class ListingChange(Base):
    """One wanted change of a live listing: price, activate, deactivate or delete.

    `state`: proposed (waits for approval), waiting, sending, done, failed, refused, cancelled. The database allows one
    change under way per listing.
    """

    __tablename__ = "listing_changes"
    __table_args__ = (
        Index(
            "uq_listing_changes_under_way",
            "listing_id",
            unique=True,
            postgresql_where=text("state IN ('waiting', 'sending')"),
        ),
        Index("ix_listing_changes_run", "run_id", "state"),
        {"schema": "selling"},
    )

    id: Mapped[UuidKey]
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("selling.stockx_listings.id"), index=True)
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"))
    batch_id: Mapped[UUID | None] = mapped_column(ForeignKey("selling.batches.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    old_price: Mapped[Amount | None]
    new_price: Mapped[Amount | None]
    reason: Mapped[str] = mapped_column(String(100), server_default="manual")
    sentence: Mapped[LongText | None]
    inputs: Mapped[Json]
    guard: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[LongText | None]
    actor: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[Created]
    claimed_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]

    listing: Mapped[StockxListing] = relationship()


class ListingMove(Base):
    """A listing's move from one state to another, append-only, with cause and actor."""

    __tablename__ = "listing_moves"
    __table_args__ = ({"schema": "selling"},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("selling.stockx_listings.id"), index=True)
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    cause: Mapped[LongText]
    actor: Mapped[str] = mapped_column(String(120))
    at: Mapped[Moment]


class PricingRule(Base):
    """What prices of a brand, of a tag, or by default are made by; what is missing comes from the next layer.

    `scope`: brand (`key` is the brand's), tag, or default (without a key); `strategy_settings` by strategy.
    """

    __tablename__ = "pricing_rules"
    __table_args__ = (UniqueConstraint("scope", "key"), {"schema": "selling"})

    id: Mapped[UuidKey]
    scope: Mapped[str] = mapped_column(String(10))
    key: Mapped[str] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(120))
    strategy: Mapped[str | None] = mapped_column(String(40))
    strategy_settings: Mapped[Json]
    guards: Mapped[Json]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]


class PricingHistory(Base):
    """Every change of an ask with the market it was made in, its sentence and its inputs."""

    __tablename__ = "pricing_history"
    __table_args__ = ({"schema": "selling"},)

    id: Mapped[UuidKey]
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("selling.stockx_listings.id"), index=True)
    old_price: Mapped[Amount | None]
    new_price: Mapped[Amount]
    currency: Mapped[Currency]
    change_reason: Mapped[str] = mapped_column(String(100))
    market_lowest_ask: Mapped[Amount | None]
    market_highest_bid: Mapped[Amount | None]
    sentence: Mapped[LongText | None]
    inputs: Mapped[Json]
    strategy: Mapped[str | None] = mapped_column(String(40))
    run_id: Mapped[UUID | None]
    actor: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[Created]
