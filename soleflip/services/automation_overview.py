"""What the Automation page shows: the stop switch, what stands still because of it, and the timetable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import Decision, ListingChange, Run, StockxListing, StopSwitch
from soleflip.services import runs, stop
from soleflip.services.timetable import TIMETABLE, Entry


@dataclass(frozen=True, slots=True)
class TimetableLine:
    """One line of the timetable with its last run and when the next is due; times are real ones."""

    entry: Entry
    every: timedelta
    last: Run | None

    @property
    def is_open(self) -> bool:
        """Whether a run of this kind is queued or running."""
        return self.last is not None and self.last.state in runs.OPEN_STATES

    @property
    def due_at(self) -> datetime | None:
        """When the next run is due, None when it never ran."""
        return self.last.created_at + self.every if self.last else None


@dataclass(frozen=True, slots=True)
class AutomationView:
    """The switch, the runs that were halted half-way, the timetable, and the last decisions of rules."""

    switch: StopSwitch | None
    halted: Sequence[Run]
    waiting: int
    lines: Sequence[TimetableLine]
    decisions: Sequence[Decision]

    @property
    def is_stopped(self) -> bool:
        """Whether writes to StockX are halted."""
        return self.switch is not None and self.switch.is_stopped


def view(session: Session, *, sandbox: bool) -> AutomationView:
    """Return what the Automation page shows; in the sandbox the timetable's intervals are its own."""
    newest = select(func.max(Run.created_at).label("at"), Run.kind).group_by(Run.kind).subquery()
    last = {
        run.kind: run
        for run in session.scalars(
            select(Run).join(newest, (newest.c.kind == Run.kind) & (newest.c.at == Run.created_at))
        )
    }
    lines = [
        TimetableLine(
            entry, timedelta(seconds=entry.every_in_sandbox if sandbox else entry.every), last.get(entry.kind)
        )
        for entry in TIMETABLE
    ]
    decisions = select(Decision).options(joinedload(Decision.rule)).order_by(Decision.created_at.desc()).limit(20)
    return AutomationView(
        switch=stop.switch(session),
        halted=halted(session),
        waiting=_waiting(session),
        lines=lines,
        decisions=session.scalars(decisions).all(),
    )


def halted(session: Session) -> Sequence[Run]:
    """Return the failed runs of which something is left to send: listings not put up, changes not made."""
    listings = select(StockxListing.run_id).where(StockxListing.status.in_(("pending", "submitting")))
    changes = select(ListingChange.run_id).where(ListingChange.state.in_(("waiting", "sending")))
    left = or_(Run.id.in_(listings), Run.id.in_(changes))
    return session.scalars(select(Run).where(Run.state == "failed", left).order_by(Run.created_at)).all()


def resume(session: Session, *, go_on: bool, actor: str, now: datetime) -> Sequence[Run]:
    """Let writes go on; with `go_on` the halted runs are queued again. Returns the runs to wake."""
    stop.resume(session, actor=actor, now=now)
    if not go_on:
        return ()
    return [runs.reopen(session, run.id) for run in halted(session)]


def _waiting(session: Session) -> int:
    """Return how many listings and changes wait to be sent, whatever their run."""
    listings = select(func.count()).select_from(StockxListing).where(StockxListing.status == "pending")
    changes = select(func.count()).select_from(ListingChange).where(ListingChange.state == "waiting")
    pending, waiting = session.execute(select(listings.scalar_subquery(), changes.scalar_subquery())).one()
    return int(pending) + int(waiting)
