"""What a run left half-way when it was ended: rows that were being sent are looked up, nothing is sent.

What StockX turns out not to know waits again under the run that was ended, which the operator lets go on or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import RetryLater
from soleflip.domain.words import count_of
from soleflip.models import ListingChange, Run, StockxBatch, StockxListing
from soleflip.services import change_batches, halts, runs, submission
from soleflip.services.runs import Work

KIND = "settle"
OVER = ("failed", "cancelled", "done")


def is_needed(session: Session) -> bool:
    """Tell whether a run that is over has rows of which nobody knows what became of them."""
    return not runs.is_open(session, KIND) and bool(left_over(session))


def left_over(session: Session) -> Sequence[StockxBatch]:
    """Return the batches of runs that are over in which rows are still marked as being sent."""
    created = select(StockxListing.batch_id).where(StockxListing.status == "submitting")
    changed = select(ListingChange.batch_id).where(ListingChange.state == "sending")
    return session.scalars(
        select(StockxBatch)
        .join(Run, Run.id == StockxBatch.run_id)
        .where(Run.state.in_(OVER), or_(StockxBatch.id.in_(created), StockxBatch.id.in_(changed)))
        .order_by(StockxBatch.sent_at)
    ).all()


def settle(work: Work) -> str:
    """Find out what became of every such batch; returns the closing sentence; raises RetryLater to look again."""
    with work.transaction() as session:
        found = left_over(session)
        batches = [(batch.id, batch.kind) for batch in found]
        kinds = {batch.run_id: batch.kind for batch in found}
        failed = session.scalars(select(Run.id).where(Run.id.in_(kinds), Run.state == "failed", ~Run.cancel_requested))
        ended = {run_id: kinds[run_id] for run_id in failed}
    later: RetryLater | None = None
    for done, (batch_id, kind) in enumerate(batches):
        work.progress(done=done, total=len(batches))
        try:
            (submission.settle if kind == "create" else change_batches.settle)(work, batch_id)
        except RetryLater as error:
            later = error
    if later is not None:
        raise later
    work.progress(done=len(batches))
    _close(work, ended)
    return f"{count_of(len(batches), 'batch', 'batches')} of ended runs looked up."


def _close(work: Work, ended: Mapping[UUID, str]) -> None:
    """Call failed runs done of which nothing is left to send, now that it is known what became of all they sent."""
    for run_id, kind in ended.items():
        told = (submission.report if kind == "create" else change_batches.report)(replace(work, run_id=run_id))
        with work.transaction() as session:
            if not halts.has_left(session, run_id):
                runs.complete(session, run_id, told)
