"""Stock: one item per pair, from the order at the shop to the sale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import AuditEntry, Item, LedgerEntry, Purchase, Variant

FREE_STATES = ("in_stock", "ordered", "returned")
TO_BUY = "to buy"
"""The note of an item that was listed before it was bought."""
STATES = ("ordered", "in_stock", "reserved", "listed", "sold", "returned", "written_off")


@dataclass(frozen=True, slots=True)
class Buying:
    """What one pair cost and where its document is: amounts in `currency`, as on the document."""

    cost: Decimal | None
    currency: str
    price: Decimal | None = None
    delivery: Decimal | None = None
    vat_rate: Decimal | None = None
    vat_amount: Decimal | None = None
    supplier: str | None = None
    document: str | None = None
    purchased_on: date | None = None
    expected_on: date | None = None
    shop_id: int | None = None


def create_items(
    session: Session,
    variant_id: UUID,
    quantity: int,
    buying: Buying,
    *,
    state: str = "ordered",
    opportunity_id: UUID | None = None,
) -> list[Item]:
    """Put `quantity` equal pairs of a variant into stock; raises InvalidInput on a nonsense quantity or cost."""
    if not 1 <= quantity <= 1000:
        raise InvalidInput("The quantity must be between 1 and 1,000.", field="quantity")
    if buying.cost is not None and buying.cost < 0:
        raise InvalidInput("A cost can't be negative.", field="cost")
    variant = session.get(Variant, variant_id)
    if variant is None:
        raise NotFound("This size is not in the catalog.")
    purchase = Purchase(supplier=buying.supplier, document=buying.document, purchased_on=buying.purchased_on)
    session.add(purchase)
    session.flush()
    items = [
        Item(
            product_id=variant.product_id,
            variant_id=variant.id,
            state=state,
            cost=buying.cost,
            currency=buying.currency,
            price=buying.price,
            delivery=buying.delivery,
            vat_rate=buying.vat_rate,
            vat_amount=buying.vat_amount,
            purchase_id=purchase.id,
            opportunity_id=opportunity_id,
            shop_id=buying.shop_id,
            expected_on=buying.expected_on,
        )
        for _ in range(quantity)
    ]
    session.add_all(items)
    session.flush()
    return items


def get(session: Session, item_id: UUID) -> Item:
    """Return an item; raises NotFound."""
    item = session.get(Item, item_id)
    if item is None:
        raise NotFound("There is no such item.")
    return item


def reserve(session: Session, item_id: UUID) -> bool:
    """Take a free item for a listing; False when somebody else got here first. Changes exactly one row."""
    taken = session.execute(
        update(Item).where(Item.id == item_id, Item.state.in_(FREE_STATES)).values(state="reserved").returning(Item.id)
    )
    return taken.first() is not None


def reserve_free(session: Session, variant_id: UUID, opportunity_id: UUID | None = None) -> Item | None:
    """Reserve one free item of a variant, what is in stock first; None when there is none left."""
    query = select(Item).where(Item.variant_id == variant_id, Item.state.in_(FREE_STATES))
    if opportunity_id is not None:
        query = query.where(Item.opportunity_id == opportunity_id)
    item = session.scalar(
        query.order_by(Item.state != "in_stock", Item.created_at).limit(1).with_for_update(skip_locked=True)
    )
    if item is not None:
        item.state = "reserved"
        session.flush()
    return item


def move(session: Session, item_id: UUID, to_state: str) -> None:
    """Set an item's state after what happened to its listing or order."""
    if to_state not in STATES:
        raise InvalidInput(f"{to_state} is no state of an item.", field="state")
    session.execute(update(Item).where(Item.id == item_id).values(state=to_state))


def release(session: Session, item_id: UUID) -> None:
    """Give a reserved or listed item back to the free stock."""
    session.execute(
        update(Item).where(Item.id == item_id, Item.state.in_(("reserved", "listed"))).values(state="in_stock")
    )


def edit_cost(session: Session, item_id: UUID, cost: Decimal, *, actor: str) -> Item:
    """Change what an item cost, in its currency; raises Conflict once its cost is in the books."""
    item = get(session, item_id)
    if cost < 0 or not cost.is_finite():
        raise InvalidInput("A cost can't be negative.", field="cost")
    booked = session.scalar(
        select(func.sum(LedgerEntry.amount)).where(LedgerEntry.item_id == item_id, LedgerEntry.kind == "cost")
    )
    if booked:
        raise Conflict("The cost of this pair is already in the books; reverse the sale first.")
    before = str(item.cost) if item.cost is not None else None
    item.cost = cost
    session.add(
        AuditEntry(
            actor=actor, act="item cost", subject=str(item_id), before={"cost": before}, after={"cost": str(cost)}
        )
    )
    session.flush()
    return item


def arrive(session: Session, item_ids: Sequence[UUID]) -> int:
    """Mark ordered items as in stock; returns how many were."""
    arrived = session.execute(
        update(Item).where(Item.id.in_(item_ids), Item.state == "ordered").values(state="in_stock").returning(Item.id)
    )
    return len(arrived.all())
