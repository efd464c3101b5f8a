"""What stands still although the pages work: no worker, no scheduler, runs that nobody takes up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from soleflip.models import Run
from soleflip.services.runs import NOW

SCHEDULER_LOCK = 7420018
"""The key of the advisory lock that the scheduler which acts holds."""

LONGEST_WAIT = timedelta(minutes=2)
"""How long a due run may wait for a worker before it is said, in real time."""

_HELD = text("""
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = :key AND objsubid = 1
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
""")


def queue_age() -> ColumnElement[Any]:
    """Return how many seconds the oldest due run has waited, null when none waits: an aggregate over runs."""
    due = func.coalesce(Run.retry_at, Run.created_at)
    return func.extract("epoch", NOW - func.min(due).filter(Run.state == "queued", due <= NOW))


def standing_still(session: Session, workers: int | None) -> dict[str, str]:
    """Say what stands still, by the part at fault; `workers` is how many gave a sign of life, None when not known."""
    said = {}
    if workers == 0:
        said["workers"] = "No worker has given a sign of life for two minutes: runs wait."
    if not session.scalar(_HELD, {"key": SCHEDULER_LOCK}):
        said["scheduler"] = "No scheduler is at work: nothing starts by itself, and runs of killed workers wait."
    age = session.scalar(select(queue_age()).where(Run.state == "queued"))
    if age is not None and age > LONGEST_WAIT.total_seconds():
        said["runs"] = f"A run has waited for a worker for {int(age)} seconds."
    return said
