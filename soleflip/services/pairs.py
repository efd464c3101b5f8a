"""Pairs that could be listed, from opportunities and from stock, locked for the one who asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import Item, MarketPrice, Opportunity, Variant
from soleflip.services.stock import FREE_STATES, TO_BUY


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair to be listed before it is priced: bought, or yet to be ordered; `blocked` says why it can't be."""

    id: UUID
    variant: Variant
    cost: Decimal | None
    opportunity: Opportunity | None
    item: Item | None
    shop: str | None
    blocked: str | None

    @property
    def is_bought(self) -> bool:
        """Whether the pair is ours already; one that was listed and came back unsold may still be to buy."""
        return self.item is not None and self.item.note != TO_BUY

    @property
    def most(self) -> int:
        """How many equal pairs can be listed at once: what the shop has, one where it does not say, one of stock."""
        if self.item is not None or self.opportunity is None:
            return 1
        return max(self.opportunity.stock or 1, 1)


def from_opportunities(session: Session, ids: Sequence[UUID]) -> list[Pair]:
    """Load opportunities, locked so that of two clicks only one lists them, with an item where one is free."""
    if not ids:
        return []
    found = session.scalars(
        select(Opportunity)
        .where(Opportunity.id.in_(ids))
        .options(
            joinedload(Opportunity.variant).joinedload(Variant.product),
            joinedload(Opportunity.offer).joinedload(MarketPrice.shop),
        )
        .order_by(Opportunity.net_profit.desc().nullslast(), Opportunity.id)
        .with_for_update(of=Opportunity)
    ).all()
    bought = session.scalars(
        select(Item)
        .where(Item.opportunity_id.in_(ids), Item.state.in_(FREE_STATES))
        .order_by(Item.created_at)
        .with_for_update(skip_locked=True)
    ).all()
    by_opportunity: dict[UUID | None, list[Item]] = defaultdict(list)
    for free in bought:
        by_opportunity[free.opportunity_id].append(free)
    sources = []
    for each in found:
        items: list[Item | None] = [*by_opportunity.get(each.id, [])] or [None]
        for item in items:
            cost = item.cost if item is not None else each.cost
            blocked = _blocked(each) if item is None else None
            sources.append(
                Pair(
                    id=item.id if item is not None and len(items) > 1 else each.id,
                    variant=each.variant,
                    cost=cost,
                    opportunity=each,
                    item=item,
                    shop=each.offer.shop.name,
                    blocked=blocked,
                )
            )
    return sources


def _blocked(opportunity: Opportunity) -> str | None:
    """Say why an opportunity that nothing was bought of can't be listed."""
    if opportunity.state == "acted":
        return "Already listed or bought from this opportunity."
    if opportunity.state != "open":
        return f"This opportunity is {opportunity.state}."
    if opportunity.match_state != "firm":
        return "The match with StockX is in doubt; decide it first."
    if not opportunity.offer.in_stock or opportunity.offer.gone_at is not None or opportunity.stock == 0:
        return "The shop has sold out."
    return None


def from_items(session: Session, ids: Sequence[UUID]) -> list[Pair]:
    """Load items of the stock, locked so that of two clicks only one lists them."""
    if not ids:
        return []
    found = session.scalars(
        select(Item)
        .where(Item.id.in_(ids))
        .options(joinedload(Item.variant).joinedload(Variant.product), joinedload(Item.purchase))
        .order_by(Item.created_at, Item.id)
        .with_for_update(of=Item)
    ).all()
    return [
        Pair(
            id=item.id,
            variant=item.variant,
            cost=item.cost,
            opportunity=None,
            item=item,
            shop=item.purchase.supplier if item.purchase else None,
            blocked=None if item.state in FREE_STATES else f"This item is {item.state.replace('_', ' ')}.",
        )
        for item in found
    ]
