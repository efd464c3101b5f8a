"""Carrying out wanted changes of listings: claim, commit, send as a batch, follow, record.

An update sets values and a second delete finds nothing left, so a batch whose answer was lost is looked up listing by
listing and only what did not happen is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from soleflip.domain.errors import Refused, RetryLater, SoleFlipError
from soleflip.models import ListingChange, RunLine, StockxBatch, StockxListing
from soleflip.services import away, halts, listings, pricing_rules, settings, stop
from soleflip.services.changes import let_pair_go
from soleflip.services.listing_sync import SOLD
from soleflip.services.pricing_rules import Rulebook
from soleflip.services.runs import Cancelled, Work
from soleflip.services.settings import PricingSettings
from soleflip.services.submission import poll
from soleflip.stockx import (
    Ambiguous,
    BatchItem,
    BatchStatus,
    Lane,
    StockXNotFound,
    StockXRefused,
    StockXUnavailable,
    UpdateItem,
)

BATCH = 100
GONE = frozenset({"DELETED", "CANCELED"})


def carry_out(work: Work) -> str:
    """Carry out every waiting change of this run; returns the closing sentence; raises RetryLater to go on later."""
    try:
        _settle_left_over(work)
        work.progress()
        for is_delete in (True, False):
            size = BATCH
            while claim := _next(work, is_delete, size):
                size = _send(work, claim)
                report(work)
    except Cancelled:
        _drop_waiting(work)
        raise
    return report(work)


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch of changes that is about to leave: deletes by StockX id, or updates."""

    batch_id: UUID
    deletes: tuple[str, ...]
    updates: tuple[UpdateItem, ...]
    lane: Lane


def _next(work: Work, is_delete: bool, size: int) -> Claim | None:
    """Claim the next batch, unless something about it halts every write."""
    halts.before_batch(work)
    return _claim(work, is_delete, size)


def _claim(work: Work, is_delete: bool, size: int) -> Claim | None:
    """Take up to `size` waiting changes of one sort into a new batch; None when none is left."""
    now = work.clock()
    with work.transaction() as session:
        days = settings.load(session, PricingSettings).expires_after_days
        query = select(ListingChange).where(ListingChange.run_id == work.run_id, ListingChange.state == "waiting")
        query = query.where((ListingChange.kind == "delete") if is_delete else (ListingChange.kind != "delete"))
        changes = session.scalars(
            query.options(joinedload(ListingChange.listing).selectinload(StockxListing.product))
            .order_by(ListingChange.created_at, ListingChange.id)
            .limit(size)
            .with_for_update(of=ListingChange, skip_locked=True)
        ).all()
        if not changes:
            return None
        stop.ensure_running(session)
        kind = "delete" if is_delete else "update"
        batch = StockxBatch(run_id=work.run_id, kind=kind, items=len(changes), sent_at=now)
        session.add(batch)
        session.flush()
        updates: list[UpdateItem] = []
        deletes: list[str] = []
        at_floor = False
        rulebook = pricing_rules.load(session)
        for change in changes:
            change.state, change.batch_id, change.claimed_at = "sending", batch.id, now
            stockx_id = change.listing.stockx_listing_id or ""
            if is_delete:
                deletes.append(stockx_id)
                continue
            try:
                updates.append(_update_item(session, change, stockx_id, now, days, rulebook))
                at_floor = at_floor or change.new_price == change.listing.floor_price
            except SoleFlipError as error:
                end(session, change, "refused", now, str(error), guard=getattr(error, "guard", None))
        return Claim(batch.id, tuple(deletes), tuple(updates), _lane(is_delete, at_floor))


def _lane(is_delete: bool, at_floor: bool) -> Lane:
    if is_delete:
        return Lane.SALES
    return Lane.CUTS if at_floor else Lane.LISTING


def _update_item(
    session: Session, change: ListingChange, stockx_id: str, now: datetime, days: int, rulebook: Rulebook
) -> UpdateItem:
    """Return what is sent for a change, its amount passed through the gate once more, right before it leaves."""
    amount = None
    if change.kind == "activate":
        away.ensure_looked_at(session, change.run_id)
    if change.new_price is not None:
        amount = listings.outgoing_ask(session, change.listing, change.new_price, now, rulebook)
    active = {"activate": True, "deactivate": False}.get(change.kind)
    return UpdateItem(
        listing_id=stockx_id,
        amount=amount,
        currency_code=change.listing.currency,
        expires_at=now + timedelta(days=days),
        active=active,
    )


