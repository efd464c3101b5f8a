"""Order sync against the sandbox: real HTTP, real faults, books that equal what the sandbox paid."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.domain.analytics import period_of
from soleflip.models import Item, LedgerEntry, Run, RunLine, StockxListing, StockxOrder, Variant
from soleflip.services import analytics, runs
from soleflip.stockx import CreateListing
from tests.selling import Selling

WALK = ("SHIPPED", "RECEIVED", "AUTHENTICATING", "AUTHENTICATED", "PAYOUTPENDING", "PAYOUTCOMPLETED", "COMPLETED")


def sync(selling: Selling) -> Run:
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "order_sync", actor="test").id
    run = selling.perform(run_id)
    assert run.state == "done", run.error
    return run


@pytest.fixture
def numbers(selling: Selling) -> list[str]:
    """Four pairs listed and sold: their order numbers. The clock stands, so nothing moves by itself."""
    run_id = selling.order(4)
    assert selling.perform(run_id).state == "done"
    selling.sandbox.control("clock", frozen=True)
    with selling.runtime.transaction() as session:
        ids = session.scalars(select(StockxListing.stockx_listing_id).where(StockxListing.run_id == run_id)).all()
    return [selling.sandbox.control("purchase", listingId=key)["orderNumber"] for key in ids]


def walk(selling: Selling, number: str, statuses: tuple[str, ...] = WALK) -> None:
    for status in statuses:
        selling.sandbox.control(f"orders/{number}", status=status)


def orders(selling: Selling) -> dict[str, StockxOrder]:
    with selling.runtime.transaction() as session:
        return {order.stockx_order_number: order for order in session.scalars(select(StockxOrder))}


def paid(selling: Selling, number: str) -> Decimal:
    return selling.runtime.stockx.order(number).payout.total_payout  # type: ignore[union-attr, return-value]


def test_sales_come_with_their_pair_their_deadline_and_a_label(selling: Selling, numbers: list[str]) -> None:
    sync(selling)
    found = orders(selling)
    assert set(found) == set(numbers)
    for order in found.values():
        assert (order.match_state, order.order_status) == ("matched", "pending")
        assert order.ship_by is not None
        assert order.estimated_payout is not None
        assert (
            selling.runtime.stockx.shipping_document(order.stockx_order_number, order.shipping_id or "")[:4] == b"%PDF"
        )
    with selling.runtime.transaction() as session:
        assert set(session.scalars(select(StockxListing.status))) == {"sold"}
        assert set(session.scalars(select(Item.state))) == {"sold"}
        told = session.execute(select(RunLine.outcome, RunLine.subject_id).join(Run).where(Run.kind == "order_sync"))
        assert Counter(told.all()) == Counter(("new", order.id) for order in found.values())
        assert session.scalars(select(LedgerEntry)).all() == []


def test_the_books_are_what_the_sandbox_paid_less_what_the_pairs_cost(selling: Selling, numbers: list[str]) -> None:
    sync(selling)
    for number in numbers[:3]:
        walk(selling, number)
    sync(selling)
    walk(selling, numbers[2], ("RETURNED",))
    walk(selling, numbers[3], ("CANCELED",))
    sync(selling)
    wanted = sum((paid(selling, number) - 50 for number in numbers[:2]), Decimal(0))
    now = selling.runtime.clock()
    with selling.runtime.transaction() as session:
        figures = analytics.profit(session, period_of("all", now.date()), selling.runtime.books)
        assert (figures.sales, figures.profit) == (2, wanted)
        states = Counter(session.scalars(select(Item.state)))
        assert states == {"sold": 2, "returned": 1, "in_stock": 1}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "duplicate_page", "count": 3},
        {"kind": "500", "count": 2},
        {"kind": "drop", "count": 2},
        {"kind": "html", "count": 1},
        {"kind": "extra_fields", "count": -1},
        {"kind": "expired_token", "count": 1},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_no_fault_of_stockx_loses_or_doubles_a_sale(
    selling: Selling, numbers: list[str], fault: dict[str, Any]
) -> None:
    for number in numbers:
        walk(selling, number)
    selling.sandbox.control("faults", route="orders", **fault)
    sync(selling)
    sync(selling)
    found = orders(selling)
    assert {number: order.net_proceeds for number, order in found.items()} == {
        number: paid(selling, number) for number in numbers
    }
    with selling.runtime.transaction() as session:
        per_order = Counter(session.scalars(select(LedgerEntry.order_id).where(LedgerEntry.kind == "sale")))
        assert set(per_order.values()) == {1}


def test_a_status_that_nobody_knows_stops_nothing(selling: Selling, numbers: list[str]) -> None:
    selling.sandbox.control("faults", route="orders/active", kind="unknown_enum", count=1)
    sync(selling)
    assert len(orders(selling)) == 4
    sync(selling)
    assert {order.order_status for order in orders(selling).values()} == {"pending"}


def test_a_second_sync_asks_for_no_order_again(selling: Selling, numbers: list[str], requests_of: Any) -> None:
    sync(selling)
    asked = requests_of("GetOrder")
    assert asked == 4
    sync(selling)
    assert requests_of("GetOrder") == asked


def test_a_direct_order_shows_its_documents_and_hands_them_through(selling: Selling) -> None:
    stockx, now = selling.runtime.stockx, selling.runtime.clock()
    with selling.runtime.transaction() as session:
        known = session.scalars(select(Variant.stockx_variant_id).where(Variant.stockx_variant_id.is_not(None))).all()
    variant = next(key for key in known if key and int(key[-1], 16) < 4)
    wanted = CreateListing(
        variant_id=variant,
        amount=Decimal(9000),
        currency_code="EUR",
        expires_at=now + timedelta(days=30),
        inventory_type="DIRECT",
    )
    operation = stockx.create_listing(wanted)
    while stockx.listing(operation.listing_id).status != "ACTIVE":
        time.sleep(0.05)
    selling.sandbox.control("clock", frozen=True)
    number = selling.sandbox.control("purchase", listingId=operation.listing_id)["orderNumber"]
    sync(selling)
    order = orders(selling)[number]
    assert order.inventory_type == "DIRECT"
    base = f"/orders/{order.id}"

    def look(browser: Any) -> list[Any]:
        page = browser.get(f"{base}/documents")
        links = re.findall(rf'href="({base}/documents/[^"]+)"', page.text)
        papers = [browser.get(link) for link in sorted(set(links))]
        return [page.status_code, page.text, links, f"{base}/documents" in browser.get(base).text, papers]

    status, text, links, is_linked, papers = selling.browse(look)
    assert (status, len(links), is_linked) == (200, 3, True)
    assert "Required documents, packing slip" in text
    assert [(paper.status_code, paper.mimetype, paper.data[:4]) for paper in papers] == [
        (200, "application/pdf", b"%PDF")
    ]
