"""What StockX publishes about its fees, as data: rates by seller level, minimum fees by currency, level thresholds.

From StockX's help pages (FACTS.md section 8). The operator's own figures in Settings go before these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule
from soleflip.domain.money import ZERO, cents

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class FeeTable:
    """Rates of one category in one region (a currency, or everywhere) from a day on; `rates` are of levels 1 to 5."""

    category: str
    region: str
    valid_from: date
    rates: tuple[Decimal, ...]
    processing_rate: Decimal
    bonus_from_level: int
    source: str


@dataclass(frozen=True, slots=True)
class MinimumFee:
    """The smallest transaction fee in one currency, from a day on."""

    currency: str
    valid_from: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Level:
    """A seller level: reached by either so many sales or so much sold in a quarter."""

    number: int
    sales: int
    sold_usd: Decimal


def _rates(*percents: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(value) / 100 for value in percents)


_HELP = "StockX help: fees for sellers"
_SINCE = date(2023, 1, 1)

FEE_TABLES: tuple[FeeTable, ...] = (
    FeeTable("standard", EVERYWHERE, _SINCE, _rates("9", "8.5", "8", "7.5", "7"), Decimal("0.03"), 3, _HELP),
    FeeTable("watches", EVERYWHERE, _SINCE, _rates("9.9") * 5, Decimal("0.03"), 6, "third-party calculator, uncertain"),
    FeeTable(
        "handbags", EVERYWHERE, _SINCE, _rates("14.5") * 5, Decimal("0.03"), 6, "third-party calculator, uncertain"
    ),
)

MINIMUM_FEES: tuple[MinimumFee, ...] = tuple(
    MinimumFee(currency, _SINCE, Decimal(amount))
    for currency, amount in {
        "AUD": "7.50",
        "CAD": "7.00",
        "CHF": "4.50",
        "EUR": "5.00",
        "HKD": "45",
        "JPY": "800",
        "KRW": "7500",
        "MXN": "100",
        "NZD": "16",
        "SGD": "7.00",
        "USD": "10",
    }.items()
)

LEVELS: tuple[Level, ...] = (
    Level(1, 0, ZERO),
    Level(2, 12, Decimal(1500)),
    Level(3, 40, Decimal(5000)),
    Level(4, 200, Decimal(25000)),
    Level(5, 800, Decimal(100000)),
)


def published(
    day: date,
    currency: str,
    level: int,
    *,
    category: str = "standard",
    bonus_rate: Decimal = ZERO,
    shipping: Decimal = ZERO,
    tables: Sequence[FeeTable] = FEE_TABLES,
) -> FeeSchedule:
    """Return the schedule that held on a day; `bonus_rate` (a fraction) counts from the level that has bonuses.

    Raises InvalidInput for a level, category or day for which nothing is published.
    """
    if not 1 <= level <= len(LEVELS):
        raise InvalidInput(f"Seller levels go from 1 to {len(LEVELS)}.", field="level")
    fits = [
        table
        for table in tables
        if table.category == category and table.region in (currency, EVERYWHERE) and table.valid_from <= day
    ]
    if not fits:
        raise InvalidInput(f"No fees of {category} are known for {day}.", field="category")
    table = max(fits, key=lambda found: (found.valid_from, found.region == currency))
    bonus = bonus_rate if level >= table.bonus_from_level else ZERO
    rate = max(table.rates[level - 1] - bonus, ZERO)
    return FeeSchedule(currency, rate, minimum_fee(currency, day), table.processing_rate, shipping)


def minimum_fee(currency: str, day: date) -> Decimal:
    """Return the smallest transaction fee in a currency on a day; zero where none is published."""
    fits = [found for found in MINIMUM_FEES if found.currency == currency and found.valid_from <= day]
    return max(fits, key=lambda found: found.valid_from).amount if fits else ZERO


@dataclass(frozen=True, slots=True)
class LevelProgress:
    """How far a quarter is towards the next seller level, and what that would be worth until the quarter's end."""

    level: Level
    next: Level | None
    sales: int
    sold_usd: Decimal
    worth: Decimal

    @property
    def missing_sales(self) -> int:
        """Sales still missing for the next level."""
        return max(self.next.sales - self.sales, 0) if self.next else 0

    @property
    def missing_usd(self) -> Decimal:
        """Turnover (USD) still missing for the next level."""
        return max(self.next.sold_usd - self.sold_usd, ZERO) if self.next else ZERO


def level_progress(sales: int, sold_usd: Decimal, *, sold: Decimal, days_gone: int, days_left: int) -> LevelProgress:
    """Return the level that a quarter's sales earn; `worth` is in the currency of `sold`.

    Worth: the fee difference to the next level on what would still be sold at the quarter's pace so far.
    """
    reached = max(
        (level for level in LEVELS if sales >= level.sales or sold_usd >= level.sold_usd),
        key=lambda found: found.number,
    )
    following = LEVELS[reached.number] if reached.number < len(LEVELS) else None
    if following is None or days_gone < 1:
        return LevelProgress(reached, following, sales, sold_usd, ZERO)
    rates = FEE_TABLES[0].rates
    saved = rates[reached.number - 1] - rates[following.number - 1]
    return LevelProgress(reached, following, sales, sold_usd, cents(sold / days_gone * days_left * saved))


def quarter_of(day: date) -> tuple[date, date]:
    """Return the first and the last day of a day's quarter."""
    first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    following = date(day.year + 1, 1, 1) if first.month == 10 else date(day.year, first.month + 3, 1)
    return first, date.fromordinal(following.toordinal() - 1)
