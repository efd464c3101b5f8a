"""Putting asks up on StockX exactly once: claim, commit, send, record; whatever is lost is reconciled first.

A run of kind `list` walks these steps and can be killed and begun again at any point:

1. Rows left in `submitting` by an earlier attempt are settled: by their batch where StockX's id of it is known, else
   by looking for what the lost call made (`reconcile`).
2. Up to 100 pending rows are claimed into a batch row and committed, then sent, then the answer is recorded.
3. The batch is polled to its end and every item's result is recorded on its row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from soleflip.domain.errors import InvalidInput, Refused, RetryLater
from soleflip.models import StockxBatch, StockxListing
from soleflip.services import away, halts, listings, pricing_rules, stop
from soleflip.services.pricing_rules import Rulebook
from soleflip.services.reconciliation import Unsettled, reconcile
from soleflip.services.runs import Cancelled, Work
from soleflip.stockx import Ambiguous, BatchStatus, CreateBatchItem, CreateItem, Lane, StockXRefused, StockXUnavailable

BATCH = 100
POLL_PAUSES = (2, 3, 5, 8, 10, 15, 20, 30, 30, 60, 60, 60, 60)


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that is about to leave: its row's id and the items in the order of `listing_ids`."""

    batch_id: UUID
    listing_ids: tuple[UUID, ...]
    items: tuple[CreateItem, ...]


def submit(work: Work) -> str:
    """Put up every pending listing of this run; returns the closing sentence. Raises RetryLater to be called again."""
    unsettled = _settle_left_over(work)
    size = BATCH
    try:
        work.progress()
        while claim := _next(work, size):
            size = _send(work, claim, size)
            report(work)
    except Cancelled:
        _cancel_pending(work)
        if unsettled:
            raise unsettled from None
        raise
    except Refused:
        # Stopped: what an earlier call made is looked up all the same, for that only reads.
        if unsettled:
            raise unsettled from None
        raise
    if unsettled:
        raise unsettled
    return report(work)


def _settle_left_over(work: Work) -> Unsettled | None:
    """Bring rows of an earlier attempt to an end; returns the error to raise later when one needs more time."""
    with work.transaction() as session:
        batch_ids = session.scalars(
            select(StockxBatch.id).where(
                StockxBatch.id.in_(
                    select(StockxListing.batch_id).where(
                        StockxListing.run_id == work.run_id, StockxListing.status == "submitting"
                    )
                )
            )
        ).all()
    unsettled: Unsettled | None = None
    for batch_id in batch_ids:
        try:
            settle(work, batch_id)
        except Unsettled as error:
            unsettled = error
    return unsettled


def settle(work: Work, batch_id: UUID) -> None:
    """Bring one batch to its end: poll it when StockX's id is known, else find out what became of the lost call."""
    with work.transaction() as session:
        stockx_id = session.scalar(select(StockxBatch.stockx_batch_id).where(StockxBatch.id == batch_id))
    if stockx_id is None:
        stockx_id = reconcile(work, batch_id)
    if stockx_id is not None:
        _follow(work, batch_id, stockx_id)


def _next(work: Work, size: int) -> Claim | None:
    """Claim the next batch, unless something about it halts every write."""
    halts.before_batch(work)
    return _claim(work, size)


def _claim(work: Work, size: int) -> Claim | None:
    """Take up to `size` pending rows of this run into a new batch; None when none is left.

    A row that no longer passes the gate fails here, alone, before anything is sent.
    """
    now = work.clock()
    with work.transaction() as session:
        rows = session.scalars(
            select(StockxListing)
            .where(StockxListing.run_id == work.run_id, StockxListing.status == "pending")
            .options(selectinload(StockxListing.product))
            .order_by(StockxListing.created_at, StockxListing.id)
            .limit(size)
            .with_for_update(skip_locked=True)
        ).all()
        if not rows:
            return None
        stop.ensure_running(session)
        away.ensure_home(session)
        batch = StockxBatch(run_id=work.run_id, kind="create", items=len(rows), sent_at=now)
        session.add(batch)
        session.flush()
        claimed: list[UUID] = []
        items: list[CreateItem] = []
        rulebook = pricing_rules.load(session)
        for row in rows:
            item = _item(session, row, work, now, rulebook)
            if item is not None:
                row.batch_id, row.claimed_at = batch.id, now
                listings.move(session, row, "submitting", cause="Sent to StockX.", actor=work.actor, now=now)
                claimed.append(row.id)
                items.append(item)
        batch.items = len(items)
        return Claim(batch.id, tuple(claimed), tuple(items))


