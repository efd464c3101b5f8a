"""Opportunities: computed only when something changed, true to the cent, found, dismissed and bought."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, func, select, text, update
from sqlalchemy.orm import Session

from bench.figures import rows_read, statements
from soleflip.domain.errors import InvalidInput
from soleflip.domain.opportunities import cost_of, evaluate
from soleflip.models import Item, LatestQuote, MarketPrice, Opportunity, PastSale, Product, Variant
from soleflip.services import buying, downloads, evaluation, feeds, opportunities, pricing_rules, settings
from soleflip.services import fees as figures
from soleflip.services.buying import Purchase
from soleflip.services.opportunities import OpportunityFilter
from soleflip.services.opportunity_filter import ALL_SORTS, SORTS
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from soleflip.services.settings import Thresholds, VatSettings
from tests.services.market_data import make_market, write_feed
from tests.services.sales import entry, make_listing

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROWS = 60
BOOKS = Books("EUR", ZoneInfo("Europe/Berlin"))


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
        left = sum(Decimal(amount) for _, amount in found.arithmetic["listed_after"])
        assert found.net_profit + left == found.expected_profit
        assert sum(Decimal(amount) for _, amount in found.arithmetic["cost"]) == found.cost


@pytest.mark.parametrize(
    ("treatment", "cost", "profit", "expected"),
    [
        ("none", "104.95", "21.67", "21.37"),
        ("small_business", "104.95", "21.67", "21.37"),
        ("vat_registered", "88.19", "38.43", "38.13"),
        # 19/119 of 126.62 - 104.95 are 3.46.
        ("margin_scheme", "104.95", "21.67", "17.91"),
    ],
)
def test_net_profit_by_vat_treatment(
    session: Session, feed: Path, treatment: str, cost: str, profit: str, expected: str
) -> None:
    """100 + 4.95 delivery, ask 149: 149 - 13.41 - 4.47 - 4.50 = 126.62, less cost; 0.30 and VAT stand apart."""
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
    assert (found.cost, found.net_profit, found.expected_profit) == (Decimal(cost), Decimal(profit), Decimal(expected))
    assert found.margin == round(Decimal(profit) / 149 * 100, 2)


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
    assert evaluation.recompute(market, NOW + timedelta(hours=170)) == 0
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


def _count(session: Session, wanted: OpportunityFilter, **more: Any) -> int:
    return session.scalar(opportunities.counted(session, wanted, **more))


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


def test_what_is_back_in_stock_is_said_to_be(market: Session) -> None:
    found = _one(market)
    offer = market.get_one(MarketPrice, found.market_price_id)
    for hours, in_stock in ((1, False), (2, True), (3, True)):
        offer.in_stock, offer.changed_at = in_stock, NOW + timedelta(hours=hours)
        evaluation.recompute(market, NOW + timedelta(hours=hours))
        market.refresh(found)
        assert found.is_current is in_stock
    assert found.restocked_at == NOW + timedelta(hours=2)
    never = market.scalar(select(func.count()).where(Opportunity.restocked_at.is_(None)))
    assert never == ROWS - 1


def test_bought_pairs_become_items_at_their_true_cost(market: Session) -> None:
    settings.save(market, VatSettings, {"treatment": "vat_registered", "rate": "19"}, actor="test")
    found = _one(market)
    bought = Purchase(quantity=2, price=Decimal("100.00"), document="R-17", purchased_on=NOW.date())
    items = buying.mark_bought(market, found.id, bought, actor="test", now=NOW)
    assert len(items) == 2
    item = market.get_one(Item, items[0].id)
    assert (item.cost, item.vat_amount, item.state, item.opportunity_id) == (
        Decimal("84.03"),
        Decimal("15.97"),
        "ordered",
        found.id,
    )
    assert _state(market, found) == "acted"


def test_what_is_stored_is_what_the_live_formula_says(market: Session) -> None:
    """After prices, quotes, fees and settings changed, no stored figure is behind."""
    settings.save(market, VatSettings, {"treatment": "vat_registered", "rate": "19"}, actor="test")
    changed = {"transaction_rate": "0.08", "shipping": "6.10", "valid_from": "2026-01-01"}
    figures.enter(market, "figures", changed, actor="test", now=NOW)
    later = NOW + timedelta(hours=1)
    some = market.scalars(select(LatestQuote.variant_id).order_by(LatestQuote.variant_id).limit(9)).all()
    risen = update(LatestQuote).where(LatestQuote.variant_id.in_(some))
    market.execute(risen.values(lowest_ask=LatestQuote.lowest_ask + 7, at=later))
    offers = market.scalars(select(MarketPrice).order_by(MarketPrice.id).limit(7)).all()
    for offer in offers:
        offer.price, offer.changed_at = offer.price - 3, later
    market.scalars(select(Product).order_by(Product.id)).first().title = "Another name"
    assert evaluation.recompute(market, later) == ROWS
    terms = evaluation.terms_of(market, later.date())
    for found in market.scalars(select(Opportunity)):
        cost = cost_of(found.offer.price, found.offer.delivery, terms)
        live = evaluate(cost, found.ask, found.bid, terms)
        assert (found.cost, found.payout) == (cost.total, live.listed.payout)
        assert (found.net_profit, found.expected_profit) == (live.listed.profit, live.listed.expected)
        assert (found.margin, found.roi) == (live.listed.margin, live.listed.roi)
        assert (found.payout_now, found.net_profit_now) == (live.now.payout, live.now.profit)
        product = found.variant.product
        assert (found.title, found.brand, found.shop_name) == (product.title, product.brand.name, found.offer.shop.name)
        assert (found.shop_id, found.product_id, found.price) == (found.offer.shop_id, product.id, found.offer.price)
        assert (found.size, found.size_eu) == (found.variant.size, found.variant.sizes["eu"])


def test_the_ask_is_that_of_the_brands_rule_with_its_settings(market: Session) -> None:
    brand = _one(market).variant.product.brand
    before = {row.id: row.ask for row in market.scalars(select(Opportunity))}
    rule = pricing_rules.add(market, "brand", brand.key, actor="test")
    pricing_rules.save_strategy(
        market, rule.id, acts="competitive", strategy="competitive", values={"by_amount": "9"}, actor="test"
    )
    assert evaluation.recompute(market, NOW) == ROWS
    fell = {row.id: before[row.id] - row.ask for row in market.scalars(select(Opportunity))}
    theirs = set(market.scalars(select(Opportunity.id).join(Variant).join(Product).where(Product.brand_id == brand.id)))
    assert 0 < len(theirs) < ROWS
    assert {fell[key] for key in theirs} == {8}
    assert {fell[key] for key in fell.keys() - theirs} == {0}


def test_what_is_worth_follows_thresholds_and_age(market: Session) -> None:
    def worth() -> int:
        return market.scalar(select(func.count()).where(Opportunity.is_worth))

    shown = _count(market, OpportunityFilter(), now=NOW)
    assert worth() == shown > 0
    settings.save(market, Thresholds, {"min_profit": "25"}, actor="test")
    fewer = _count(market, OpportunityFilter(), now=NOW)
    assert 0 < fewer < shown, "a stricter threshold acts at once"
    assert evaluation.recompute(market, NOW) == 0
    assert worth() == fewer
    settings.save(market, Thresholds, {"min_profit": "5"}, actor="test")
    evaluation.recompute(market, NOW)
    assert worth() == shown
    evaluation.recompute(market, NOW + timedelta(hours=25))
    assert worth() == 0


def test_a_limit_below_the_thresholds_is_obeyed(market: Session) -> None:
    settings.save(market, Thresholds, {"min_profit": "30", "min_roi": "0"}, actor="test")
    evaluation.recompute(market, NOW)
    strict = _count(market, OpportunityFilter(), now=NOW)
    assert _count(market, OpportunityFilter(min_profit=Decimal(1)), now=NOW) > strict


def test_the_first_page_reads_no_row_that_it_does_not_show(market: Session) -> None:
    """For every order: at most three statements, and of offers and opportunities the page's rows and one more."""
    _multiply(market, 40)
    for sort in [sign + name for name in SORTS for sign in ("", "-")]:
        if sort.removeprefix("-") == "match":
            continue  # offered only where other matches than firm ones are shown
        with statements(market.connection().engine) as sent:
            found = opportunities.search(market, OpportunityFilter(sort=sort), now=NOW, limit=20)
        assert len(found.rows) == 20
        assert len(sent) <= 3
        read = rows_read(market.connection(), sent[-1])
        # The other tables are so small here that the planner rather reads them whole.
        assert (read["opportunities"], read["market_prices"]) == (21, 21), (sort, read)


