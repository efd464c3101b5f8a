"""What the Listings page shows: equal units as one line, with their market, their floor and what is wrong with them.

A page takes two statements whatever the filter: one for the house's state around the table, one for the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, cast, func, literal, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Subquery

from soleflip.domain.errors import NotFound
from soleflip.domain.listings import LIVE_STATES
from soleflip.models import Brand, ListingChange, Product, Run, StockxListing, Variant
from soleflip.services.listing_filter import STATES, WARNINGS, ListingFilter
from soleflip.services.listing_query import MOST_COUNTED, counted, cursor_behind, groups, moments, page_of, units
from soleflip.services.runs import OPEN_STATES
from soleflip.services.settings import Thresholds, load

PAGE = 50
UNDO_OFFERED = timedelta(hours=1)
"""How long after it the list offers to undo a run's prices, in real time; its own page offers it for ever."""

KINDS_SHOWN = ("list", "change", "reprice", "listing_sync")


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
    max_age = timedelta(hours=load(session, Thresholds).max_quote_age_hours)
    around = session.execute(_around(replace(wanted, sort="ask", after=None)), moments(now, max_age)).one()
    shown, cursor = lines(session, wanted, now, max_age)
    undo = Undo(UUID(around.undo["run_id"]), around.undo["count"]) if around.undo else None
    return Overview(
        lines=shown,
        next=cursor,
        total=around.filtered["lines"],
        units=around.filtered["units"] or 0,
        counts={state: count for state, count in around.counts.items() if count},
        brands=[(entry["id"], entry["name"]) for entry in around.brands or []],
        reviews=[_review(entry) for entry in around.reviews or []],
        run=around.Run,
        undo=undo,
        filter=wanted,
    )


def lines(
    session: Session, wanted: ListingFilter, now: datetime, max_age: timedelta, *, limit: int = PAGE
) -> tuple[list[Line], str | None]:
    """Return a page of lines and the cursor of the page behind it, in one statement; raises InvalidInput."""
    rows = session.execute(*page_of(wanted, now, max_age, limit + 1)).all()
    return [_line(row) for row in rows[:limit]], cursor_behind(rows[limit - 1]) if len(rows) > limit else None


def line(session: Session, listing_id: UUID, now: datetime, max_age: timedelta) -> Line:
    """Return one listing as a line of its own; raises NotFound."""
    wanted = ListingFilter(state="all")
    rows = units(wanted, StockxListing.id == listing_id)
    row = session.execute(select(groups(rows)), moments(now, max_age)).one_or_none()
    if row is None:
        raise NotFound("There is no such listing.")
    return _line(row)


@lru_cache(maxsize=256)
def _around(wanted: ListingFilter) -> Select[Any]:
    """Select counts, brands, reviews, the open run and the last price change in one statement."""
    counts = [part for state in STATES if state not in ("live", "all") for part in (state, _count(state))]
    sizes = counted(wanted).subquery()
    # One listing of each brand is looked for: that of all brands' listings would read them all.
    one_of = (
        select(StockxListing.id)
        .join(Product, Product.id == StockxListing.product_id)
        .where(Product.brand_id == Brand.id)
        .limit(1)
        .lateral()
    )
    brands = select(Brand.id, Brand.name).join(one_of, literal(True)).order_by(Brand.name).subquery()
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
        .where(Run.state.in_(OPEN_STATES), Run.kind.in_(KINDS_SHOWN))
        .order_by(Run.created_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    one = select(literal(1).label("one")).subquery()
    return (
        select(
            Run,
            func.jsonb_build_object(*counts).label("counts"),
            select(func.to_jsonb(sizes.table_valued())).scalar_subquery().label("filtered"),
            select(_as_list(brands)).scalar_subquery().label("brands"),
            select(_as_list(reviews)).scalar_subquery().label("reviews"),
            _last_price_change().label("undo"),
        )
        .select_from(one)
        .outerjoin(Run, Run.id == open_run)
    )


def _count(state: str) -> Any:
    """How many listings there are in a state, of so many as are counted at all."""
    some = select(StockxListing.id).where(StockxListing.status == state).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _as_list(rows: Subquery) -> Any:
    return func.jsonb_agg(func.to_jsonb(rows.table_valued()))


def _last_price_change() -> Any:
    """The newest run that changed prices, unless it is itself an undo or was over long ago."""
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
        .where(Run.params["undo_of"].astext.is_(None), Run.finished_at > func.now() - UNDO_OFFERED)
        .scalar_subquery()
    )


def _review(entry: dict[str, Any]) -> Review:
    shown = entry["review"] or {}
    candidates = tuple({name: str(value) for name, value in each.items()} for each in shown.get("candidates", ()))
    why = shown.get("why", "What became of this listing is not certain.")
    ask = Decimal(entry["ask"])
    return Review(UUID(entry["id"]), entry["title"], entry["size"] or "", ask, entry["currency"], why, candidates)


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
