"""Runs: one row per execution of a job, its progress, its cancel button, and the parts it works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql import cast

from soleflip.config import Settings
from soleflip.db import Clock, Transaction
from soleflip.domain.errors import Conflict, InvalidInput, NotFound, SoleFlipError
from soleflip.models import Run, RunLine
from soleflip.stockx import StockX

OPEN_STATES = ("queued", "running")
MAX_CRASHES = 5
LINES = 500
"""So many lines of a run's log are shown."""
MAX_RETRIES = 60

HOLDS_ROWS = frozenset({"away", "list", "change", "reprice"})
"""Kinds whose rows wait for them: only the work itself can give those back, so a cancelled one still begins."""

# Runs live in real time, also in the sandbox whose days are short: their clock is the database's.
NOW = func.clock_timestamp()


class Cancelled(SoleFlipError):
    """The operator asked this run to stop; raised at a safe place between two steps."""


@dataclass(frozen=True, slots=True)
class Books:
    """How the operator keeps books: their currency and the time zone in which a day and a tax year end."""

    currency: str
    timezone: ZoneInfo


def _leave_to_the_sweep(_run_id: UUID, _kind: str) -> None:
    """Wake nobody: the scheduler's sweep finds what is queued."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run works with: its id and params, and the parts through which it reaches the world.

    A service gets one of these where it acts outside; each transaction it opens is its own. `tempo` is how many
    seconds of the clock pass in a real one. `settings` are there wherever a run really runs. `wake` has a worker
    begin a run that this one has started and committed.
    """

    run_id: UUID
    params: dict[str, Any]
    actor: str
    transaction: Transaction
    stockx: StockX
    clock: Clock
    books: Books
    tempo: float = 1.0
    settings: Settings | None = None
    wake: Callable[[UUID, str], object] = _leave_to_the_sweep

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds of the clock's time: in the sandbox, whose clock is fast, that is shorter."""
        time.sleep(max(seconds / self.tempo, 0.05))

    def progress(
        self, *, done: int | None = None, total: int | None = None, message: str | None = None, **counts: int
    ) -> None:
        """Write what has been done so far (absolute numbers), in a transaction of its own, and give a sign of life.

        Raises Cancelled when the operator asked the run to stop.
        """
        values: dict[str, Any] = {"heartbeat_at": NOW}
        if done is not None:
            values["done"] = done
        if total is not None:
            values["total"] = total
        if message is not None:
            values["message"] = message
        if counts:
            values["counts"] = Run.counts.op("||")(cast(counts, JSONB))
        with self.transaction() as session:
            cancel = session.scalar(
                update(Run).where(Run.id == self.run_id).values(values).returning(Run.cancel_requested)
            )
        if cancel:
            raise Cancelled("stopped by the operator")

    def note(self, outcome: str, sentence: str, subject_id: UUID | None = None) -> None:
        """Add one line to the run's log: what became of one thing, in one sentence."""
        with self.transaction() as session:
            session.add(RunLine(run_id=self.run_id, outcome=outcome, sentence=sentence, subject_id=subject_id))


def start(
    session: Session, kind: str, *, actor: str, params: dict[str, Any] | None = None, total: int | None = None
) -> Run:
    """Write a queued run; the edge wakes a worker once this is committed. `params` takes ids and plain options only."""
    run = Run(kind=kind, actor=actor, params=params or {}, total=total, counts={})
    session.add(run)
    session.flush()
    return run


