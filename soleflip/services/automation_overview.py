"""What the Automation page shows: the stop switch, what stands still because of it, and the timetable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import Decision, ListingChange, Run, StockxListing, StopSwitch
from soleflip.services import runs, stop, timetable


@dataclass(frozen=True, slots=True)
class AutomationView:
    """The switch, the runs that were halted half-way, the timetable, and the last decisions of rules."""

    switch: StopSwitch | None
    halted: Sequence[Run]
    waiting: int
    lines: Sequence[timetable.Line]
    decisions: Sequence[Decision]

    @property
    def is_stopped(self) -> bool:
        """Whether writes to StockX are halted."""
        return self.switch is not None and self.switch.is_stopped


def view(session: Session, *, sandbox: bool) -> AutomationView:
    """Return what the Automation page shows; in the sandbox the timetable's intervals are its own."""
    decisions = select(Decision).options(joinedload(Decision.rule)).order_by(Decision.created_at.desc()).limit(20)
    return AutomationView(
        switch=stop.switch(session),
        halted=halted(session),
        waiting=_waiting(session),
        lines=timetable.lines(session, sandbox=sandbox),
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
