"""Orders exactly once, with the payout to the cent."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from soleflip.models import Item, LedgerEntry, OrderEvent, PayoutLine, StockxListing, StockxOrder
from soleflip.services import orders, runs
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books, Work
from tests.services.sales import LINES, OrdersOfStockX, entry, make_listing, payout, shipment, snapshot


@pytest.fixture
def stockx() -> OrdersOfStockX:
    return OrdersOfStockX()


@pytest.fixture
def work(transaction: Any, stockx: OrdersOfStockX, clock: Any, books: Books) -> Work:
    with transaction() as session:
        run = runs.start(session, "order_sync", actor="test")
    return Work(run.id, {}, "test", transaction, stockx, clock, books)  # type: ignore[arg-type]


def one(transaction: Any, number: str = "1-1") -> StockxOrder:
    with transaction() as session:
        return session.scalars(select(StockxOrder).where(StockxOrder.stockx_order_number == number)).one()


def books_sum(session: Session, *kinds: str) -> Decimal:
    query = select(func.coalesce(func.sum(LedgerEntry.books_amount), 0))
    return session.scalar(query.where(LedgerEntry.kind.in_(kinds)) if kinds else query)


def test_a_payout_is_kept_to_the_cent_with_an_unexplained_line(work: Work, stockx: Any, transaction: Any) -> None:
    with transaction() as session:
        make_listing(session)
    stockx.ended = [snapshot(status="COMPLETED", payout=payout("48.94", "38.03", adjustments="-10.97"))]
    orders.sync(work)
    order = one(transaction)
    assert (order.sale_price, order.total_adjustments, order.net_proceeds) == (
        Decimal("48.94"),
        Decimal("-10.97"),
        Decimal("38.03"),
    )
    assert order.net_profit == Decimal("18.03")
    with transaction() as session:
        lines = session.scalars(select(PayoutLine).order_by(PayoutLine.position)).all()
        assert [(line.name, line.kind, line.amount) for line in lines] == [
            ("MinTransactionFee", "transaction", Decimal("-5.00")),
            ("Payment Proc. (3%)", "processing", Decimal("-1.47")),
            ("Shipping", "shipping", Decimal("-4.50")),
            ("Difference to StockX's total", "unexplained", Decimal("0.06")),
        ]
        assert books_sum(session) == Decimal("18.03")


def test_a_sale_takes_listing_and_item_off_the_market(work: Work, stockx: Any, transaction: Any) -> None:
    with transaction() as session:
        listing = make_listing(session)
    stockx.active = [snapshot()]
    stockx.details = {"1-1": snapshot(shipment=shipment(), payout=payout("48.94", "38.03"))}
    orders.sync(work)
    order = one(transaction)
    assert (order.order_status, order.match_state, order.shipping_id) == ("pending", "matched", "S-123")
    assert order.ship_by is not None
    with transaction() as session:
        assert session.get_one(StockxListing, listing.id).status == "sold"
        assert session.get_one(Item, listing.item_id).state == "sold"
        assert books_sum(session) == 0, "nothing is realised before the payout is final"


def test_a_single_call_is_made_once_per_need(work: Work, stockx: Any, transaction: Any) -> None:
    with transaction() as session:
        make_listing(session)
    walk = ["CREATED", "SHIPPED", "RECEIVED", "AUTHENTICATING", "AUTHENTICATED", "PAYOUTPENDING", "PAYOUTCOMPLETED"]
    asked = {}
    for hour, status in enumerate(walk):
        now = snapshot(status=status, updated=f"2026-02-21T{hour:02}:00:00.000Z")
        stockx.active = [now]
        stockx.details = {"1-1": {**now, "shipment": shipment(), "payout": payout("48.94", "38.03")}}
        stockx.asked = []
        for _ in range(3):
            orders.sync(work)
        asked[status] = len(stockx.asked)
    assert asked == {
        "CREATED": 1,
        "SHIPPED": 1,
        "RECEIVED": 0,
        "AUTHENTICATING": 0,
        "AUTHENTICATED": 1,
        "PAYOUTPENDING": 0,
        "PAYOUTCOMPLETED": 1,
    }
    assert one(transaction).order_status == "completed"


@pytest.mark.parametrize(("status", "state"), [("CANCELED", "in_stock"), ("RETURNED", "returned")])
def test_an_ended_order_reverses_the_books_and_gives_the_item_back(
    work: Work, stockx: Any, transaction: Any, status: str, state: str
) -> None:
    with transaction() as session:
        listing = make_listing(session)
    stockx.ended = [snapshot(status="COMPLETED", payout=payout("48.94", "38.03"))]
    orders.sync(work)
    stockx.ended = [snapshot(status=status, updated="2026-02-28T10:00:00.000Z")]
    orders.sync(work)
    with transaction() as session:
        assert books_sum(session) == 0
        assert session.get_one(Item, listing.item_id).state == state
        assert session.get_one(StockxListing, listing.id).status == "delisted"
        session.get_one(Item, listing.item_id).state = "reserved"
    orders.sync(work)
    with transaction() as session:
        assert session.get_one(Item, listing.item_id).state == "reserved", "given back once, not at every sync"
    assert one(transaction).net_profit is None


def dump(session: Session) -> list[Any]:
    """Everything that a replay must leave alone."""
    rows: list[Any] = []
    for table in ("stockx_orders", "payout_lines", "order_events", "ledger_entries", "listing_moves", "profit_days"):
        rows += session.execute(text(f"SELECT * FROM selling.{table} ORDER BY 1, 2")).all()
    return rows


def test_replaying_pages_out_of_order_changes_nothing(session: Session, books: Books, clock: Any) -> None:
    make_listing(session, "L1")
    make_listing(session, "L2", cost=None, style="CD1")
    pages = [
        [entry("1-1", "CREATED"), entry("2-2", "CREATED", listing="L2")],
        [entry("1-1", "SHIPPED", updated="2026-02-21T10:00:00Z")],
        [entry("1-1", "COMPLETED", updated="2026-02-25T10:00:00Z", payout=payout("48.94", "38.03"))],
        [entry("2-2", "COMPLETED", listing="L2", updated="2026-02-25T10:00:00Z", payout=payout("48.94", "38.03"))],
        [entry("2-2", "RETURNED", listing="L2", updated="2026-02-27T10:00:00Z"), entry("1-1", "CREATED")],
    ]
    for page in pages:
        record(session, page, books, clock(), actor="test")
    before = dump(session)
    replay = pages * 5
    random.Random(5).shuffle(replay)
    clock.pass_by(days=3)
    for page in replay:
        record(session, page, books, clock(), actor="test")
    session.expire_all()
    assert dump(session) == before
    assert books_sum(session) == Decimal("18.03")


def test_an_unknown_status_is_kept_and_shown(session: Session, books: Books, clock: Any) -> None:
    record(session, [entry(status="BEAMEDUP")], books, clock(), actor="test")
    order = session.scalars(select(StockxOrder)).one()
    assert (order.stockx_status, order.order_status, order.match_state) == ("BEAMEDUP", "pending", "review")
    assert session.scalars(select(OrderEvent.stockx_status)).all() == ["BEAMEDUP"]


def test_an_order_without_a_known_listing_waits_for_the_operator(session: Session, books: Books, clock: Any) -> None:
    make_listing(session)
    record(
        session, [entry(status="COMPLETED", listing="L9", payout=payout("48.94", "38.03"))], books, clock(), actor="t"
    )
    order = session.scalars(select(StockxOrder)).one()
    assert (order.match_state, order.item_id, order.net_profit) == ("review", None, None)
    assert books_sum(session, "sale", "adjustment") == Decimal("38.03")
    assert books_sum(session, "cost") == 0
    assert orders.review_count(session) == 1


def test_a_changed_payout_is_corrected_and_the_old_lines_stay_in_the_books(
    session: Session, books: Books, clock: Any
) -> None:
    make_listing(session)
    paid = entry(status="PAYOUTPENDING", payout=payout("48.94", "38.03"))
    record(session, [paid], books, clock(), actor="test")
    later = entry(
        status="COMPLETED", updated="2026-02-26T10:00:00Z", payout=payout("48.94", "37.97", LINES, adjustments="-10.97")
    )
    record(session, [later], books, clock(), actor="test")
    assert books_sum(session) == Decimal("17.97")
    reversed_ = session.scalars(select(LedgerEntry).where(LedgerEntry.reverses_id.is_not(None))).all()
    assert [(entry.name, entry.amount) for entry in reversed_] == [("Difference to StockX's total", Decimal("-0.06"))]


def test_an_order_in_another_currency_takes_the_ecb_rate_of_its_day(session: Session, books: Books, clock: Any) -> None:
    make_listing(session)
    sold = entry(
        status="COMPLETED",
        amount="117",
        currency="USD",
        created="2024-01-06T10:00:00Z",
        payout=payout("117", "99.62", [], currency="USD"),
    )
    record(session, [sold], books, clock(), actor="test")
    line = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "sale")).one()
    assert (str(line.rate_date), line.rate_source) == ("2024-01-05", "ECB"), "a Saturday takes Friday's rate"
    assert line.books_amount == (Decimal(117) / Decimal("1.0921")).quantize(Decimal("0.01"))


def test_the_books_refuse_to_be_changed(session: Session, books: Books, clock: Any) -> None:
    make_listing(session)
    record(session, [entry(status="COMPLETED", payout=payout("48.94", "38.03"))], books, clock(), actor="test")
    with pytest.raises(Exception, match="append-only"), session.begin_nested():
        session.execute(text("UPDATE selling.ledger_entries SET amount = 0"))


def test_history_is_read_from_the_watermark_with_overlap(work: Work, stockx: Any, clock: Any) -> None:
    orders.sync(work)
    clock.pass_by(hours=3)
    orders.sync(work)
    clock.pass_by(days=2)
    orders.sync(work)
    assert [day and day.isoformat() for day in stockx.from_dates] == [None, "2026-02-28", "2025-12-04"]


def test_a_list_without_lines_takes_no_line_away(session: Session, books: Books, clock: Any) -> None:
    make_listing(session)
    full = entry(status="COMPLETED", payout=payout("48.94", "38.03"))
    bare = entry(status="COMPLETED", payout=payout("48.94", "38.03", []))
    for snapshot_ in (full, bare, full, bare):
        record(session, [snapshot_], books, clock(), actor="test")
    assert session.scalar(select(func.count(PayoutLine.id))) == 4
    assert session.scalar(select(func.count(LedgerEntry.id))) == 6


def test_a_penalty_that_stockx_reports_is_booked_and_none_is_invented(
    session: Session, books: Books, clock: Any
) -> None:
    """15 % of 48.94, as a line of what was paid out for an order that we did not ship."""
    make_listing(session)
    record(session, [entry(status="CREATED")], books, clock(), actor="test")
    late = entry(status="DIDNOTSHIP", updated="2026-02-24T10:00:00Z")
    record(session, [late], books, clock(), actor="test")
    assert books_sum(session) == 0, "StockX said nothing of a penalty"
    lines = [{"adjustmentType": "Penalty: failure to ship", "amount": "-7.35", "percentage": "0.15"}]
    told = entry(status="DIDNOTSHIP", updated="2026-02-25T10:00:00Z", payout=payout("0", "-7.35", lines))
    for _ in range(2):
        record(session, [told], books, clock(), actor="test")
    booked = session.scalars(select(LedgerEntry)).one()
    assert (booked.kind, booked.name, booked.amount) == (
        "penalty",
        "StockX: Penalty: failure to ship",
        Decimal("-7.35"),
    )
    waived = entry(status="DIDNOTSHIP", updated="2026-02-27T10:00:00Z", payout=payout("0", "0", []))
    record(session, [waived], books, clock(), actor="test")
    assert books_sum(session) == 0


def test_a_penalty_inside_a_payout_stays_one_of_its_lines(session: Session, books: Books, clock: Any) -> None:
    make_listing(session)
    lines = [*LINES, {"adjustmentType": "Late Shipping Penalty", "amount": "-3.00", "percentage": "0"}]
    paid = entry(status="COMPLETED", payout=payout("48.94", "34.97", lines))
    record(session, [paid], books, clock(), actor="test")
    assert books_sum(session, "sale", "adjustment") == Decimal("34.97")
    record(session, [entry(status="RETURNED", updated="2026-02-27T10:00:00Z")], books, clock(), actor="test")
    assert books_sum(session) == 0, "what came with the payout is taken back with it"
