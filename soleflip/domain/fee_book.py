"""The operator's own fee figures, each from its day on, and which schedule holds for a category on a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from soleflip.domain.days import EARLIEST
from soleflip.domain.errors import InvalidInput
from soleflip.domain.fee_tables import (
    CATEGORIES,
    EVERYWHERE,
    FEE_TABLES,
    LEVEL_TABLES,
    LEVELS,
    STANDARD,
    FeeTable,
    Level,
    LevelTable,
    category_of,
    in_force,
    minimum_fee,
    published,
)
from soleflip.domain.fees import FeeSchedule, Penalty
from soleflip.domain.money import ZERO, cents_up

BEGINNING = EARLIEST
"""From when on figures hold that were entered without a day."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What StockX charges us on a category from a day (UTC) on: rates are fractions, amounts in `currency`.

    `level` 1 to 5 takes what StockX publishes for that seller level, less `bonus_rate` where there are bonuses;
    0 takes `transaction_rate`, `minimum_fee` and `processing_rate` as they are.
    """

    valid_from: date = BEGINNING
    category: str = STANDARD
    currency: str = "EUR"
    level: int = 0
    bonus_rate: Decimal = Decimal("0")
    transaction_rate: Decimal = Decimal("0.09")
    minimum_fee: Decimal = Decimal("5.00")
    processing_rate: Decimal = Decimal("0.03")
    shipping: Decimal = Decimal("4.50")

    @property
    def key(self) -> tuple[str, date]:
        """What there is only one of."""
        return self.category, self.valid_from

    def check(self) -> None:
        """Raise InvalidInput for a category, currency, level or rate that there can't be."""
        if self.category not in CATEGORIES:
            raise InvalidInput(f"{self.category[:40]!r} is no category: {', '.join(CATEGORIES)}.", field="category")
        if len(self.currency) != 3 or not self.currency.isalpha() or not self.currency.isupper():
            raise InvalidInput(f"{self.currency[:20]!r} is no currency code like EUR.", field="currency")
        if not 0 <= self.level <= len(LEVELS):
            raise InvalidInput(f"Seller levels go from 1 to {len(LEVELS)}; 0 takes your own figures.", field="level")
        for name in ("bonus_rate", "transaction_rate", "processing_rate"):
            if getattr(self, name) >= 1:
                raise InvalidInput("This is a fraction: 0.09 is 9 %.", field=name)
        if self.transaction_rate + self.processing_rate >= 1:
            raise InvalidInput("Both fees together would take the whole price.", field="transaction_rate")

    def in_currency(self, currency: str) -> Figures:
        """Return the same for another currency: its published minimum fee, and shipping in proportion to it."""
        smallest = minimum_fee(currency, date.max)
        if currency == self.currency or not smallest:
            return replace(self, currency=currency)
        shipping = cents_up(self.shipping * smallest / self.minimum_fee)
        return replace(self, currency=currency, minimum_fee=smallest, shipping=shipping)