def _send(work: Work, claim: Claim) -> int:
    """Send a claimed batch and follow it; returns the size for the next claim.

    A batch that certainly did not arrive goes back to waiting; a refused one too, to be sent again in halves, so
    that one bad item can't stop the others.
    """
    if not claim.deletes and not claim.updates:
        return BATCH
    try:
        if claim.deletes:
            answer = work.stockx.delete_listings(claim.deletes, lane=claim.lane)
        else:
            answer = work.stockx.update_listings(claim.updates, lane=claim.lane)
    except StockXRefused as error:
        return _halve(work, claim.batch_id, str(error))
    except Ambiguous:
        _note_trouble(work, claim.batch_id, "lost")
        _settle_lost(work, claim.batch_id)
        return BATCH
    except (RetryLater, Refused) as error:
        if isinstance(error, StockXUnavailable):
            _note_trouble(work, claim.batch_id, "away")
        _back_to_waiting(work, claim.batch_id)
        raise
    _record_answer(work, claim.batch_id, answer)
    _follow(work, claim.batch_id)
    return BATCH


def _record_answer(work: Work, batch_id: UUID, answer: BatchStatus) -> None:
    with work.transaction() as session:
        batch = session.get_one(StockxBatch, batch_id)
        batch.stockx_batch_id, batch.state, batch.answered_at = answer.batch_id, "sent", work.clock()


def _note_trouble(work: Work, batch_id: UUID, trouble: str) -> None:
    """Keep that a call brought nothing, for what halts on too many of them."""
    with work.transaction() as session:
        session.get_one(StockxBatch, batch_id).trouble = trouble


