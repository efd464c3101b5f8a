"""Guard rails: what no strategy may do, whatever it proposes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule, estimate_payout
from soleflip.domain.money import ZERO, whole_down, whole_up
from soleflip.domain.pricing.facts import PricingInput
from soleflip.domain.pricing.settings import setting

HUNDRED = Decimal(100)
CLOCKS_APART = timedelta(minutes=5)
"""A time further ahead than this is left over from a clock that jumped."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Limits of every strategy; percents are written as 12.5, amounts are in the listing's currency."""

    min_profit: Decimal | None = setting(ZERO, "Least profit", "amount", note="per pair, after fees", lowest=0)
    min_roi: Decimal | None = setting(None, "Least ROI", "percent", note="profit of cost", lowest=0)
    min_margin: Decimal | None = setting(
        None, "Least margin", "percent", note="profit of sale price", lowest=0, highest=80
    )
    min_ask: Decimal | None = setting(
        None, "Never below", "amount", note="whatever the cost; the highest floor acts", lowest=1
    )
    ceiling: Decimal | None = setting(None, "Never above", "amount", lowest=1)
    largest_step: Decimal | None = setting(None, "Largest step", "amount", note="up or down", lowest=1)
    largest_step_percent: Decimal | None = setting(
        Decimal(20), "Largest step", "percent", note="of the ask, up or down; the smaller limit acts", lowest=0
    )
    above_rival_percent: Decimal | None = setting(
        Decimal(5),
        "Raise above a rival at most",
        "percent",
        note="of the lowest rival ask; after a price war too, where 0 tries no raise",
        lowest=0,
        highest=100,
    )
    largest_fall_per_day: Decimal | None = setting(None, "Largest fall per day", "amount", lowest=1)
    largest_fall_per_day_percent: Decimal | None = setting(
        Decimal(30), "Largest fall per day", "percent", note="of the day's first ask", lowest=0, highest=100
    )
    smallest_change: Decimal = setting(
        Decimal(1), "Smallest change", "amount", note="less is not worth a request", lowest=1
    )
    cool_down_minutes: int = setting(15, "Cool-down", "minutes", note="after a change, before the next", lowest=0)
    min_age_minutes: int = setting(0, "Leave new listings alone", "minutes", lowest=0)
    max_age_minutes: int = setting(60, "Oldest quote", "minutes", note="an older quote changes nothing", lowest=1)
    sleep_from: int | None = setting(None, "Sleep from", "hour", note="local time", lowest=0, highest=23)
    sleep_until: int | None = setting(None, "Sleep until", "hour", note="local time", lowest=0, highest=23)
    when_rivals_below_floor: str = setting(
        "hold", "When rivals are below the floor", "choice", choices=("hold", "floor", "ceiling")
    )
    when_no_rivals: str = setting("hold", "When there are no rivals", "choice", choices=("hold", "floor", "ceiling"))
    when_above_ceiling: str = setting(
        "ceiling", "When all are above the ceiling", "choice", choices=("ceiling", "hold")
    )
    war_cuts: int = setting(3, "Price war after", "count", note="cuts answered by a rival; 0 turns this off", lowest=0)
    war_hours: int = setting(24, "Price war within", "hours", note="how far back cuts count", lowest=1)
    war_pause_hours: int = setting(12, "Price war pause", "hours", note="quiet before a raise is tried", lowest=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """An ask after one guard looked at it; `guard` is None when nothing stood in the way."""

    ask: Decimal
    guard: str | None = None
    reason: str = ""


def floor(cost: Decimal, fees: FeeSchedule, guards: GuardSettings) -> Decimal:
    """Return the lowest ask, in whole units rounded up, that earns the least profit, ROI and margin on `cost`.

    The highest of the set floors acts; with none set the pair still earns back its cost. Raises
    InvalidInput when fees and margin leave nothing of the price.
    """
    profit = max(guards.min_profit or ZERO, cost * (guards.min_roi or ZERO) / HUNDRED)
    target = cost + profit
    margin = (guards.min_margin or ZERO) / HUNDRED
    ask = max(_ask_for(target, ZERO, fees), _ask_for(cost, margin, fees), Decimal(1))
    return max(ask, whole_up(guards.min_ask)) if guards.min_ask is not None else ask


def _ask_for(target: Decimal, margin: Decimal, fees: FeeSchedule) -> Decimal:
    """Return the smallest whole ask whose payout less `margin` of itself is at least `target`."""
    kept = 1 - fees.rate - margin
    if kept <= ZERO:
        raise InvalidInput("Fees and the least margin together leave nothing of the price.", field="min_margin")
    by_rate = (target + fees.shipping) / kept
    by_minimum = (target + fees.shipping + fees.minimum_fee) / (1 - fees.processing_rate - margin)
    ask = max(whole_up(max(by_rate, by_minimum)), Decimal(1))
    while estimate_payout(ask, fees).payout - margin * ask < target:
        ask += 1
    return ask


def floor_of(given: PricingInput, guards: GuardSettings) -> Decimal | None:
    """Return the floor of a listing, or None when neither its cost nor a lowest ask is known."""
    if given.cost is not None:
        return floor(given.cost, given.fees, guards)
    return None if guards.min_ask is None else whole_up(guards.min_ask)


def timing_guard(given: PricingInput, guards: GuardSettings) -> tuple[str, str] | None:
    """Return guard and sentence when the clock says to leave a live ask alone."""
    if given.ask is None:
        return None
    if _asleep(given.local_hour, guards):
        return "sleep", f"Asleep from {guards.sleep_from}:00 to {guards.sleep_until}:00."
    if given.listed_at and given.now - given.listed_at < timedelta(minutes=guards.min_age_minutes):
        return "min_age", f"Listed less than {guards.min_age_minutes} minutes ago."
    # A change in the future is left over from a clock that jumped; it must not stop us until the clock is there.
    cooling = given.now - given.last_change_at if given.last_change_at else None
    if cooling is not None and timedelta(0) <= cooling < timedelta(minutes=guards.cool_down_minutes):
        return "cool_down", f"Changed less than {guards.cool_down_minutes} minutes ago."
    return None


def _asleep(hour: int | None, guards: GuardSettings) -> bool:
    start, end = guards.sleep_from, guards.sleep_until
    if hour is None or start is None or end is None or start == end:
        return False
    return start <= hour < end if start < end else hour >= start or hour < end


def quote_guard(given: PricingInput, guards: GuardSettings, *, needed: bool) -> tuple[str, str] | None:
    """Return guard and sentence when the quote is missing, too old, or older than our own last change."""
    quote = given.quote
    if quote is None:
        return ("no_quote", "There is no quote of this size to decide by.") if needed else None
    if quote.at > given.now + CLOCKS_APART:
        return "stale_quote", "The quote carries a time in the future."
    if given.now - quote.at > timedelta(minutes=guards.max_age_minutes):
        return "stale_quote", f"The quote is older than {guards.max_age_minutes} minutes."
    moved = max((at for at in (given.last_change_at, given.own_changed_at) if at and at <= given.now), default=None)
    if moved is not None and quote.at <= moved:
        return "stale_quote", "The quote is older than our own last change and may still show our old ask."
    return None


def within_ceiling(ask: Decimal, floor_ask: Decimal, guards: GuardSettings) -> Limit:
    """Hold an ask under the ceiling; a floor above the ceiling wins, since it is what protects the cost."""
    if guards.ceiling is None or ask <= guards.ceiling:
        return Limit(ask)
    limit = max(whole_down(guards.ceiling), floor_ask)
    return Limit(limit, "ceiling", f"held at the ceiling of {limit}") if limit < ask else Limit(ask)


def within_rivals(ask: Decimal, old: Decimal | None, rival: Decimal | None, guards: GuardSettings) -> Limit:
    """Hold a raise from `old` near the lowest rival: nobody pays far more than what the next seller asks."""
    if old is None or rival is None or ask <= old or guards.above_rival_percent is None:
        return Limit(ask)
    limit = max(whole_down(rival * (1 + guards.above_rival_percent / HUNDRED)), old)
    return (
        Limit(limit, "above_rival", f"not raised far above the lowest rival ask of {rival}")
        if limit < ask
        else Limit(ask)
    )


def within_step(ask: Decimal, old: Decimal, guards: GuardSettings) -> Limit:
    """Hold a change within the largest step from `old`, in whole units."""
    steps = [] if guards.largest_step is None else [guards.largest_step]
    if guards.largest_step_percent is not None:
        steps.append(old * guards.largest_step_percent / HUNDRED)
    if not steps or abs(ask - old) <= min(steps):
        return Limit(ask)
    step = min(steps)
    limit = whole_down(old + step) if ask > old else max(whole_up(old - step), Decimal(1))
    return Limit(limit, "largest_step", f"one step of at most {step.normalize():f} at a time")


def within_fall(ask: Decimal, given: PricingInput, guards: GuardSettings) -> Limit:
    """Hold a cut within what may still fall today."""
    old = given.ask
    if old is None or ask >= old:
        return Limit(ask)
    falls = [] if guards.largest_fall_per_day is None else [guards.largest_fall_per_day]
    if guards.largest_fall_per_day_percent is not None:
        falls.append((old + given.falls_today) * guards.largest_fall_per_day_percent / HUNDRED)
    if not falls:
        return Limit(ask)
    left = max(min(falls) - given.falls_today, ZERO)
    lowest = whole_up(old - left)
    if ask >= lowest:
        return Limit(ask)
    return Limit(min(lowest, old), "day_fall", "no further fall today")