@pytest.mark.parametrize("more", [{}, {"state": "any"}, {"match": "any"}, {"state": "any", "match": "any"}])
def test_a_page_of_everything_reads_no_row_that_it_does_not_show(market: Session, more: dict[str, Any]) -> None:
    _multiply(market, 40)
    market.execute(update(Opportunity).values(is_worth=False))
    market.execute(text("ANALYZE integration.opportunities"))
    for sort in [sign + name for name in ALL_SORTS for sign in ("", "-")]:
        wanted = OpportunityFilter(everything=True, sort=sort, **more)
        for page in range(2):
            with statements(market.connection().engine) as sent:
                found = opportunities.search(market, wanted, now=NOW, limit=20)
            assert len(found.rows) == 20
            assert found.filter.sort == sort
            assert len(sent) <= 3
            read = rows_read(market.connection(), sent[-1])
            assert (read["opportunities"], read["market_prices"]) == (21, 21), (sort, page, read)
            wanted = replace(wanted, after=found.next)


def test_what_is_put_away_is_read_without_the_rest(market: Session) -> None:
    _multiply(market, 40)
    found = opportunities.search(market, OpportunityFilter(), now=NOW).rows[:3]
    opportunities.dismiss(market, [row.id for row in found], actor="test", now=NOW)
    market.execute(text("ANALYZE integration.opportunities"))
    with statements(market.connection().engine) as sent:
        put_away = OpportunityFilter(state="dismissed", everything=True)
        assert len(opportunities.search(market, put_away, now=NOW, limit=20).rows) == 3
    assert rows_read(market.connection(), sent[-1])["opportunities"] == 3