def _halve(work: Work, batch_id: UUID, why: str) -> int:
    """After a refusal: fail a batch of one, else give its changes back for halves; returns the size to go on with."""
    with work.transaction() as session:
        changes = _of_batch(session, batch_id)
        if len(changes) == 1:
            end(session, changes[0], "failed", work.clock(), f"StockX refused it: {why}")
            return BATCH
    _back_to_waiting(work, batch_id)
    return max(len(changes) // 2, 1)


def _settle_left_over(work: Work) -> None:
    """Bring changes that an earlier attempt had sent to an end."""
    with work.transaction() as session:
        batches = session.scalars(
            select(StockxBatch.id).where(
                StockxBatch.id.in_(
                    select(ListingChange.batch_id).where(
                        ListingChange.run_id == work.run_id, ListingChange.state == "sending"
                    )
                )
            )
        ).all()
    for batch_id in batches:
        settle(work, batch_id)


def settle(work: Work, batch_id: UUID) -> None:
    """Bring one batch to its end: follow it when StockX's id is known, else look at each of its listings."""
    with work.transaction() as session:
        stockx_id = session.scalar(select(StockxBatch.stockx_batch_id).where(StockxBatch.id == batch_id))
    if stockx_id is None:
        _settle_lost(work, batch_id)
    else:
        _follow(work, batch_id)


def _follow(work: Work, batch_id: UUID) -> None:
    """Wait for a batch and record each item's result."""
    with work.transaction() as session:
        batch = session.get_one(StockxBatch, batch_id)
        kind, stockx_id = batch.kind, batch.stockx_batch_id or ""
    by_id: dict[str | None, BatchItem] = {}
    if kind == "delete":
        poll(work, work.stockx.delete_batch, stockx_id)
        for deleted in work.stockx.delete_batch_items(stockx_id):
            by_id[deleted.listing_input.listing_id if deleted.listing_input else None] = deleted
    else:
        poll(work, work.stockx.update_batch, stockx_id)
        for updated in work.stockx.update_batch_items(stockx_id):
            by_id[updated.listing_input.listing_id if updated.listing_input else None] = updated
    now = work.clock()
    with work.transaction() as session:
        for change in _of_batch(session, batch_id):
            result = by_id.get(change.listing.stockx_listing_id)
            if result is not None and result.has_succeeded:
                _apply(session, change, work, now)
            else:
                why = (result.error if result else None) or "StockX says nothing of this change."
                end(session, change, "failed", now, why)
        batch = session.get_one(StockxBatch, batch_id)
        batch.state, batch.finished_at = "done", now


def _settle_lost(work: Work, batch_id: UUID) -> None:
    """Look at each listing of a batch without an answer: what happened is recorded, the rest waits again."""
    with work.transaction() as session:
        changes = [(change.id, change.listing.stockx_listing_id or "") for change in _of_batch(session, batch_id)]
    for change_id, stockx_id in changes:
        try:
            seen = work.stockx.listing(stockx_id, lane=Lane.SALES)
            status, amount = seen.status, seen.amount
        except StockXNotFound:
            status, amount = "DELETED", None
        now = work.clock()
        with work.transaction() as session:
            change = session.get_one(ListingChange, change_id, with_for_update=True)
            if _has_happened(change, status, amount):
                _apply(session, change, work, now)
            elif status in (*GONE, *SOLD):
                end(session, change, "failed", now, f"StockX says the listing is {status.lower()}.")
            else:
                change.state, change.batch_id = "waiting", None
    with work.transaction() as session:
        session.get_one(StockxBatch, batch_id).state = "done"


def _has_happened(change: ListingChange, status: str, amount: Decimal | None) -> bool:
    if change.kind == "delete":
        return status in GONE
    if change.kind == "deactivate":
        return status == "INACTIVE"
    if change.kind == "activate":
        return status in ("ACTIVE", *SOLD) and amount == change.new_price
    # An amount that met a waiting bid sold at once.
    return amount == change.new_price and status in ("ACTIVE", "INACTIVE", *SOLD)


def _apply(session: Session, change: ListingChange, work: Work, now: datetime) -> None:
    """Record on the listing what StockX carried out."""
    listing = change.listing
    actor = change.actor or work.actor
    change.state, change.finished_at, change.error = "done", now, None
    if change.new_price is not None and change.new_price != listing.ask_price:
        listings.record_price(
            session,
            listing,
            change.new_price,
            reason=change.reason,
            sentence=change.sentence,
            now=now,
            actor=actor,
            inputs=change.inputs,
            run_id=change.run_id,
        )
    listing.outside_change = None
    target = {"activate": "active", "deactivate": "inactive", "delete": "delisted"}.get(change.kind)
    if target is not None and listing.status != target and listing.status != "sold":
        # The pair was held for this; the move takes it.
        let_pair_go(session, listing, change.kind)
        cause = change.sentence or f"{change.kind.capitalize()} carried out by StockX."
        listings.move(session, listing, target, cause=cause, actor=actor, now=now)


def end(
    session: Session, change: ListingChange, state: str, now: datetime, why: str, *, guard: str | None = None
) -> None:
    """Bring a change to its end without StockX: why, and the guard that stopped it if one did."""
    change.state, change.finished_at, change.error, change.guard = state, now, why, guard
    let_pair_go(session, change.listing, change.kind)


def _of_batch(session: Session, batch_id: UUID) -> Sequence[ListingChange]:
    return session.scalars(
        select(ListingChange)
        .where(ListingChange.batch_id == batch_id, ListingChange.state == "sending")
        .options(joinedload(ListingChange.listing))
        .order_by(ListingChange.id)
        .with_for_update(of=ListingChange)
    ).all()


def _back_to_waiting(work: Work, batch_id: UUID) -> None:
    with work.transaction() as session:
        for change in _of_batch(session, batch_id):
            change.state, change.batch_id = "waiting", None
        session.get_one(StockxBatch, batch_id).state = "done"


def _drop_waiting(work: Work) -> None:
    """Take back what was not sent yet when the operator cancels."""
    with work.transaction() as session:
        waiting = select(ListingChange).where(ListingChange.run_id == work.run_id, ListingChange.state == "waiting")
        for change in session.scalars(waiting.with_for_update()):
            end(session, change, "cancelled", work.clock(), "The run was cancelled.")


def report(work: Work) -> str:
    """Write the counts of a run, those that never became a change included, and return the closing sentence."""
    with work.transaction() as session:
        by_state = _counted(session, ListingChange.state, ListingChange.run_id == work.run_id)
        noted = _counted(session, RunLine.outcome, RunLine.run_id == work.run_id)
    done, on_the_way = by_state.get("done", 0), by_state.get("refused", 0)
    refused, failed = (by_state.get(each, 0) + noted.get(each, 0) for each in ("refused", "failed"))
    counts = {"changed": done, "failed": failed, "refused": refused}
    if on_the_way:
        counts["refused_on_the_way"] = on_the_way
    work.progress(done=sum(by_state.values()) - by_state.get("waiting", 0), message=None, **counts)
    parts = [f"{done} changed"] + [f"{n} {word}" for n, word in ((refused, "refused"), (failed, "failed")) if n]
    return ", ".join(parts) + "."


def _counted(session: Session, column: InstrumentedAttribute[str], where: ColumnElement[bool]) -> dict[str, int]:
    return dict(session.execute(select(column, func.count()).where(where).group_by(column)).all())
