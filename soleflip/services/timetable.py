"""The timetable: what runs by itself, how often and for how long at most; what the operator changed of it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.sql import cast
from sqlalchemy.types import String

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import AuditEntry, Run, TimetableSetting
from soleflip.services import deliveries, runs, settings
from soleflip.services.alerts import DELIVERY
from soleflip.services.runs import NOW, OPEN_STATES
from soleflip.services.settings import PricingSettings

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=31)
ACTOR = "timetable"
TIME_LIMIT = 3600
"""How long one attempt of a run may take where neither the table below nor the operator says otherwise, in seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timetable: a run kind, what it does, its interval and its time limit in real seconds.

    The sandbox has intervals of its own, for its days are short. One `when_needed` begins only if it has something
    to do.
    """

    kind: str
    label: str
    every: int
    every_in_sandbox: int
    time_limit: int = TIME_LIMIT
    when_needed: bool = False


TIMETABLE: tuple[Entry, ...] = (
    Entry("order_sync", "Sync orders: new sales, shipments and payouts", 600, 15),
    Entry("listing_sync", "Compare our listings with StockX", 1800, 120),
    Entry("quotes", "Refresh quotes that have grown old", 1800, 60),
    Entry("searches", "Tell what is new in saved searches", 600, 60),
    Entry("thin_quotes", "Thin out old quotes", 86_400, 3600),
    Entry("reprice", "Reprice live listings", 3600, 90),
    Entry("automate", "Automation: let the rules decide, and carry out what is approved", 300, 30),
    Entry("monitor", "Look at everything live, and say what wants your eye", 600, 30),
    Entry("feed_fetch", "Fetch shops' feeds from addresses and folders", 600, 120),
    Entry("deliver_alerts", "Send alerts that wait for their time", 60, 60, when_needed=True),
    Entry("tidy_exports", "Remove files that were made for download a week ago", 86_400, 3600),
    Entry("backup", "Back up the database", 86_400, 86_400),
)
BY_KIND = {entry.kind: entry for entry in TIMETABLE}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the timetable as it acts now, with its last run; times are real ones."""

    entry: Entry
    every: timedelta
    time_limit: timedelta
    is_enabled: bool
    changed_by: str | None
    last: Run | None

    @property
    def is_open(self) -> bool:
        """Whether a run of this kind is queued or running."""
        return self.last is not None and self.last.state in OPEN_STATES

    @property
    def due_at(self) -> datetime | None:
        """When the next run is due; None when it never ran, or is switched off."""
        return self.last.created_at + self.every if self.last and self.is_enabled else None

    def is_due(self, at: datetime) -> bool:
        """Tell whether a run should be started at a real time."""
        return self.is_enabled and not self.is_open and (self.due_at is None or self.due_at <= at)


def lines(session: Session, *, sandbox: bool) -> list[Line]:
    """Return the timetable as it acts now, each line with its newest run, in two statements."""
    changed = {row.kind: row for row in session.scalars(select(TimetableSetting))}
    last = _newest(session, [entry.kind for entry in TIMETABLE])
    return [_line(entry, changed.get(entry.kind), last.get(entry.kind), sandbox) for entry in TIMETABLE]


def line(session: Session, kind: str, *, sandbox: bool) -> Line:
    """Return one line of the timetable; raises NotFound."""
    entry = BY_KIND.get(kind)
    if entry is None:
        raise NotFound("There is no such line in the timetable.")
    return _line(entry, session.get(TimetableSetting, kind), _newest(session, [kind]).get(kind), sandbox)


def due(session: Session, *, sandbox: bool) -> list[str]:
    """Return the kinds of which a run should be started now, by the database's clock."""
    at = session.scalars(select(NOW)).one()
    found = [line.entry.kind for line in lines(session, sandbox=sandbox) if line.is_due(at)]
    return [kind for kind in found if is_needed(session, kind)]


