"""What results say and how surely: estimates with their 95 % interval, and lots that deal listings to strategies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO

ENOUGH = 20
"""Fewer sales than this say too little to be compared."""
NORMAL = Decimal("1.96")
SMALL_SAMPLE = Decimal("2.4")
"""Widens the interval of few values as Student's t does: 2.09 for 20 values, 2.23 for 11."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or a share with its 95 % interval; `error` is its standard error, in the value's unit."""

    count: int
    value: Decimal
    error: Decimal
    low: Decimal
    high: Decimal


def mean(count: int, average: Decimal, deviation: Decimal | None) -> Estimate | None:
    """Return the estimate of a mean from a sample's size, mean and standard deviation; None for fewer than two."""
    if count < 2 or deviation is None:
        return None
    error = deviation / Decimal(count).sqrt()
    reach = (NORMAL + SMALL_SAMPLE / (count - 1)) * error
    return Estimate(count, average, error, average - reach, average + reach)


def share(hits: int, count: int) -> Estimate | None:
    """Return the estimate of a share in percent (Wilson's interval, right near 0 and 100 too); None without any."""
    if not count:
        return None
    part, square = Decimal(hits) / count, NORMAL**2
    middle = (part + square / (2 * count)) / (1 + square / count)
    reach = NORMAL / (1 + square / count) * (part * (1 - part) / count + square / (4 * count**2)).sqrt()
    error = (part * (1 - part) / count).sqrt()
    percents = (part, error, max(middle - reach, ZERO), min(middle + reach, Decimal(1)))
    return Estimate(count, *(each * 100 for each in percents))


def difference(one: Estimate | None, other: Estimate | None) -> Estimate | None:
    """Return by how much one mean lies above another, of samples that have nothing to do with each other."""
    if one is None or other is None:
        return None
    count = min(one.count, other.count)
    error = (one.error**2 + other.error**2).sqrt()
    reach = (NORMAL + SMALL_SAMPLE / (count - 1)) * error
    value = one.value - other.value
    return Estimate(count, value, error, value - reach, value + reach)


def verdict(found: Estimate | None, sales: int) -> str:
    """Say what a difference shows: 'better', 'worse', 'no difference shown', or 'not enough data yet'.

    `sales` is the smaller number of sales of the two that are compared.
    """
    if found is None or sales < ENOUGH:
        return "not enough data yet"
    if found.low > 0:
        return "better"
    return "worse" if found.high < 0 else "no difference shown"


def check_shares(shares: Mapping[str, int]) -> None:
    """Raise InvalidInput unless at least two strategies share 100 percent, each with at least 1."""
    if len(shares) < 2 or any(each < 1 for each in shares.values()):
        raise InvalidInput("An experiment compares at least two strategies, each with a share.", field="shares")
    if sum(shares.values()) != 100:
        raise InvalidInput(f"The shares add up to {sum(shares.values())} %, not to 100 %.", field="shares")


def draw(shares: Mapping[str, int], seed: str, key: str) -> str:
    """Return the strategy that the lot gives a listing: the same for the same seed and key, in the chosen shares."""
    digest = hashlib.sha256(f"{seed}|{key}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") % 100
    for name in sorted(shares):
        place -= shares[name]
        if place < 0:
            return name
    raise InvalidInput("The shares must add up to 100 %.", field="shares")
