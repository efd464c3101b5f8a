"""A market for tests of rules: opportunities at given costs, rules over them, and what came of both."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.models import Brand, Decision, LatestQuote, MarketPrice, Opportunity, Product, Rule, Shop, Variant
from soleflip.services import automation_rules, carrying_out, decisions
from soleflip.services.carrying_out import Carried
from soleflip.services.runs import Books

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BOOKS = Books("EUR", ZoneInfo("Europe/Berlin"))


def offer(
    session: Session,
    cost: str = "50",
    *,
    product: Product | None = None,
    stock: int | None = 5,
    profit: str = "40",
    now: datetime = NOW,
) -> Opportunity:
    """An open opportunity of a size of its own, with a fresh quote at which listing it earns."""
    shop = session.scalar(select(Shop)) or Shop(name="Sole Shop")
    if product is None:
        brand = session.scalar(select(Brand).where(Brand.key == "asics")) or Brand(name="Asics", key="asics")
        style = f"ST{uuid4().hex[:6].upper()}-100"
        product = Product(
            title="Gel One", style_code=style, style_key=style, stockx_product_id=str(uuid4()), brand=brand
        )
        session.add(product)
        session.flush()
    size = str(9 + len(session.scalars(select(Variant).where(Variant.product_id == product.id)).all()))
    variant = Variant(product=product, size=size, sizes={"eu": "42.5"}, stockx_variant_id=str(uuid4()))
    session.add(variant)
    session.flush()
    lowest = Decimal(cost) * 2 + 20
    session.add(
        LatestQuote(variant_id=variant.id, currency="EUR", lowest_ask=lowest, highest_bid=Decimal(cost), at=now)
    )
    market_price = MarketPrice(
        shop=shop,
        external_id=uuid4().hex,
        title="An offer",
        price=Decimal(cost),
        currency="EUR",
        stock=stock,
        content_hash="x",
        seen_at=now,
        changed_at=now,
        match_state="firm",
        variant_id=variant.id,
    )
    session.add(market_price)
    session.flush()
    found = Opportunity(
        offer=market_price,
        variant_id=variant.id,
        currency="EUR",
        cost=Decimal(cost),
        ask=lowest - 1,
        net_profit=Decimal(profit),
        expected_profit=Decimal(profit),
        is_worth=True,
        shop_id=market_price.shop_id,
        product_id=variant.product_id,
        price=Decimal(cost),
        roi=Decimal(profit) / Decimal(cost) * 100,
        margin=Decimal(20),
        stock=stock,
        quote_at=now,
        offer_seen_at=now,
        computed_at=now,
        arithmetic={},
    )
    session.add(found)
    session.flush()
    return found


def rule(
    session: Session,
    action: str = "buy",
    *,
    subject: str = "opportunity",
    autopilot: bool = False,
    conditions: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    name: str | None = None,
    **limits: Any,
) -> Rule:
    """A stored rule; over opportunities it asks for a profit of 10 unless told otherwise."""
    asked = {"min_profit": 10, "min_roi": None} if subject == "opportunity" else {}
    read = automation.read_rule(subject, asked | (conditions or {}), action, settings or {}, limits)
    return automation_rules.save(
        session, None, name or f"Rule {uuid4().hex[:6]}", read, autopilot=autopilot, actor="test"
    )


def carry(session: Session, ids: list[UUID] | None = None, now: datetime = NOW) -> Carried:
    """Carry approved decisions out."""
    return carrying_out.carry_out(session, ids, books=BOOKS, now=now)


def states(session: Session) -> list[str]:
    """The states of all decisions, sorted."""
    session.expire_all()
    return sorted(session.scalars(select(Decision.state)))


def decide(session: Session, now: datetime = NOW) -> list[UUID]:
    """Let all rules propose; returns the ids of what waits or is approved."""
    decisions.propose(session, now)
    return list(session.scalars(select(Decision.id).where(Decision.state.in_(("waiting", "approved")))))