def _item(session: Session, row: StockxListing, work: Work, now: datetime, rulebook: Rulebook) -> CreateItem | None:
    """Return what is sent for a row; a row that the gate refuses fails with the gate's sentence."""
    try:
        amount = listings.outgoing_ask(session, row, row.ask_price, now, rulebook)
        return CreateItem(
            variant_id=row.variant_id or "",
            amount=amount,
            currency_code=row.currency,
            expires_at=row.expires_at or now + timedelta(days=30),
        )
    except (Refused, InvalidInput) as error:
        row.error = str(error)
        listings.move(session, row, "failed", cause=str(error), actor=work.actor, now=now)
        return None


def _send(work: Work, claim: Claim, size: int) -> int:
    """Send a claimed batch and follow it to its end; returns the size for the next claim.

    A refused batch changed nothing: it is sent again in halves, so that one bad row can't stop the others.
    """
    if not claim.items:
        return size
    try:
        answer = work.stockx.create_listings(list(claim.items), lane=Lane.LISTING)
    except StockXRefused as error:
        if len(claim.items) == 1:
            _give_back(work, claim, "failed", f"StockX refused it: {error}")
            return BATCH
        _give_back(work, claim, "pending", f"StockX refused the batch: {error}")
        return max(len(claim.items) // 2, 1)
    except Ambiguous:
        with work.transaction() as session:
            batch = session.get_one(StockxBatch, claim.batch_id)
            batch.state = batch.trouble = "lost"
        raise Unsettled(
            "An answer of StockX was lost; looking for what it made before anything is sent again."
        ) from None
    except (RetryLater, Refused) as error:
        trouble = "away" if isinstance(error, StockXUnavailable) else None
        _give_back(work, claim, "pending", str(error), trouble=trouble)
        raise
    _record_answer(work, claim.batch_id, answer)
    _follow(work, claim.batch_id, answer.batch_id)
    return BATCH


def _record_answer(work: Work, batch_id: UUID, answer: BatchStatus) -> None:
    with work.transaction() as session:
        batch = session.get_one(StockxBatch, batch_id)
        batch.stockx_batch_id, batch.state, batch.answered_at = answer.batch_id, "sent", work.clock()


def _give_back(work: Work, claim: Claim, to_state: str, why: str, *, trouble: str | None = None) -> None:
    """Undo a claim of which StockX certainly knows nothing."""
    with work.transaction() as session:
        for row in _of_batch(session, claim.batch_id):
            row.batch_id = None
            row.error = why if to_state == "failed" else None
            listings.move(session, row, to_state, cause=why, actor=work.actor, now=work.clock())
        batch = session.get_one(StockxBatch, claim.batch_id)
        batch.state, batch.trouble = "done", trouble


def _of_batch(session: Session, batch_id: UUID) -> Sequence[StockxListing]:
    return session.scalars(
        select(StockxListing)
        .where(StockxListing.batch_id == batch_id, StockxListing.status == "submitting")
        .order_by(StockxListing.id)
        .with_for_update()
    ).all()


def poll(work: Work, look: Callable[[str], BatchStatus], stockx_batch_id: str) -> None:
    """Ask for a batch's state with growing pauses until it is finished; raises RetryLater when it takes too long."""
    for pause in POLL_PAUSES:
        if look(stockx_batch_id).is_finished:
            return
        work.pause(pause)
    raise RetryLater("StockX is still working on a batch; looking again later.")


def _follow(work: Work, batch_id: UUID, stockx_batch_id: str) -> None:
    """Wait for a create batch and record every item's result on its row."""
    poll(work, work.stockx.create_batch, stockx_batch_id)
    results = work.stockx.create_batch_items(stockx_batch_id)
    now = work.clock()
    with work.transaction() as session:
        rows = _of_batch(session, batch_id)
        for row, result in _pair(rows, results):
            _record(session, row, result, work, now)
        batch = session.get_one(StockxBatch, batch_id)
        batch.state, batch.finished_at = "done", now


def _pair(
    rows: Sequence[StockxListing], results: Sequence[CreateBatchItem]
) -> list[tuple[StockxListing, CreateBatchItem | None]]:
    """Put rows and results together by variant and amount, the only key there is; equal rows are interchangeable.

    Successes go first, so that of two equal rows with one failure the outcome is the same in every repetition.
    """
    waiting: dict[tuple[str | None, Decimal | None], list[CreateBatchItem]] = defaultdict(list)
    for result in sorted(results, key=lambda each: each.has_succeeded):
        if result.listing_input is not None:
            waiting[result.listing_input.variant_id, result.listing_input.amount].append(result)
    pairs = []
    for row in rows:
        same = waiting.get((row.variant_id, row.ask_price.normalize()), []) or waiting.get(
            (row.variant_id, row.ask_price), []
        )
        pairs.append((row, same.pop() if same else None))
    return pairs


def _record(session: Session, row: StockxListing, result: CreateBatchItem | None, work: Work, now: datetime) -> None:
    """Write down what became of one row of a finished batch."""
    listing_id = result.result.listing_id if result is not None and result.result is not None else None
    if result is not None and result.has_succeeded and listing_id:
        row.stockx_listing_id = listing_id
        row.error = None
        listings.move(session, row, "active", cause="StockX made the ask.", actor=work.actor, now=now)
    elif result is not None and result.has_failed:
        row.error = result.error or "StockX refused it without a reason."
        listings.move(session, row, "failed", cause=row.error, actor=work.actor, now=now)
    else:
        row.review = {"why": "StockX finished the batch but says nothing of this row.", "candidates": []}
        listings.move(session, row, "review", cause="No result in a finished batch.", actor=work.actor, now=now)


def _cancel_pending(work: Work) -> None:
    """Take back what was not sent yet when the operator cancels."""
    now = work.clock()
    with work.transaction() as session:
        for row in session.scalars(
            select(StockxListing)
            .where(StockxListing.run_id == work.run_id, StockxListing.status == "pending")
            .with_for_update()
        ):
            listings.move(session, row, "cancelled", cause="The run was cancelled.", actor=work.actor, now=now)


def counts(session: Session, run_id: UUID) -> dict[str, int]:
    """Return how many listings of a run are in each state."""
    query = select(StockxListing.status, func.count()).where(StockxListing.run_id == run_id)
    return dict(session.execute(query.group_by(StockxListing.status)).all())


def report(work: Work) -> str:
    """Write the run's counts and return its closing sentence."""
    with work.transaction() as session:
        by_state = counts(session, work.run_id)
    live = by_state.get("active", 0) + by_state.get("sold", 0) + by_state.get("inactive", 0)
    failed, review = by_state.get("failed", 0), by_state.get("review", 0)
    open_rows = by_state.get("pending", 0) + by_state.get("submitting", 0)
    work.progress(done=sum(by_state.values()) - open_rows, listed=live, failed=failed, review=review)
    sentence = f"{live} listed"
    if failed:
        sentence += f", {failed} failed"
    if review:
        sentence += f", {review} need your decision"
    return sentence + "."


def retry_failed(session: Session, listing_ids: Sequence[UUID], run_id: UUID, *, actor: str, now: datetime) -> int:
    """Put failed listings back to pending under another run, as far as their items are still free."""
    count = 0
    rows = session.scalars(
        select(StockxListing)
        .where(StockxListing.id.in_(listing_ids), StockxListing.status == "failed")
        .with_for_update()
    )
    for row in rows:
        row.run_id, row.batch_id = run_id, None
        listings.move(session, row, "pending", cause="Tried again by the operator.", actor=actor, now=now)
        if row.item_id is None:
            row.error = "Its item was given to another listing."
            listings.move(session, row, "failed", cause=row.error, actor=actor, now=now)
        else:
            row.error = None
            count += 1
    return count
