"""What the dashboard shows: the state of the house in few statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, case, exists, func, select
from sqlalchemy.orm import Session

from soleflip.db import together
from soleflip.domain.analytics import Figures, Period
from soleflip.domain.money import ZERO
from soleflip.domain.orders import STATUSES, Stage
from soleflip.models import (
    Alert,
    AlertDelivery,
    Decision,
    Finding,
    Item,
    ListingChange,
    MarketPrice,
    Run,
    StockxListing,
    StockxOrder,
)
from soleflip.services import analytics, opportunities, runs
from soleflip.services.findings import is_waiting
from soleflip.services.opportunity_filter import OpportunityFilter
from soleflip.services.runs import Books
from soleflip.services.stock import TO_BUY

CHART_DAYS = 30
TO_SHIP = tuple(name for name, status in STATUSES.items() if status.stage is Stage.SHIP and not status.hold)
NEAR_LOWEST = Decimal("1.05")


@dataclass(frozen=True, slots=True)
class Window:
    """The figures of the last days, today included, beside those of as many days before."""

    label: str
    days: int
    figures: Figures
    before: Figures

    @property
    def change(self) -> Decimal:
        """How much more profit than before, in the books' currency."""
        return self.figures.profit - self.before.profit


@dataclass(frozen=True, slots=True)
class Needs:
    """Counts of what waits for the operator, and whether the first steps are done."""

    to_ship: int
    late: int
    next_ship_by: datetime | None
    to_buy: int
    orders_in_review: int
    listings_in_review: int
    doubtful_matches: int
    proposed_changes: int
    waiting_decisions: int
    failed_runs: int
    findings: int
    undelivered: int
    open_opportunities: int
    has_offers: bool
    has_listings: bool

    def __bool__(self) -> bool:
        waiting = (self.to_ship, self.to_buy, self.orders_in_review, self.listings_in_review, self.doubtful_matches)
        return any(
            (*waiting, self.proposed_changes, self.waiting_decisions, self.failed_runs, self.findings, self.undelivered)
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Our live asks by their place in the market."""

    lowest: int
    near: int
    above: int
    unknown: int
    paused: int
    under_way: int

    @property
    def total(self) -> int:
        """All asks that are out or on their way."""
        return self.lowest + self.near + self.above + self.unknown + self.paused + self.under_way


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the dashboard; amounts in the books' currency."""

    currency: str
    windows: tuple[Window, ...]
    days: Sequence[analytics.Bucket]
    ages: Sequence[analytics.Age]
    expected: analytics.Expected
    needs: Needs
    places: Places
    best: Sequence[StockxOrder]
    worst: Sequence[StockxOrder]
    last_runs: Sequence[Run]

    @property
    def at_work(self) -> Decimal:
        """The cost of everything unsold whose cost is known."""
        return sum((age.cost for age in self.ages), ZERO)

    @property
    def items(self) -> int:
        """How many pairs are unsold."""
        return sum(age.items for age in self.ages)


def overview(session: Session, books: Books, now: datetime) -> Overview:
    """Return everything the dashboard shows, as of `now` (UTC)."""
    today = now.astimezone(books.timezone).date()
    longest = Period(today - timedelta(days=2 * CHART_DAYS - 1), today)
    days, ages, expected, waiting, counts = together(
        session,
        analytics.days_query(session, longest, books),
        analytics.ages_query(books, now),
        analytics.expected_query(),
        needs_query(session, now),
        places_query(),
    )
    by_day = analytics.figures_by("day", days)
    shown = [today - timedelta(days=back) for back in reversed(range(CHART_DAYS))]
    best, worst = analytics.best_and_worst(session, Period(shown[0], today), books, count=3)

    def figures(first: int, count: int) -> Figures:
        wanted = (today - timedelta(days=back) for back in range(first, first + count))
        return sum((by_day[day] for day in wanted if day in by_day), Figures())

    return Overview(
        currency=books.currency,
        windows=tuple(
            Window(label, count, figures(0, count), figures(count, count))
            for label, count in (("Today", 1), ("7 days", 7), ("30 days", 30))
        ),
        days=[analytics.Bucket(day, by_day.get(day, Figures())) for day in shown],
        ages=analytics.read_ages(ages, books, now),
        expected=analytics.read_expected(expected, books, now),
        needs=Needs(*waiting[0]),
        places=read_places(counts),
        best=best,
        worst=worst,
        last_runs=_last_of_each(session),
    )


def needs_query(session: Session, now: datetime) -> Select[Any]:
    """Select one row of the counts of what waits for the operator, as Needs takes them."""
    to_ship = (StockxOrder.order_status == "pending", StockxOrder.stockx_status.in_(TO_SHIP))
    doubtful = (MarketPrice.match_state == "doubtful", MarketPrice.gone_at.is_(None))
    failed = (Run.state == "failed", Run.seen_at.is_(None))
    return select(
        _count(StockxOrder, *to_ship),
        _count(StockxOrder, *to_ship, StockxOrder.ship_by < now),
        select(func.min(StockxOrder.ship_by)).where(*to_ship).scalar_subquery(),
        _count(StockxOrder, *to_ship, StockxOrder.item.has(Item.note == TO_BUY)),
        _count(StockxOrder, StockxOrder.match_state == "review"),
        _count(StockxListing, StockxListing.status == "review"),
        _count(MarketPrice, *doubtful),
        _count(ListingChange, ListingChange.state == "proposed"),
        _count(Decision, Decision.state == "waiting"),
        _count(Run, *failed),
        _count(Finding, is_waiting(now)),
        _count(AlertDelivery, AlertDelivery.state == "given_up", AlertDelivery.alert.has(Alert.seen_at.is_(None))),
        # Counted as the Opportunities page counts, so that the number leads to as many rows.
        opportunities.counted(session, OpportunityFilter(), now=now).scalar_subquery(),
        exists(select(MarketPrice.id)),
        exists(select(StockxListing.id)),
    )


def places_query() -> Select[Any]:
    """Select how many of our asks stand in each place in the market."""
    lowest, ask = StockxListing.current_lowest_ask, StockxListing.ask_price
    place = case(
        (StockxListing.status == "inactive", "paused"),
        (StockxListing.status != "active", "under_way"),
        (lowest.is_(None), "unknown"),
        (ask <= lowest, "lowest"),
        (ask <= lowest * NEAR_LOWEST, "near"),
        else_="above",
    ).label("place")
    live = ("pending", "submitting", "review", "active", "inactive")
    return select(place, func.count()).where(StockxListing.status.in_(live)).group_by("place")


def read_places(rows: Iterable[Any]) -> Places:
    """Put the rows of `places_query` into their places."""
    found: dict[str, int] = dict(rows)
    return Places(*(found.get(name, 0) for name in Places.__slots__))


def _last_of_each(session: Session) -> list[Run]:
    """Return the newest run of each kind among the newest runs: the timetable's many small ones would hide the rest."""
    found: dict[str, Run] = {}
    for run in runs.latest(session, 100):
        found.setdefault(run.kind, run)
    return list(found.values())[:7]


def _count(table: Any, *conditions: Any) -> Any:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()
