"""Profit shown on the page = profit booked when that sale happens at those prices, through the services."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from soleflip.domain.opportunities import TREATMENTS, lines_of
from soleflip.models import LatestQuote, MarketPrice, Opportunity, StockxListing, StockxOrder
from soleflip.services import (
    analytics,
    asks,
    buying,
    evaluation,
    feeds,
    listings,
    opportunities,
    placing,
    settings,
    tax,
)
from soleflip.services.analytics import Period
from soleflip.services.buying import Purchase
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from soleflip.services.settings import Thresholds, VatSettings
from tests.services.market_data import make_market, write_feed
from tests.services.sales import entry

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BOOKS = Books("EUR", ZoneInfo("Europe/Berlin"))
CENTS = st.decimals(min_value="5", max_value="400", places=2)
DELIVERY = st.none() | st.decimals(min_value="0", max_value="15", places=2)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feed of one offer."""
    return write_feed(tmp_path_factory.mktemp("feed") / "feed.csv.gz", 1)


@pytest.fixture
def market(session: Session, feed: Path) -> Session:
    """One offer that is matched and quoted."""
    feeds.import_file(session, feed, now=NOW)
    make_market(session, NOW)
    return session


@pytest.mark.parametrize("treatment", TREATMENTS)
@given(
    price=CENTS,
    delivery=DELIVERY,
    markup=st.integers(20, 300),
    currency=st.sampled_from(["EUR", "EUR", "GBP", "PLN"]),
    at_once=st.booleans(),
)
@how(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_the_page_shows_is_what_a_real_sale_books(
    market: Session,
    treatment: str,
    price: Decimal,
    delivery: Decimal | None,
    markup: int,
    currency: str,
    at_once: bool,
) -> None:
    """Seen on the page, bought, listed, sold and paid out: page, order, books and tax report agree."""
    with market.begin_nested() as savepoint:
        shown = _on_the_page(market, treatment, price, delivery, markup, currency)
        net, sale, payout = (
            (shown.net_profit_now, shown.bid, shown.payout_now)
            if at_once
            else (shown.net_profit, shown.ask, shown.payout)
        )
        lines = lines_of(shown.arithmetic, "now" if at_once else "listed")
        owed = dict(lines_of(shown.arithmetic, "now_after" if at_once else "listed_after"))
        purchase = Purchase(quantity=1, price=price, delivery=delivery, purchased_on=NOW.date())
        buying.mark_bought(market, shown.id, purchase, actor="test", now=NOW)
        listing = _list(market, shown, sale)
        _sell(market, listing, sale, payout, lines)

        order = market.scalars(select(StockxOrder)).one()
        assert order.net_profit == net
        period = Period(date(2026, 3, 1), date(2026, 3, 31))
        assert analytics.profit(market, period, BOOKS).profit == analytics.full_sum(market, period, BOOKS).profit == net
        report = tax.report(market, 2026, tax.default_treatment(market), BOOKS)
        assert report.total.vat == -owed.get("VAT inside the margin", Decimal(0))
        savepoint.rollback()
    market.expire_all()


def _on_the_page(
    session: Session, treatment: str, price: Decimal, delivery: Decimal | None, markup: int, currency: str
) -> Opportunity:
    settings.save(session, VatSettings, {"treatment": treatment, "rate": "19"}, actor="test")
    settings.save(session, Thresholds, {"default_delivery": "6.90"}, actor="test")
    offer = {"price": price, "delivery": delivery, "currency": currency, "changed_at": NOW + timedelta(minutes=1)}
    session.execute(update(MarketPrice).values(**offer))
    ask = int(price) + markup
    session.execute(update(LatestQuote).values(lowest_ask=ask, highest_bid=max(ask - 25, 1)))
    session.expire_all()
    assert evaluation.recompute(session, NOW) == 1
    (shown,) = opportunities.search(session, opportunities.OpportunityFilter(everything=True), now=NOW).rows
    return opportunities.get(session, shown.id)


def _list(session: Session, shown: Opportunity, ask: Decimal) -> StockxListing:
    """Put the pair up, and let StockX have taken it; what the guards refuse to put up is written by hand."""
    preview = asks.preview(
        session, now=NOW, local_hour=12, opportunity_ids=[shown.id], wanted={shown.id: shown.ask or Decimal(1)}
    )
    if preview.listable:
        placing.order(session, preview, actor="test", now=NOW, created_from="quickflip")
        listing = session.scalars(select(StockxListing)).one()
    else:
        item = opportunities.detail(session, shown.id).items[0]
        listing = StockxListing(
            product_id=shown.product_id,
            catalog_variant_id=shown.variant_id,
            item_id=item.id,
            stockx_product_id=shown.variant.product.stockx_product_id,
            variant_id=shown.variant.stockx_variant_id,
            currency="EUR",
            ask_price=ask,
            buy_price=item.cost,
            status="pending",
            strategy_settings={},
        )
        item.state = "reserved"
        session.add(listing)
    listing.stockx_listing_id = "L1"
    session.flush()
    for state in ("submitting", "active"):
        listings.move(session, listing, state, cause="test", actor="test", now=NOW)
    return listing


def _sell(
    session: Session, listing: StockxListing, price: Decimal, payout: Decimal, lines: list[tuple[str, Decimal]]
) -> None:
    """StockX tells of the order with its payout, at the fees that the page reckoned with."""
    adjustments = [
        {"adjustmentType": name, "amount": str(amount), "percentage": "0"}
        for name, amount in lines
        if name not in ("Sale price", "Cost of the pair")
    ]
    told: dict[str, Any] = {
        "salePrice": str(price),
        "totalPayout": str(payout),
        "totalAdjustments": str(payout - price),
        "currencyCode": "EUR",
        "adjustments": adjustments,
    }
    product = {"productId": listing.stockx_product_id, "productName": "x", "styleId": "x"}
    order = entry(
        "9-1",
        "COMPLETED",
        listing="L1",
        amount=str(price),
        created="2026-03-03T10:00:00.000Z",
        updated="2026-03-05T10:00:00.000Z",
    ).model_dump(by_alias=True, mode="json")
    variant = {"variantId": listing.variant_id, "variantName": "x", "variantValue": "9"}
    told_of = type(entry()).model_validate({**order, "payout": told, "product": product, "variant": variant})
    record(session, [told_of], BOOKS, NOW + timedelta(days=3), actor="test")
