"""Doubtful matches: put together by what is doubtful, and decided once for all like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import NotFound
from soleflip.models import AuditEntry, MarketPrice, MatchDecision, Product, Shop, Variant

_SETTLE = """
UPDATE integration.market_prices AS offers
SET match_state = CASE WHEN decisions.is_same THEN 'firm' ELSE 'rejected' END,
    match_reason = CASE WHEN decisions.is_same THEN 'Confirmed by ' ELSE 'Rejected by ' END || decisions.actor,
    match_doubt = NULL, changed_at = :now
FROM integration.match_decisions AS decisions, products.variants AS variants
WHERE offers.match_state = 'doubtful' AND variants.id = offers.variant_id AND decisions.shop_id = offers.shop_id
AND decisions.product_id = variants.product_id AND decisions.doubt = offers.match_doubt
AND decisions.style_key = COALESCE(offers.style_key, '')
RETURNING decisions.is_same
"""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Offers of one shop and style code with the same kind of doubt about the same product.

    `product` is None where several variants fit equally: such offers can't be confirmed, they wait for better data.
    """

    shop_id: int
    shop: str
    product_id: UUID | None
    product: str | None
    style_code: str | None
    style_key: str
    kind: str
    title: str
    reason: str | None
    offers: int
    sizes: Sequence[str]


def waiting(session: Session, limit: int = 200) -> list[Doubt]:
    """Return the doubts about offers in stock that wait for a decision, the ones with the most offers first."""
    key = func.coalesce(MarketPrice.style_key, "")
    query = (
        select(
            Shop.id,
            Shop.name,
            Product.id,
            Product.title,
            Product.style_code,
            key,
            func.coalesce(MarketPrice.match_doubt, ""),
            func.min(MarketPrice.title),
            func.min(MarketPrice.match_reason),
            func.count(),
            func.array_agg(func.coalesce(MarketPrice.size, "–").distinct()),
        )
        .join(Shop, Shop.id == MarketPrice.shop_id)
        .outerjoin(Variant, Variant.id == MarketPrice.variant_id)
        .outerjoin(Product, Product.id == Variant.product_id)
        .where(MarketPrice.match_state == "doubtful", MarketPrice.gone_at.is_(None))
        .group_by(Shop.id, Product.id, key, MarketPrice.match_doubt)
        .order_by(func.count().desc(), Shop.name, key)
        .limit(limit)
    )
    rows: Sequence[Any] = session.execute(query).all()
    return [Doubt(*row) for row in rows]


def decide(
    session: Session,
    *,
    shop_id: int,
    product_id: UUID,
    style_key: str,
    kind: str,
    is_same: bool,
    actor: str,
    now: datetime,
) -> int:
    """Decide about all offers with this doubt, those of later feeds too; returns how many there were now."""
    if session.get(Product, product_id) is None or session.get(Shop, shop_id) is None:
        raise NotFound("There is no such doubt any more.")
    said: dict[str, Any] = {"is_same": is_same, "actor": actor, "at": now}
    statement = insert(MatchDecision).values(
        shop_id=shop_id, product_id=product_id, style_key=style_key, doubt=kind, **said
    )
    session.execute(
        statement.on_conflict_do_update(index_elements=["shop_id", "product_id", "style_key", "doubt"], set_=said)
    )
    session.add(
        AuditEntry(
            actor=actor,
            act="confirm match" if is_same else "reject match",
            subject=str(product_id),
            after={"shop": shop_id, "style": style_key, "doubt": kind},
        )
    )
    return _settle(session, now)[0]


def settle(session: Session, now: datetime) -> int:
    """Apply earlier decisions to doubts that came up since; returns how many offers became firm."""
    return _settle(session, now)[1]


def _settle(session: Session, now: datetime) -> tuple[int, int]:
    session.flush()
    done = session.execute(text(_SETTLE), {"now": now}).scalars().all()
    session.expire_all()
    return len(done), sum(done)
