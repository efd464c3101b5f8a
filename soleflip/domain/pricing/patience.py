"""The patient strategy: the ask of each day that is left, worked out backwards from the last one.

1. What nobody bought within its time goes for a share of the level: that is what the last evening is worth.
2. On the day before, an ask brings its payout with the chance of a buyer, else the next day less what a day costs; the
   best ask makes the worth of that day. So on, back to today.
3. A higher worth of tomorrow carries a higher ask today: the search of each day begins where the last one ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from soleflip.domain.fees import unrounded_payout
from soleflip.domain.money import whole_down
from soleflip.domain.pricing.demand import FITTED, Demand, Fit, days_to_wait
from soleflip.domain.pricing.earning import (
    HUNDRED,
    Choice,
    EarningSettings,
    Look,
    buyers_at,
    propose,
    search_range,
    steps,
)
from soleflip.domain.pricing.facts import PricingInput, Proposal
from soleflip.domain.pricing.settings import setting

COUNTED_ON = Decimal("0.8")
"""Of the expected buyers so many are counted on: who still waits has met fewer than expected."""
STEPS = 24
"""Steps of the search from the level to its end on either side."""


@dataclass(frozen=True, slots=True)
class PatientSettings(EarningSettings):
    """Cheap time, and when it is over."""

    day_value: Decimal = setting(
        Decimal("0.15"),
        "A day is worth",
        "percent",
        note="of the price: how far prices usually fall",
        lowest=0,
        highest=20,
    )
    sell_within: int = setting(
        45, "Sell within", "days", note="of being listed; asks come down towards it", lowest=1, highest=365
    )
    left_over: Decimal = setting(
        Decimal(85), "What is left over brings", "percent", note="of what sales lie around", lowest=1, highest=100
    )


def patient(settings: PatientSettings, given: PricingInput, fit: Fit = FITTED) -> Proposal:
    """Propose the ask that is expected to bring most per pair, with the days that are left to sell it."""

    def looking(demand: Demand, daily: Decimal, _: EarningSettings, given: PricingInput) -> Look:
        return _by_days(demand, daily, settings, given)

    return propose(settings, given, fit, looking)


def _by_days(demand: Demand, daily: Decimal, settings: PatientSettings, given: PricingInput) -> Look:
    """Look at today's asks, knowing what an unsold pair is worth tomorrow."""
    tomorrow = _worth_of_tomorrow(demand, daily, settings, given)

    def look(ask: Decimal) -> Choice:
        chance, days = _chance(ask, demand, settings, given)
        return Choice(ask, days, chance * unrounded_payout(ask, given.fees) + (1 - chance) * tomorrow)

    return look


def _chance(ask: Decimal, demand: Demand, settings: PatientSettings, given: PricingInput) -> tuple[Decimal, Decimal]:
    """Return the chance that a day has a buyer at an ask, and the days until one has."""
    days = days_to_wait(COUNTED_ON * buyers_at(ask, demand, settings, given))
    return 1 / (1 + days), days


def _worth_of_tomorrow(demand: Demand, daily: Decimal, settings: PatientSettings, given: PricingInput) -> Decimal:
    """Return what a pair that is unsold this evening is worth, less what the day costs."""
    lowest, highest = search_range(demand, settings, given)
    asks = list(steps(lowest, highest, max(whole_down((highest - demand.level) / STEPS), Decimal(1))))
    known: dict[int, tuple[Decimal, Decimal]] = {}

    def worth(place: int, tomorrow: Decimal) -> Decimal:
        if place not in known:
            chance, _ = _chance(asks[place], demand, settings, given)
            known[place] = chance, chance * unrounded_payout(asks[place], given.fees)
        chance, paid = known[place]
        return paid + (1 - chance) * tomorrow

    def climb(place: int, tomorrow: Decimal) -> tuple[Decimal, int]:
        best = worth(place, tomorrow)
        for step in (1, -1):
            while 0 <= place + step < len(asks) and (beside := worth(place + step, tomorrow)) > best:
                best, place = beside, place + step
        return best, place

    # Right below the lowest rival is a second summit: behind him buyers are fewer.
    below = [place for place, ask in enumerate(asks) if given.rival_lowest is not None and ask < given.rival_lowest]
    place = 0
    tomorrow = unrounded_payout(demand.level * settings.left_over / HUNDRED, given.fees) - daily
    for _ in range(_days_left(settings, given) - 1):
        best, place = max(climb(start, tomorrow) for start in {place, *below[-1:]})
        tomorrow = best - daily
    return tomorrow


def _days_left(settings: PatientSettings, given: PricingInput) -> int:
    """Return the days of selling that are left, today included; the last one repeats itself."""
    age = (given.now.date() - given.listed_at.date()).days if given.listed_at else 0
    return max(settings.sell_within - max(age, 0), 1)
