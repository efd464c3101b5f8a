"""Money: a Decimal with its currency, and the only place where amounts are rounded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

from soleflip.domain.errors import InvalidInput

CENT = Decimal("0.01")
ONE = Decimal("1")
ZERO = Decimal("0")
HUNDRED = Decimal("100")
_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")


class CurrencyMismatch(InvalidInput):
    """Two amounts of different currencies were put together without a rate."""


def plain_number(text: str) -> Decimal:
    """Read an amount or number that somebody typed: 0 to 9 and a point; raises InvalidOperation, also for 1e3."""
    if not _PLAIN.fullmatch(text.strip()):
        raise InvalidOperation(f"{text[:20]!r} is no plain number")
    return Decimal(text.strip())


def kept_number(text: str) -> Decimal:
    """Read a number as it was typed, or as we keep one: str() writes a very small Decimal as 1E-7."""
    number = Decimal(text)
    return number if str(number) == text else plain_number(text)


def cents(amount: Decimal) -> Decimal:
    """Round an amount to 0.01, halves away from zero (commercial rounding)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def cents_up(amount: Decimal) -> Decimal:
    """Round an amount up to the next 0.01: for estimates of what a seller is charged."""
    return amount.quantize(CENT, rounding=ROUND_CEILING)


def tenths(number: Decimal) -> Decimal:
    """Round a number that is no amount, such as days, to 0.1, halves away from zero."""
    return number.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def whole_up(amount: Decimal) -> Decimal:
    """Round up to whole currency units: for floors, since asks are whole units (DESIGN.md section 6)."""
    return amount.quantize(ONE, rounding=ROUND_CEILING)


def whole_down(amount: Decimal) -> Decimal:
    """Round down to whole currency units: for an ask that must stay under a limit."""
    return amount.quantize(ONE, rounding=ROUND_FLOOR)


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return part / whole in percent with two decimals, or None when the whole is zero."""
    if whole == ZERO:
        return None
    return cents(part / whole * HUNDRED)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217 code); arithmetic between currencies is refused."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError("money takes a Decimal")
        if len(self.currency) != 3 or not self.currency.isupper():
            raise InvalidInput(f"{self.currency!r} is no currency code", field="currency")

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} can't be put together without a rate")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(self.amount * factor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"

    def rounded(self) -> Money:
        """Return the amount rounded to cents."""
        return Money(cents(self.amount), self.currency)


def zero(currency: str) -> Money:
    """Return nothing, in a currency."""
    return Money(ZERO, currency)
