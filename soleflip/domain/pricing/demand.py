"""What past sales say about the next buyer: around which price, how spread, how often.

The constants in `Fit` come from real sales, fitted on some products and judged on others (docs/pricing.md);
they are fractions and days, so they hold in any currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from soleflip.domain.money import ZERO
from soleflip.domain.pricing.sales import OtherSizes, PastSale

RECENT = 14
"""Sales that tell the level."""
RECENT_FOR_RATE = 80
"""Sales that tell how often one happens."""
OLDEST = Decimal(40)
"""Days after which a last sale adds no more doubt."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted; the bench fits these on some products and judges them on others."""

    rank_fade: Decimal = Decimal("0.9")
    """Weight of a sale against the next newer one."""
    level_half_life: int = 40
    """Days after which a sale says half as much about the level."""
    rank_fade_alone: Decimal = Decimal("0.6")
    level_half_life_alone: int = 20
    """The same two while no other size tells how the market moved: then only the newest sales do."""
    rate_half_life: int = 12
    """Days after which a day says half as much about how often a sale happens."""
    rate_belief: Decimal = Decimal("0.8")
    rate_belief_days: Decimal = Decimal(3)
    """Before anything is seen: as if three days had brought 0.8 sales each."""
    spread_belief: Decimal = Decimal("0.04")
    spread_belief_weight: Decimal = Decimal("0.3")
    """Before anything is seen: sales lie 4 % around their level, as heavy as 0.3 of all sales."""
    spread_scale: Decimal = Decimal("0.9")
    """The spread of the logistic curve for a mean distance of 1."""
    spread_of_age: Decimal = Decimal("0.02")
    """Spread added when the last sale is 40 days old."""


FITTED = Fit()

_STEPS = 20
_REACH = 4
_SHARES = tuple(
    1 / (1 + (Decimal("1.7") * place / _STEPS).exp()) for place in range(-_REACH * _STEPS, _REACH * _STEPS + 1)
)
"""The share of sales at or above a price, by its distance from the level in spreads: a logistic curve."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Expected sales of one size: `level` is the price around which they happen, `spread` a fraction of it."""

    level: Decimal
    spread: Decimal
    sales_per_day: Decimal

    def per_day_at(self, ask: Decimal) -> Decimal:
        """Return the expected number of sales a day at or above an ask."""
        place = ((ask / self.level - 1) / self.spread + _REACH) * _STEPS
        if place <= 0:
            return self.sales_per_day * _SHARES[0]
        if place >= 2 * _REACH * _STEPS:
            return self.sales_per_day * _SHARES[-1]
        below = int(place)
        share = _SHARES[below] + (_SHARES[below + 1] - _SHARES[below]) * (place - below)
        return self.sales_per_day * share


def days_to_wait(per_day: Decimal) -> Decimal:
    """Return the expected whole days before a day with a buyer, with so many buyers a day (Poisson)."""
    return 1 / (per_day * (1 + per_day / 2 * (1 + per_day / 3 * (1 + per_day / 4 * (1 + per_day / 5)))))


def expect(history: Sequence[PastSale], others: OtherSizes | None, today: date, fit: Fit = FITTED) -> Demand:
    """Estimate the demand of one size from at least one past sale.

    1. Each recent sale is moved by what the other sizes did since, then weighted by rank and age.
    2. The spread is how far they lie from their mean, leaning on a belief when there are few.
    3. The rate counts sales against days, both fading with age, leaning on a belief too.
    """
    recent = history[-RECENT:][::-1]
    moves = _moves(recent, others, today)
    rank_fade = fit.rank_fade_alone if moves is None else fit.rank_fade
    fade = _fade(fit.level_half_life_alone if moves is None else fit.level_half_life)
    prices, weights, rank = [], [], Decimal(1)
    for sale in recent:
        prices.append(sale.price * (1 + moves[sale.on]) if moves else sale.price)
        weights.append(rank * fade[_age(sale.on, today)])
        rank *= rank_fade
    total = sum(weights, ZERO)
    level = sum((price * weight for price, weight in zip(prices, weights, strict=True)), ZERO) / total
    apart = sum((abs(price - level) * weight for price, weight in zip(prices, weights, strict=True)), ZERO)
    spread = (apart / total / level + fit.spread_belief_weight * fit.spread_belief) / (1 + fit.spread_belief_weight)
    staleness = min(Decimal(_age(recent[0].on, today)), OLDEST) / OLDEST
    spread = fit.spread_scale * spread + fit.spread_of_age * staleness
    return Demand(level, spread, _rate(history, today, fit))


def _moves(recent: Sequence[PastSale], others: OtherSizes | None, today: date) -> dict[date, Decimal] | None:
    days = sorted({sale.on for sale in recent})
    moves = None if others is None else others.changes(days, today)
    return None if moves is None else dict(zip(days, moves, strict=True))


def _rate(history: Sequence[PastSale], today: date, fit: Fit) -> Decimal:
    counted = history[-RECENT_FOR_RATE:]
    fade = _fade(fit.rate_half_life)
    sales = sum((fade[_age(sale.on, today)] for sale in counted), ZERO)
    days = _faded_days(fit.rate_half_life)[_age(counted[0].on, today)]
    return (sales + fit.rate_belief_days * fit.rate_belief) / (days + fit.rate_belief_days)


_LONGEST = 400


def _age(on: date, today: date) -> int:
    return min(max((today - on).days, 0), _LONGEST)


@lru_cache(maxsize=8)
def _fade(half_life: int) -> tuple[Decimal, ...]:
    """Return the weight of something by its age in days."""
    daily = Decimal("0.5") ** (Decimal(1) / half_life)
    return tuple(daily**age for age in range(_LONGEST + 1))


@lru_cache(maxsize=8)
def _faded_days(half_life: int) -> tuple[Decimal, ...]:
    """Return the weight of all days back to an age, yesterday first."""
    fade = _fade(half_life)
    sums = [ZERO]
    for age in range(1, _LONGEST + 1):
        sums.append(sums[-1] + fade[age])
    return tuple(sums)
