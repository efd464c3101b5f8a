"""Bought: the purchase decision that puts pairs into stock with their true cost, linked to their opportunity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.days import check_past
from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.money import ZERO
from soleflip.domain.opportunities import cost_of
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, Item, Opportunity
from soleflip.services import opportunities, stock
from soleflip.services.evaluation import terms_of
from soleflip.services.rates import rate
from soleflip.services.stock import Buying


@dataclass(frozen=True, slots=True)
class Purchase:
    """What was really bought: gross price and delivery per pair in the shop's currency, as on the document."""

    quantity: int
    price: Decimal
    delivery: Decimal | None = None
    document: str | None = None
    purchased_on: date | None = None
    expected_on: date | None = None


def mark_bought(
    session: Session,
    opportunity_id: UUID,
    purchase: Purchase,
    *,
    actor: str,
    now: datetime,
    so_far: int | None = None,
) -> list[Item]:
    """Make items of bought pairs with their true cost in the books' currency, linked to the opportunity.

    `so_far` is how many pairs the buyer saw as bought: a form that is sent twice buys once. Raises InvalidInput for a
    nonsense price, Conflict when the match with StockX is in doubt, or when other pairs were bought in the meantime.
    """
    found = opportunities.get(session, opportunity_id)
    session.scalar(select(Opportunity.id).where(Opportunity.id == found.id).with_for_update())
    there = session.scalar(select(func.count(Item.id)).where(Item.opportunity_id == found.id)) or 0
    if so_far is not None and there != so_far:
        raise Conflict(f"{count_of(there, 'pair')} bought by now, so nothing was added: look, then buy again.")
    if found.match_state != "firm":
        raise Conflict("The match with StockX is in doubt; decide it before buying.")
    if not purchase.price.is_finite() or purchase.price <= ZERO:
        raise InvalidInput("The price must be above zero.", field="price")
    if purchase.delivery is not None and (not purchase.delivery.is_finite() or purchase.delivery < ZERO):
        raise InvalidInput("The delivery can't be negative.", field="delivery")
    check_past(purchase.purchased_on, now.date(), "purchased_on")  # before a rate of that day is asked for
    terms = terms_of(session, now.date())
    on = purchase.purchased_on or now.date()
    exchange = rate(found.offer.currency, terms.currency, on)
    cost = cost_of(purchase.price, purchase.delivery, terms, rate=exchange.value)
    # Items carry amounts in the books' currency, so the document's own are kept only where it is the same.
    is_home = found.offer.currency == terms.currency
    buying = Buying(
        cost=cost.total,
        currency=terms.currency,
        price=purchase.price if is_home else None,
        delivery=purchase.delivery if is_home else None,
        vat_rate=terms.vat.rate if cost.vat else None,
        vat_amount=cost.vat or None,
        supplier=found.offer.shop.name,
        document=purchase.document,
        purchased_on=on,
        expected_on=purchase.expected_on,
        shop_id=found.offer.shop_id,
    )
    items = stock.create_items(
        session, found.variant_id, purchase.quantity, buying, opportunity_id=found.id, today=now.date()
    )
    found.state = "acted"
    session.add(
        AuditEntry(
            actor=actor,
            act="buy",
            subject=str(found.id),
            after={"quantity": purchase.quantity, "cost": str(cost.total), "document": purchase.document},
        )
    )
    session.flush()
    return items


def buy_as_offered(session: Session, ids: Sequence[UUID], *, actor: str, now: datetime) -> list[Item]:
    """Make one bought pair of each open and firmly matched opportunity, at what the shop charges; the others are left.

    Sent twice, it buys once: what was acted on is open no more.
    """
    meant = select(Opportunity.id).where(
        Opportunity.id.in_(ids), Opportunity.state == "open", Opportunity.match_state == "firm"
    )
    items: list[Item] = []
    for each in session.scalars(meant.order_by(Opportunity.id).with_for_update()).all():
        offer = opportunities.get(session, each).offer
        items += mark_bought(session, each, Purchase(1, offer.price, offer.delivery), actor=actor, now=now)
    return items
