"""Guard rails that no ask could keep together, or of which one would switch the other off unseen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule
from soleflip.domain.pricing.guards import GuardSettings, floor
from soleflip.domain.pricing.settings import describe

LABELS = {each.name: each.label for each in describe(GuardSettings)}
FLOORS = ("min_profit", "min_roi", "min_margin", "min_ask")


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two guard rails by name, and why they can't both act."""

    first: str
    second: str
    why: str


def contradictions(
    guards: GuardSettings, cost: Decimal | None = None, fees: FeeSchedule | None = None
) -> Iterator[Contradiction]:
    """Yield what contradicts in rails that act together; with a cost, its floor against the ceiling too."""
    if guards.ceiling is not None and guards.min_ask is not None and guards.min_ask > guards.ceiling:
        yield Contradiction("min_ask", "ceiling", "no ask could keep both")
    elif guards.ceiling is not None and cost is not None and fees is not None:
        least = floor(cost, fees, guards)
        if least > guards.ceiling:
            yield Contradiction(_acting_floor(guards, cost, fees), "ceiling", f"the floor of this pair is {least}")
    for name in ("largest_step", "largest_fall_per_day"):
        limit = getattr(guards, name)
        if limit is not None and limit < guards.smallest_change:
            yield Contradiction(name, "smallest_change", "no change could ever be sent")
    if (guards.sleep_from is None) != (guards.sleep_until is None):
        yield Contradiction("sleep_from", "sleep_until", "one without the other never sleeps")
    elif guards.sleep_from is not None and guards.sleep_from == guards.sleep_until:
        yield Contradiction("sleep_from", "sleep_until", "the same hour for both never sleeps")


def check_rails(
    guards: GuardSettings,
    layers: Mapping[str, str],
    touched: str,
    cost: Decimal | None = None,
    fees: FeeSchedule | None = None,
) -> None:
    """Raise InvalidInput, naming both rails and whose word they are, where a rail of the touched layer contradicts."""
    for found in contradictions(guards, cost, fees):
        pair = (found.first, found.second)
        mine = [name for name in pair if layers[name] == touched]
        if mine:
            first, second = (f"{LABELS[name]} ({_value(guards, name)}, by {layers[name]})" for name in pair)
            raise InvalidInput(f"{first} and {second} contradict: {found.why}.", field=mine[0])


def _value(guards: GuardSettings, name: str) -> str:
    value = getattr(guards, name)
    return "off" if value is None else str(value)


def _acting_floor(guards: GuardSettings, cost: Decimal, fees: FeeSchedule) -> str:
    """Return the rail that makes the floor as high as it is."""
    alone = GuardSettings(min_profit=None)
    return max(
        FLOORS,
        key=lambda name: floor(cost, fees, replace(alone, **{name: getattr(guards, name)})),
    )
