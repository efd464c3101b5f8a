"""What StockX charges: the only fee arithmetic. Estimates only; what StockX paid is taken verbatim.

Levels, minimum fees and processing rates are facts from FACTS.md section 8 and can be changed in Settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from soleflip.domain.money import ZERO, cents_up, whole_up


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One set of fees in one currency: rates are fractions (0.09 = 9 %), amounts are in `currency`."""

    currency: str
    transaction_rate: Decimal
    minimum_fee: Decimal
    processing_rate: Decimal
    shipping: Decimal

    @property
    def rate(self) -> Decimal:
        """Everything that grows with the price, as a fraction."""
        return self.transaction_rate + self.processing_rate


@dataclass(frozen=True, slots=True)
class Penalty:
    """What StockX charges for a sale that is not completed: `rate` of the price (a fraction), at least `minimum`."""

    rate: Decimal
    minimum: Decimal

    def of(self, price: Decimal) -> Decimal:
        """Return the charge on a sale at `price`, in the price's currency, rounded up to the cent."""
        return max(self.minimum, cents_up(price * self.rate))


@dataclass(frozen=True, slots=True)
class FeeLine:
    """One line of a payout: a fee is negative, a credit positive (FACTS.md section 8)."""

    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PayoutEstimate:
    """What a sale at `price` should pay, all in the schedule's currency."""

    price: Decimal
    currency: str
    lines: tuple[FeeLine, ...]

    @property
    def fees(self) -> Decimal:
        """The sum of the lines: zero or negative unless there is a credit."""
        return sum((line.amount for line in self.lines), ZERO)

    @property
    def payout(self) -> Decimal:
        """Price plus signed lines."""
        return self.price + self.fees


def estimate_payout(price: Decimal, schedule: FeeSchedule) -> PayoutEstimate:
    """Estimate the payout of a sale at `price`; each fee is rounded up, never in the seller's favour."""
    transaction = max(schedule.minimum_fee, cents_up(price * schedule.transaction_rate))
    lines = [
        FeeLine("Transaction fee", -transaction),
        FeeLine("Payment processing", -cents_up(price * schedule.processing_rate)),
    ]
    if schedule.shipping:
        lines.append(FeeLine("Shipping", -schedule.shipping))
    return PayoutEstimate(price, schedule.currency, tuple(lines))


def unrounded_payout(price: Decimal, schedule: FeeSchedule) -> Decimal:
    """Return the payout before its fees are rounded to cents: for statistics and replay, never for the books."""
    transaction = max(schedule.minimum_fee, price * schedule.transaction_rate)
    return price - transaction - price * schedule.processing_rate - schedule.shipping


def ask_for_payout(target: Decimal, schedule: FeeSchedule) -> Decimal:
    """Return the smallest whole-unit ask whose estimated payout is at least `target`."""
    ask = max(whole_up((target + schedule.shipping) / (1 - schedule.rate)), Decimal(1))
    while estimate_payout(ask, schedule).payout < target:
        ask += 1
    while ask > 1 and estimate_payout(ask - 1, schedule).payout >= target:
        ask -= 1
    return ask
