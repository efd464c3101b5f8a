"""What StockX publishes about its fees, as data: rates by level and category, minimum fees, levels, penalties.

From StockX's help pages (FACTS.md section 8), each with the day from which it holds; the oldest known one stands for
the days before it. The operator's own figures (`fee_book`) go before these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule
from soleflip.domain.money import HUNDRED, ZERO, cents

EVERYWHERE = "*"
STANDARD = "standard"


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


@dataclass(frozen=True, slots=True)
class LevelTable:
    """What each seller level takes, from a day on."""

    valid_from: date
    levels: tuple[Level, ...]
    source: str


@dataclass(frozen=True, slots=True)
class PenaltyTable:
    """What StockX charges for a sale that the seller does not complete, from a day on: `rate` of the price, at least
    `minimum` in `currency`; elsewhere the same in local currency.
    """

    valid_from: date
    rate: Decimal
    minimum: Decimal
    currency: str
    source: str


CATEGORIES: dict[str, str] = {
    STANDARD: "Everything without figures of its own",
    "sneakers": "Sneakers and shoes",
    "apparel": "Apparel",
    "accessories": "Accessories",
    "handbags": "Handbags",
    "watches": "Watches",
    "collectibles": "Collectibles",
    "trading-cards": "Trading cards",
    "electronics": "Electronics",
}
"""The categories that can have fees of their own, with what the operator reads."""

_TYPES = {"shoes": "sneakers", "footwear": "sneakers", "streetwear": "apparel", "bags": "handbags"}


def category_of(product_type: str | None) -> str:
    """Return the category of StockX's free-text product type; standard where it says nothing known."""
    plain = "-".join((product_type or "").casefold().replace("_", " ").split())
    found = _TYPES.get(plain, plain)
    return found if found in CATEGORIES else STANDARD


def _rates(*percents: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(value) / 100 for value in percents)


_HELP = "StockX help: fees for sellers"
_REPORTED = "StockX seller programme of 2021, as reported by Sole Retriever in 2023"
_CALCULATOR = "third-party calculator, uncertain"
_FIRST, _SINCE = date(2021, 8, 1), date(2023, 7, 1)
_PROCESSING = Decimal("0.03")

FEE_TABLES: tuple[FeeTable, ...] = (
    FeeTable(STANDARD, EVERYWHERE, _FIRST, _rates("10", "9.5", "9", "8.5", "8"), _PROCESSING, 4, _REPORTED),
    FeeTable(STANDARD, EVERYWHERE, _SINCE, _rates("9", "8.5", "8", "7.5", "7"), _PROCESSING, 3, _HELP),
    FeeTable("watches", EVERYWHERE, _FIRST, _rates("9.9") * 5, _PROCESSING, 6, _CALCULATOR),
    FeeTable("handbags", EVERYWHERE, _FIRST, _rates("14.5") * 5, _PROCESSING, 6, _CALCULATOR),
)

MINIMUM_FEES: tuple[MinimumFee, ...] = tuple(
    MinimumFee(currency, _FIRST, Decimal(amount))
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


def _levels(*reached: tuple[int, int]) -> tuple[Level, ...]:
    first = Level(1, 0, ZERO)
    return (first, *(Level(number, sales, Decimal(usd)) for number, (sales, usd) in enumerate(reached, start=2)))


LEVEL_TABLES: tuple[LevelTable, ...] = (
    LevelTable(_FIRST, _levels((3, 500), (6, 1500), (25, 5000), (250, 30000)), _REPORTED),
    LevelTable(_SINCE, _levels((12, 1500), (40, 5000), (200, 25000), (800, 100000)), _HELP),
)
LEVELS = LEVEL_TABLES[-1].levels

PENALTIES: tuple[PenaltyTable, ...] = (
    PenaltyTable(
        _FIRST,
        Decimal("0.15"),
        Decimal(15),
        "USD",
        "StockX help: what happens when a seller breaks the rules (undated)",
    ),
)


class Dated(Protocol):
    """Anything that holds from a day on."""

    @property
    def valid_from(self) -> date: ...


D = TypeVar("D", bound=Dated)


def in_force(day: date, tables: Sequence[D]) -> D:
    """Return the table that holds on a day: the newest that has begun; before the first, the first."""
    begun = [table for table in tables if table.valid_from <= day]
    if begun:
        return max(begun, key=lambda table: table.valid_from)
    return min(tables, key=lambda table: table.valid_from)


def published(
    day: date,
    currency: str,
    level: int,
    *,
    category: str = STANDARD,
    bonus_rate: Decimal = ZERO,
    shipping: Decimal = ZERO,
    tables: Sequence[FeeTable] = FEE_TABLES,
) -> FeeSchedule:
    """Return the schedule that held on a day; `bonus_rate` (a fraction) counts from the level that has bonuses.

    Raises InvalidInput for a level or category for which nothing is published.
    """
    if not 1 <= level <= len(LEVELS):
        raise InvalidInput(f"Seller levels go from 1 to {len(LEVELS)}.", field="level")
    fits = [table for table in tables if table.category == category and table.region in (currency, EVERYWHERE)]
    if not fits:
        raise InvalidInput(f"No fees of {category} are published.", field="category")
    table = in_force(day, sorted(fits, key=lambda found: found.region != currency))
    bonus = bonus_rate if level >= table.bonus_from_level else ZERO
    rate = max(table.rates[level - 1] - bonus, ZERO)
    return FeeSchedule(currency, rate, minimum_fee(currency, day), table.processing_rate, shipping)


def minimum_fee(currency: str, day: date) -> Decimal:
    """Return the smallest transaction fee in a currency on a day; zero where none is published."""
    fits = [found for found in MINIMUM_FEES if found.currency == currency]
    return in_force(day, fits).amount if fits else ZERO


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

    @property
    def filled(self) -> Decimal:
        """Percent of the way to the next level, by the nearer of its two limits; 100 at the highest."""
        if self.next is None:
            return HUNDRED
        nearer = max(Decimal(self.sales) / self.next.sales, self.sold_usd / self.next.sold_usd)
        return min(cents(max(nearer, ZERO) * HUNDRED), HUNDRED)


def level_progress(
    sales: int,
    sold_usd: Decimal,
    *,
    sold: Decimal,
    days_gone: int,
    days_left: int,
    levels: Sequence[Level] = LEVELS,
    rates: Sequence[Decimal] = FEE_TABLES[1].rates,
) -> LevelProgress:
    """Return the level that a quarter's sales earn; `worth` is in the currency of `sold`.

    Worth: the fee difference to the next level on what would still be sold at the quarter's pace so far.
    """
    reached = max(
        (level for level in levels if sales >= level.sales or sold_usd >= level.sold_usd),
        key=lambda found: found.number,
    )
    following = levels[reached.number] if reached.number < len(levels) else None
    if following is None or days_gone < 1:
        return LevelProgress(reached, following, sales, sold_usd, ZERO)
    saved = rates[reached.number - 1] - rates[following.number - 1]
    return LevelProgress(reached, following, sales, sold_usd, cents(sold / days_gone * days_left * saved))


def quarter_of(day: date) -> tuple[date, date]:
    """Return the first and the last day of a day's quarter."""
    first = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    following = date(day.year + 1, 1, 1) if first.month == 10 else date(day.year, first.month + 3, 1)
    return first, date.fromordinal(following.toordinal() - 1)
