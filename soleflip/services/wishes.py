"""What the operator asks of listings: each wish becomes a run that carries it out, or is refused with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.money import HUNDRED, whole_up
from soleflip.models import Item, Run, RunLine, StockxListing
from soleflip.services import changes, listings, pricing_rules, runs, stock, submission
from soleflip.services.changes import Asked, Wish

MOST = 5000
PRICE_MODES = {
    "set": "Set to",
    "raise": "Raise by",
    "lower": "Lower by",
    "raise_percent": "Raise by %",
    "lower_percent": "Lower by %",
}


@dataclass(frozen=True, slots=True)
class Ordered:
    """A run of changes that was started, and what was refused of it, by listing."""

    run: Run
    asked: Asked


def adjusted(ask: Decimal, mode: str, value: Decimal) -> Decimal:
    """Return an ask changed as the operator said, rounded up to whole units unless it was typed as it is."""
    if mode not in PRICE_MODES:
        raise InvalidInput("Choose how the price changes.", field="mode")
    if not value.is_finite() or value < 0:
        raise InvalidInput("The price change must be a number, zero or more.", field="value")
    step = ask * value / HUNDRED if mode.endswith("_percent") else value
    if mode == "set":
        return value
    return whole_up(ask + step if mode.startswith("raise") else ask - step)


def change_prices(
    session: Session,
    listing_ids: Sequence[UUID],
    mode: str,
    value: Decimal,
    *,
    actor: str,
    now: datetime,
    sentence: str | None = None,
) -> Ordered:
    """Ask for new prices of listings, each worked out from its own ask; raises Conflict or Refused when none may.

    `sentence` is the operator's reason, for the history.
    """
    _check_count(listing_ids)
    asks = session.execute(
        select(StockxListing.id, StockxListing.ask_price).where(StockxListing.id.in_(listing_ids))
    ).all()
    said = sentence or f"{PRICE_MODES.get(mode, mode)} {value.normalize():f}, by hand."
    wanted = [Wish(key, "price", adjusted(ask, mode, value), "manual", said) for key, ask in asks]
    return _order(session, wanted, actor=actor, now=now)


def change_state(
    session: Session, listing_ids: Sequence[UUID], kind: str, *, actor: str, now: datetime, sentence: str = "By hand."
) -> Ordered:
    """Ask to activate (also expired ones), deactivate or delete listings; raises Conflict or Refused when none may."""
    _check_count(listing_ids)
    if kind not in ("activate", "deactivate", "delete"):
        raise InvalidInput("Choose what is to be done with the selected listings.")
    return _order(session, [Wish(key, kind, sentence=sentence) for key in listing_ids], actor=actor, now=now)


def relist_expired(session: Session, *, actor: str, now: datetime) -> Ordered:
    """Ask to put every expired listing up again at its ask; raises Conflict when none may go up."""
    expired = session.scalars(select(StockxListing.id).where(StockxListing.status == "expired").limit(MOST)).all()
    if not expired:
        raise Conflict("No listing has expired.")
    return change_state(session, expired, "activate", actor=actor, now=now)


def undo_prices(session: Session, run_id: UUID, *, actor: str, now: datetime) -> Ordered:
    """Ask for the prices that a run replaced; raises Conflict when there is nothing to take back."""
    run = runs.start(session, "change", actor=actor, params={"undo_of": str(run_id)})
    return _ordered(session, run, changes.undo_prices(session, run_id, new_run_id=run.id, actor=actor, now=now))


def undo_listing(session: Session, run_id: UUID, *, actor: str, now: datetime) -> Ordered:
    """Ask to delist what a run put up; raises Conflict when nothing of it is up any more."""
    run = runs.start(session, "change", actor=actor, params={"undo_of": str(run_id)})
    return _ordered(session, run, changes.undo_listing(session, run_id, new_run_id=run.id, actor=actor, now=now))


def retry_failed(session: Session, run_id: UUID, *, actor: str, now: datetime) -> Run:
    """Try the failed listings of a run again under a new one; raises Conflict when none can be."""
    failed = session.scalars(
        select(StockxListing.id).where(StockxListing.run_id == run_id, StockxListing.status == "failed")
    ).all()
    run = runs.start(session, "list", actor=actor, params={"retry_of": str(run_id)})
    run.total = submission.retry_failed(session, failed, run.id, actor=actor, now=now)
    if not run.total:
        raise Conflict("Nothing of this run can be tried again: nothing failed, or its items were listed elsewhere.")
    return run


def decide_review(session: Session, listing_id: UUID, decision: str, *, actor: str, now: datetime) -> Run | None:
    """Carry out the operator's word on a listing in review.

    Returns the run that sends it again, or that first asks StockX about an id that nothing of ours has seen.
    """
    named = decision.removeprefix("adopt:") if decision.startswith("adopt:") else ""
    if named and not listings.may_adopt(session, listing_id, named):
        params = {"listing_id": str(listing_id), "stockx_listing_id": named[:100]}
        return runs.start(session, "adopt", actor=actor, params=params, total=1)
    listing = listings.decide_review(session, listing_id, decision, actor=actor, now=now)
    if listing.status != "pending":
        return None
    run = runs.start(session, "list", actor=actor, total=1)
    listing.run_id = run.id
    return run


def edit_cost(session: Session, item_id: UUID, cost: Decimal, *, actor: str, now: datetime) -> Item:
    """Change what a pair cost, in its currency, and with it the floor and the expected profit of its live listing."""
    item = stock.edit_cost(session, item_id, cost, actor=actor)
    listing = session.scalar(
        select(StockxListing)
        .where(StockxListing.item_id == item_id, StockxListing.status.in_(sorted(LIVE_STATES)))
        .with_for_update()
    )
    if listing is not None:
        fees = listings.fees_of(session, listing, now)
        listing.buy_price = cost
        listing.floor_price = listings.floor_of(cost, fees, pricing_rules.guards_of(session, listing))
        listings.price_listing(listing, listing.ask_price, fees)
        session.flush()
    return item


def _order(session: Session, wanted: Sequence[Wish], *, actor: str, now: datetime) -> Ordered:
    run = runs.start(session, "change", actor=actor)
    return _ordered(session, run, changes.ask(session, wanted, run_id=run.id, actor=actor, now=now))


def _ordered(session: Session, run: Run, asked: Asked) -> Ordered:
    if not asked.waiting:
        raise asked.why_nothing("Nothing was changed.")
    run.total = asked.waiting
    for listing_id, sentence in asked.refused.items():
        session.add(RunLine(run_id=run.id, subject_id=listing_id, outcome="refused", sentence=sentence))
    session.flush()
    return Ordered(run, asked)


def _check_count(listing_ids: Sequence[UUID]) -> None:
    if not listing_ids:
        raise InvalidInput("Select at least one listing.")
    if len(listing_ids) > MOST:
        raise InvalidInput(f"At most {MOST:,} listings at once; narrow the filter.")
