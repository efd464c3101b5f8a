"""Which listings are meant and how they fold into lines: the filter of the Listings page, turned into SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Numeric, String, and_, case, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ColumnElement, Subquery

from soleflip.domain.listings import LIVE_STATES
from soleflip.models import Item, LatestQuote, ListingChange, Product, Quote, StockxListing, Variant
from soleflip.services.stock import TO_BUY

STATES = (
    "live",
    "pending",
    "submitting",
    "review",
    "active",
    "inactive",
    "expired",
    "failed",
    "sold",
    "delisted",
    "all",
)
PLACES = {"lowest": "Lowest", "tied": "Tied for lowest", "above": "Above the lowest", "alone": "No other ask known"}
WARNINGS = {
    "outside": "Changed outside",
    "cost_unknown": "Cost unknown",
    "stale": "Quote is old",
    "no_quote": "No quote",
    "below_market": "Well below the market",
    "below_floor": "Below its floor",
    "market_below_floor": "Market is below our floor",
    "loss": "Sells at a loss",
    "expiring": "Expires soon",
    "not_bought": "Not bought yet",
    "failed": "Last change failed",
}
SORTS = ("title", "ask", "lowest", "bid", "gap", "floor", "profit", "listed", "state")
BELOW_MARKET = Decimal("0.95")
"""An ask under this share of the lowest ask gives money away."""
EXPIRES_SOON = timedelta(days=3)
FAR = Decimal("1e12")


@dataclass(frozen=True, slots=True)
class ListingFilter:
    """What the address says: state, brand, words, strategy, place in the market, a warning, order and cursor."""

    state: str = "live"
    brand: int | None = None
    text: str = ""
    strategy: str | None = None
    place: str | None = None
    warning: str | None = None
    sort: str = "title"
    after: str | None = None

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> ListingFilter:
        """Read a query string; values that mean nothing are left out."""
        sort = args.get("sort", "")
        return cls(
            state=_known(args.get("state"), STATES) or "live",
            brand=int(args["brand"]) if args.get("brand", "").isdecimal() and len(args["brand"]) < 10 else None,
            text=args.get("q", "").strip()[:100],
            strategy=args.get("strategy") or None,
            place=_known(args.get("place"), PLACES),
            warning=_known(args.get("warning"), {"any", *WARNINGS}),
            sort=sort if sort.removeprefix("-") in SORTS else "title",
            after=args.get("after") or None,
        )


def units(wanted: ListingFilter, now: datetime, max_age: timedelta, *conditions: ColumnElement[bool]) -> Subquery:
    """Select one row per listing that the filter leaves, with its market and its warnings."""
    lowest = func.coalesce(LatestQuote.lowest_ask, StockxListing.current_lowest_ask)
    bid = func.coalesce(LatestQuote.highest_bid, StockxListing.current_highest_bid)
    place = _place(lowest)
    warnings = _warning_columns(lowest, now, max_age)
    query = (
        select(
            StockxListing.id,
            func.coalesce(
                cast(StockxListing.catalog_variant_id, String), StockxListing.variant_id, cast(StockxListing.id, String)
            ).label("unit"),
            Product.title,
            Product.style_code,
            Variant.size,
            Variant.sizes["eu"].astext.label("size_eu"),
            StockxListing.status,
            StockxListing.currency,
            StockxListing.ask_price.label("ask"),
            lowest.label("lowest"),
            bid.label("bid"),
            LatestQuote.at.label("quoted_at"),
            place.label("place"),
            (StockxListing.ask_price - lowest).label("gap"),
            StockxListing.floor_price.label("floor"),
            StockxListing.expected_profit.label("profit"),
            StockxListing.listed_at,
            StockxListing.created_at,
            StockxListing.strategy,
            func.coalesce(StockxListing.error, StockxListing.outside_change).label("note"),
            ListingChange.kind.label("under_way"),
            ListingChange.new_price,
            *(column.label(f"warn_{name}") for name, column in warnings.items()),
        )
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Variant, Variant.id == StockxListing.catalog_variant_id)
        .outerjoin(Item, Item.id == StockxListing.item_id)
        .outerjoin(
            LatestQuote,
            and_(
                LatestQuote.variant_id == StockxListing.catalog_variant_id,
                LatestQuote.currency == StockxListing.currency,
            ),
        )
        .outerjoin(
            ListingChange,
            and_(ListingChange.listing_id == StockxListing.id, ListingChange.state.in_(("waiting", "sending"))),
        )
        .where(*_conditions(wanted), *conditions)
    )
    if wanted.place:
        query = query.where(place == wanted.place)
    if wanted.warning == "any":
        query = query.where(or_(*warnings.values()))
    elif wanted.warning:
        query = query.where(warnings[wanted.warning])
    return query.subquery("units")


def _conditions(wanted: ListingFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state == "live":
        conditions.append(StockxListing.status.in_(sorted(LIVE_STATES)))
    elif wanted.state != "all":
        conditions.append(StockxListing.status == wanted.state)
    if wanted.brand is not None:
        conditions.append(Product.brand_id == wanted.brand)
    if wanted.strategy:
        conditions.append(StockxListing.strategy == wanted.strategy)
    for word in wanted.text.split():
        conditions.append(
            or_(
                Product.title.icontains(word, autoescape=True),
                Product.style_code.icontains(word, autoescape=True),
                StockxListing.stockx_listing_id == word,
            )
        )
    return conditions


def _place(lowest: ColumnElement[Any]) -> ColumnElement[str]:
    """Say where our ask stands. StockX's lowest ask may be our own: it is a tie if it stood there before we came."""
    came = func.coalesce(StockxListing.last_price_update, StockxListing.listed_at, StockxListing.created_at)
    before = (
        select(Quote.lowest_ask)
        .where(
            Quote.variant_id == StockxListing.catalog_variant_id,
            Quote.currency == StockxListing.currency,
            Quote.at <= came,
        )
        .order_by(Quote.at.desc())
        .limit(1)
        .correlate(StockxListing)
        .scalar_subquery()
    )
    return case(
        (lowest.is_(None), "alone"),
        (StockxListing.ask_price < lowest, "lowest"),
        (StockxListing.ask_price > lowest, "above"),
        (before == StockxListing.ask_price, "tied"),
        else_="lowest",
    )


