"""What can go wrong with money: odd currencies, odd amounts, changes after booking, ends of years, hours and days."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.analytics import Period, period_of
from soleflip.domain.errors import InvalidInput
from soleflip.domain.tax import Report, year_bounds
from soleflip.models import Item, LedgerEntry, PayoutLine, ProfitDay, StockxOrder
from soleflip.services import analytics, costs, fees, ledger, order_book, rates, stock, tax, tax_rows, tax_span
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from soleflip.services.stock import Buying
from tests.services.sales import LINES, entry, make_listing, payout

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVER = period_of("all", NOW.date())


def sell(session: Session, books: Books, number: str = "1", listing: str | None = "L1", **more: Any) -> None:
    more = {"status": "COMPLETED", "payout": payout("48.94", "38.03"), **more}
    record(session, [entry(number, listing=listing, **more)], books, NOW, actor="test")


def booked(session: Session) -> Decimal:
    return session.scalar(select(func.coalesce(func.sum(LedgerEntry.books_amount), 0))) or Decimal(0)


def test_a_currency_without_a_rate_stops_neither_the_sync_nor_the_pages(session: Session, books: Books) -> None:
    for number in ("1", "2"):
        make_listing(session, f"L{number}", style=f"S{number}")
    odd = entry("1", "COMPLETED", listing="L1", currency="PEN", payout=payout("480", "400", [], currency="PEN"))
    known = entry("2", "COMPLETED", listing="L2", payout=payout("48.94", "38.03"))
    record(session, [odd, known], books, NOW, actor="test")
    waiting, sold = session.scalars(select(StockxOrder).order_by(StockxOrder.stockx_order_number))
    assert (waiting.realised_at, waiting.net_proceeds, waiting.currency) == (None, Decimal(400), "PEN")
    assert "The ECB publishes no rate for PEN" in (waiting.match_note or "")
    assert sold.net_profit == Decimal("18.03")
    assert booked(session) == Decimal("18.03")
    fees.seller_level(session, books, NOW)
    assert analytics.summary(session, EVER, books, NOW).realised.sales == 1


def test_after_the_last_published_day_the_books_say_whose_rate_they_took() -> None:
    last = rates.rate("USD", "EUR", date(2099, 1, 1))
    same = rates.rate("USD", "EUR", last.day)
    assert last.value == same.value
    assert same.source == "ECB"
    assert last.source == "ECB, last day known"
    weekend = rates.rate("USD", "EUR", date(2025, 3, 2))
    assert (weekend.source, weekend.day) == ("ECB", date(2025, 2, 28))


def test_a_payout_of_many_decimals_stays_equal_to_its_lines(session: Session, books: Books) -> None:
    make_listing(session)
    lines = [{"adjustmentType": f"Fee {n}", "amount": "-1.005", "percentage": "0"} for n in range(4)]
    sell(session, books, payout=payout("100.0000", "95.9800", lines))
    order = session.scalars(select(StockxOrder)).one()
    lines_sum = session.scalar(select(func.sum(PayoutLine.amount)))
    assert order.net_proceeds == Decimal("95.98")
    assert order.sale_price + (lines_sum or 0) == order.net_proceeds
    assert booked(session) == Decimal("75.98")


def test_a_negative_payout_is_a_loss(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books, payout=payout("10", "-5.50", [{"adjustmentType": "Fine", "amount": "-15.50"}]))
    figures = analytics.profit(session, EVER, books)
    assert (figures.payout, figures.profit) == (Decimal("-5.50"), Decimal("-25.50"))
    assert tax.report(session, 2026, "margin_scheme", books).total.vat == 0


def test_a_payout_corrected_again_and_again_ends_at_the_last_one(session: Session, books: Books) -> None:
    make_listing(session)
    pages = [
        entry("1", "COMPLETED", updated=f"2026-02-2{n}T10:00:00Z", payout=payout("48.94", total))
        for n, total in enumerate(("38.03", "30.00", "-2.00", "38.03", "37.97"))
    ]
    dice = random.Random(3)
    for _ in range(5):
        for page in dice.sample(pages, len(pages)):
            record(session, [page], books, NOW, actor="test")
    figures = analytics.profit(session, EVER, books)
    assert (figures.sales, figures.payout, figures.profit) == (1, Decimal("37.97"), Decimal("17.97"))
    assert analytics.full_sum(session, EVER, books) == figures
    assert tax.report(session, 2026, "plain", books).total.payout == Decimal("37.97")


def test_a_refund_after_the_years_end_leaves_the_closed_year_alone(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books, created="2025-12-20T10:00:00Z", updated="2025-12-28T10:00:00Z")
    before = tax.report(session, 2025, "plain", books).total
    sell(session, books, status="RETURNED", created="2025-12-20T10:00:00Z", updated="2026-01-10T10:00:00Z")
    after, following = (tax.report(session, year, "plain", books).total for year in (2025, 2026))
    assert after == before
    assert (following.sales, following.reversals, following.profit) == (0, 1, Decimal("-18.03"))
    assert (following.payout, following.price) == (Decimal("-38.03"), Decimal("-48.94"))


@pytest.mark.parametrize(
    ("sold", "zone", "day"),
    [
        ("2025-12-31T23:30:00Z", "Europe/Berlin", date(2026, 1, 1)),
        ("2025-12-31T23:30:00Z", "America/New_York", date(2025, 12, 31)),
        ("2025-03-29T23:30:00Z", "Europe/Berlin", date(2025, 3, 30)),
        ("2025-03-30T21:59:59Z", "Europe/Berlin", date(2025, 3, 30)),
        ("2025-03-30T22:00:00Z", "Europe/Berlin", date(2025, 3, 31)),
        ("2025-10-26T22:59:59Z", "Europe/Berlin", date(2025, 10, 26)),
        ("2025-10-26T23:00:00Z", "Europe/Berlin", date(2025, 10, 27)),
        ("2026-02-28T10:00:00Z", "Pacific/Kiritimati", date(2026, 3, 1)),
    ],
)
def test_a_sale_is_of_its_day_in_the_operators_zone(session: Session, sold: str, zone: str, day: date) -> None:
    books = Books("EUR", ZoneInfo(zone))
    make_listing(session, bought=date(2025, 1, 1))
    sell(session, books, created=sold, updated=sold)
    assert session.scalars(select(ProfitDay.day).where(ProfitDay.sales > 0)).all() == [day]
    only = Period(day, day)
    assert analytics.profit(session, only, books) == analytics.full_sum(session, only, books)
    (row,) = tax_rows.rows(session, day.year, "plain", books)
    assert (row.local_day, row.holding_days) == (day, (day - date(2025, 1, 1)).days)


@pytest.mark.parametrize("treatment", ["plain", "margin_scheme", "intra_eu"])
def test_a_year_without_sales_is_all_zero(session: Session, books: Books, treatment: str) -> None:
    found = tax.overview(session, tax_span.Span(2025, treatment, books))
    assert (found.report.total.sales, found.report.total.profit, found.rows) == (0, 0, [])
    assert [meter.filled for meter in tax.meters(found.report, NOW)] == [0] * len(tax.meters(found.report, NOW))


def test_a_penalty_for_not_shipping_stands_after_the_sale_is_reversed(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books)
    sell(session, books, status="DIDNOTSHIP", updated="2026-02-25T10:00:00Z")
    order = session.scalars(select(StockxOrder)).one()
    ledger.book_penalty(session, order.id, Decimal("7.34"), "not shipped", actor="test", books=books, now=NOW)
    assert booked(session) == Decimal("-7.34")
    assert tax.report(session, 2026, "plain", books).total.profit == Decimal("-7.34")


def same_everywhere(session: Session, books: Books) -> Decimal:
    """Return the profit that the orders show, after seeing that ledger, analytics and tax report show the same."""
    ever = Period(date(2020, 1, 1), date(2030, 1, 1))
    shown = [order_book.show(session, key, NOW).earned for key in session.scalars(select(StockxOrder.id))]
    profit = sum((found.profit or Decimal(0) for found in shown if found), Decimal(0))
    figures = analytics.profit(session, ever, books)
    assert figures == analytics.full_sum(session, ever, books)
    years = [tax.report(session, year, "plain", books).total.profit for year in (2025, 2026)]
    assert profit == booked(session) == figures.profit == sum(years)
    return profit


def test_a_penalty_booked_by_hand_is_in_every_profit_until_it_is_reversed(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books)
    order = session.scalars(select(StockxOrder)).one()
    fine = ledger.book_penalty(session, order.id, Decimal("7.34"), "late", actor="test", books=books, now=NOW)
    assert (order.net_profit, order.original_buy_price) == (Decimal("10.69"), Decimal("20.00"))
    assert (order.roi, order.actual_margin) == (Decimal("53.45"), Decimal("21.84"))
    assert same_everywhere(session, books) == Decimal("10.69")
    ledger.reverse(session, fine.id, actor="test", books=books, now=NOW)
    assert order.net_profit == same_everywhere(session, books) == Decimal("18.03")


def test_a_penalty_for_a_sale_that_did_not_happen_is_its_loss(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books)
    sell(session, books, status="DIDNOTSHIP", updated="2026-02-25T10:00:00Z")
    order = session.scalars(select(StockxOrder)).one()
    assert order.net_profit is None
    ledger.book_penalty(session, order.id, Decimal("7.34"), "not shipped", actor="test", books=books, now=NOW)
    assert order.net_profit == same_everywhere(session, books) == Decimal("-7.34")
    assert (order.original_buy_price, order.roi, order.actual_margin) == (None, None, None)


def test_a_profit_in_another_currency_is_told_at_the_rates_of_its_ledger(session: Session, books: Books) -> None:
    """Bought in pounds, sold in dollars, books in euros: no page takes a rate that the books do not have."""
    listing = make_listing(session, currency="USD")
    assert listing.item_id is not None
    item = session.get_one(Item, listing.item_id)
    item.currency = "GBP"
    sell(session, books, currency="USD", payout=payout("100", "88", [], currency="USD"))
    order = session.scalars(select(StockxOrder)).one()
    ledger.book_penalty(session, order.id, Decimal("15"), "late", actor="test", books=books, now=NOW)
    entries = ledger.entries_of(session, order.id)
    rate = next(entry.rate for entry in entries if entry.kind == "sale")
    cost = next(entry for entry in entries if entry.kind == "cost")
    assert (cost.currency, cost.books_currency, order.currency) == ("GBP", "EUR", "USD")
    assert order.net_profit == 88 - 15 + round(cost.books_amount / rate, 2)
    assert same_everywhere(session, books) == sum(entry.books_amount for entry in entries)


@pytest.mark.parametrize("cost", ["20.00", None])
@pytest.mark.parametrize("treatment", ["plain", "margin_scheme", "intra_eu"])
def test_a_payout_corrected_after_the_years_end_counts_when_it_became_known(
    session: Session, books: Books, treatment: str, cost: str | None
) -> None:
    """38.03 paid in December, 40.53 known in March: the closed year stays, the new one has 2.50 and the link."""
    make_listing(session, cost=cost)
    sell(session, books, created="2025-12-20T10:00:00Z", updated="2025-12-28T10:00:00Z")
    closed = [tax.report(session, 2025, treatment, books), analytics.profit(session, Period(*year_bounds(2025)), books)]
    more = payout("48.94", "40.53", [*LINES[:2], {"adjustmentType": "Shipping", "amount": "-2.00"}])
    sell(session, books, created="2025-12-20T10:00:00Z", updated="2026-02-01T10:00:00Z", payout=more)
    year = Period(*year_bounds(2026))
    assert [
        tax.report(session, 2025, treatment, books),
        analytics.profit(session, Period(*year_bounds(2025)), books),
    ] == closed
    (row,) = tax_rows.rows(session, 2026, treatment, books)
    (sold,) = tax_rows.rows(session, 2025, treatment, books)
    assert (row.kind, row.local_day, row.booked.payout, row.missing) == ("correction", NOW.date(), Decimal("2.50"), [])
    assert set(row.reverses) <= set(sold.entry_ids)
    found = tax.report(session, 2026, treatment, books)
    assert (found.total.sales, found.total.reversals, found.total.payout) == (0, 0, Decimal("2.50"))
    assert found.total.unknown_cost == 0
    figures = analytics.profit(session, year, books)
    assert figures == analytics.full_sum(session, year, books)
    # 19/119 of 18.03 are 2.88, of 20.53 are 3.28
    vat = Decimal("0.40") if treatment == "margin_scheme" and cost else Decimal(0)
    profit = Decimal("2.50") if cost else Decimal(0)
    assert (found.total.vat, found.total.profit, figures.profit) == (vat, profit - vat, profit)
    assert [row.payout for row in (figures, found.total)] == [Decimal("2.50")] * 2
    # A cost that becomes known belongs to the sale; a return takes all of it back when it happens.
    order = session.scalars(select(StockxOrder)).one()
    if order.item is not None and cost is None:
        order.item.cost = Decimal("20.00")
        ledger.settle_and_refresh(session, order, books, NOW)
        assert analytics.profit(session, year, books).profit == Decimal("2.50")
    sell(session, books, status="RETURNED", created="2025-12-20T10:00:00Z", updated="2026-03-20T10:00:00Z")
    ever = Period(date(2020, 1, 1), date(2030, 1, 1))
    assert analytics.profit(session, ever, books) == analytics.full_sum(session, ever, books)
    assert analytics.profit(session, ever, books).profit == 0
    both = [tax.report(session, each, treatment, books).total for each in (2025, 2026)]
    for name in ("payout", "vat", "profit", "unknown_cost"):
        assert sum(getattr(total, name) for total in both) == 0, name


def test_lines_that_only_come_by_another_name_stay_with_the_sale(session: Session, books: Books) -> None:
    make_listing(session)
    bare = payout("48.94", "38.03", [])
    sell(session, books, created="2025-12-20T10:00:00Z", updated="2025-12-28T10:00:00Z", payout=bare)
    sell(session, books, created="2025-12-20T10:00:00Z", updated="2026-01-28T10:00:00Z")
    assert [row.kind for row in tax_rows.rows(session, 2025, "plain", books)] == ["sale"]
    assert list(tax_rows.rows(session, 2026, "plain", books)) == []


def test_nothing_is_taken_back_before_it_was_booked(session: Session, books: Books) -> None:
    """A correction and an older return that become known at once: the margin's VAT still ends at zero."""
    make_listing(session)
    sell(session, books, created="2025-12-20T10:00:00Z", updated="2025-12-28T10:00:00Z")
    sell(
        session,
        books,
        created="2025-12-20T10:00:00Z",
        updated="2026-02-01T10:00:00Z",
        payout=payout("48.94", "45.00", []),
    )
    sell(session, books, status="RETURNED", created="2025-12-20T10:00:00Z", updated="2026-02-20T10:00:00Z")
    totals = [tax.report(session, year, "margin_scheme", books).total for year in (2025, 2026)]
    assert sum(total.vat for total in totals) == 0
    assert totals[0].vat == Decimal("2.88")


