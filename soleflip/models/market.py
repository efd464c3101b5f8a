"""Where we buy and where we sell: shops, offers, feed imports, quotes, opportunities (schema `integration`)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, Json, LongText, Moment, Percent, Updated, UuidKey
from soleflip.models.catalog import Variant

SHOWN = "state = 'open' AND is_current"


class Shop(Base):
    """A place where we buy; `mapping` is the saved column mapping of its feed.

    `seen_at` is when its last complete feed was read: every offer that is not gone was in it.
    """

    __tablename__ = "shops"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    currency: Mapped[Currency | None]
    feed_kind: Mapped[str] = mapped_column(String(20), server_default="awin")
    feed_url: Mapped[LongText | None]
    mapping: Mapped[Json]
    size_system: Mapped[str] = mapped_column(String(10), server_default="eu")
    seen_at: Mapped[Moment | None]
    created_at: Mapped[Created]


class FeedSource(Base):
    """A feed behind an http(s) address that is fetched by itself, at most every `every_hours`.

    `mapping` is empty for Awin feeds. `etag` and `modified` are the server's words for the version we have;
    `error` says why the last fetch failed.
    """

    __tablename__ = "feed_sources"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    url: Mapped[LongText]
    every_hours: Mapped[int] = mapped_column(server_default="24")
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    mapping: Mapped[Json]
    etag: Mapped[LongText | None]
    modified: Mapped[LongText | None]
    fetched_at: Mapped[Moment | None]
    error: Mapped[LongText | None]
    created_at: Mapped[Created]


class FeedImport(Base):
    """One reading of one feed file with what came of its rows.

    `state`: mapping (its columns wait to be mapped), waiting, running, done, incomplete, failed, cancelled.
    """

    __tablename__ = "feed_imports"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[UuidKey]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"), index=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("integration.shops.id"), index=True)
    filename: Mapped[str] = mapped_column(String(300))
    sha256: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20), server_default="waiting")
    rows: Mapped[int] = mapped_column(server_default="0")
    imported: Mapped[int] = mapped_column(server_default="0")
    updated: Mapped[int] = mapped_column(server_default="0")
    unchanged: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    gone: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[LongText | None]
    note: Mapped[LongText | None]
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]

    shop: Mapped[Shop | None] = relationship()


class FeedRefusal(Base):
    """A row of a feed that was not taken: its line in the file, the field and the reason."""

    __tablename__ = "feed_refusals"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    import_id: Mapped[UUID] = mapped_column(ForeignKey("integration.feed_imports.id", ondelete="CASCADE"), index=True)
    line: Mapped[int]
    field: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str] = mapped_column(String(300))
    excerpt: Mapped[str] = mapped_column(String(200), server_default="")


class MarketPrice(Base):
    """An offer: what a shop asks for one product in one size, delivery beside it, in the shop's currency.

    `match_state`: unmatched, firm, doubtful, none (StockX doesn't know it), rejected (by the operator); `match_doubt`
    is the kind of doubt: size, near, system, style, gtin, several. `gone_at`: left a complete feed.
    `seen_at` is when a feed last said something new of it; see also the shop's. `looked_up_at`: StockX was asked.
    """

    __tablename__ = "market_prices"
    __table_args__ = (
        UniqueConstraint("shop_id", "external_id"),
        Index("ix_market_prices_unmatched", "match_state", postgresql_where=text("match_state <> 'firm'")),
        {"schema": "integration"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("integration.shops.id"))
    external_id: Mapped[str] = mapped_column(String(120))
    title: Mapped[str] = mapped_column(String(300))
    brand: Mapped[str | None] = mapped_column(String(120))
    gtin: Mapped[str | None] = mapped_column(String(14), index=True)
    style_code: Mapped[str | None] = mapped_column(String(100))
    style_key: Mapped[str | None] = mapped_column(String(100), index=True)
    size: Mapped[str | None] = mapped_column(String(40))
    size_system: Mapped[str | None] = mapped_column(String(10))
    price: Mapped[Amount]
    delivery: Mapped[Amount | None]
    currency: Mapped[Currency]
    in_stock: Mapped[bool] = mapped_column(server_default=text("true"))
    stock: Mapped[int | None]
    link: Mapped[LongText | None]
    image_url: Mapped[LongText | None]
    content_hash: Mapped[str] = mapped_column(String(40))
    match_state: Mapped[str] = mapped_column(String(12), server_default="unmatched")
    match_reason: Mapped[str | None] = mapped_column(String(200))
    match_doubt: Mapped[str | None] = mapped_column(String(12))
    variant_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.variants.id"), index=True)
    seen_at: Mapped[Moment]
    changed_at: Mapped[Moment]
    gone_at: Mapped[Moment | None]
    looked_up_at: Mapped[Moment | None]
    last_import_id: Mapped[UUID | None]
    created_at: Mapped[Created]

    shop: Mapped[Shop] = relationship()
    variant: Mapped[Variant | None] = relationship()


class MatchDecision(Base):
    """What the operator decided about a kind of doubt: a shop's offers of one style code are a product, or not."""

    __tablename__ = "match_decisions"
    __table_args__ = (
        UniqueConstraint("shop_id", "product_id", "style_key", "doubt"),
        {"schema": "integration"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("integration.shops.id"))
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.products.id"), index=True)
    style_key: Mapped[str] = mapped_column(String(100), server_default="")
    doubt: Mapped[str] = mapped_column(String(12))
    is_same: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(120))
    at: Mapped[Moment]


class MarketPriceHistory(Base):
    """An offer's earlier price, kept when it changed."""

    __tablename__ = "market_price_history"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    market_price_id: Mapped[int] = mapped_column(
        ForeignKey("integration.market_prices.id", ondelete="CASCADE"), index=True
    )
    price: Mapped[Amount]
    currency: Mapped[Currency]
    seen_at: Mapped[Moment]


class QuoteColumns:
    """The amounts of StockX's market data for one variant, in `currency` (FACTS.md section 11)."""

    lowest_ask: Mapped[Amount | None]
    highest_bid: Mapped[Amount | None]
    sell_faster: Mapped[Amount | None]
    earn_more: Mapped[Amount | None]
    beat_us: Mapped[Amount | None]
    flex_lowest_ask: Mapped[Amount | None]
    at: Mapped[Moment]


class Quote(QuoteColumns, Base):
    """Every quote ever taken, append-only."""

    __tablename__ = "quotes"
    __table_args__ = (Index("ix_quotes_variant_at", "variant_id", "at"), {"schema": "integration"})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("products.variants.id"))
    currency: Mapped[Currency]


