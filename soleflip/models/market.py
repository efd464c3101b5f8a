"""Where we buy and where we sell: shops, offers, feed imports, quotes, opportunities (schema `integration`)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, Json, LongText, Moment, Percent, Updated, UuidKey
from soleflip.models.catalog import Variant

SHOWN = "state = 'open' AND is_worth"
"""What the Opportunities page shows without a filter: the part of the table that its indexes hold."""
PUT_AWAY = "state <> 'open' OR match_state <> 'firm'"
"""The few that are not open or not firm: found by an index of their own."""
NOTHING = "-100000000"
"""Stands for an amount that there is none of, where rows are put in order."""

SORTED_BY = (
    *("net_profit", "expected_profit", "margin", "roi", "cost", "price", "ask", "payout"),
    *("title", "brand", "shop_name", "size_rank", "quote_at"),
)
"""Columns that every shown opportunity has a value of; each has an index in its order."""
SORTED_BY_OPTIONAL = {"net_profit_now": NOTHING, "stock": NOTHING, "days_to_sell": "99999"}
"""Columns that may be empty, and what an empty one counts as in their order: nobody knows when such a pair sells."""
NARROWED_BY = ("shop_id", "brand_id", "product_id")
FIRST_DAY = "to_timestamp(0)"
ALL_SORTED_BY = {
    "net_profit": f"coalesce(net_profit, {NOTHING})",
    "price": "price",
    "quote_at": f"coalesce(quote_at, {FIRST_DAY})",
}
"""The orders of what is not shown without a filter, below the thresholds or in any state: an index each of all rows."""


def _indexes() -> tuple[Index, ...]:
    """One index per order of the Opportunities page, per shop, brand and product the best first, and of everything."""
    keys: dict[str, tuple[Any, ...]] = {name: (name,) for name in SORTED_BY}
    keys |= {name: (text(f"coalesce({name}, {empty})"),) for name, empty in SORTED_BY_OPTIONAL.items()}
    keys |= {name: (name, "net_profit") for name in NARROWED_BY}
    shown = (
        Index(f"ix_opportunities_by_{name}", *columns, "id", postgresql_where=text(SHOWN))
        for name, columns in keys.items()
    )
    return *shown, *(Index(f"ix_opportunities_all_by_{name}", text(key), "id") for name, key in ALL_SORTED_BY.items())


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
    """A feed that comes by itself: from an http(s) address at most every `every_hours`, or as files in a folder.

    `url` or `folder` is set; a folder is a name below the folder that the settings name. `mapping` is empty for Awin
    feeds. `etag` and `modified` are the server's words for the version we have; `seen` is how each file of a folder
    looked last time; `error` says what went wrong last.
    """

    __tablename__ = "feed_sources"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), unique=True)
    url: Mapped[LongText | None]
    folder: Mapped[str | None] = mapped_column(String(200))
    seen: Mapped[Json]
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

    `state`: mapping (its columns wait to be mapped), waiting, running, done, incomplete, failed, cancelled. Like its
    run it lives in real time: `created_at` and `finished_at` are the database's, also in the sandbox.
    """

    __tablename__ = "feed_imports"
    __table_args__ = ({"schema": "integration"},)

    id: Mapped[UuidKey]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"), index=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("integration.shops.id"), index=True)
    source_id: Mapped[int | None] = mapped_column(
        ForeignKey("integration.feed_sources.id", ondelete="SET NULL"), index=True
    )
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

    `state`: open, dismissed, acted, gone. `net_profit` is what listing at `ask` books, `expected_profit` what of it is
    left after VAT due and the allowance for failures; `net_profit_now` is for selling into the highest bid.
    `is_current` is false while the offer is out of stock, gone or without a quote. `is_worth`: current, firm, above
    the thresholds, and young enough when last looked at; how old prices may be is asked again when reading. `terms`
    is a fingerprint of the settings and rates it was computed with: fees, VAT, strategy. `days_to_sell`: the median
    of our own sales of the product, else the days between the market's. The columns from `shop_id` to `words` repeat
    what stands in other tables, so that filters and orders need no other table; `size_rank` puts sizes in order.
    The shop has it again since `restocked_at`.
    """

    __tablename__ = "opportunities"
    __table_args__ = (
        UniqueConstraint("market_price_id"),
        Index("ix_opportunities_product_id", "product_id"),
        Index("ix_opportunities_state", "state", "match_state", postgresql_where=text(PUT_AWAY)),
        Index("ix_opportunities_watched_at", "watched_at", postgresql_where=text("watched_at IS NOT NULL")),
        *_indexes(),
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
    expected_profit: Mapped[Amount | None]
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
    is_worth: Mapped[bool] = mapped_column(server_default=text("false"))
    watched_at: Mapped[Moment | None]
    restocked_at: Mapped[Moment | None]
    days_to_sell: Mapped[Decimal | None] = mapped_column(Numeric(7, 1))
    shop_id: Mapped[int | None]
    shop_name: Mapped[str] = mapped_column(String(120), server_default="")
    product_id: Mapped[UUID | None]
    title: Mapped[str] = mapped_column(String(300), server_default="")
    brand_id: Mapped[int | None]
    brand: Mapped[str] = mapped_column(String(120), server_default="")
    size: Mapped[str] = mapped_column(String(40), server_default="")
    size_eu: Mapped[str | None] = mapped_column(String(40))
    size_rank: Mapped[Decimal] = mapped_column(Numeric(6, 2), server_default="0")
    price: Mapped[Amount] = mapped_column(Numeric(10, 2), server_default="0")
    words: Mapped[LongText] = mapped_column(server_default="")
    arithmetic: Mapped[Json]
    computed_at: Mapped[Moment]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]

    offer: Mapped[MarketPrice] = relationship()
    variant: Mapped[Variant] = relationship()


class SavedSearch(Base):
    """A filter of a room's table, kept by name; `query` is the part of its address behind the question mark.

    `alerts`: the operator wants to hear of opportunities that pass it for the first time.
    """

    __tablename__ = "saved_searches"
    __table_args__ = (UniqueConstraint("room", "name"), {"schema": "integration"})

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    room: Mapped[str] = mapped_column(String(20), server_default="opportunities")
    name: Mapped[str] = mapped_column(String(80))
    query: Mapped[LongText]
    alerts: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]


class SearchHit(Base):
    """An opportunity that passed a saved search once; it is never reported for it again."""

    __tablename__ = "search_hits"
    __table_args__ = ({"schema": "integration"},)

    search_id: Mapped[int] = mapped_column(
        ForeignKey("integration.saved_searches.id", ondelete="CASCADE"), primary_key=True
    )
    opportunity_id: Mapped[UUID] = mapped_column(
        ForeignKey("integration.opportunities.id", ondelete="CASCADE"), primary_key=True
    )
    found_at: Mapped[Moment]


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
