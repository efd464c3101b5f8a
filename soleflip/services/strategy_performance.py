"""What each strategy has earned, beside `hold` and with how surely, and the experiment that compares them fairly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Select, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain import performance, pricing
from soleflip.domain.analytics import Figures, Period, bounds
from soleflip.domain.errors import Conflict
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.money import cents, percent
from soleflip.domain.performance import ENOUGH, Estimate
from soleflip.domain.pricing import Strategy
from soleflip.models import AuditEntry, PricingHistory, Setting, StockxListing, StockxOrder
from soleflip.services import analytics, profit_days, settings
from soleflip.services.runs import Books

DAYS = 365
BASELINE = "hold"
EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True)
class StrategyResult:
    """What a strategy has done in a year: counts of listings, the ledger's figures, and estimates from its sales.

    `sold` of those `listed` in the year were sold, of which `unpaid` are not in the ledger yet.
    Estimates are per sale of known cost (profit in the books' currency) and per sale (days); `against_hold` is the
    difference of profit per sale to the strategy `hold`.
    """

    strategy: Strategy
    live: int
    listed: int
    sold: int
    unpaid: int
    figures: Figures
    days_to_sell: Decimal | None
    changes: int
    profit_per_sale: Estimate | None = None
    days: Estimate | None = None
    sold_share: Estimate | None = None
    against_hold: Estimate | None = None
    verdict: str | None = None

    @property
    def sell_through(self) -> Decimal | None:
        """What was sold, in percent of all that was listed with it in the period."""
        return cents(self.sold_share.value) if self.sold_share else None

    @property
    def changes_per_sale(self) -> Decimal | None:
        """How many price changes were made for each sale."""
        return cents(Decimal(self.changes) / self.figures.sales) if self.figures.sales else None

    @property
    def says_enough(self) -> bool:
        """Whether there are enough sales to compare it with others."""
        return self.figures.sales >= ENOUGH


def strategy_performance(session: Session, books: Books, now: datetime) -> list[StrategyResult]:
    """Return the results of every strategy in the last 365 days, amounts in the books' currency."""
    today = now.astimezone(books.timezone).date()
    period = Period(today - timedelta(days=DAYS), today)
    start, end = bounds(period.first, period.last, books.timezone)
    figures = {each.name: each.figures for each in analytics.by_group(session, period, "strategy", books)}
    profits = _profits(session, start, end, books)
    counts = _counts(session, start)
    days = _days(session, start)
    changes = _changes(session, start)
    hold = profits.get(BASELINE)
    results = []
    for each in pricing.STRATEGIES.values():
        live, listed, sold, unpaid = counts.get(each.name, (0, 0, 0, 0))
        mine, (median, held) = profits.get(each.name), days.get(each.name, (None, None))
        found = None if each.name == BASELINE else performance.difference(mine, hold)
        sales = min(mine.count if mine else 0, hold.count if hold else 0)
        results.append(
            StrategyResult(
                strategy=each,
                live=live,
                listed=listed,
                sold=sold,
                unpaid=unpaid,
                figures=figures.get(each.name, Figures()),
                days_to_sell=median,
                changes=changes.get(each.name, 0),
                profit_per_sale=mine,
                days=held,
                sold_share=performance.share(sold, listed),
                against_hold=found,
                verdict=None if each.name == BASELINE else performance.verdict(found, sales),
            )
        )
    return results


def _profit_of_orders(start: datetime, end: datetime, books: Books) -> Any:
    """Select the realised profit of each order whose cost is known, in the books' currency."""
    sums = profit_days.sums_by_moment(start, end, books.currency).subquery()
    profit = func.sum(sums.c.revenue + sums.c.fees - sums.c.cost + sums.c.other)
    known: Select[Any] = (
        select(sums.c.order_id, profit.label("profit"))
        .group_by(sums.c.order_id)
        .having(func.sum(sums.c.sales) == 1, func.sum(sums.c.costs) == 1)
    )
    return known.subquery()


def _profits(session: Session, start: datetime, end: datetime, books: Books) -> dict[str, Estimate]:
    known = _profit_of_orders(start, end, books)
    query = (
        select(StockxListing.strategy, func.count(), func.avg(known.c.profit), func.stddev_samp(known.c.profit))
        .join(StockxOrder, StockxOrder.id == known.c.order_id)
        .join(StockxListing, StockxListing.id == StockxOrder.listing_id)
        .group_by(StockxListing.strategy)
    )
    return _estimates(session.execute(query).all())


def _estimates(rows: Sequence[Any]) -> dict[str, Estimate]:
    found = {name: performance.mean(count, average, deviation) for name, count, average, deviation in rows}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


_IS_SOLD = StockxListing.status == "sold"
_IS_UNPAID = _IS_SOLD & ~exists().where(
    StockxOrder.listing_id == StockxListing.id, StockxOrder.realised_at.is_not(None)
).correlate(StockxListing)
"""Sold, but the ledger has no sale of it (yet)."""


def _counts(session: Session, start: datetime) -> dict[str, tuple[int, int, int, int]]:
    """Return how many listings of each strategy are live, were listed since, sold of those, and unpaid of these."""
    since = StockxListing.listed_at >= start
    rows = session.execute(
        select(
            StockxListing.strategy,
            func.count().filter(StockxListing.status.in_(sorted(LIVE_STATES))),
            func.count().filter(since),
            func.count().filter(since, _IS_SOLD),
            func.count().filter(since, _IS_UNPAID),
        ).group_by(StockxListing.strategy)
    )
    return {name: (live, listed, sold, unpaid) for name, live, listed, sold, unpaid in rows}


def _days(session: Session, start: datetime) -> dict[str, tuple[Decimal | None, Estimate | None]]:
    """Return the median and the mean of days from listing to sale."""
    held = func.extract("epoch", StockxOrder.sold_at - StockxListing.listed_at) / 86400
    median = func.percentile_cont(0.5).within_group(held)
    rows = session.execute(
        select(StockxListing.strategy, func.count(), median, func.avg(held), func.stddev_samp(held))
        .join(StockxOrder, StockxOrder.listing_id == StockxListing.id)
        .where(
            StockxOrder.order_status != "cancelled",
            StockxListing.listed_at.is_not(None),
            StockxOrder.sold_at >= start,
        )
        .group_by(StockxListing.strategy)
    )
    return {
        name: (cents(Decimal(str(middle))), performance.mean(count, average, deviation))
        for name, count, middle, average, deviation in rows
    }


def _changes(session: Session, start: datetime) -> dict[str, int]:
    query = (
        select(PricingHistory.strategy, func.count())
        .where(PricingHistory.strategy.is_not(None), PricingHistory.created_at >= start)
        .group_by(PricingHistory.strategy)
    )
    return {str(name): count for name, count in session.execute(query)}


@dataclass(frozen=True, slots=True)
class Experiment:
    """New listings are dealt to strategies in these shares (percent) by lot; `seed` makes the lot repeatable."""

    shares: Mapping[str, int]
    seed: str
    since: datetime
    running: bool

    def draw(self, source: UUID) -> str:
        """Return the strategy that the lot gives a pair, by the opportunity or item that it is listed from.

        It is the same each time, so that what the operator was shown is what is listed.
        """
        return performance.draw(self.shares, self.seed, str(source))


@dataclass(frozen=True, slots=True)
class Arm:
    """One strategy of an experiment: what was dealt to it and came of it, whatever was done to it later.

    `per_pair` is realised profit per pair listed, in the books' currency: an unsold one counts as 0, an unpaid one not
    at all until it is paid out. `difference` is to the first arm (`hold` where it takes part).
    """

    strategy: Strategy
    share: int
    listed: int
    sold: int
    unpaid: int
    sold_share: Estimate | None
    per_pair: Estimate | None
    difference: Estimate | None
    verdict: str | None

    @property
    def sell_through(self) -> Decimal | None:
        """What was sold, in percent of what was listed."""
        return percent(Decimal(self.sold), Decimal(self.listed))


def experiment(session: Session) -> Experiment | None:
    """Return the experiment that runs or ran last, or None."""
    stored = settings.stored(session).get(EXPERIMENT)
    if not stored:
        return None
    return Experiment(stored["shares"], stored["seed"], datetime.fromisoformat(stored["since"]), stored["running"])


def running_experiment(session: Session) -> Experiment | None:
    """Return the experiment that deals new listings now, or None."""
    found = experiment(session)
    return found if found is not None and found.running else None


def begin_experiment(session: Session, shares: Mapping[str, int], *, actor: str, now: datetime) -> Experiment:
    """Deal new listings to strategies from now on; raises InvalidInput for shares that don't add up, or Conflict."""
    for name in shares:
        pricing.strategy_named(name)
    performance.check_shares(shares)
    if running_experiment(session) is not None:
        raise Conflict("An experiment is running; end it first.")
    begun = Experiment(dict(shares), uuid4().hex, now, running=True)
    _store(session, begun, "experiment begun", actor)
    return begun


def end_experiment(session: Session, *, actor: str) -> None:
    """Deal no more listings; those dealt keep their strategy, and the result stays. Raises Conflict without any."""
    running = running_experiment(session)
    if running is None:
        raise Conflict("No experiment is running.")
    _store(session, Experiment(running.shares, running.seed, running.since, running=False), "experiment ended", actor)


def _store(session: Session, found: Experiment, act: str, actor: str) -> None:
    value = {
        "shares": dict(found.shares),
        "seed": found.seed,
        "since": found.since.isoformat(),
        "running": found.running,
    }
    statement = insert(Setting).values(key=EXPERIMENT, value=value)
    session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
    settings.forget(session)
    session.add(AuditEntry(actor=actor, act=act, subject=EXPERIMENT, after=value))
    session.flush()


def arms(session: Session, found: Experiment, books: Books, now: datetime) -> list[Arm]:
    """Return what came of an experiment so far, `hold` first where it takes part."""
    known = _profit_of_orders(found.since, now + timedelta(days=1), books)
    per_listing = (
        select(StockxOrder.listing_id, func.sum(known.c.profit).label("profit"))
        .join(known, known.c.order_id == StockxOrder.id)
        .group_by(StockxOrder.listing_id)
        .subquery()
    )
    profit = func.coalesce(per_listing.c.profit, 0)
    counts = ~_IS_UNPAID
    rows = session.execute(
        select(
            StockxListing.experiment_arm,
            func.count(),
            func.count().filter(_IS_SOLD),
            func.count().filter(_IS_UNPAID),
            func.avg(profit).filter(counts),
            func.stddev_samp(profit).filter(counts),
        )
        .outerjoin(per_listing, per_listing.c.listing_id == StockxListing.id)
        .where(
            StockxListing.experiment_arm.is_not(None),
            StockxListing.created_at >= found.since,
            StockxListing.listed_at.is_not(None),
        )
        .group_by(StockxListing.experiment_arm)
    )
    by_arm = {row[0]: row[1:] for row in rows}
    order = sorted(found.shares, key=lambda name: (name != BASELINE, name))
    base = _arm(order[0], found.shares[order[0]], by_arm.get(order[0]), None)
    return [base, *(_arm(name, found.shares[name], by_arm.get(name), base) for name in order[1:])]


def _arm(name: str, share: int, counted: Sequence[Any] | None, base: Arm | None) -> Arm:
    """Return an arm from listed, sold, unpaid, mean and deviation; without a sale that is paid there is no mean."""
    listed, sold, unpaid, average, deviation = counted or (0, 0, 0, Decimal(0), None)
    paid = sold - unpaid
    mine = performance.mean(listed - unpaid, average, deviation) if paid else None
    gap = performance.difference(mine, base.per_pair) if base else None
    said = performance.verdict(gap, min(paid, base.sold - base.unpaid)) if base else None
    share_sold = performance.share(sold, listed)
    return Arm(pricing.STRATEGIES[name], share, listed, sold, unpaid, share_sold, mine, gap, said)
