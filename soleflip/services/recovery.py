"""What a run left half-way when it was ended: rows that were being sent are looked up, nothing is sent.

What StockX turns out not to know waits again under the run that was ended, which the operator lets go on or not.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import RetryLater
from soleflip.domain.words import count_of
from soleflip.models import ListingChange, Run, StockxBatch, StockxListing
from soleflip.services import change_batches, runs, submission
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
        batches = [(batch.id, batch.kind) for batch in left_over(session)]
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
    return f"{count_of(len(batches), 'batch', 'batches')} of ended runs looked up."