def get(session: Session, run_id: UUID) -> Run:
    """Return a run; raises NotFound."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def try_lease(session: Session, run_id: UUID) -> bool:
    """Take the one lease of a run for as long as this session's connection lives; False when another holds it.

    A PostgreSQL advisory lock: it is gone the moment its holder dies, whatever killed it.
    """
    return bool(session.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _lease_key(run_id)}))


def begin(session: Session, run_id: UUID, *, job_id: str | None = None) -> Run | None:
    """Mark a run as running; None when it is over or its retry is not yet due. The caller holds the lease.

    `job_id` is the queue's name for this attempt, by which it can be ended from outside.
    """
    run = session.scalar(
        select(Run)
        .where(Run.id == run_id, Run.state.in_(OPEN_STATES), (Run.retry_at.is_(None)) | (Run.retry_at <= NOW))
        .with_for_update()
    )
    if run is None:
        return None
    session.execute(
        update(Run)
        .where(Run.id == run_id)
        .values(
            state="running",
            attempts=Run.attempts + 1,
            heartbeat_at=NOW,
            attempt_at=NOW,
            job_id=job_id,
            retry_at=None,
            started_at=func.coalesce(Run.started_at, NOW),
        )
    )
    session.refresh(run)
    return run


def finish(session: Session, run_id: UUID, state: str, *, message: str | None = None, error: str | None = None) -> None:
    """End a run as done, failed or cancelled, with a message for the operator; an ended run stays as it is."""
    values: dict[str, Any] = {"state": state, "finished_at": NOW, "error": error}
    if message is not None:
        values["message"] = message
    session.execute(update(Run).where(Run.id == run_id, Run.state.in_(OPEN_STATES)).values(values))


def complete(session: Session, run_id: UUID, told: str) -> None:
    """Call a failed run done that turned out to have left nothing undone; what had ended it stays in its message."""
    run = session.get(Run, run_id, with_for_update=True)
    if run is not None and run.state == "failed":
        run.state, run.message, run.error = "done", f"{told} It had ended early: {run.error}", None
    session.flush()


def count_requests(session: Session, run_id: UUID, number: int) -> None:
    """Add the requests to StockX that an attempt of a run has made."""
    session.execute(update(Run).where(Run.id == run_id).values(requests_used=Run.requests_used + number))


def postpone(session: Session, run_id: UUID, seconds: float, *, message: str) -> None:
    """Put a run back into the queue, to be woken no earlier than in `seconds`."""
    session.execute(
        update(Run)
        .where(Run.id == run_id, Run.state.in_(OPEN_STATES))
        .values(state="queued", message=message, retry_at=NOW + timedelta(seconds=seconds))
    )


def request_cancel(session: Session, run_id: UUID) -> Run:
    """Ask a run to stop at its next safe place. Raises Conflict when over.

    One that has not begun ends at once, unless rows wait for it: then a worker takes them back.
    """
    run = get(session, run_id)
    if run.state not in OPEN_STATES:
        raise Conflict("This run is already over.")
    run.cancel_requested = True
    if run.state == "queued" and run.attempts == 0 and run.kind not in HOLDS_ROWS:
        finish(session, run_id, "cancelled", message="Cancelled before it began.")
    session.flush()
    session.refresh(run)
    return run


def reopen(session: Session, run_id: UUID) -> Run:
    """Queue a failed run once more from where it stands; raises Conflict for one that did not fail."""
    run = session.get(Run, run_id, with_for_update=True)
    if run is None or run.state != "failed":
        raise Conflict("Only a run that failed can go on.")
    run.state, run.attempts, run.retry_at, run.finished_at, run.error = "queued", 0, None, None, None
    run.seen_at = run.seen_by = None
    run.cancel_requested, run.message = False, "Goes on where it stopped."
    session.flush()
    return run


def latest(session: Session, limit: int = 10, kind: str | None = None) -> Sequence[Run]:
    """Return the newest runs, newest first."""
    query = select(Run).order_by(Run.created_at.desc()).limit(limit)
    if kind:
        query = query.where(Run.kind == kind)
    return session.scalars(query).all()


def is_open(session: Session, kind: str) -> bool:
    """Tell whether a run of this kind is queued or running."""
    return session.scalar(select(Run.id).where(Run.kind == kind, Run.state.in_(OPEN_STATES)).limit(1)) is not None


def abandoned(session: Session, *, queued_for: timedelta = timedelta(seconds=5)) -> list[UUID]:
    """Return runs that nobody works on: due but queued for a while, or running while nobody holds their lease."""
    due = func.coalesce(Run.retry_at, Run.created_at + queued_for) <= NOW
    found = session.execute(
        select(Run.id, Run.state)
        .where(Run.state.in_(OPEN_STATES), (Run.state == "running") | due)
        .order_by(Run.created_at)
    ).all()
    return [run_id for run_id, state in found if state == "queued" or not is_held(session, run_id)]


def is_held(session: Session, run_id: UUID) -> bool:
    """Tell whether somebody works on a run: holds its lease."""
    free = text("SELECT pg_try_advisory_xact_lock(:key)")
    return not session.scalar(free, {"key": _lease_key(run_id)})


def lines(session: Session, run_id: UUID, limit: int = LINES) -> Sequence[RunLine]:
    """Return a run's log, oldest first."""
    return session.scalars(select(RunLine).where(RunLine.run_id == run_id).order_by(RunLine.id).limit(limit)).all()


def _lease_key(run_id: UUID) -> int:
    """Fold a run's id into the 64 bits of an advisory lock."""
    return int.from_bytes(run_id.bytes[:8], "big", signed=True) ^ int.from_bytes(run_id.bytes[8:], "big", signed=True)


def history(
    session: Session,
    *,
    kind: str | None = None,
    state: str | None = None,
    unseen: bool = False,
    after: str | None = None,
    limit: int = 50,
) -> tuple[Sequence[Run], str | None]:
    """Return a page of runs, newest first, and the cursor of the next page; raises InvalidInput for a bad cursor.

    `unseen` leaves the failed ones that nobody has marked as seen.
    """
    query = select(Run).order_by(Run.created_at.desc(), Run.id.desc()).limit(limit + 1)
    if unseen:
        query = query.where(Run.state == "failed", Run.seen_at.is_(None))
    if kind:
        query = query.where(Run.kind == kind)
    if state:
        query = query.where(Run.state == state)
    if after:
        query = query.where(tuple_(Run.created_at, Run.id) < _cursor(after))
    found = session.scalars(query).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], f"{last.created_at.isoformat()}_{last.id}" if last else None


def kinds(session: Session) -> Sequence[str]:
    """Return the kinds of which there are runs."""
    return session.scalars(select(Run.kind).distinct().order_by(Run.kind)).all()


def _cursor(text_: str) -> tuple[datetime, UUID]:
    moment, _, key = text_.partition("_")
    try:
        return datetime.fromisoformat(moment), UUID(key)
    except ValueError as error:
        raise InvalidInput("This page of the list is no longer there: start at the first one.") from error