def _warning_columns(lowest: ColumnElement[Any], now: datetime, max_age: timedelta) -> dict[str, ColumnElement[bool]]:
    """Return what may be wrong with a listing, each as a condition that is true or false, never unknown."""
    listing = StockxListing
    on_stockx = listing.status.in_(("active", "inactive"))
    cost = func.coalesce(Item.cost, listing.buy_price)
    ask, floor = listing.ask_price, listing.floor_price
    conditions: dict[str, ColumnElement[bool]] = {
        "outside": listing.outside_change.is_not(None),
        "cost_unknown": cost.is_(None) & ~listing.cost_unknown_accepted & on_stockx,
        "stale": (LatestQuote.at < now - max_age) & on_stockx,
        "no_quote": lowest.is_(None) & LatestQuote.at.is_(None) & on_stockx,
        "below_market": (ask < lowest * BELOW_MARKET) & on_stockx,
        "below_floor": (ask < floor) & on_stockx,
        "market_below_floor": (lowest < floor) & on_stockx,
        "loss": (listing.expected_profit < 0) & on_stockx,
        "expiring": (listing.expires_at < now + EXPIRES_SOON) & on_stockx,
        "not_bought": (Item.note == TO_BUY) & listing.status.in_(sorted(LIVE_STATES)),
        "failed": listing.error.is_not(None) & listing.status.in_(sorted(LIVE_STATES)),
    }
    return {name: func.coalesce(condition, literal(False)) for name, condition in conditions.items()}


def groups(rows: Subquery, wanted: ListingFilter, down: bool) -> Subquery:
    """Fold equal units into lines, with the value that the page is ordered by and the sizes of the whole."""
    c = rows.c
    key = func.min(cast(c.id, String))
    far = literal(-FAR if down else FAR, Numeric)
    amounts = {"ask": c.ask, "lowest": func.min(c.lowest), "bid": func.min(c.bid), "gap": func.min(c.gap)} | {
        "floor": func.min(c.floor),
        "profit": func.min(c.profit),
        "listed": func.extract("epoch", func.min(c.listed_at)),
    }
    name = wanted.sort.removeprefix("-")
    words = {"title": func.lower(func.min(c.title)), "state": c.status}
    sorting = words[name] if name in words else func.coalesce(cast(amounts[name], Numeric), far)
    folded = select(
        key.label("key"),
        sorting.label("sorting"),
        func.array_agg(aggregate_order_by(c.id, c.created_at, c.id)).label("ids"),
        func.count().label("quantity"),
        c.status.label("state"),
        c.currency,
        c.ask,
        func.array_agg(c.strategy.distinct()).label("strategies"),
        *(func.min(c[each]).label(each) for each in ("title", "style_code", "size", "size_eu", "lowest", "bid", "gap")),
        *(func.min(c[each]).label(each) for each in ("quoted_at", "place", "floor", "profit", "listed_at", "note")),
        *(func.min(c[each]).label(each) for each in ("under_way", "new_price")),
        *(func.bool_or(c[f"warn_{each}"]).label(f"warn_{each}") for each in WARNINGS),
        func.count().over().label("total"),
        func.sum(func.count()).over().label("units"),
    ).group_by(c.unit, c.status, c.ask, c.currency)
    return folded.subquery("groups")


def _known(value: str | None, choices: Any) -> str | None:
    return value if value in choices else None