@pytest.mark.parametrize("seed", range(6))
def test_any_sequence_of_payouts_costs_and_ends_adds_up_on_every_page(
    session: Session, books: Books, seed: int
) -> None:
    """Stored days, the full sum, rows and totals agree to the cent in every year, for unknown costs too."""
    dice = random.Random(seed)
    for number in range(4):
        make_listing(session, f"L{number}", style=f"S{number}", cost=dice.choice(["20.00", "60.00", None]))
    for step in range(24):
        number = dice.randrange(4)
        currency = "USD" if number == 3 else "EUR"
        total = f"{dice.uniform(-5, 60):.2f}"
        lines = dice.choice([[], LINES, LINES[:1]])
        more = {"payout": payout("48.94", total, lines, currency=currency), "currency": currency}
        status = dice.choice(["COMPLETED", "COMPLETED", "COMPLETED", "RETURNED", "CANCELED"])
        known = datetime(2025, 11, 1, tzinfo=UTC) + timedelta(days=9 * step)
        page = entry(
            f"{number}",
            status,
            listing=f"L{number}",
            created=f"2025-11-0{number + 1}T10:00:00Z",
            updated=(known - timedelta(days=dice.randrange(9))).isoformat(),
            **more,
        )
        record(session, [page], books, known, actor="test")
        order = session.scalars(select(StockxOrder).where(StockxOrder.stockx_order_number == f"{number}")).one()
        if order.item is not None and dice.random() < 0.3:
            order.item.cost = Decimal(dice.choice(["20.00", "33.33"]))
            session.flush()
            ledger.settle_and_refresh(session, order, books, known)
    for year in (2025, 2026):
        period = Period(*year_bounds(year))
        figures = analytics.full_sum(session, period, books)
        assert analytics.profit(session, period, books) == figures
        for treatment in ("plain", "margin_scheme"):
            added = Report(year, treatment, "EUR")
            for row in tax_rows.rows(session, year, treatment, books):
                tax.count_in(added, row)
            summed = tax.report(session, year, treatment, books)
            assert (summed.total, summed.months, summed.missing) == (added.total, added.months, added.missing)
        assert (summed.total.payout, summed.total.unknown_payout) == (figures.payout, figures.unknown_payout)
        assert summed.total.profit + summed.total.vat == figures.profit
    whole = [tax.report(session, year, "margin_scheme", books).total for year in (2025, 2026)]
    standing = sum((_vat_of(session, order) for order in session.scalars(select(StockxOrder))), Decimal(0))
    assert sum(total.vat for total in whole) == standing


