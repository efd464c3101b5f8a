"""Stock: one item per pair, from the order at the shop to the sale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, case, exists, func, select, update
from sqlalchemy.orm import Session

from soleflip.domain.days import check_coming, check_past
from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import AuditEntry, Item, LedgerEntry, Opportunity, Purchase, StockxListing, StockxOrder, Variant

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
    today: date,
    state: str = "ordered",
    opportunity_id: UUID | None = None,
) -> list[Item]:
    """Put `quantity` equal pairs of a variant into stock; raises InvalidInput on a nonsense quantity, cost or day."""
    check_past(buying.purchased_on, today, "purchased_on")
    check_coming(buying.expected_on, today, "expected_on")
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
    items = _bought_at_last(session, opportunity_id, quantity, buying, state, purchase)
    made = [_item(variant, buying, state, purchase, opportunity_id) for _ in range(quantity - len(items))]
    session.add_all(made)
    session.flush()
    return [*items, *made]


def yet_to_buy(
    variant: Variant, cost: Decimal | None, currency: str, *, state: str, opportunity_id: UUID | None
) -> dict[str, Any]:
    """Return the columns of a pair that is committed to, but that the operator has still to buy at the shop."""
    return {
        "id": uuid4(),
        "product_id": variant.product_id,
        "variant_id": variant.id,
        "state": state,
        "cost": cost,
        "currency": currency,
        "opportunity_id": opportunity_id,
        "note": TO_BUY,
        "is_awaited": True,
    }


def _item(variant: Variant, buying: Buying, state: str, purchase: Purchase, opportunity_id: UUID | None) -> Item:
    return Item(
        product_id=variant.product_id,
        variant_id=variant.id,
        state=state,
        is_awaited=state == "ordered",
        currency=buying.currency,
        purchase_id=purchase.id,
        opportunity_id=opportunity_id,
        **_facts(buying),
    )


def _facts(buying: Buying) -> dict[str, Any]:
    names = ("cost", "price", "delivery", "vat_rate", "vat_amount", "shop_id", "expected_on")
    return {name: getattr(buying, name) for name in names}


def _bought_at_last(
    session: Session, opportunity_id: UUID | None, quantity: int, buying: Buying, state: str, purchase: Purchase
) -> list[Item]:
    """Fill in the items of an opportunity that were listed before they were bought, so that no pair counts twice."""
    if opportunity_id is None:
        return []
    query = select(Item).where(Item.opportunity_id == opportunity_id, Item.note == TO_BUY)
    items = list(session.scalars(query.order_by(Item.created_at, Item.id).limit(quantity).with_for_update()))
    for item in items:
        facts = _facts(buying)
        if _booked_cost(session, item.id):
            facts.pop("cost")
        for name, value in facts.items():
            setattr(item, name, value)
        item.purchase_id, item.note, item.is_awaited = purchase.id, None, state == "ordered"
        if item.state == "ordered":
            item.state = state
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


def move(session: Session, item_id: UUID, to_state: str) -> None:
    """Set an item's state after what happened to its listing or order."""
    if to_state not in STATES:
        raise InvalidInput(f"{to_state} is no state of an item.", field="state")
    session.execute(update(Item).where(Item.id == item_id).values(state=to_state))


def release(session: Session, item_id: UUID) -> None:
    """Give a reserved or listed item back to the free stock: in stock when it is here, else ordered."""
    session.execute(
        update(Item)
        .where(Item.id == item_id, Item.state.in_(("reserved", "listed")))
        .values(state=case((Item.is_awaited, "ordered"), else_="in_stock"))
    )


def edit_cost(session: Session, item_id: UUID, cost: Decimal, *, actor: str) -> Item:
    """Change what an item cost, in its currency; raises Conflict once its cost is in the books."""
    item = get(session, item_id)
    if cost < 0 or not cost.is_finite():
        raise InvalidInput("A cost can't be negative.", field="cost")
    if _booked_cost(session, item_id):
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


def _booked_cost(session: Session, item_id: UUID) -> Decimal | None:
    """Return what of an item's cost stands in the books: nothing, or nothing that is not reversed."""
    query = select(func.sum(LedgerEntry.amount)).where(LedgerEntry.item_id == item_id, LedgerEntry.kind == "cost")
    return session.scalar(query) or None


def edit_purchase(
    session: Session,
    item_id: UUID,
    *,
    supplier: str | None,
    document: str | None,
    purchased_on: date | None,
    expected_on: date | None,
    note: str | None,
    today: date,
) -> Item:
    """Change where an item was bought; the purchase document is shared by all pairs on it. Raises InvalidInput."""
    check_past(purchased_on, today, "purchased_on")
    check_coming(expected_on, today, "expected_on")
    item = get(session, item_id)
    if item.purchase is None:
        item.purchase = Purchase()
    item.purchase.supplier, item.purchase.document = supplier, document
    item.purchase.purchased_on = purchased_on
    item.expected_on, item.note = expected_on, note
    session.flush()
    return item


def arrive(session: Session, item_ids: Sequence[UUID]) -> int:
    """Mark awaited items as arrived, listed ones too; returns how many were awaited. One not yet bought is bought."""
    arrived = session.execute(
        update(Item)
        .where(Item.id.in_(item_ids), Item.is_awaited | (Item.state == "ordered"))
        .values(
            is_awaited=False,
            state=case((Item.state == "ordered", "in_stock"), else_=Item.state),
            note=case((Item.note == TO_BUY, None), else_=Item.note),
        )
        .returning(Item.id)
    )
    return len(arrived.all())


def _was_sold() -> ColumnElement[bool]:
    """Whether there is an order of an item, even one that was cancelled."""
    return exists().where(StockxOrder.item_id == Item.id)


def drop_unbought(session: Session, item_ids: Sequence[UUID], *, actor: str) -> int:
    """Forget pairs that were listed, came back and will not be bought; their opportunities open again."""
    items = session.scalars(
        select(Item).where(Item.id.in_(item_ids), Item.note == TO_BUY, Item.state == "ordered").with_for_update()
    ).all()
    ids = [item.id for item in items]
    session.execute(update(StockxListing).where(StockxListing.item_id.in_(ids)).values(item_id=None))
    opportunities = [item.opportunity_id for item in items if item.opportunity_id is not None]
    session.execute(
        update(Opportunity).where(Opportunity.id.in_(opportunities), Opportunity.state == "acted").values(state="open")
    )
    for item in items:
        session.add(AuditEntry(actor=actor, act="not bought", subject=str(item.id), before={"cost": str(item.cost)}))
        session.delete(item)
    session.flush()
    return len(items)
