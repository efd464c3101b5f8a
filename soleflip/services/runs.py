"""Runs: one row per execution of a job, its progress, its cancel button, and the parts it works with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql import cast

from soleflip.db import Clock, Transaction
from soleflip.domain.errors import Conflict, NotFound, SoleFlipError
from soleflip.models import Run, RunLine
from soleflip.stockx import StockX

OPEN_STATES = ("queued", "running")
MAX_ATTEMPTS = 5


class Cancelled(SoleFlipError):
    """The operator asked this run to stop; raised at a safe place between two steps."""


@dataclass(frozen=True, slots=True)
class Books:
    """How the operator keeps books: their currency and the time zone in which a day and a tax year end."""

    currency: str
    timezone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Work:
    """What a run works with: its id and params, and the parts through which it reaches the world.

    A service gets one of these where it acts outside; each transaction it opens is its own.
    """

    run_id: UUID
    params: dict[str, Any]
    actor: str
    transaction: Transaction
    stockx: StockX
    clock: Clock
    books: Books

    def progress(
        self, *, done: int | None = None, total: int | None = None, message: str | None = None, **counts: int
    ) -> None:
        """Write what has been done so far (absolute numbers), in a transaction of its own, and give a sign of life.

        Raises Cancelled when the operator asked the run to stop.
        """
        values: dict[str, Any] = {"heartbeat_at": self.clock()}
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


def claim(
    session: Session, run_id: UUID, now: datetime, *, stale_after: timedelta = timedelta(seconds=90)
) -> Run | None:
    """Take a queued run, or a running one whose worker gave no sign of life for `stale_after`; else None."""
    run = session.get(Run, run_id, with_for_update=True)
    if run is None or run.state not in OPEN_STATES:
        return None
    if run.state == "running" and run.heartbeat_at is not None and now - run.heartbeat_at < stale_after:
        return None
    run.state = "running"
    run.attempts += 1
    run.started_at = run.started_at or now
    run.heartbeat_at = now
    session.flush()
    return run


def finish(
    session: Session, run_id: UUID, state: str, now: datetime, *, message: str | None = None, error: str | None = None
) -> None:
    """End a run as done, failed or cancelled, with a message for the operator; an ended run stays as it is."""
    run = session.get(Run, run_id, with_for_update=True)
    if run is None or run.state not in OPEN_STATES:
        return
    run.state = state
    run.finished_at = now
    run.message = message or run.message
    run.error = error
    session.flush()


def request_cancel(session: Session, run_id: UUID, now: datetime) -> Run:
    """Ask a run to stop at its next safe place; one that has not begun ends at once. Raises Conflict when over."""
    run = get(session, run_id)
    if run.state not in OPEN_STATES:
        raise Conflict("This run is already over.")
    run.cancel_requested = True
    if run.state == "queued":
        finish(session, run_id, "cancelled", now, message="Cancelled before it began.")
    session.flush()
    return run


def latest(session: Session, limit: int = 10, kind: str | None = None) -> Sequence[Run]:
    """Return the newest runs, newest first."""
    query = select(Run).order_by(Run.created_at.desc()).limit(limit)
    if kind:
        query = query.where(Run.kind == kind)
    return session.scalars(query).all()


def waiting(
    session: Session,
    now: datetime,
    *,
    queued_for: timedelta = timedelta(seconds=15),
    silent_for: timedelta = timedelta(seconds=90),
) -> Sequence[UUID]:
    """Return runs that no worker seems to have: queued for too long, or running without a sign of life."""
    queued = (Run.state == "queued") & (Run.created_at < now - queued_for)
    silent = (Run.state == "running") & (Run.heartbeat_at < now - silent_for)
    return session.scalars(select(Run.id).where(queued | silent).order_by(Run.created_at)).all()


def lines(session: Session, run_id: UUID, limit: int = 500) -> Sequence[RunLine]:
    """Return a run's log, oldest first."""
    return session.scalars(select(RunLine).where(RunLine.run_id == run_id).order_by(RunLine.id).limit(limit)).all()
