"""The request limits, on sandbox time: so many a second, so many a day, so many batch items in five minutes."""

from __future__ import annotations

import math

from .clock import DAY, SECOND, end_of_day
from .errors import ApiError
from .world import World


class TooMany(ApiError):
    """A request over a limit; `wait` is in real seconds."""

    def __init__(self, message: str, wait: int) -> None:
        super().__init__(429, message)
        self.wait = wait


def spend_request(world: World, at: int) -> None:
    """Count a request that arrived at `at`, or refuse it."""
    settings, due = world.settings, at
    _turn_day(world, at)
    if settings.limits and (settings.rate_when_frozen or not world.clock.frozen):
        # What came early by jitter is owed, so that over a few requests the rate still holds.
        due = max(at, world.rate_due)
        if due - at > _jitter(world):
            raise TooMany("Too many requests, at most one a second", _real(world, due - at))
        if world.day_requests >= settings.daily_requests:
            wait = _real(world, end_of_day(at) + SECOND - at)
            raise TooMany("The quota of the day is used up, it is reset at 00:00 UTC", wait)
    world.rate_due = due + int(settings.rate_seconds * SECOND)
    world.day_requests += 1


def _jitter(world: World) -> int:
    """Noise of the machine in sandbox milliseconds: a fast clock magnifies it, at the speed of life there is none."""
    return 0 if world.clock.frozen else int(world.settings.rate_jitter_ms * max(0.0, world.clock.speed - 1))


def requests_today(world: World) -> int:
    """How many requests of this UTC day of sandbox time have counted."""
    _turn_day(world, world.at)
    return world.day_requests


def _turn_day(world: World, at: int) -> None:
    midnight = at - at % DAY
    if world.day != midnight:
        world.day = midnight
        world.day_requests = world.store.counted_since(midnight)


def spend_batch_items(world: World, count: int) -> None:
    """Count the items of a batch, or refuse it."""
    settings = world.settings
    if not settings.limits:
        return
    since = world.at - int(settings.batch_window_seconds * SECOND)
    spent = [(batch.created, len(batch.items)) for batch in world.batches.values()]
    recent = sorted(entry for entry in spent if entry[0] > since)
    if sum(items for _, items in recent) + count > settings.batch_window_items:
        oldest = recent[0][0] if recent else world.at
        raise TooMany(
            f"At most {settings.batch_window_items} batch items in {settings.batch_window_seconds:g} seconds",
            _real(world, oldest - since),
        )
    midnight = world.at - world.at % DAY
    if sum(items for at, items in spent if at >= midnight) + count > settings.batch_daily_items:
        raise TooMany("The batch items of the day are used up", _real(world, end_of_day(world.at) + SECOND - world.at))


def _real(world: World, wait: int) -> int:
    """Sandbox milliseconds as whole real seconds, at least one."""
    return max(1, math.ceil(wait / SECOND / world.clock.speed))
