"""Doubtful matches: one decision for all like it, kept for later feeds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import NotFound
from soleflip.models import MarketPrice
from soleflip.services import catalog, doubts, evaluation, feeds
from soleflip.services.opportunities import OpportunityFilter, search
from tests.services.market_data import know_products, quote_everything, write_feed

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def style(session: Session, tmp_path: Path) -> str:
    """A style whose offers came with GTINs that StockX does not have, looked up already; returns its key."""
    feeds.import_file(session, write_feed(tmp_path / "feed.csv.gz", 30), now=NOW)
    know_products(session)
    key = session.scalars(select(MarketPrice.style_key).order_by(MarketPrice.id)).first()
    assert key is not None
    session.execute(
        update(MarketPrice)
        .where(MarketPrice.style_key == key)
        .values(gtin="0" + MarketPrice.external_id + "0000", looked_up_at=NOW)
    )
    catalog.match(session, NOW)
    return key


def _states(session: Session, key: str) -> set[str]:
    return set(session.scalars(select(MarketPrice.match_state).where(MarketPrice.style_key == key)))


def _decide(session: Session, *, is_same: bool) -> int:
    (doubt,) = doubts.waiting(session)
    assert doubt.product_id is not None
    return doubts.decide(
        session,
        shop_id=doubt.shop_id,
        product_id=doubt.product_id,
        style_key=doubt.style_key,
        kind=doubt.kind,
        is_same=is_same,
        actor="test",
        now=NOW,
    )


def test_doubts_like_each_other_stand_in_one_line(session: Session, style: str) -> None:
    assert _states(session, style) == {"doubtful"}
    (doubt,) = doubts.waiting(session)
    assert (doubt.style_key, doubt.kind, doubt.offers) == (style, "gtin", len(doubt.sizes))
    assert "another GTIN" in (doubt.reason or "")


def test_what_is_doubtful_is_no_opportunity_until_it_is_confirmed(session: Session, style: str) -> None:
    from decimal import Decimal

    def shown() -> set[str | None]:
        evaluation.recompute(session, NOW)
        rows = search(session, OpportunityFilter(), now=NOW, limit=100).rows
        return {row.offer.style_key for row in rows}

    quote_everything(session, NOW, ask=Decimal("1.5"))
    assert style not in shown()
    assert _decide(session, is_same=True) > 5
    assert style in shown()
    assert doubts.waiting(session) == []


def test_a_rejected_match_stays_rejected(session: Session, style: str) -> None:
    _decide(session, is_same=False)
    assert _states(session, style) == {"rejected"}
    catalog.match(session, NOW + timedelta(days=1))
    assert _states(session, style) == {"rejected"}


def test_a_decision_holds_for_later_offers_like_it(session: Session, style: str) -> None:
    _decide(session, is_same=True)
    session.execute(
        update(MarketPrice).where(MarketPrice.style_key == style).values(match_state="unmatched", variant_id=None)
    )
    catalog.match(session, NOW + timedelta(days=1))
    assert _states(session, style) == {"firm"}


def test_a_doubt_that_is_gone_is_said_to_be(session: Session, style: str) -> None:
    from uuid import uuid4

    with pytest.raises(NotFound):
        doubts.decide(
            session, shop_id=1, product_id=uuid4(), style_key="", kind="gtin", is_same=True, actor="test", now=NOW
        )