def _vat_of(session: Session, order: StockxOrder) -> Decimal:
    """The VAT in the margin of what stands of one order."""
    lines = session.scalars(select(LedgerEntry).where(LedgerEntry.order_id == order.id)).all()
    margin = sum((line.books_amount for line in lines), Decimal(0))
    known = sum((1 if line.reverses_id is None else -1) for line in lines if line.kind == "cost")
    return round(max(margin, Decimal(0)) * 19 / 119, 2) if known else Decimal(0)


def refused_day(act: Callable[[], Any]) -> str:
    """Return the field of which an act says that its day can't be right."""
    with pytest.raises(InvalidInput, match="can't be right") as error:
        act()
    return error.value.field or ""


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2026-03-06", "2099-12-31"])
def test_a_day_on_which_nothing_was_bought_is_refused_wherever_it_is_entered(
    session: Session, books: Books, day: str
) -> None:
    listing = make_listing(session)
    sell(session, books)
    order = session.scalars(select(StockxOrder)).one()
    assert order.item is not None
    assert order.item.purchase is not None
    table = io.BytesIO(f"style,size,cost,date\nAB1234-100,9,20.00,{day}\n".encode())
    (refused,) = costs.import_costs(session, table, dry_run=False, now=NOW, books=books).refused
    assert refused[0] == 2
    assert f"{day} can't be right" in refused[1]
    bought, today = date.fromisoformat(day), NOW.date()
    buying = Buying(Decimal(20), "EUR", purchased_on=bought)
    spent = {"cost": Decimal(30), "actor": "test", "books": books, "now": NOW, "bought": bought}
    papers = {"supplier": None, "document": None, "expected_on": None, "note": None, "purchased_on": bought}
    assert refused_day(lambda: costs.set_cost(session, order.id, **spent)) == "bought"
    assert refused_day(lambda: stock.edit_purchase(session, order.item_id, today=today, **papers)) == "purchased_on"
    assert refused_day(lambda: stock.create_items(session, listing.catalog_variant_id, 1, buying, today=today)) == (
        "purchased_on"
    )
    assert (order.net_profit, order.item.purchase.purchased_on) == (Decimal("18.03"), date(2026, 1, 5))


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2099-01-01"])
@pytest.mark.parametrize("part", fees.PARTS)
def test_fee_figures_hold_from_a_day_that_can_be(session: Session, part: str, day: str) -> None:
    act = partial(fees.enter, session, part, {"valid_from": day}, actor="test", now=NOW)
    assert refused_day(act) == "valid_from"
    assert getattr(fees.book(session), part) == ()
    fees.enter(session, part, {"valid_from": "2026-12-01"}, actor="test", now=NOW)
