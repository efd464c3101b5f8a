"""Changes of live listings as the operator or a strategy wants them: price, activate, deactivate, delete.

A wish is a row of `selling.listing_changes`; `change_batches.py` carries the rows of a run out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from soleflip.domain.errors import Conflict, InvalidInput, Refused, SoleFlipError, nothing_left
from soleflip.domain.listings import ON_STOCKX
from soleflip.models import ListingChange, StockxListing
from soleflip.services import away, listings, pricing_rules, stock
from soleflip.services.pricing_rules import Rulebook

KINDS = ("price", "activate", "deactivate", "delete")
ALLOWED_FROM = {
    "price": ON_STOCKX,
    "activate": frozenset({"inactive", "expired"}),
    "deactivate": frozenset({"active"}),
    "delete": frozenset({"active", "inactive", "expired"}),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A wanted change of one listing; `price` in the listing's currency for `price`, and optional for `activate`."""

    listing_id: UUID
    kind: str
    price: Decimal | None = None
    reason: str = "manual"
    sentence: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of wishes: how many wait to be carried out, and the sentence for each that was refused.

    `guard` is the short name of the guard that refused, where one and the same refused all.
    """

    waiting: int
    refused: dict[UUID, str]
    guard: str | None = None

    def why_nothing(self, start: str) -> SoleFlipError:
        """Return the error that says why none was taken: Refused where it was one guard's word, else Conflict."""
        return nothing_left(start, self.refused.values(), self.guard)


def ask(
    session: Session,
    wishes: Iterable[Wish],
    *,
    run_id: UUID,
    actor: str,
    now: datetime,
    state: str = "waiting",
    is_home: bool = False,
) -> Asked:
    """Write wishes down for a run after passing each through the gate; a listing takes one change at a time.

    While the operator is away no ask goes up, unless `is_home`: the operator has looked at these.
    """
    wanted = {wish.listing_id: wish for wish in wishes}
    rows = session.scalars(
        select(StockxListing)
        .where(StockxListing.id.in_(wanted))
        .options(selectinload(StockxListing.product))
        .order_by(StockxListing.id)
        .with_for_update()
    )
    rulebook = pricing_rules.load(session)
    shut = not is_home and any(wish.kind == "activate" for wish in wanted.values()) and away.in_force(session)
    accepted: list[dict[str, Any]] = []
    refused: dict[UUID, str] = {}
    guards: set[str | None] = set()
    for row in rows:
        wish = wanted[row.id]
        try:
            if shut and wish.kind == "activate":
                away.ensure_home(session)
            price = _checked(session, row, wish, now, rulebook)
        except SoleFlipError as error:
            refused[row.id] = str(error)
            guards.add(error.guard if isinstance(error, Refused) else None)
            continue
        accepted.append(
            {
                "listing_id": row.id,
                "run_id": run_id,
                "kind": wish.kind,
                "state": state,
                "old_price": row.ask_price,
                "new_price": price,
                "reason": wish.reason,
                "sentence": wish.sentence,
                "inputs": wish.inputs,
                "actor": actor,
                "created_at": now,
            }
        )
    for missing in wanted.keys() - {each["listing_id"] for each in accepted} - refused.keys():
        refused[missing] = "There is no such listing."
        guards.add(None)
    if not accepted:
        return Asked(0, refused, next(iter(guards)) if len(guards) == 1 else None)
    if state == "waiting":
        priced = [each["listing_id"] for each in accepted if each["kind"] == "price"]
        supersede(session, priced, "The price was changed another way.", now=now)
    written = session.scalars(
        insert(ListingChange).values(accepted).on_conflict_do_nothing().returning(ListingChange.listing_id)
    ).all()
    for busy in {each["listing_id"] for each in accepted} - set(written):
        refused[busy] = "Another change of this listing is under way."
        let_pair_go(session, session.get_one(StockxListing, busy), wanted[busy].kind)
    return Asked(len(written), refused)


