"""Opportunities: computed only when something changed, true to the cent, found, dismissed and bought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.domain.opportunities import lines_of
from soleflip.models import Item, LatestQuote, MarketPrice, Opportunity
from soleflip.services import evaluation, feeds, opportunities, settings
from soleflip.services import fees as figures
from soleflip.services.opportunities import OpportunityFilter, Purchase
from soleflip.services.opportunity_filter import SORTS
from soleflip.services.settings import Thresholds, VatSettings
from tests.services.market_data import make_market, write_feed

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROWS = 60


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feed of the invented shop."""
    return write_feed(tmp_path_factory.mktemp("feed") / "feed.csv.gz", ROWS)


@pytest.fixture
def market(session: Session, feed: Path) -> Session:
    """The feed matched and quoted: asks at 1.5 times the price, bids at 1.2 times."""
    feeds.import_file(session, feed, now=NOW)
    make_market(session, NOW)
    return session


def _one(session: Session) -> Opportunity:
    return session.scalars(select(Opportunity).where(Opportunity.is_current).order_by(Opportunity.id)).first()


def test_every_matched_offer_with_a_quote_is_computed_once(market: Session) -> None:
    assert market.scalar(select(func.count()).select_from(Opportunity)) == ROWS
    assert evaluation.recompute(market, NOW) == 0


def test_only_what_changed_is_computed_again(market: Session) -> None:
    some = market.scalars(select(LatestQuote.variant_id).limit(3)).all()
    market.execute(update(LatestQuote).where(LatestQuote.variant_id.in_(some)).values(at=NOW + timedelta(hours=1)))
    assert evaluation.recompute(market, NOW + timedelta(hours=1)) == 3
    settings.save(market, VatSettings, {"treatment": "vat_registered"}, actor="test")
    assert evaluation.recompute(market, NOW + timedelta(hours=1)) == ROWS


def test_the_stored_result_is_what_its_lines_add_up_to(market: Session) -> None:
    for found in market.scalars(select(Opportunity)):
        for part, profit in (("listed", found.net_profit), ("now", found.net_profit_now)):
            assert sum(Decimal(amount) for _, amount in found.arithmetic[part]) == profit
        assert sum(Decimal(amount) for _, amount in found.arithmetic["cost"]) == found.cost


@pytest.mark.parametrize(
    ("treatment", "cost", "profit"),
    [
        ("none", "104.95", "19.57"),
        ("small_business", "104.95", "19.57"),
        ("vat_registered", "88.19", "36.33"),
        # 19/119 of 149 - 104.95
        ("margin_scheme", "104.95", "12.54"),
    ],
)
def test_net_profit_by_vat_treatment(session: Session, feed: Path, treatment: str, cost: str, profit: str) -> None:
    """100 + 4.95 delivery, ask 149: 149 - 13.41 - 4.47 - 4.50 = 126.62, less cost, 0.30 and what is due."""
    feeds.import_file(session, feed, now=NOW)
    session.execute(update(MarketPrice).values(price=Decimal(100), delivery=Decimal("4.95")))
    fees = {"transaction_rate": "0.09", "processing_rate": "0.03", "minimum_fee": "5", "shipping": "4.50"}
    figures.enter(session, "figures", {**fees, "valid_from": "2026-01-01"}, actor="test", now=NOW)
    settings.save(session, VatSettings, {"treatment": treatment, "rate": "19"}, actor="test")
    settings.save(
        session, Thresholds, {"failure_rate": "0.02", "failure_cost": "15", "unshipped_rate": "0"}, actor="test"
    )
    make_market(session, NOW)
    found = _one(session)
    assert (found.ask, found.payout) == (Decimal(149), Decimal("126.62"))
    expected = Decimal("126.62") - Decimal(cost) - Decimal("0.30")
    if treatment == "margin_scheme":
        expected -= Decimal("7.03")
    assert (found.cost, found.net_profit) == (Decimal(cost), expected)
    assert found.margin == round(expected / 149 * 100, 2)


def test_an_offer_in_another_currency_is_converted_at_the_days_rate(session: Session, feed: Path) -> None:
    feeds.import_file(session, feed, now=NOW)
    session.execute(update(MarketPrice).values(price=Decimal(100), delivery=None, currency="GBP"))
    make_market(session, NOW)
    found = _one(session)
    currency, books, rate, day = found.arithmetic["rate"]
    assert (currency, books) == ("GBP", "EUR")
    assert day <= "2026-03-02"
    assert found.cost == round(100 * Decimal(rate), 2)
    assert evaluation.recompute(session, NOW) == 0
    assert evaluation.recompute(session, NOW + timedelta(days=1)) == ROWS


def test_default_filter_shows_what_is_above_the_thresholds_best_first(market: Session) -> None:
    found = opportunities.search(market, OpportunityFilter(), now=NOW)
    profits = [row.net_profit for row in found.rows]
    assert profits == sorted(profits, reverse=True)
    assert min(profits) >= Decimal(5)
    assert all(row.is_current and row.state == "open" for row in found.rows)


def test_old_quotes_and_old_offers_are_not_shown(market: Session, feed: Path) -> None:
    assert opportunities.search(market, OpportunityFilter(), now=NOW).rows
    assert not opportunities.search(market, OpportunityFilter(), now=NOW + timedelta(hours=25)).rows
    market.execute(update(LatestQuote).values(at=NOW + timedelta(hours=170)))
    evaluation.recompute(market, NOW + timedelta(hours=170))
    assert not opportunities.search(market, OpportunityFilter(), now=NOW + timedelta(hours=170)).rows
    # The same file again writes no offer, but says that its offers are still there.
    feeds.import_file(market, feed, now=NOW + timedelta(hours=170))
    assert opportunities.search(market, OpportunityFilter(), now=NOW + timedelta(hours=170)).rows


