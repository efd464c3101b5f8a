"""What the Listings page shows: equal units as one line, with their market, their floor and what is wrong with them.

A page takes two statements whatever the filter: one for the house's state around the table, one for the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Numeric, String, and_, case, cast, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement, Subquery

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.listings import LIVE_STATES
from soleflip.models import (
    Brand,
    Item,
    LatestQuote,
    ListingChange,
    Product,
    Quote,
    Run,
    Setting,
    StockxListing,
    Variant,
)
from soleflip.services.runs import OPEN_STATES
from soleflip.services.settings import Thresholds
from soleflip.services.stock import TO_BUY

PAGE = 50
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
_KINDS_SHOWN = ("list", "change", "reprice", "listing_sync")


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
            brand=int(args["brand"]) if args.get("brand", "").isdecimal() else None,
            text=args.get("q", "").strip()[:100],
            strategy=args.get("strategy") or None,
            place=_known(args.get("place"), PLACES),
            warning=_known(args.get("warning"), {"any", *WARNINGS}),
            sort=sort if sort.removeprefix("-") in SORTS else "title",
            after=args.get("after") or None,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """Equal units (same size, state and ask) as one line; amounts in `currency`, `gap` is our ask less the lowest."""

    key: str
    listing_ids: tuple[UUID, ...]
    quantity: int
    title: str
    style_code: str | None
    size: str
    size_eu: str | None
    state: str
    currency: str
    ask: Decimal
    lowest: Decimal | None
    bid: Decimal | None
    quoted_at: datetime | None
    place: str
    gap: Decimal | None
    floor: Decimal | None
    profit: Decimal | None
    listed_at: datetime | None
    strategies: tuple[str, ...]
    warnings: tuple[str, ...]
    note: str | None
    under_way: str | None
    new_price: Decimal | None

    @property
    def first_id(self) -> UUID:
        """The oldest unit of the line."""
        return self.listing_ids[0]


@dataclass(frozen=True, slots=True)
class Review:
    """A listing whose fate only the operator can decide: our side, and what StockX shows."""

    id: UUID
    title: str
    size: str
    ask: Decimal
    currency: str
    why: str
    candidates: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Undo:
    """The last run that changed prices, and how many."""

    run_id: UUID
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """One page of lines with what stands around it."""

    lines: Sequence[Line]
    next: str | None
    total: int
    units: int
    counts: Mapping[str, int]
    brands: Sequence[tuple[int, str]]
    reviews: Sequence[Review]
    run: Run | None
    undo: Undo | None
    filter: ListingFilter = field(default_factory=ListingFilter)

    @property
    def live(self) -> int:
        """How many listings hold an item, whatever the filter."""
        return sum(count for state, count in self.counts.items() if state in LIVE_STATES)


def overview(session: Session, wanted: ListingFilter, now: datetime) -> Overview:
    """Return one page of the Listings table; raises InvalidInput for a cursor that does not fit."""
    around = _around(session)
    stored = around.thresholds or {}
    max_age = timedelta(hours=int(stored.get("max_quote_age_hours", Thresholds().max_quote_age_hours)))
    lines, cursor, total, units = _lines(session, wanted, now, max_age)
    undo = Undo(UUID(around.undo["run_id"]), around.undo["count"]) if around.undo else None
    return Overview(
        lines=lines,
        next=cursor,
        total=total,
        units=units,
        counts=around.counts or {},
        brands=[(entry["id"], entry["name"]) for entry in around.brands or []],
        reviews=[_review(entry) for entry in around.reviews or []],
        run=around.Run,
        undo=undo,
        filter=wanted,
    )


def line(session: Session, listing_id: UUID, now: datetime, max_age: timedelta) -> Line:
    """Return one listing as a line of its own; raises NotFound."""
    wanted = ListingFilter(state="all")
    units = _units(wanted, now, max_age, StockxListing.id == listing_id)
    row = session.execute(select(_groups(units, wanted, down=False))).one_or_none()
    if row is None:
        raise NotFound("There is no such listing.")
    return _line(row)


def _around(session: Session) -> Any:
    """Read counts, brands, reviews, the open run and the last price change in one statement."""
    counted = select(StockxListing.status, func.count().label("n")).group_by(StockxListing.status).subquery()
    brands = (
        select(Brand.id, Brand.name)
        .where(
            Brand.id.in_(
                select(Product.brand_id).join(StockxListing, StockxListing.product_id == Product.id).distinct()
            )
        )
        .order_by(Brand.name)
        .subquery()
    )
    reviews = (
        select(
            StockxListing.id,
            Product.title,
            Variant.size,
            cast(StockxListing.ask_price, String).label("ask"),
            StockxListing.currency,
            StockxListing.review,
        )
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Variant, Variant.id == StockxListing.catalog_variant_id)
        .where(StockxListing.status == "review")
        .order_by(StockxListing.created_at)
        .limit(100)
        .subquery()
    )
    open_run = (
        select(Run.id)
        .where(Run.state.in_(OPEN_STATES), Run.kind.in_(_KINDS_SHOWN))
        .order_by(Run.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    one = select(literal(1).label("one")).subquery()
    return session.execute(
        select(
            Run,
            select(func.jsonb_object_agg(counted.c.status, counted.c.n)).scalar_subquery().label("counts"),
            select(_as_list(brands)).scalar_subquery().label("brands"),
            select(_as_list(reviews)).scalar_subquery().label("reviews"),
            select(Setting.value).where(Setting.key == "thresholds").scalar_subquery().label("thresholds"),
            _last_price_change().label("undo"),
        )
        .select_from(one)
        .outerjoin(Run, Run.id == open_run)
    ).one()


def _as_list(rows: Subquery) -> Any:
    return func.jsonb_agg(func.to_jsonb(rows.table_valued()))


def _last_price_change() -> Any:
    """The newest run that changed prices, unless it is itself an undo."""
    newest = (
        select(ListingChange.run_id)
        .where(ListingChange.kind == "price", ListingChange.state == "done")
        .order_by(ListingChange.finished_at.desc())
        .limit(1)
        .subquery()
    )
    changed = (
        select(func.count())
        .where(ListingChange.run_id == newest.c.run_id, ListingChange.kind == "price", ListingChange.state == "done")
        .scalar_subquery()
    )
    return (
        select(func.jsonb_build_object("run_id", newest.c.run_id, "count", changed))
        .join(Run, Run.id == newest.c.run_id)
        .where(Run.params["undo_of"].astext.is_(None))
        .scalar_subquery()
    )


def _review(entry: dict[str, Any]) -> Review:
    shown = entry["review"] or {}
    candidates = tuple({name: str(value) for name, value in each.items()} for each in shown.get("candidates", ()))
    why = shown.get("why", "What became of this listing is not certain.")
    ask = Decimal(entry["ask"])
    return Review(UUID(entry["id"]), entry["title"], entry["size"] or "", ask, entry["currency"], why, candidates)


def _lines(
    session: Session, wanted: ListingFilter, now: datetime, max_age: timedelta
) -> tuple[list[Line], str | None, int, int]:
    """Return a page of lines, the next cursor, and how many lines and units the filter leaves."""
    down = wanted.sort.startswith("-")
    groups = _groups(_units(wanted, now, max_age), wanted, down)
    query = select(groups).limit(PAGE + 1)
    if wanted.after:
        value, key = _cursor(wanted)
        mark = tuple_(groups.c.sorting, groups.c.key)
        query = query.where(mark < tuple_(value, key) if down else mark > tuple_(value, key))
    order = (groups.c.sorting.desc(), groups.c.key.desc()) if down else (groups.c.sorting, groups.c.key)
    found = session.execute(query.order_by(*order)).all()
    rows = found[:PAGE]
    cursor = f"{rows[-1].sorting}~{rows[-1].key}" if len(found) > PAGE else None
    total, units = (int(rows[0].total), int(rows[0].units)) if rows else (0, 0)
    return [_line(row) for row in rows], cursor, total, units


def _units(wanted: ListingFilter, now: datetime, max_age: timedelta, *conditions: ColumnElement[bool]) -> Subquery:
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


def _groups(units: Subquery, wanted: ListingFilter, down: bool) -> Subquery:
    """Fold equal units into lines, with the value that the page is ordered by and the sizes of the whole."""
    c = units.c
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


def _line(row: Any) -> Line:
    values = row._mapping
    return Line(
        key=row.key,
        listing_ids=tuple(row.ids),
        quantity=row.quantity,
        title=row.title,
        style_code=row.style_code,
        size=row.size or "",
        size_eu=row.size_eu,
        state=row.state,
        currency=row.currency,
        ask=row.ask,
        lowest=row.lowest,
        bid=row.bid,
        quoted_at=row.quoted_at,
        place=row.place,
        gap=row.gap,
        floor=row.floor,
        profit=row.profit,
        listed_at=row.listed_at,
        strategies=tuple(row.strategies),
        warnings=tuple(name for name in WARNINGS if values[f"warn_{name}"]),
        note=row.note,
        under_way=row.under_way,
        new_price=row.new_price,
    )


def _cursor(wanted: ListingFilter) -> tuple[ColumnElement[Any], str]:
    value, _, key = (wanted.after or "").rpartition("~")
    if wanted.sort.removeprefix("-") in ("title", "state"):
        return literal(value, String), key
    try:
        number = Decimal(value)
    except ArithmeticError as error:
        raise InvalidInput("This page of the list is no longer there: start at the first one.") from error
    return literal(number, Numeric), key


def _known(value: str | None, choices: Any) -> str | None:
    return value if value in choices else None
