"""Proposals of new prices that wait for the operator's word, and what is looked at again once it is given."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased, joinedload

from soleflip.domain.errors import Conflict
from soleflip.domain.listings import ON_STOCKX
from soleflip.domain.pricing import Acting, PricingInput, confirm
from soleflip.models import ListingChange, Run, StockxListing
from soleflip.services import change_batches, pricing, pricing_rules, runs
from soleflip.services.runs import Work

MOST = 500


def waiting(session: Session, limit: int = MOST) -> Sequence[ListingChange]:
    """Return the newest proposal of each listing that is still on StockX, the largest price first."""
    newest = (
        select(ListingChange.id)
        .where(ListingChange.state == "proposed")
        .ext(distinct_on(ListingChange.listing_id))
        .order_by(ListingChange.listing_id, ListingChange.created_at.desc(), ListingChange.id)
    )
    load = joinedload(ListingChange.listing)
    return session.scalars(
        select(ListingChange)
        .join(ListingChange.listing)
        .where(ListingChange.id.in_(newest), StockxListing.status.in_(sorted(ON_STOCKX)))
        .options(load.joinedload(StockxListing.product), load.joinedload(StockxListing.variant))
        .order_by(ListingChange.old_price.desc(), ListingChange.id)
        .limit(limit)
    ).all()


def approve(session: Session, change_ids: Sequence[UUID] | None, *, actor: str) -> Run:
    """Let proposals go out under a new run, all (None) or some; the run looks at quote and guards of each again.

    Older proposals of the same listings end. Raises Conflict when none is left to approve.
    """
    under_way = aliased(ListingChange)
    busy = exists().where(under_way.listing_id == ListingChange.listing_id, under_way.state.in_(("waiting", "sending")))
    wanted = [each.id for each in waiting(session, limit=100_000)] if change_ids is None else list(change_ids)
    changes = session.scalars(
        select(ListingChange)
        .where(ListingChange.id.in_(wanted), ListingChange.state == "proposed", ~busy)
        .order_by(ListingChange.created_at.desc(), ListingChange.id)
        .with_for_update()
    ).all()
    newest = {change.listing_id: change for change in reversed(changes)}
    if not newest:
        raise Conflict("These proposals no longer wait: they were decided, or their listings are being changed.")
    run = runs.start(session, "change", actor=actor, total=len(newest), params={"approved": len(newest)})
    for change in newest.values():
        change.state, change.run_id, change.actor = "waiting", run.id, actor
    session.flush()
    session.execute(
        update(ListingChange)
        .where(ListingChange.listing_id.in_(newest), ListingChange.state == "proposed")
        .values(state="cancelled")
    )
    return run


def reject(session: Session, change_ids: Sequence[UUID] | None) -> int:
    """Drop proposals, all (None) or some, and older ones of the same listings; returns how many listings stay."""
    query = select(ListingChange.listing_id).where(ListingChange.state == "proposed")
    if change_ids is not None:
        query = query.where(ListingChange.id.in_(change_ids))
    listing_ids = set(session.scalars(query))
    session.execute(
        update(ListingChange)
        .where(ListingChange.listing_id.in_(listing_ids), ListingChange.state == "proposed")
        .values(state="cancelled")
    )
    return len(listing_ids)


def carry_out(work: Work) -> str:
    """Carry out a run of changes; what the operator approved earlier first has to pass today's guards."""
    if work.params.get("approved"):
        _look_again(work)
    return change_batches.carry_out(work)


def _look_again(work: Work) -> None:
    """Refuse the approved prices that quote, ask, guards or floor of this moment no longer allow."""
    waits = (ListingChange.run_id == work.run_id, ListingChange.state == "waiting")
    with work.transaction() as session:
        listing_ids = session.scalars(select(ListingChange.listing_id).where(*waits)).all()
    pricing.refresh_quotes(work, listing_ids)
    now = work.clock()
    with work.transaction() as session:
        rulebook = pricing_rules.load(session)
        by_listing = {each.listing_id: each for each in session.scalars(select(ListingChange).where(*waits))}
        found = list(pricing.facts(session, list(by_listing), now, work.books))
        brands = pricing_rules.brands_of(session, {listing.product_id for listing, _ in found})
        for listing, given in found:
            change = by_listing[listing.id]
            why, guard = _objection(change, rulebook.acting(brands.get(listing.product_id), listing), given)
            if why is not None:
                change_batches.end(session, change, "refused", now, why, guard=guard)


def _objection(change: ListingChange, rule: Acting, given: PricingInput) -> tuple[str | None, str | None]:
    """Return why an approved price can't go out any more, and the guard; None for one that can."""
    if change.old_price != given.ask:
        return f"The ask was {change.old_price} when this was proposed.", "approval"
    if change.new_price is None:
        return None, None
    decision = confirm(rule.strategy, change.new_price, given, rule.guards)
    return (decision.reason, decision.guard) if decision.kind == "refuse" else (None, None)
