"""A product's category picks its fees wherever something is estimated; each day has the figures of that day."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from soleflip.domain.analytics import period_of
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.opportunities import lines_of
from soleflip.models import Opportunity, Product, StockxListing, StockxOrder
from soleflip.services import asks, evaluation, feeds, fees, listing_detail, listings, opportunities, pricing, reports
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from tests.services.market_data import make_market, write_feed
from tests.services.sales import entry, make_listing, payout
from tests.services.test_reports import line, report

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICES = {
    # 49 x 9 % = 4.41, so 5.00; 1.47; 4.50
    "sneakers": Decimal("38.03"),
    # 49 x 14.5 % = 7.105, so 7.11; 1.47; 4.50
    "handbags": Decimal("35.92"),
    # 49 x 9.9 % = 4.851, so 5.00
    "watches": Decimal("38.03"),
    # the operator's own: at least 3.00, 49 x 20 % = 9.80; 1.47; 1.00
    "collectibles": Decimal("36.73"),
}
OWN = {"category": "collectibles", "transaction_rate": "0.2", "minimum_fee": "3", "shipping": "1"}


@pytest.fixture(params=PRICES)
def kind(request: pytest.FixtureRequest, session: Session) -> str:
    fees.enter(session, "figures", {**OWN, "valid_from": "2026-01-01"}, actor="test", now=NOW)
    return str(request.param)


def of_kind(session: Session, kind: str) -> StockxListing:
    listing = make_listing(session)
    listing.product.product_type = kind
    session.flush()
    return listing


def test_the_page_of_a_listing_takes_the_fees_of_its_category(session: Session, kind: str) -> None:
    listing = of_kind(session, kind)
    assert listing_detail.detail(session, listing.id, NOW).estimate.payout == PRICES[kind]


def test_the_floor_of_an_outgoing_ask_and_of_repricing_rests_on_the_category(
    session: Session, books: Books, kind: str
) -> None:
    listing = of_kind(session, kind)
    listings.outgoing_ask(session, listing, Decimal(200), NOW)
    ((_, given),) = pricing.facts(session, [listing.id], NOW, books)
    assert given.fees == fees.book(session).schedule(kind, NOW.date())
    at_floor = listings.price_listing
    at_floor(listing, listing.floor_price or Decimal(0), given.fees)
    assert listing.expected_profit is not None
    assert listing.expected_profit >= 0
    listings.price_listing(listing, Decimal(49), given.fees)
    assert listing.expected_profit == PRICES[kind] - 20


def test_an_order_is_estimated_by_category_and_the_day_of_its_sale(session: Session, books: Books, kind: str) -> None:
    of_kind(session, kind)
    make_listing(session, "L2", style="B").product.product_type = kind
    fees.enter(session, "figures", {"valid_from": "2026-02-25", "shipping": "9.50"}, actor="test", now=NOW)
    fees.enter(session, "figures", {**OWN, "valid_from": "2026-02-25", "shipping": "6.00"}, actor="test", now=NOW)
    sold = {"status": "COMPLETED", "payout": payout("49.00", "38.00"), "amount": "49.00"}
    record(session, [entry("1", created="2026-02-24T10:00:00Z", **sold)], books, NOW, actor="test")
    record(session, [entry("2", listing="L2", created="2026-02-25T10:00:00Z", **sold)], books, NOW, actor="test")
    before, after = session.scalars(select(StockxOrder).order_by(StockxOrder.stockx_order_number))
    assert before.estimated_payout == PRICES[kind]
    assert after.estimated_payout == PRICES[kind] - Decimal("5.00")


def test_opportunity_and_preview_take_the_fees_of_the_category(session: Session, tmp_path: Path, kind: str) -> None:
    feeds.import_file(session, write_feed(tmp_path / "feed.csv.gz", 5), now=NOW)
    make_market(session, NOW)
    session.execute(update(Product).values(product_type=kind))
    session.execute(update(Opportunity).values(terms=None))
    evaluation.recompute(session, NOW)
    found = session.scalars(select(Opportunity).where(Opportunity.ask.is_not(None)).limit(1)).one()
    schedule = fees.book(session).schedule(kind, NOW.date())
    assert found.ask is not None
    wanted = -max(schedule.minimum_fee, found.ask * schedule.transaction_rate)
    shown = dict(lines_of(found.arithmetic, "listed"))
    assert abs(shown["Transaction fee"] - wanted) < Decimal("0.01")
    assert opportunities.detail(session, found.id).break_even is not None
    row = asks.preview(session, now=NOW, local_hour=12, opportunity_ids=[found.id]).rows[0]
    assert (row.ask, row.payout) == (found.ask, found.payout)


def test_failing_to_ship_is_part_of_the_expected_cost(session: Session) -> None:
    """0.5 % of 15 % of 1,000 = 0.75, beside 2 % of 15.00 = 0.30."""
    terms = evaluation.terms_of(session, NOW.date())
    assert terms.failure_allowance(Decimal(1000)) == Decimal("1.05")
    fees.enter(session, "penalties", {"rate": "0.3", "minimum": "0"}, actor="test", now=NOW)
    assert evaluation.terms_of(session, NOW.date()).failure_allowance(Decimal(1000)) == Decimal("1.80")
    assert evaluation.terms_of(session, datetime(2026, 3, 1, tzinfo=UTC).date()).penalty == terms.penalty


def test_what_is_not_given_is_as_it_was_on_that_day(session: Session) -> None:
    fees.enter(session, "figures", {"valid_from": "2026-01-01", "shipping": "3"}, actor="test", now=NOW)
    fees.enter(session, "figures", {"level": "4"}, actor="test", now=NOW)
    book = fees.book(session)
    assert (book.standard(NOW.date()).level, book.standard(NOW.date()).shipping) == (4, 3)
    assert [entry.valid_from.isoformat() for entry in book.figures] == ["2026-01-01", "2026-03-02"]
    fees.enter(session, "figures", {"level": "5"}, actor="test", now=NOW)
    assert [entry.level for entry in fees.book(session).figures] == [0, 5]


def test_figures_of_a_category_are_in_the_currency_of_the_standard_ones(session: Session) -> None:
    with pytest.raises(InvalidInput, match="use the same"):
        fees.enter(session, "figures", {"category": "apparel", "currency": "USD"}, actor="test", now=NOW)
    with pytest.raises(NotFound):
        fees.remove(session, "figures", NOW.date(), "apparel", actor="test")
    with pytest.raises(NotFound):
        fees.enter(session, "nonsense", {}, actor="test", now=NOW)


def test_sales_of_the_past_are_estimated_by_the_figures_of_their_day(session: Session, books: Books) -> None:
    """45 EUR in July 2024: 5.00, 1.35 and 4.50, or 9.50 from July on, against 30.65 that were paid."""
    fees.enter(session, "figures", {"valid_from": "2024-07-01", "shipping": "9.50"}, actor="test", now=NOW)
    sold = [line("1-1", sold="2024-06-08 00:46:09 +00"), line("1-2", sold="2024-07-08 00:46:09 +00")]
    reports.import_report(session, report(*sold), dry_run=False, now=NOW, books=books)
    orders = session.scalars(select(StockxOrder).order_by(StockxOrder.stockx_order_number))
    assert [order.estimated_payout for order in orders] == [Decimal("34.15"), Decimal("29.15")]
    (found,) = fees.accuracy(session, period_of("all", NOW.date()), books)
    assert (found.sales, found.total, found.worst) == (2, Decimal("-2.00"), Decimal("-3.50"))
