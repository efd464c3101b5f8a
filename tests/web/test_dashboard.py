"""The dashboard: first steps, figures against the period before, what needs the operator."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event

from soleflip.db import db
from soleflip.models import Item, Product, ProfitDay, Run, Setting, StockxListing, StockxOrder, Variant
from soleflip.services import dashboard, profit_days


@pytest.fixture
def transaction(app):
    with app.app_context():
        yield app.extensions["soleflip"].transaction


def _pair(session, **listing):
    product = Product(title="Samba OG", style_code="B75806")
    session.add(product)
    session.flush()
    variant = Variant(product_id=product.id, size="US 9")
    session.add(variant)
    session.flush()
    item = Item(product_id=product.id, variant_id=variant.id, state="listed", cost=Decimal("60"), currency="EUR")
    session.add(item)
    session.flush()
    session.add(
        StockxListing(
            product_id=product.id,
            catalog_variant_id=variant.id,
            item_id=item.id,
            stockx_product_id="p",
            currency="EUR",
            ask_price=Decimal("120"),
            **listing,
        )
    )
    return product


def _day(day, profit, sales=1):
    cost = Decimal("50")
    return ProfitDay(
        day=day,
        timezone="Europe/Berlin",
        currency="EUR",
        sales=sales,
        revenue=cost + profit + 10,
        fees=Decimal("-10"),
        cost=cost,
        other=Decimal(0),
        unknown_sales=0,
        unknown_revenue=Decimal(0),
        unknown_payout=Decimal(0),
        profit=profit,
        computed_at=datetime.now(UTC),
    )


def test_an_empty_house_shows_the_first_steps(browser):
    page = browser.get("/").text
    assert "Three steps to your first listing" in page
    assert "Nothing waits for you." in page
    assert "No profit yet" in page


def test_figures_stand_beside_those_of_the_period_before(app, browser, transaction):
    runtime = app.extensions["soleflip"]
    today = runtime.clock().astimezone(runtime.settings.zone).date()
    with transaction() as session:
        session.add_all(
            [
                Setting(key=profit_days.KEPT, value={"timezone": "Europe/Berlin", "currency": "EUR"}),
                _day(today, Decimal("20.00")),
                _day(today - timedelta(days=1), Decimal("5.50")),
                _day(today - timedelta(days=9), Decimal("-3.25")),
                _day(today - timedelta(days=40), Decimal("7.00")),
            ]
        )
    with transaction() as session:
        view = dashboard.overview(session, runtime.books, runtime.clock())
    profits = [(window.days, window.figures.profit, window.change) for window in view.windows]
    assert profits == [
        (1, Decimal("20.00"), Decimal("14.50")),
        (7, Decimal("25.50"), Decimal("28.75")),
        (30, Decimal("22.25"), Decimal("15.25")),
    ]
    page = browser.get("/").text
    assert "+€14.50" in page
    option = json.loads(re.search(r'id="chart-profit-option">(.*?)</script>', page)[1])
    assert option["series"][1]["data"][-1] == 22.25
    assert len(option["xAxis"]["data"]) == 30


def test_a_day_of_nothing_but_a_penalty_is_in_the_table(app, browser, transaction):
    runtime = app.extensions["soleflip"]
    today = runtime.clock().astimezone(runtime.settings.zone).date()
    penalty = _day(today, Decimal("-12.34"), sales=0)
    penalty.revenue = penalty.fees = penalty.cost = Decimal(0)
    penalty.other = penalty.profit
    with transaction() as session:
        session.add(Setting(key=profit_days.KEPT, value={"timezone": "Europe/Berlin", "currency": "EUR"}))
        session.add_all([_day(today - timedelta(days=1), Decimal(40)), penalty])
    table = browser.get("/").text.partition("Profit per day")[2].partition("</table>")[0]
    assert "€40.00" in table
    assert "€12.34" in table


def test_what_needs_the_operator_is_counted(app, browser, transaction):
    now = app.extensions["soleflip"].clock()
    with transaction() as session:
        _pair(session, status="review")
        product = _pair(session, status="active", current_lowest_ask=Decimal("120"))
        for number, (raw, hours) in enumerate([("CREATED", 5), ("CREATED", -2), ("DONOTSHIP", 5), ("SHIPPED", 5)]):
            session.add(
                StockxOrder(
                    stockx_order_number=f"o{number}",
                    product_id=product.id,
                    currency="EUR",
                    sale_price=Decimal("120"),
                    order_status="shipped" if raw == "SHIPPED" else "pending",
                    stockx_status=raw,
                    match_state="matched",
                    sold_at=now,
                    ship_by=now + timedelta(hours=hours),
                )
            )
        earlier = datetime.now(UTC) - timedelta(hours=1)
        session.add(Run(kind="quotes", state="failed", actor="x", created_at=earlier, seen_at=earlier))
        session.add(Run(kind="list", state="failed", actor="x", created_at=earlier))
        session.add(Run(kind="list", state="done", actor="x"))
    with transaction() as session:
        view = dashboard.overview(session, app.extensions["soleflip"].books, now)
    needs, places = view.needs, view.places
    assert (needs.to_ship, needs.late, needs.listings_in_review) == (2, 1, 1)
    assert needs.failed_runs == 1  # the other one was seen
    assert (places.lowest, places.under_way, places.total) == (1, 1, 2)
    page = browser.get("/").text
    assert "orders to ship" in page
    assert "1 late" in page


def test_the_frame_asks_the_database_once(app, browser, transaction):
    statements = []
    engine = db.engine
    listen = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listen)
    browser.get("/settings/password")
    event.remove(engine, "before_cursor_execute", listen)
    assert len(statements) == 1, statements
