"""Listings: their moves, the one gate through which an amount leaves, and what the Listings page shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from soleflip.domain import pricing
from soleflip.domain.errors import Conflict, NotFound
from soleflip.domain.fees import FeeSchedule, estimate_payout
from soleflip.domain.listings import LIVE_STATES, check_ask, check_move
from soleflip.domain.money import percent
from soleflip.models import AuditEntry, Item, ListingMove, PricingHistory, StockxListing
from soleflip.services import fees, pricing_rules, stock

ITEM_STATE = {"active": "listed", "inactive": "reserved", "sold": "sold"}
FREED = frozenset({"failed", "cancelled", "delisted", "expired"})


def get(session: Session, listing_id: UUID, *, lock: bool = False) -> StockxListing:
    """Return a listing, locked when it is about to change; raises NotFound."""
    listing = session.get(StockxListing, listing_id, with_for_update=lock or None)
    if listing is None:
        raise NotFound("There is no such listing.")
    return listing


def move(session: Session, listing: StockxListing, to_state: str, *, cause: str, actor: str, now: datetime) -> None:
    """Move a listing to another state, its item with it, and write the history; raises Conflict on a wrong move."""
    check_move(listing.status, to_state)
    session.add(
        ListingMove(
            listing_id=listing.id, from_status=listing.status, to_status=to_state, cause=cause, actor=actor, at=now
        )
    )
    was_live = listing.status in LIVE_STATES
    listing.status = to_state
    listing.is_active = to_state == "active"
    if to_state == "active":
        listing.listed_at = listing.listed_at or now
    if to_state == "delisted":
        listing.delisted_at = now
    if listing.item_id is not None:
        _move_item(session, listing, listing.item_id, to_state, was_live)
    session.flush()


def _move_item(session: Session, listing: StockxListing, item_id: UUID, to_state: str, was_live: bool) -> None:
    """Keep the item in step: free when the listing ends, taken again when a dead listing turns out alive."""
    if to_state in FREED:
        stock.release(session, item_id)
        return
    if not was_live and to_state in LIVE_STATES and not stock.reserve(session, item_id):
        listing.review = {"why": "This listing is alive on StockX, but its item was given to another listing."}
        listing.item_id = None
        return
    if to_state in ITEM_STATE:
        stock.move(session, item_id, ITEM_STATE[to_state])


def mark_sold(session: Session, listing_id: UUID, *, cause: str, actor: str, now: datetime) -> StockxListing:
    """Take a sold listing and its item off the market; a listing that is sold already stays as it is."""
    listing = get(session, listing_id, lock=True)
    if listing.status != "sold":
        if listing.status in ("pending", "submitting", "review"):
            # StockX sold what we were still waiting to see: it was live after all.
            move_to_live(session, listing, cause="Sold before its creation was recorded.", actor=actor, now=now)
        move(session, listing, "sold", cause=cause, actor=actor, now=now)
    return listing


def move_to_live(session: Session, listing: StockxListing, *, cause: str, actor: str, now: datetime) -> None:
    """Bring a listing that is not yet known to be live into the state `active` over allowed moves."""
    if listing.status == "pending":
        move(session, listing, "submitting", cause=cause, actor=actor, now=now)
    move(session, listing, "active", cause=cause, actor=actor, now=now)


def undo_sale(session: Session, listing_id: UUID, *, item_state: str, cause: str, actor: str, now: datetime) -> None:
    """After a cancelled, failed or returned order: end the listing and give its item back as `item_state`."""
    listing = get(session, listing_id, lock=True)
    if listing.status in ("sold", "active", "inactive", "expired"):
        move(session, listing, "delisted", cause=cause, actor=actor, now=now)
    if listing.item_id is not None:
        stock.move(session, listing.item_id, item_state)


def floor_of(cost: Decimal | None, schedule: FeeSchedule, guards: pricing.GuardSettings) -> Decimal | None:
    """Return the floor for a cost, or the set lowest ask when the cost is unknown, or None when there is neither."""
    if cost is None:
        return guards.min_ask
    return pricing.floor(cost, schedule, guards)


def fees_of(session: Session, listing: StockxListing, now: datetime) -> FeeSchedule:
    """Return today's fees of a listing's category."""
    return fees.book(session).schedule(listing.product.product_type, now.date())


def outgoing_ask(
    session: Session,
    listing: StockxListing,
    amount: Decimal,
    now: datetime,
    rulebook: pricing_rules.Rulebook | None = None,
) -> Decimal:
    """Return the amount as it may be sent for this listing: the one gate before StockX.

    The floor is worked out now, from the item's cost of now and the guard rails that act on this listing; whoever
    asks for many passes the `rulebook`. Raises BelowFloor, CostUnknown or InvalidInput.
    """
    cost = listing.buy_price
    if listing.item_id is not None:
        cost = session.scalar(select(Item.cost).where(Item.id == listing.item_id))
    floor = floor_of(cost, fees_of(session, listing, now), pricing_rules.guards_of(session, listing, rulebook))
    listing.floor_price = floor
    listing.buy_price = cost
    return check_ask(amount, floor, cost_unknown_accepted=listing.cost_unknown_accepted)


def price_listing(listing: StockxListing, ask: Decimal, schedule: FeeSchedule) -> None:
    """Set a listing's ask and what a sale at it should earn."""
    listing.ask_price = ask
    listing.original_ask_price = listing.original_ask_price or ask
    if listing.buy_price is not None:
        listing.expected_profit = estimate_payout(ask, schedule).payout - listing.buy_price
        listing.expected_margin = percent(listing.expected_profit, ask)