@pytest.mark.parametrize("sort", [sign + name for name in SORTS for sign in ("", "-")])
def test_pages_by_key_show_every_row_once_in_order(market: Session, sort: str) -> None:
    wanted = OpportunityFilter(sort=sort, everything=True, match="any", state="any")
    seen: list[object] = []
    while True:
        found = opportunities.search(market, wanted, now=NOW, limit=14)
        seen += [row.id for row in found.rows]
        if found.next is None:
            break
        wanted = OpportunityFilter(sort=sort, everything=True, match="any", state="any", after=found.next)
    assert len(seen) == len(set(seen)) == ROWS
    whole = opportunities.search(
        market, OpportunityFilter(sort=sort, everything=True, state="any"), now=NOW, limit=ROWS
    )
    assert [row.id for row in whole.rows] == seen


def test_a_broken_cursor_is_refused(market: Session) -> None:
    with pytest.raises(InvalidInput, match="broken"):
        opportunities.search(market, OpportunityFilter(after="nonsense"), now=NOW)


def test_a_page_takes_few_statements_whatever_it_shows(market: Session) -> None:
    statements: list[str] = []
    engine = market.get_bind()
    event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    market.expire_all()
    market.expunge_all()
    found = opportunities.search(market, OpportunityFilter(), now=NOW)
    assert all(row.variant.product.brand.name and row.offer.shop.name for row in found.rows)
    assert len(statements) <= 3


def test_filters_narrow(market: Session) -> None:
    everything = OpportunityFilter(everything=True)
    row = opportunities.search(market, everything, now=NOW).rows[0]
    by_word = OpportunityFilter(everything=True, q=row.variant.product.style_code or "")
    assert {found.variant.product_id for found in opportunities.search(market, by_word, now=NOW).rows} == {
        row.variant.product_id
    }
    by_size = OpportunityFilter(everything=True, size="EU 42")
    assert {found.offer.size for found in opportunities.search(market, by_size, now=NOW).rows} == {"42"}
    hundred = OpportunityFilter(everything=True, q="100%_")
    assert not opportunities.search(market, hundred, now=NOW).rows


def test_summary_and_by_source_say_the_same(market: Session) -> None:
    total = opportunities.summary(market, OpportunityFilter(), now=NOW)
    shops = opportunities.by_source(market, OpportunityFilter(), now=NOW)
    products = opportunities.by_product(market, OpportunityFilter(), now=NOW)
    assert total.count == len(opportunities.matching_ids(market, OpportunityFilter(), now=NOW, limit=1000))
    assert total.profit == sum(each.profit for each in shops) == sum(each.profit for each in products)


def test_dismissed_stays_away_until_the_price_moves(market: Session) -> None:
    found = _one(market)
    assert opportunities.dismiss(market, [found.id], actor="test", now=NOW) == 1
    market.execute(update(LatestQuote).values(at=NOW + timedelta(hours=1)))
    evaluation.recompute(market, NOW + timedelta(hours=1))
    assert _state(market, found) == "dismissed"
    offer = market.get_one(MarketPrice, found.market_price_id)
    before = offer.price
    offer.price, offer.changed_at = before * Decimal("0.97"), NOW + timedelta(hours=2)
    evaluation.recompute(market, NOW + timedelta(hours=2))
    assert _state(market, found) == "dismissed"
    offer.price, offer.changed_at = before * Decimal("0.90"), NOW + timedelta(hours=3)
    evaluation.recompute(market, NOW + timedelta(hours=3))
    assert _state(market, found) == "open"


def _state(session: Session, found: Opportunity) -> str:
    session.expire_all()
    return session.get_one(Opportunity, found.id).state


def test_an_offer_that_is_gone_is_no_opportunity(market: Session) -> None:
    found = _one(market)
    market.execute(
        update(MarketPrice)
        .where(MarketPrice.id == found.market_price_id)
        .values(gone_at=NOW, changed_at=NOW + timedelta(1))
    )
    evaluation.recompute(market, NOW)
    assert _state(market, found) == "gone"
    assert not market.get_one(Opportunity, found.id).is_current


def test_bought_pairs_become_items_at_their_true_cost(market: Session) -> None:
    settings.save(market, VatSettings, {"treatment": "vat_registered", "rate": "19"}, actor="test")
    found = _one(market)
    bought = Purchase(quantity=2, price=Decimal("100.00"), document="R-17", purchased_on=NOW.date())
    items = opportunities.mark_bought(market, found.id, bought, actor="test", now=NOW)
    assert len(items) == 2
    item = market.get_one(Item, items[0].id)
    assert (item.cost, item.vat_amount, item.state, item.opportunity_id) == (
        Decimal("84.03"),
        Decimal("15.97"),
        "ordered",
        found.id,
    )
    assert _state(market, found) == "acted"


def test_what_the_page_shows_is_what_the_books_will_say(market: Session) -> None:
    """Profit shown + the allowance for failures = payout - cost, which is what a sale at that price books."""
    for found in market.scalars(select(Opportunity).limit(50)):
        assert found.payout is not None
        allowance = -dict(lines_of(found.arithmetic, "listed"))["Expected cost of failed sales"]
        assert allowance >= Decimal("0.30")
        assert found.net_profit + allowance == found.payout - found.cost
