"""Which backups a plan keeps: the newest of each of the last days, weeks and months."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True, slots=True)
class KeepingPlan:
    """How many days, weeks and months have a backup each; days end in the operator's time zone."""

    daily: int
    weekly: int
    monthly: int


def kept(made: Iterable[datetime], plan: KeepingPlan, zone: tzinfo) -> frozenset[datetime]:
    """Return the times (UTC) of the backups to keep; the newest of all is always among them."""
    newest_first = sorted(made, reverse=True)
    spans: tuple[tuple[Callable[[datetime], tuple[int, ...]], int], ...] = (
        (lambda moment: (moment.year, moment.month, moment.day), plan.daily),
        (lambda moment: tuple(moment.isocalendar()[:2]), plan.weekly),
        (lambda moment: (moment.year, moment.month), plan.monthly),
    )
    keep = set(newest_first[:1])
    for span_of, count in spans:
        newest: dict[tuple[int, ...], datetime] = {}
        for moment in newest_first:
            newest.setdefault(span_of(moment.astimezone(zone)), moment)
        keep.update(list(newest.values())[:count])
    return frozenset(keep)