def test_an_order_that_everything_has_none_for_is_the_one_by_profit(
    market: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opportunities.search(market, OpportunityFilter(everything=True, sort="product"), now=NOW)
    assert (found.filter.sort, found.sorts) == ("-profit", ALL_SORTS)
    profits = [row.net_profit for row in found.rows]
    assert profits == sorted(profits, reverse=True)
    assert opportunities.search(market, OpportunityFilter(sort="product"), now=NOW).filter.sort == "product"
    monkeypatch.setattr(downloads, "PAGE", 7)
    whole = "".join(downloads.as_csv(market, "opportunities", {"all": "1", "sort": "product"}, NOW))
    assert len(whole.splitlines()) == ROWS + 1, "its pages are walked through to the end"


@pytest.mark.parametrize("name", ["shop", "brand", "product"])
def test_the_best_of_one_shop_or_brand_read_only_theirs(market: Session, name: str) -> None:
    _multiply(market, 40)
    one = market.scalars(select(Opportunity).where(Opportunity.is_worth).order_by(Opportunity.id)).first()
    value = {"shop": one.shop_id, "brand": one.brand_id, "product": one.product_id}[name]
    with statements(market.connection().engine) as sent:
        found = opportunities.search(market, OpportunityFilter(**{name: value}), now=NOW, limit=20)
    assert len(found.rows) == 20
    assert rows_read(market.connection(), sent[-1])["opportunities"] <= 21


def _multiply(session: Session, times: int) -> None:
    """Repeat every opportunity with an offer of its own and other figures, so that reading through all is noticed."""
    offers = [column.name for column in MarketPrice.__table__.columns if column.name not in ("id", "external_id")]
    rows = [
        column.name
        for column in Opportunity.__table__.columns
        if column.name not in ("id", "market_price_id", "net_profit", "title")
    ]
    session.execute(
        text(f"""
        WITH made AS (
            INSERT INTO integration.market_prices (external_id, {", ".join(offers)})
            SELECT external_id || '-' || n, {", ".join(offers)}
            FROM integration.market_prices, generate_series(1, :times) n RETURNING id, external_id, shop_id
        )
        INSERT INTO integration.opportunities (market_price_id, net_profit, title, {", ".join(rows)})
        SELECT made.id, known.net_profit + made.id % 97, known.title || made.id, {", ".join(f"known.{n}" for n in rows)}
        FROM made
        JOIN integration.market_prices AS original ON original.shop_id = made.shop_id
            AND original.external_id = regexp_replace(made.external_id, '-[0-9]+$', '')
        JOIN integration.opportunities AS known ON known.market_price_id = original.id
        """),
        {"times": times},
    )
    for table in ("integration.opportunities", "integration.market_prices", "products.variants", "products.products"):
        session.execute(text(f"ANALYZE {table}"))
    session.expire_all()


def test_watched_ones_are_kept_apart(market: Session) -> None:
    found = opportunities.search(market, OpportunityFilter(), now=NOW).rows[:2]
    ids = [each.id for each in found]
    assert opportunities.watch(market, ids, on=True, now=NOW) == 2
    assert opportunities.watch(market, ids, on=True, now=NOW) == 0
    watched = OpportunityFilter(watched=True)
    assert {row.id for row in opportunities.search(market, watched, now=NOW).rows} == set(ids)
    market.execute(update(LatestQuote).values(at=NOW + timedelta(hours=1)))
    evaluation.recompute(market, NOW + timedelta(hours=1))
    assert _count(market, watched, now=NOW) == 2, "computing anew forgets nobody's eye"
    assert opportunities.watch(market, ids[:1], on=False, now=NOW) == 1
    assert [row.id for row in opportunities.search(market, watched, now=NOW).rows] == ids[1:]


def test_days_to_sell_are_those_of_our_own_sales_else_the_markets(market: Session) -> None:
    first, second = market.scalars(select(Variant).order_by(Variant.id).limit(2)).all()
    for days in (1, 5, 9):
        market.add(
            PastSale(variant_id=first.id, sold_on=NOW.date() - timedelta(days), price=100, currency="EUR", source="x")
        )
    listing = make_listing(market)
    listing.product_id, listing.listed_at = second.product_id, NOW - timedelta(days=7)
    market.flush()
    record(market, [entry(created="2026-02-25T18:00:00.000Z")], BOOKS, NOW, actor="test")
    market.execute(update(LatestQuote).values(at=NOW + timedelta(hours=1)))
    evaluation.recompute(market, NOW + timedelta(hours=1))
    days = dict(market.execute(select(Opportunity.variant_id, Opportunity.days_to_sell)).all())
    assert days[first.id] == (Decimal("2.3") if first.product_id == second.product_id else Decimal("4.0"))
    assert days[second.id] == Decimal("2.3")
    quick = OpportunityFilter(max_days=Decimal(3), everything=True)
    assert second.id in {row.variant_id for row in opportunities.search(market, quick, now=NOW).rows}


def test_counting_stops_where_it_costs_too_much(market: Session) -> None:
    every = OpportunityFilter(everything=True, state="any", match="any")
    assert _count(market, every, now=NOW) == ROWS
    assert _count(market, every, now=NOW, most=10) == 10