def change(
    session: Session,
    kind: str,
    *,
    sandbox: bool,
    actor: str,
    every: timedelta | None = None,
    time_limit: timedelta | None = None,
    is_enabled: bool | None = None,
) -> Line:
    """Store what the operator wants of a line; what is None stays as it is. Raises NotFound and InvalidInput.

    The interval is that of the sandbox or of live selling, wherever this is. The scheduler follows from its next look.
    """
    before = line(session, kind, sandbox=sandbox)
    values: dict[str, Any] = {"updated_by": actor}
    if every is not None:
        values["every_in_sandbox" if sandbox else "every"] = _seconds(every, "every")
    if time_limit is not None:
        values["time_limit"] = _seconds(time_limit, "time_limit")
    if is_enabled is not None:
        values["is_enabled"] = is_enabled
    session.execute(
        insert(TimetableSetting)
        .values(kind=kind, **values)
        .on_conflict_do_update(index_elements=["kind"], set_={**values, "updated_at": func.now()})
    )
    session.expire_all()
    return _changed(session, before, sandbox=sandbox, actor=actor)


def reset(session: Session, kind: str, *, sandbox: bool, actor: str) -> Line:
    """Forget what the operator changed of a line; raises NotFound."""
    before = line(session, kind, sandbox=sandbox)
    stored = session.get(TimetableSetting, kind)
    if stored is not None:
        session.delete(stored)
        session.flush()
    return _changed(session, before, sandbox=sandbox, actor=actor)


def time_limits(session: Session) -> dict[str, int]:
    """Return the time limits that are not TIME_LIMIT, in real seconds, by kind of run."""
    stored = session.scalars(select(TimetableSetting))
    return {entry.kind: entry.time_limit for entry in TIMETABLE} | {
        row.kind: row.time_limit for row in stored if row.time_limit is not None
    }


def start_now(session: Session, kind: str, *, sandbox: bool, actor: str) -> Run:
    """Start a run of a line at once; raises NotFound, and Conflict while one is open."""
    if line(session, kind, sandbox=sandbox).is_open:
        raise Conflict("This line runs already; look at it on the Runs page.")
    return runs.start(session, kind, actor=actor, params=params_of(session, kind))


def is_needed(session: Session, kind: str) -> bool:
    """Tell whether a run of this kind would find anything to do; one that can't tell beforehand is needed."""
    return deliveries.is_due(session) if kind == DELIVERY else True


def params_of(session: Session, kind: str) -> dict[str, Any]:
    """Return the params of a run that the timetable starts: repricing only proposes where the operator approves."""
    if kind == "reprice" and settings.load(session, PricingSettings).repricing == "propose":
        return {"approve": True}
    return {}


def _line(entry: Entry, stored: TimetableSetting | None, last: Run | None, sandbox: bool) -> Line:
    every = entry.every_in_sandbox if sandbox else entry.every
    if stored is not None:
        every = (stored.every_in_sandbox if sandbox else stored.every) or every
    limit = (stored and stored.time_limit) or entry.time_limit
    return Line(
        entry=entry,
        every=timedelta(seconds=every),
        time_limit=timedelta(seconds=limit),
        is_enabled=stored.is_enabled if stored else True,
        changed_by=stored.updated_by if stored else None,
        last=last,
    )


def _newest(session: Session, kinds: Sequence[str]) -> dict[str, Run]:
    """Return the newest run of each kind, each found by the index."""
    wanted = select(func.unnest(cast(list(kinds), ARRAY(String))).label("kind")).subquery()
    newest = select(Run.id).where(Run.kind == wanted.c.kind).order_by(Run.created_at.desc()).limit(1)
    ids = select(newest.correlate(wanted).scalar_subquery()).select_from(wanted)
    found = session.scalars(select(Run).where(Run.id.in_(ids)))
    return {run.kind: run for run in found}


def _changed(session: Session, before: Line, *, sandbox: bool, actor: str) -> Line:
    """Write the audit entry of a change and return the line as it acts from now on."""
    after = line(session, before.entry.kind, sandbox=sandbox)
    written = {"before": _written(before), "after": _written(after)}
    session.add(AuditEntry(actor=actor, act="timetable", subject=before.entry.kind, **written))
    session.flush()
    return after


def _seconds(length: timedelta, field: str) -> int:
    if not SHORTEST <= length <= LONGEST:
        raise InvalidInput("Choose between 10 seconds and 31 days; nothing was changed.", field=field)
    return int(length.total_seconds())


def _written(shown: Line) -> dict[str, Any]:
    return {
        "every": int(shown.every.total_seconds()),
        "time_limit": int(shown.time_limit.total_seconds()),
        "is_enabled": shown.is_enabled,
    }