class LatestQuote(QuoteColumns, Base):
    """The newest quote per variant and currency, for joins."""

    __tablename__ = "latest_quotes"
    __table_args__ = ({"schema": "integration"},)

    variant_id: Mapped[UUID] = mapped_column(ForeignKey("products.variants.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)


class Opportunity(Base):
    """An offer and a quote put together, with stored results in the books' currency.

    `state`: open, dismissed, acted, gone. `net_profit` is for listing at `ask`; `net_profit_now` for selling into
    the highest bid. `is_current` is false while the offer is out of stock, gone or without a
    quote; how old prices may be is asked when reading. `terms` is a fingerprint of the settings and rates it was
    computed with: fees, VAT, thresholds, strategy.
    """

    __tablename__ = "opportunities"
    __table_args__ = (
        UniqueConstraint("market_price_id"),
        Index(
            "ix_opportunities_best",
            "net_profit",
            "id",
            postgresql_where=text(SHOWN),
        ),
        Index("ix_opportunities_roi", "roi", "id", postgresql_where=text(SHOWN)),
        Index("ix_opportunities_margin", "margin", "id", postgresql_where=text(SHOWN)),
        {"schema": "integration"},
    )

    id: Mapped[UuidKey]
    market_price_id: Mapped[int] = mapped_column(ForeignKey("integration.market_prices.id"))
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("products.variants.id"), index=True)
    state: Mapped[str] = mapped_column(String(12), server_default="open")
    is_current: Mapped[bool] = mapped_column(server_default=text("true"))
    match_state: Mapped[str] = mapped_column(String(12), server_default="firm")
    currency: Mapped[Currency]
    cost: Mapped[Amount]
    ask: Mapped[Amount | None]
    payout: Mapped[Amount | None]
    net_profit: Mapped[Amount | None]
    margin: Mapped[Percent | None]
    roi: Mapped[Percent | None]
    bid: Mapped[Amount | None]
    payout_now: Mapped[Amount | None]
    net_profit_now: Mapped[Amount | None]
    stock: Mapped[int | None]
    quote_at: Mapped[Moment | None]
    offer_seen_at: Mapped[Moment]
    offer_changed_at: Mapped[Moment | None]
    terms: Mapped[str | None] = mapped_column(String(40))
    dismissed_price: Mapped[Amount | None]
    arithmetic: Mapped[Json]
    computed_at: Mapped[Moment]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]

    offer: Mapped[MarketPrice] = relationship()
    variant: Mapped[Variant] = relationship()


class SavedSearch(Base):
    """A filter of the Opportunities page, kept by name; `query` is the part of its address behind the question mark."""

    __tablename__ = "saved_searches"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    query: Mapped[LongText]
    created_at: Mapped[Created]


class PastSale(Base):
    """A sale that somebody made, from an imported sales file or our own orders: market memory."""

    __tablename__ = "past_sales"
    __table_args__ = (Index("ix_past_sales_series", "variant_id", "sold_on"), {"schema": "integration"})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("products.variants.id"))
    sold_on: Mapped[date]
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    currency: Mapped[Currency]
    source: Mapped[str] = mapped_column(String(30))
    reference: Mapped[str | None] = mapped_column(String(100), unique=True)
