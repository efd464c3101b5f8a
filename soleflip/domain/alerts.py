"""Alerts: which kinds there are, and when a channel may bring one to its operator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of alert: urgent ones may pass quiet hours; `again_after` is when the same may be said once more.

    Without it an alert of one key is raised once and never again.
    """

    label: str
    is_urgent: bool = False
    again_after: timedelta | None = None


DAY = timedelta(days=1)

KINDS: dict[str, Kind] = {
    "sale": Kind("New sale"),
    "ship_by": Kind("Ship-by date is near", is_urgent=True),
    "payout_late": Kind("Payout is late", again_after=7 * DAY),
    "opportunity": Kind("New opportunity", again_after=DAY),
    "halt": Kind("Writes to StockX halted", is_urgent=True, again_after=timedelta(minutes=10)),
    "reconnect": Kind("StockX must be connected again", is_urgent=True, again_after=DAY),
    "decision": Kind("A decision waits", again_after=DAY),
    "finding": Kind("The monitor found something", again_after=DAY),
    "failed_run": Kind("A run failed for good", again_after=timedelta(hours=6)),
}

PACES = {"now": "At once", "hourly": "Together, every hour", "daily": "Together, once a day"}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a channel speaks: at once or in digests, and its quiet hours; times of day are the operator's own."""

    pace: str = "now"
    daily_at: time = time(9)
    quiet_from: time | None = None
    quiet_to: time | None = None
    urgent_passes: bool = True


def due(moment: datetime, kind: str, rhythm: Rhythm, zone: ZoneInfo) -> datetime:
    """Return when an alert of a kind may leave: at its digest's time, and never in quiet hours unless it is urgent."""
    if KINDS[kind].is_urgent and rhythm.urgent_passes:
        return moment
    return end_of_quiet(_digest(moment, rhythm, zone), rhythm, zone)


def end_of_quiet(moment: datetime, rhythm: Rhythm, zone: ZoneInfo) -> datetime:
    """Return the moment, or the end of the quiet hours it lies in."""
    begin, end = rhythm.quiet_from, rhythm.quiet_to
    if begin is None or end is None or begin == end:
        return moment
    clock = moment.astimezone(zone).time()
    is_quiet = begin <= clock < end if begin < end else (clock >= begin or clock < end)
    return _next(moment, end, zone) if is_quiet else moment


def _digest(moment: datetime, rhythm: Rhythm, zone: ZoneInfo) -> datetime:
    if rhythm.pace == "hourly":
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if rhythm.pace == "daily":
        return _next(moment, rhythm.daily_at, zone)
    return moment


def _next(moment: datetime, clock: time, zone: ZoneInfo) -> datetime:
    """Return the next moment after this one at which the clocks of a time zone show a time."""
    day = moment.astimezone(zone).date()
    while True:
        found = datetime.combine(day, clock, tzinfo=zone).astimezone(moment.tzinfo)
        if found > moment:
            return found
        day += timedelta(days=1)


ATTEMPTS = 8
_PAUSES = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))


def pause_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many failed attempts of a delivery; None when it is to be given up."""
    return None if attempts >= ATTEMPTS else _PAUSES[min(attempts, len(_PAUSES)) - 1]
