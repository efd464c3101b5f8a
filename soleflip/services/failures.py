"""Runs that went wrong: past their time limit, without a worker too often, or failed and not seen by anybody yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Interval, Select, case, literal, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict
from soleflip.domain.words import count_of
from soleflip.models import Run
from soleflip.services import alerts, runs, timetable
from soleflip.services.runs import NOW

GRACE = 20
"""Seconds after its time limit in which a worker may end a run by itself, before it is ended from outside."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A run past its time limit whose worker goes on; `job_id` is what the queue calls it."""

    run_id: UUID
    job_id: str | None


def time_limit(session: Session, kind: str) -> int:
    """Return how many real seconds one attempt of a run of this kind may take."""
    return timetable.time_limits(session).get(kind, timetable.TIME_LIMIT)


def sentence(seconds: int) -> str:
    """Say that a run was ended because it took longer than its time limit."""
    return (
        f"Ended after {seconds // 60} min {seconds % 60} s: it took longer than its time limit. "
        "What was done stays done; what it had sent to StockX is looked up before anything is sent again."
    )


def fail(session: Session, run: Run, why: str, now: datetime) -> None:
    """End a run as failed and raise an alert: for each run that somebody started, for a timetable's line in a while."""
    runs.finish(session, run.id, "failed", message=why, error=why)
    if run.kind in alerts.OWN_KINDS:
        return
    key = f"timetable {run.kind}" if run.actor == timetable.ACTOR else str(run.id)
    title = f"{run.kind.replace('_', ' ').capitalize()} failed"
    alerts.raise_alert(session, "failed_run", key, title, why, f"/runs/{run.id}", now)


def stand_still(session: Session, run: Run, why: str) -> None:
    """End a run that the stop switch halted: the switch has told it, so nobody has to look at the run as well."""
    runs.finish(session, run.id, "failed", message=why, error=why)
    session.execute(update(Run).where(Run.id == run.id).values(seen_at=NOW, seen_by="the stop switch"))


def end_overdue(session: Session, now: datetime) -> list[Overdue]:
    """End runs past their time limit; returns those that somebody still works on, for the edge to stop."""
    limits = timetable.time_limits(session)
    held = []
    for run in session.scalars(_late(limits)).all():
        if runs.is_held(session, run.id):
            held.append(Overdue(run.id, run.job_id))
        else:
            _end_late(session, run, limits, now)
    return held


def end_if_overdue(session: Session, run_id: UUID, now: datetime) -> bool:
    """End a run whose last attempt hung, in place of beginning it again; the caller holds the lease."""
    limits = timetable.time_limits(session)
    run = session.scalar(_late(limits).where(Run.id == run_id))
    if run is not None:
        _end_late(session, run, limits, now)
    return run is not None


def give_up(session: Session, now: datetime) -> None:
    """End runs whose workers died too often."""
    query = select(Run).where(Run.state == "running", Run.attempts >= runs.MAX_RETRIES)
    for run in session.scalars(query).all():
        if not runs.is_held(session, run.id):
            why = f"Its worker died; given up after {count_of(run.attempts, 'attempt')}."
            fail(session, run, why, now)


def mark_seen(session: Session, run_ids: Sequence[UUID] | None, *, actor: str) -> int:
    """Take failed runs off the list of what needs the operator, all of them without ids; raises Conflict for none."""
    seen = update(Run).where(Run.state == "failed", Run.seen_at.is_(None)).values(seen_at=NOW, seen_by=actor)
    if run_ids is not None:
        seen = seen.where(Run.id.in_(run_ids))
    count = len(session.scalars(seen.returning(Run.id)).all())
    if not count:
        raise Conflict("No failed run is left that nobody has seen.")
    return count


def _late(limits: dict[str, int]) -> Select[Run]:
    limit = case(limits, value=Run.kind, else_=timetable.TIME_LIMIT)
    over = Run.attempt_at + (limit + GRACE) * literal(timedelta(seconds=1), Interval)
    return select(Run).where(Run.state == "running", over < NOW)


def _end_late(session: Session, run: Run, limits: dict[str, int], now: datetime) -> None:
    fail(session, run, sentence(limits.get(run.kind, timetable.TIME_LIMIT)), now)