def supersede(session: Session, listing_ids: Sequence[UUID], why: str, *, now: datetime) -> None:
    """End the proposals that still wait for these listings: something newer was decided about them."""
    session.execute(
        update(ListingChange)
        .where(ListingChange.listing_id.in_(listing_ids), ListingChange.state == "proposed")
        .values(state="cancelled", error=why, finished_at=now)
    )


def _checked(session: Session, row: StockxListing, wish: Wish, now: datetime, rulebook: Rulebook) -> Decimal | None:
    """Return the amount that a wish may send, or None for one without an amount; raises why it may not."""
    if wish.kind not in KINDS:
        raise InvalidInput(f"{wish.kind} is no change of a listing.")
    if row.status not in ALLOWED_FROM[wish.kind]:
        raise Conflict(f"A listing that is {row.status} takes no {wish.kind}.")
    if wish.kind == "price":
        if wish.price is None:
            raise InvalidInput("A price is needed.", field="price")
        amount = listings.outgoing_ask(session, row, wish.price, now, rulebook)
        if row.ask_price == amount and not wish.inputs.get("renew"):
            raise Conflict("The ask is at this price already.")
        return amount
    if wish.kind == "activate":
        amount = listings.outgoing_ask(session, row, wish.price or row.ask_price, now, rulebook)
        _hold_pair(session, row)
        return amount
    return None


def _hold_pair(session: Session, row: StockxListing) -> None:
    """Reserve the pair of an expired listing that goes up again, so that nothing else lists it; raises Conflict."""
    if row.status == "expired" and row.item_id is not None and not stock.reserve(session, row.item_id):
        raise Conflict("Its pair is not free any more: it is listed elsewhere, sold or written off.")


def let_pair_go(session: Session, row: StockxListing, kind: str) -> None:
    """Free what `ask` reserved for an expired listing whose `activate` came to its end."""
    if kind == "activate" and row.status == "expired" and row.item_id is not None:
        stock.release(session, row.item_id)


def drop_waiting(session: Session, listing_ids: Select[UUID], why: str, now: datetime) -> int:
    """Drop the changes of listings that wait to be sent; returns how many. What is being sent goes on."""
    waiting = session.scalars(
        select(ListingChange)
        .where(ListingChange.listing_id.in_(listing_ids), ListingChange.state == "waiting")
        .options(selectinload(ListingChange.listing))
        .order_by(ListingChange.id)
        .with_for_update()
    ).all()
    for change in waiting:
        change.state, change.error, change.finished_at = "cancelled", why, now
        let_pair_go(session, change.listing, change.kind)
    session.flush()
    return len(waiting)


def undo_prices(session: Session, run_id: UUID, *, new_run_id: UUID, actor: str, now: datetime) -> Asked:
    """Ask for the prices that a run's changes replaced; each passes the gate like any other amount."""
    done = session.scalars(
        select(ListingChange).where(
            ListingChange.run_id == run_id, ListingChange.state == "done", ListingChange.kind == "price"
        )
    ).all()
    wishes = [
        Wish(change.listing_id, "price", change.old_price, "manual", "Undo of an earlier change.") for change in done
    ]
    if not wishes:
        raise Conflict("This run changed no price.")
    return ask(session, wishes, run_id=new_run_id, actor=actor, now=now)


def undo_listing(session: Session, run_id: UUID, *, new_run_id: UUID, actor: str, now: datetime) -> Asked:
    """Ask to delist everything that a listing run put up."""
    ids = session.scalars(
        select(StockxListing.id).where(StockxListing.run_id == run_id, StockxListing.status.in_(("active", "inactive")))
    ).all()
    if not ids:
        raise Conflict("Nothing of this run is up any more.")
    wishes = [Wish(listing_id, "delete", sentence="Undo of the listing run.") for listing_id in ids]
    return ask(session, wishes, run_id=new_run_id, actor=actor, now=now)
