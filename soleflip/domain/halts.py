"""When writes to StockX halt by themselves: many fail, prices fall all at once, quotes are old, limits are broken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import HUNDRED
from soleflip.domain.words import count_of


@dataclass(frozen=True, slots=True)
class HaltSettings:
    """What halts every write: shares and falls in percent, ages in hours. A count or an age of 0 asks nothing.

    `error_share` of the last `error_count` writes failed; `fall_share` of at least `fall_rows` prices fall by more
    than `fall_percent`; no quote is younger than `stale_hours`; StockX answered 429 `limited_count` times in a day.
    """

    error_share: Decimal = Decimal(50)
    error_count: int = 20
    fall_percent: Decimal = Decimal(50)
    fall_share: Decimal = Decimal(50)
    fall_rows: int = 10
    stale_hours: int = 24
    limited_count: int = 50

    def __post_init__(self) -> None:
        for name in ("error_share", "fall_percent", "fall_share"):
            if not 0 < getattr(self, name) <= HUNDRED:
                raise InvalidInput("A share lies above 0 and up to 100 %.", field=name)


@dataclass(frozen=True, slots=True)
class Fall:
    """What a run or a feed does to prices: how many it has, how many fall by more than the limit, the largest fall."""

    rows: int
    fallen: int
    largest: Decimal


def fall_of(prices: Iterable[tuple[Decimal, Decimal]], limits: HaltSettings) -> Fall:
    """Count what falls among pairs of the price of before and of after, each pair in one currency; falls in percent."""
    falls = [(before - after) / before * HUNDRED for before, after in prices if before > 0]
    return Fall(len(falls), sum(fall > limits.fall_percent for fall in falls), max(falls, default=Decimal(0)))


def of_fall(what: str, fall: Fall, limits: HaltSettings) -> str | None:
    """Say why a fall of prices halts everything, or None; `what` is the plural of what falls."""
    if not limits.fall_rows or fall.rows < limits.fall_rows or fall.fallen * HUNDRED <= fall.rows * limits.fall_share:
        return None
    return (
        f"{fall.fallen} of {fall.rows} {what} fall by more than {limits.fall_percent:f} %, "
        f"the largest by {fall.largest:.0f} %"
    )


def of_errors(failed: int, writes: int, limits: HaltSettings) -> str | None:
    """Say why failed writes among the last ones halt everything, or None."""
    if not limits.error_count or writes < limits.error_count or failed * HUNDRED <= writes * limits.error_share:
        return None
    return f"{failed} of the last {writes} writes to StockX failed, more than {limits.error_share:f} %"


def of_quotes(newest: datetime | None, asks: int, now: datetime, limits: HaltSettings) -> str | None:
    """Say why the age of the newest quote of anything live halts everything, or None."""
    if not limits.stale_hours or newest is None or now - newest <= timedelta(hours=limits.stale_hours):
        return None
    hours = (now - newest) // timedelta(hours=1)
    return f"no quote of the {asks} live asks is younger than {hours} h, the limit is {limits.stale_hours} h"


def of_limited(answers: int, limits: HaltSettings) -> str | None:
    """Say why StockX's refusals for too many requests halt everything, or None."""
    if not limits.limited_count or answers < limits.limited_count:
        return None
    refused = count_of(answers, "request")
    return f"StockX refused {refused} of this day for coming too fast, the limit is {limits.limited_count}"


def of_spending(spent: Decimal, limit: Decimal, currency: str) -> str | None:
    """Say why what rules committed today halts everything, or None; amounts in `currency`."""
    if spent <= limit:
        return None
    return f"rules of automation committed {spent:f} {currency} today, the limit is {limit:f} {currency}"
