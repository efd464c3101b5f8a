"""Which listings are meant: the filter of the Listings page, what stands in it, turned into conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    DateTime,
    String,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from soleflip.domain.listings import LIVE_STATES
from soleflip.models import Item, LatestQuote, Product, Quote, StockxListing
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
# As literals: only then does the database see that an index over the live ones will do.
_LIVE = [literal_column(f"'{state}'", String) for state in sorted(LIVE_STATES)]


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

    @property
    def column(self) -> str:
        """What the page is ordered by, either way."""
        return self.sort.removeprefix("-")

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


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that a listing is looked at in; under names of their own they can stand beside others."""

    listing: Any = StockxListing
    product: Any = Product
    item: Any = Item
    quote: Any = LatestQuote

    @classmethod
    def renamed(cls) -> Tables:
        """Return them under new names."""
        return cls(*(aliased(each) for each in (StockxListing, Product, Item, LatestQuote)))


def conditions_of(tables: Tables, wanted: ListingFilter) -> list[Any]:
    listing, product = tables.listing, tables.product
    conditions: list[Any] = []
    if wanted.state == "live":
        conditions.append(listing.status.in_(_LIVE))
    elif wanted.state != "all":
        conditions.append(listing.status == wanted.state)
    if wanted.brand is not None:
        conditions.append(product.brand_id == wanted.brand)
    if wanted.strategy:
        conditions.append(listing.strategy == wanted.strategy)
    for word in wanted.text.split():
        fits = [each.icontains(word, autoescape=True) for each in (product.title, product.style_code)]
        conditions.append(or_(*fits, listing.stockx_listing_id == word))
    if wanted.place:
        conditions.append(place_of(tables) == wanted.place)
    if wanted.warning:
        warnings = warnings_of(tables)
        conditions.append(or_(*warnings.values()) if wanted.warning == "any" else warnings[wanted.warning])
    return conditions


def lowest_of(tables: Tables) -> ColumnElement[Any]:
    return func.coalesce(tables.quote.lowest_ask, tables.listing.current_lowest_ask)


def place_of(tables: Tables) -> ColumnElement[str]:
    """Say where our ask stands. StockX's lowest ask may be our own: it is a tie if it stood there before we came."""
    listing, lowest = tables.listing, lowest_of(tables)
    came = func.coalesce(listing.last_price_update, listing.listed_at, listing.created_at)
    before = (
        select(Quote.lowest_ask)
        .where(Quote.variant_id == listing.catalog_variant_id, Quote.currency == listing.currency, Quote.at <= came)
        .order_by(Quote.at.desc())
        .limit(1)
        .correlate(listing)
        .scalar_subquery()
    )
    return case(
        (lowest.is_(None), "alone"),
        (listing.ask_price < lowest, "lowest"),
        (listing.ask_price > lowest, "above"),
        (before == listing.ask_price, "tied"),
        else_="lowest",
    )


STALE_BEFORE = bindparam("stale_before", type_=DateTime(timezone=True))
EXPIRES_BEFORE = bindparam("expires_before", type_=DateTime(timezone=True))


def warnings_of(
    tables: Tables, stale_before: Any = STALE_BEFORE, expires_before: Any = EXPIRES_BEFORE
) -> dict[str, ColumnElement[bool]]:
    """Return what may be wrong with a listing, each as a condition that is true or false, never unknown."""
    listing, item, quote, lowest = tables.listing, tables.item, tables.quote, lowest_of(tables)
    on_stockx = listing.status.in_(("active", "inactive"))
    cost = func.coalesce(item.cost, listing.buy_price)
    ask, floor = listing.ask_price, listing.floor_price
    conditions: dict[str, ColumnElement[bool]] = {
        "outside": listing.outside_change.is_not(None),
        "cost_unknown": cost.is_(None) & ~listing.cost_unknown_accepted & on_stockx,
        "stale": (quote.at < stale_before) & on_stockx,
        "no_quote": lowest.is_(None) & quote.at.is_(None) & on_stockx,
        "below_market": (ask < lowest * BELOW_MARKET) & on_stockx,
        "below_floor": (ask < floor) & on_stockx,
        "market_below_floor": (lowest < floor) & on_stockx,
        "loss": (listing.expected_profit < 0) & on_stockx,
        "expiring": (listing.expires_at < expires_before) & on_stockx,
        "not_bought": (item.note == TO_BUY) & listing.status.in_(_LIVE),
        "failed": listing.error.is_not(None) & listing.status.in_(_LIVE),
    }
    return {name: func.coalesce(condition, literal(False)) for name, condition in conditions.items()}


def quote_of(tables: Tables) -> ColumnElement[bool]:
    listing, quote = tables.listing, tables.quote
    return and_(quote.variant_id == listing.catalog_variant_id, quote.currency == listing.currency)


def _known(value: str | None, choices: Any) -> str | None:
    return value if value in choices else None
