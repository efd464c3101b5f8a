"""Figures of a period: sums of the ledger, what follows from them, and the periods themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO, cents, percent


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums of the ledger over some sales, all in the books' currency.

    `fees` is signed as StockX signs it (fees negative), `cost` is positive and only of sales whose cost is known.
    `other` is penalties and write-offs. Sales of unknown cost are in `revenue` and `fees`, never in `profit`.
    """

    sales: int = 0
    revenue: Decimal = ZERO
    fees: Decimal = ZERO
    cost: Decimal = ZERO
    other: Decimal = ZERO
    unknown_sales: int = 0
    unknown_revenue: Decimal = ZERO
    unknown_payout: Decimal = ZERO

    @property
    def payout(self) -> Decimal:
        """What StockX paid: revenue plus signed fees."""
        return self.revenue + self.fees

    @property
    def profit(self) -> Decimal:
        """Payouts of sales whose cost is known, less that cost, with penalties and write-offs."""
        return self.payout - self.unknown_payout - self.cost + self.other

    @property
    def margin(self) -> Decimal | None:
        """Profit in percent of the revenue of the sales whose cost is known; None without any."""
        return percent(self.profit, self.revenue - self.unknown_revenue)

    @property
    def roi(self) -> Decimal | None:
        """Profit in percent of cost; None without cost."""
        return percent(self.profit, self.cost)

    @property
    def average_profit(self) -> Decimal | None:
        """Profit per sale of known cost."""
        known = self.sales - self.unknown_sales
        return cents(self.profit / known) if known else None

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.sales + other.sales,
            self.revenue + other.revenue,
            self.fees + other.fees,
            self.cost + other.cost,
            self.other + other.other,
            self.unknown_sales + other.unknown_sales,
            self.unknown_revenue + other.unknown_revenue,
            self.unknown_payout + other.unknown_payout,
        )


@dataclass(frozen=True, slots=True)
class Period:
    """Days in the operator's time zone, the first and the last included."""

    first: date
    last: date
    name: str = "custom"

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise InvalidInput("The period ends before it begins.", field="to")

    @property
    def days(self) -> int:
        """How many days the period has."""
        return (self.last - self.first).days + 1


PERIODS = {"7d": 7, "30d": 30, "90d": 90}
BEGINNING = date(2000, 1, 1)


def period_of(name: str, today: date, first: date | None = None, last: date | None = None) -> Period:
    """Return a period by name: 7d, 30d, 90d, year, all, or custom with its first and last day."""
    if name in PERIODS:
        return Period(today - timedelta(days=PERIODS[name] - 1), today, name)
    if name == "year":
        return Period(date(today.year, 1, 1), today, name)
    if name == "all":
        return Period(BEGINNING, today, name)
    if name != "custom":
        raise InvalidInput(f"{name!r} is no period: 7d, 30d, 90d, year, all or custom.", field="period")
    if first is None or last is None:
        raise InvalidInput("A custom period needs a first and a last day.", field="from")
    return Period(first, last, name)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment (UTC) at which a day begins in a time zone."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def bounds(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the moments (UTC) at which the first day begins and the last one is over."""
    return start_of(first, zone), start_of(last + timedelta(days=1), zone)


def bucket_of(day: date, unit: str) -> date:
    """Return the first day of the day, week (Monday) or month that a day is in."""
    if unit == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if unit == "week" else day


def buckets(period: Period, unit: str) -> Iterator[date]:
    """Walk the days, weeks or months of a period, without gaps."""
    day = bucket_of(period.first, unit)
    while day <= period.last:
        yield day
        if unit == "month":
            day = (day + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=7 if unit == "week" else 1)


def unit_for(period: Period) -> str:
    """Return the unit in which a period is best drawn."""
    if period.days <= 45:
        return "day"
    return "week" if period.days <= 200 else "month"
