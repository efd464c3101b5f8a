"""Sandbox time: integer milliseconds since 1970 (UTC) that run `speed` times as fast as real time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR


class Clock:
    """A clock that can be frozen, stepped, set and sped up; it never runs backwards."""

    def __init__(self, at: int, speed: float, frozen: bool = False) -> None:
        self.speed = speed
        self.frozen = frozen
        self._base = at
        self._mark = time.monotonic()

    def now(self) -> int:
        """Sandbox time in milliseconds."""
        if self.frozen:
            return self._base
        return self._base + int((time.monotonic() - self._mark) * SECOND * self.speed)

    def jump(self, at: int) -> None:
        """Go on from `at`, at the same speed."""
        self._base = at
        self._mark = time.monotonic()

    def freeze(self, frozen: bool) -> None:
        """Stop the clock, or let it run on from where it stands."""
        self.jump(self.now())
        self.frozen = frozen

    def run_at(self, speed: float) -> None:
        """Change the speed from now on."""
        self.jump(self.now())
        self.speed = speed


def real_now() -> int:
    """The real time in milliseconds, the birth time of a new world."""
    return time.time_ns() // 1_000_000


def iso(at: int) -> str:
    """`at` as StockX writes times: ISO 8601, UTC, milliseconds, Z."""
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % SECOND:03d}Z"


def iso_or_none(at: int | None) -> str | None:
    """`iso`, or None for no time."""
    return None if at is None else iso(at)


def parse_iso(text: str) -> int:
    """Milliseconds of an ISO date or time, read as UTC when it names no zone; ValueError when it is neither."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp()) * SECOND + moment.microsecond // 1000
    except OverflowError as error:
        raise ValueError(f"{text} lies outside of the calendar") from error


def end_of_day(at: int) -> int:
    """The last second of the UTC day of `at`."""
    return at - at % DAY + DAY - SECOND