@dataclass(frozen=True, slots=True)
class PenaltyFigures:
    """What StockX charges us for a sale not completed, from a day on; `minimum` is in the fees' currency."""

    valid_from: date = BEGINNING
    rate: Decimal = Decimal("0.15")
    minimum: Decimal = Decimal("15")

    @property
    def key(self) -> tuple[str, date]:
        """What there is only one of."""
        return "", self.valid_from

    def check(self) -> None:
        """Raise InvalidInput for a rate that can't be."""
        if self.rate > 1:
            raise InvalidInput("This is a fraction: 0.15 is 15 %.", field="rate")


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """The seller levels from a day on: the fee of each as a fraction, and what a quarter takes to reach it (USD)."""

    valid_from: date = BEGINNING
    rate_1: Decimal = Decimal("0.09")
    rate_2: Decimal = Decimal("0.085")
    sales_2: int = 12
    usd_2: Decimal = Decimal(1500)
    rate_3: Decimal = Decimal("0.08")
    sales_3: int = 40
    usd_3: Decimal = Decimal(5000)
    rate_4: Decimal = Decimal("0.075")
    sales_4: int = 200
    usd_4: Decimal = Decimal(25000)
    rate_5: Decimal = Decimal("0.07")
    sales_5: int = 800
    usd_5: Decimal = Decimal(100000)

    @property
    def key(self) -> tuple[str, date]:
        """What there is only one of."""
        return "", self.valid_from

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels with what each takes."""
        reached = (Level(n, getattr(self, f"sales_{n}"), getattr(self, f"usd_{n}")) for n in range(2, len(LEVELS) + 1))
        return (Level(1, 0, ZERO), *reached)

    @property
    def rates(self) -> tuple[Decimal, ...]:
        """The transaction fee of each level."""
        return tuple(getattr(self, f"rate_{n}") for n in range(1, len(LEVELS) + 1))

    def check(self) -> None:
        """Raise InvalidInput where a higher level asks for less, or costs more, than a lower one."""
        for number in range(2, len(LEVELS) + 1):
            before, this = self.levels[number - 2], self.levels[number - 1]
            if this.sales <= before.sales:
                raise InvalidInput("A higher level takes more sales.", field=f"sales_{number}")
            if this.sold_usd <= before.sold_usd:
                raise InvalidInput("A higher level takes more turnover.", field=f"usd_{number}")
        for number, rate in enumerate(self.rates, start=1):
            if rate >= 1 or rate > self.rates[max(number - 2, 0)]:
                raise InvalidInput("A fraction, no higher than the level before: 0.09 is 9 %.", field=f"rate_{number}")


@dataclass(frozen=True, slots=True)
class FeeBook:
    """All fee figures of the operator over what StockX publishes; `home` are those before anything was entered.

    Days are days of UTC. `published_penalty` is the published one in the currency of `home`.
    """

    home: Figures = Figures()
    figures: tuple[Figures, ...] = ()
    levels: tuple[LevelFigures, ...] = ()
    penalties: tuple[PenaltyFigures, ...] = ()
    published_penalty: Penalty | None = None

    def standard(self, day: date) -> Figures:
        """Return the figures of a day for everything that has none of its own."""
        return self._own(STANDARD, day) or self.home

    def schedule(self, product_type: str | None, day: date) -> FeeSchedule:
        """Return the schedule that held on a day for a product of StockX's type.

        1. The operator's figures of the category, in the currency of the standard ones.
        2. What StockX publishes for the category, with the operator's own shipping.
        3. The operator's standard figures.
        """
        category, standard = category_of(product_type), self.standard(day)
        own = self._own(category, day)
        if own is not None and own.currency == standard.currency:
            return self._made(own, day)
        if category != STANDARD and _is_published(category):
            level = standard.level or 1
            found = published(day, standard.currency, level, category=category, shipping=standard.shipping)
            return found if found.minimum_fee else replace(found, minimum_fee=standard.minimum_fee)
        return self._made(standard, day)

    def penalty(self, day: date) -> Penalty | None:
        """Return what failing to complete a sale cost on a day; None where nobody knows."""
        begun = [found for found in self.penalties if found.valid_from <= day]
        if not begun:
            return self.published_penalty
        found = in_force(day, begun)
        return Penalty(found.rate, found.minimum)

    def level_table(self, day: date) -> tuple[Sequence[Level], Sequence[Decimal]]:
        """Return the seller levels of a day and the fee of each."""
        own = self._own_levels(day)
        if own is not None:
            return own.levels, own.rates
        found: LevelTable = in_force(day, LEVEL_TABLES)
        return found.levels, in_force(day, [table for table in FEE_TABLES if table.category == STANDARD]).rates

    def _own(self, category: str, day: date) -> Figures | None:
        begun = [found for found in self.figures if found.category == category and found.valid_from <= day]
        return in_force(day, begun) if begun else None

    def _own_levels(self, day: date) -> LevelFigures | None:
        begun = [found for found in self.levels if found.valid_from <= day]
        return in_force(day, begun) if begun else None

    def _made(self, own: Figures, day: date) -> FeeSchedule:
        if not own.level:
            return FeeSchedule(own.currency, own.transaction_rate, own.minimum_fee, own.processing_rate, own.shipping)
        category = own.category if _is_published(own.category) else STANDARD
        levels = self._own_levels(day) if category == STANDARD else None
        tables = FEE_TABLES if levels is None else (_as_table(levels),)
        bonus = own.bonus_rate
        found = published(
            day, own.currency, own.level, category=category, bonus_rate=bonus, shipping=own.shipping, tables=tables
        )
        return found if found.minimum_fee else replace(found, minimum_fee=own.minimum_fee)


def _is_published(category: str) -> bool:
    return any(table.category == category for table in FEE_TABLES)


def _as_table(own: LevelFigures) -> FeeTable:
    newest = FEE_TABLES[1]
    return replace(newest, region=EVERYWHERE, valid_from=own.valid_from, rates=own.rates, source="Settings")