def record_price(
    session: Session,
    listing: StockxListing,
    new_price: Decimal,
    *,
    reason: str,
    sentence: str | None,
    now: datetime,
    actor: str,
    inputs: dict[str, Any] | None = None,
    run_id: UUID | None = None,
) -> None:
    """Write a change of the ask that StockX has, with its market, sentence and inputs, and keep the listing in step."""
    session.add(
        PricingHistory(
            listing_id=listing.id,
            old_price=listing.ask_price,
            new_price=new_price,
            currency=listing.currency,
            change_reason=reason,
            market_lowest_ask=listing.current_lowest_ask,
            market_highest_bid=listing.current_highest_bid,
            sentence=sentence,
            inputs=inputs or {},
            strategy=listing.strategy,
            run_id=run_id,
            actor=actor,
            created_at=now,
        )
    )
    price_listing(listing, new_price, fees_of(session, listing, now))
    listing.last_price_update = now
    session.flush()


def accept_unknown_cost(session: Session, listing_id: UUID, *, actor: str) -> None:
    """Keep the operator's word that this listing may be priced although its cost is unknown."""
    listing = get(session, listing_id, lock=True)
    listing.cost_unknown_accepted = True
    session.add(AuditEntry(actor=actor, act="accept unknown cost", subject=str(listing_id)))
    session.flush()


def set_strategy(
    session: Session, listing_ids: Sequence[UUID], strategy: str, values: dict[str, Any], *, actor: str
) -> int:
    """Give listings a strategy of their own; blank settings come from tag, brand or default; returns how many.

    Raises InvalidInput for unknown ones.
    """
    read = pricing_rules.checked(pricing.strategy_named(strategy).settings_type, values)
    changed = session.execute(
        update(StockxListing)
        .where(StockxListing.id.in_(listing_ids), StockxListing.status.in_(LIVE_STATES))
        .values(strategy=strategy, strategy_settings=read, strategy_from="listing")
        .returning(StockxListing.id)
    ).all()
    session.add(
        AuditEntry(
            actor=actor, act="strategy", after={"strategy": strategy, "listings": [str(row.id) for row in changed]}
        )
    )
    return len(changed)


def may_adopt(session: Session, listing_id: UUID, stockx_listing_id: str) -> bool:
    """Tell whether an id needs no question to StockX: a candidate of this review, or a listing we know already."""
    shown: Any = (get(session, listing_id).review or {}).get("candidates", ())
    if stockx_listing_id in {each.get("listing_id") for each in shown}:
        return True
    known = select(StockxListing.id).where(StockxListing.stockx_listing_id == stockx_listing_id)
    return session.scalar(known) is not None


def decide_review(session: Session, listing_id: UUID, decision: str, *, actor: str, now: datetime) -> StockxListing:
    """Carry out the operator's word on a listing in review: `adopt:<StockX id>` or `absent` (send it again)."""
    listing = get(session, listing_id, lock=True)
    if listing.status != "review":
        raise Conflict("This listing is no longer in review.")
    if decision.startswith("adopt:"):
        found = decision.removeprefix("adopt:")
        if not found or session.scalar(select(StockxListing.id).where(StockxListing.stockx_listing_id == found)):
            raise Conflict("That is another listing of ours, or none at all. Choose the one that belongs to this row.")
        listing.stockx_listing_id = found
        listing.review = None
        move(session, listing, "active", cause="Adopted by the operator.", actor=actor, now=now)
    elif decision == "absent":
        listing.review = None
        listing.batch_id = None
        move(session, listing, "pending", cause="Absent on StockX, says the operator.", actor=actor, now=now)
    else:
        raise Conflict("Choose one of the two: adopt it, or send it again.")
    return listing


def history(session: Session, listing_id: UUID) -> tuple[Sequence[ListingMove], Sequence[PricingHistory]]:
    """Return a listing's moves and price changes, oldest first."""
    moves = session.scalars(select(ListingMove).where(ListingMove.listing_id == listing_id).order_by(ListingMove.id))
    prices = session.scalars(
        select(PricingHistory).where(PricingHistory.listing_id == listing_id).order_by(PricingHistory.created_at)
    )
    return moves.all(), prices.all()


def of_run(session: Session, run_id: UUID) -> Sequence[StockxListing]:
    """Return the listings that a run made or was to make."""
    return session.scalars(
        select(StockxListing)
        .where(StockxListing.run_id == run_id)
        .options(selectinload(StockxListing.product), selectinload(StockxListing.variant))
        .order_by(StockxListing.created_at, StockxListing.id)
    ).all()
