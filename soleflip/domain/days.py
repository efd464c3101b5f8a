"""Which days there can be: slips of a hand or a program are told, before anything is reckoned with them."""

from __future__ import annotations

from datetime import date, timedelta

from soleflip.domain.errors import InvalidInput

EARLIEST = date(2000, 1, 1)
"""Nothing that is sold here was bought, sold or charged before."""
AHEAD = timedelta(days=3)
"""How far ahead of our clock a day that is over may be: clocks, time zones and dates of documents differ."""
COMING = timedelta(days=2 * 366)
"""How far ahead anything is announced: a delivery, figures of StockX."""


def check_past(day: date | None, today: date, field: str) -> None:
    """Raise InvalidInput for a day on which nothing can have happened yet, or any more."""
    _check(day, today + AHEAD, field, f"that is after today, {today}")


def check_coming(day: date | None, today: date, field: str) -> None:
    """Raise InvalidInput for a day for which nothing can be meant to hold or to come."""
    _check(day, today + COMING, field, f"that is more than two years after today, {today}")


def _check(day: date | None, latest: date, field: str, too_late: str) -> None:
    if day is None or EARLIEST <= day <= latest:
        return
    reason = too_late if day > latest else f"the earliest day is {EARLIEST}"
    raise InvalidInput(f"{day} can't be right: {reason}.", field=field)
