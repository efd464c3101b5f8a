"""Figures are sums over the ledger; realised and expected never mix; what is unknown is never zero."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from soleflip.domain.analytics import Figures, Period, period_of
from soleflip.models import Item, ProfitDay
from soleflip.services import analytics, ledger, profit_days
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from tests.services.sales import entry, make_listing, payout

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVER = period_of("all", NOW.date())


def sell(session: Session, books: Books, number: str, listing: str, **more: Any) -> None:
    more.setdefault("status", "COMPLETED")
    more.setdefault("payout", payout("100", "85.00", []))
    record(session, [entry(number, listing=listing, amount="100", **more)], books, NOW, actor="test")


@pytest.fixture
def three_sales(session: Session, books: Books) -> None:
    """One with a cost of 60, one whose cost nobody knows, one that is under way."""
    make_listing(session, "L1", cost="60.00", style="A1")
    make_listing(session, "L2", cost=None, style="B2")
    make_listing(session, "L3", cost="50.00", style="C3")
    sell(session, books, "1", "L1", created="2026-01-31T22:30:00Z")
    sell(session, books, "2", "L2", created="2026-01-31T23:30:00Z")
    sell(session, books, "3", "L3", status="SHIPPED", payout=payout("100", "84.00", []))


@pytest.mark.usefixtures("three_sales")
def test_profit_leaves_out_sales_of_unknown_cost_and_says_so(session: Session, books: Books) -> None:
    figures = analytics.profit(session, EVER, books)
    assert (figures.sales, figures.revenue, figures.payout) == (2, Decimal(200), Decimal("170.00"))
    assert (figures.cost, figures.profit) == (Decimal("60.00"), Decimal("25.00"))
    assert (figures.unknown_sales, figures.unknown_payout) == (1, Decimal("85.00"))
    assert (figures.margin, figures.roi) == (Decimal("25.00"), Decimal("41.67"))


@pytest.mark.usefixtures("three_sales")
def test_stored_days_equal_the_full_sum(session: Session, books: Books) -> None:
    for period in (EVER, Period(date(2026, 1, 31), date(2026, 1, 31)), Period(date(2026, 2, 1), date(2026, 2, 1))):
        assert analytics.profit(session, period, books) == analytics.full_sum(session, period, books)
    kept = analytics.profit(session, EVER, books)
    session.execute(delete(ProfitDay))
    assert profit_days.refresh_all(session, books, NOW) == 2
    assert analytics.profit(session, EVER, books) == kept


@pytest.mark.usefixtures("three_sales")
def test_a_day_ends_in_the_operators_time_zone(session: Session, books: Books) -> None:
    months = analytics.over_time(session, EVER, "month", books)
    assert [(bucket.start.isoformat(), bucket.figures.sales) for bucket in months] == [
        ("2026-01-01", 1),
        ("2026-02-01", 1),
    ]


@pytest.mark.usefixtures("three_sales")
def test_another_time_zone_moves_the_days_at_once_and_stores_them_with_the_next_sale(session: Session) -> None:
    tokyo = Books("EUR", ZoneInfo("Asia/Tokyo"))
    days = [bucket.start.isoformat() for bucket in analytics.over_time(session, EVER, "day", tokyo)]
    assert days == ["2026-02-01"]
    whole = analytics.profit(session, EVER, tokyo)
    make_listing(session, "L4", cost="50.00", style="D4")
    sell(session, tokyo, "4", "L4", created="2026-02-20T10:00:00Z")
    assert analytics.profit(session, EVER, tokyo).sales == whole.sales + 1
    assert analytics.profit(session, EVER, tokyo) == analytics.full_sum(session, EVER, tokyo)


@pytest.mark.usefixtures("three_sales")
def test_what_is_under_way_is_expected_and_not_realised(session: Session, books: Books) -> None:
    coming = analytics.expected(session, books, NOW)
    assert (coming.sales, coming.payout, coming.cost, coming.profit) == (1, Decimal(84), Decimal(50), Decimal(34))


@pytest.mark.usefixtures("three_sales")
def test_a_cost_that_becomes_known_later_is_booked_at_the_sale(session: Session, books: Books) -> None:
    session.query(Item).filter(Item.cost.is_(None)).one().cost = Decimal("90.00")
    assert ledger.catch_up(session, books, NOW) == 1
    assert ledger.catch_up(session, books, NOW) == 0
    figures = analytics.profit(session, EVER, books)
    assert (figures.unknown_sales, figures.profit) == (0, Decimal("20.00"))
    assert analytics.full_sum(session, EVER, books) == figures


@pytest.mark.usefixtures("three_sales")
@pytest.mark.parametrize("group", analytics.GROUPS)
def test_groups_add_up_to_the_whole(session: Session, books: Books, group: str) -> None:
    groups = analytics.by_group(session, EVER, group, books)
    assert sum((found.figures for found in groups), Figures()) == analytics.profit(session, EVER, books)


def test_a_pair_that_is_sold_before_it_is_bought_is_of_the_offers_shop(session: Session, books: Books) -> None:
    from tests.web.test_listings import make_opportunity, make_variant

    opportunity = make_opportunity(session, make_variant(session))
    item = make_listing(session, "L1", cost="60.00").item
    item.opportunity_id, item.purchase_id, item.shop_id = opportunity.id, None, None
    sell(session, books, "1", "L1")
    (found,) = analytics.by_group(session, EVER, "shop", books)
    assert found.name == "Sole Shop"


@pytest.mark.usefixtures("three_sales")
def test_a_return_brings_every_figure_back(session: Session, books: Books) -> None:
    sell(session, books, "1", "L1", status="RETURNED", updated="2026-02-28T10:00:00Z", payout=None)
    sell(session, books, "2", "L2", status="RETURNED", updated="2026-02-28T10:00:00Z", payout=None)
    assert analytics.profit(session, EVER, books) == Figures()
    assert analytics.fees_by_name(session, EVER, books) == ()


def test_a_write_off_is_a_loss_until_it_is_reversed(session: Session, books: Books) -> None:
    item = session.get_one(Item, make_listing(session, cost="60.00").item_id)
    item.state = "in_stock"
    entry_ = ledger.write_off(session, item.id, "sole came off", actor="test", books=books, now=NOW)
    assert analytics.profit(session, EVER, books).profit == Decimal("-60.00")
    ledger.reverse(session, entry_.id, actor="test", books=books, now=NOW)
    assert analytics.profit(session, EVER, books).profit == 0
    assert item.state == "in_stock"


@pytest.mark.usefixtures("three_sales")
def test_a_summary_has_every_part(session: Session, books: Books) -> None:
    found = analytics.summary(session, EVER, books, NOW)
    assert found.realised == analytics.profit(session, EVER, books)
    assert found.money_at_work == 0
    assert found.pace.sold == 3
    best, worst = analytics.best_and_worst(session, EVER, books)
    assert [order.stockx_order_number for order in best] == ["1"]
    assert worst == []


def test_money_at_work_is_told_by_age(session: Session, books: Books) -> None:
    make_listing(session, "L1", cost="60.00", style="A1", bought=date(2026, 2, 20))
    make_listing(session, "L2", cost=None, style="A2", bought=date(2025, 2, 20))
    ages = analytics.at_work(session, books, NOW)
    assert [(age.items, age.cost, age.unknown) for age in ages] == [(1, 60, 0), (0, 0, 0), (0, 0, 0), (1, 0, 1)]
