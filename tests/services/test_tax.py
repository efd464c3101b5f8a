"""The tax report: rows from the ledger, the year's end in the operator's zone, equal totals in every file."""

from __future__ import annotations

import csv
import io
import random
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from sqlalchemy.orm import Session

from soleflip.domain.analytics import Period
from soleflip.domain.errors import InvalidInput
from soleflip.domain.tax import Report, year_bounds
from soleflip.models import StockxOrder
from soleflip.services import analytics, ledger, tax, tax_files, tax_rows, tax_span
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from tests.services.sales import LINES, entry, make_listing, payout

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def sell(session: Session, books: Books, number: str, listing: str | None, sold: str, **more: Any) -> None:
    more = {"status": "COMPLETED", "payout": payout("48.94", "38.03"), "updated": sold, **more}
    record(session, [entry(number, listing=listing, created=sold, **more)], books, NOW, actor="test")


@pytest.fixture
def a_year(session: Session, books: Books) -> None:
    for number in range(1, 6):
        make_listing(session, f"L{number}", cost="20.00" if number != 4 else None, style=f"A{number}")
    sell(session, books, "1", "L1", "2024-12-31T22:59:59Z")
    sell(session, books, "2", "L2", "2024-12-31T23:30:00Z")
    sell(session, books, "3", "L3", "2025-06-01T10:00:00Z")
    sell(session, books, "4", "L4", "2025-07-01T10:00:00Z", payout=payout("48.94", "37.97", LINES))
    sell(session, books, "5", None, "2025-12-31T22:30:00Z")
    sell(session, books, "3", "L3", "2025-06-01T10:00:00Z", status="RETURNED", updated="2025-08-01T10:00:00Z")


def names(session: Session, books: Books, year: int) -> list[str]:
    return [f"{row.kind} {row.name}" for row in tax_rows.rows(session, year, "plain", books)]


@pytest.mark.usefixtures("a_year")
def test_the_year_ends_in_the_operators_time_zone(session: Session, books: Books) -> None:
    assert names(session, books, 2024) == ["sale 1"]
    assert names(session, books, 2025) == ["sale 2", "sale 3", "sale 4", "reversal 3", "sale 5"]
    assert names(session, books, 2026) == []
    assert tax.years(session, books, NOW) == ([2026, 2025, 2024], 2025)


@pytest.mark.usefixtures("a_year")
@pytest.mark.parametrize("treatment", ["plain", "small_business", "intra_eu", "schedule_c"])
def test_the_reports_profit_is_that_of_analytics(session: Session, books: Books, treatment: str) -> None:
    figures = analytics.profit(session, Period(*year_bounds(2025)), books)
    total = tax.report(session, 2025, treatment, books).total
    assert (total.profit, total.payout, total.cost) == (figures.profit, figures.payout, figures.cost)
    assert total.sales - total.reversals == figures.sales
    assert (total.unknown_cost, total.unknown_payout) == (figures.unknown_sales, figures.unknown_payout)


@pytest.mark.usefixtures("a_year")
def test_a_row_has_its_fee_lines_documents_and_links(session: Session, books: Books) -> None:
    second, third, fourth, back, fifth = tax_rows.rows(session, 2025, "plain", books)
    assert second.fees[-1] == ("Difference to StockX's total", Decimal("0.06"))
    assert second.fee_sum("unexplained") == Decimal("0.06")
    assert second.item_id is not None
    assert second.missing == []
    assert fourth.missing == ["cost"]
    assert fifth.missing == ["cost", "purchase date", "supplier", "purchase document"]
    assert set(back.reverses) == set(third.entry_ids)
    assert back.taxed.profit == -third.taxed.profit


def test_cash_accounting_counts_a_sale_on_the_day_of_its_payout(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books, "1", "L1", "2024-12-28T10:00:00Z", updated="2025-01-02T10:00:00Z")
    sell(session, books, "1", "L1", "2024-12-28T10:00:00Z", status="RETURNED", updated="2025-03-01T10:00:00Z")
    by = {
        (basis, year): [row.kind for row in tax_rows.rows(session, year, "plain", books, basis)]
        for basis in tax_span.BASES
        for year in (2024, 2025)
    }
    assert by == {
        ("sale", 2024): ["sale"],
        ("sale", 2025): ["reversal"],
        ("payout", 2024): [],
        ("payout", 2025): ["sale", "reversal"],
    }
    (sold, _) = tax_rows.rows(session, 2025, "plain", books, "payout")
    assert (sold.local_day.isoformat(), sold.booked_at.year) == ("2025-01-02", 2024)


@pytest.mark.usefixtures("a_year")
@pytest.mark.parametrize("treatment", ["plain", "margin_scheme", "intra_eu"])
def test_csv_workbook_and_pdf_have_the_same_totals(session: Session, books: Books, treatment: str) -> None:
    total = tax.report(session, 2025, treatment, books).total
    text = "".join(tax_files.as_csv(session, 2025, treatment, books)).removeprefix("\ufeff")
    table = list(csv.DictReader(io.StringIO(text)))
    sums = {
        "Sale price (EUR)": total.price,
        "Fees (EUR)": total.fees,
        "Payout (EUR)": total.payout,
        "Cost (EUR)": total.cost,
        "VAT (EUR)": total.vat,
        "Profit (EUR)": total.profit,
    }
    last = table.pop()
    assert last["Row"] == "TOTAL"
    file = io.BytesIO()
    tax_files.as_xlsx(session, 2025, treatment, books, file)
    sheet = openpyxl.load_workbook(file)["Sales"]
    header = [cell.value for cell in sheet[1]]
    bottom = {name: cell.value for name, cell in zip(header, sheet[sheet.max_row], strict=True)}
    for name, amount in sums.items():
        assert Decimal(last[name]) == amount
        assert sum((Decimal(row[name]) for row in table if row[name]), Decimal(0)) == amount
        assert Decimal(str(bottom[name])).quantize(Decimal("0.01")) == amount
    pdf = pdf_text(made(tax_files.as_pdf, session, 2025, treatment, books))
    assert {f"{amount:,.2f}" for amount in sums.values()} <= set(re.findall(r"-?[\d,]+\.\d\d", pdf))


@pytest.mark.usefixtures("a_wild_year")
@pytest.mark.parametrize("treatment", ["plain", "small_business", "margin_scheme", "intra_eu", "schedule_c"])
def test_three_files_of_an_odd_year_say_the_same_as_the_page(session: Session, books: Books, treatment: str) -> None:
    total = tax.report(session, 2025, treatment, books).total
    names = ("Sale price", "Fees", "Payout", "Cost", "Turnover", "VAT", "Profit")
    wanted = [total.price, total.fees, total.payout, total.cost, total.turnover, total.vat, total.profit]
    text = "".join(tax_files.as_csv(session, 2025, treatment, books)).removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))[:-1]
    assert [sum(Decimal(row[f"{name} (EUR)"] or 0) for row in rows) for name in names] == wanted
    file = io.BytesIO()
    tax_files.as_xlsx(session, 2025, treatment, books, file)
    header, *cells = openpyxl.load_workbook(file)["Sales"].values
    columns = [header.index(f"{name} (EUR)") for name in names]
    assert [sum(Decimal(str(row[at] or 0)) for row in cells[:-1]) for at in columns] == wanted
    pdf = pdf_text(made(tax_files.as_pdf, session, 2025, treatment, books))
    assert {f"{amount:,.2f}" for amount in wanted} <= set(re.findall(r"-?[\d,]+\.\d\d", pdf))
    assert all(row["Order"][:24] in pdf for row in rows if row["Order"])


def made(write: Any, *of: Any) -> bytes:
    """What is written into a file."""
    file = io.BytesIO()
    write(*of, file)
    return file.getvalue()


def pdf_text(content: bytes) -> str:
    """The words of a PDF of ours: its streams are compressed, its strings plain."""
    import zlib

    text = ""
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            text += zlib.decompress(stream).decode("latin-1")
        except zlib.error:
            continue
    return " ".join(re.findall(r"\((.*?)(?<!\\)\)", text))


@pytest.mark.usefixtures("a_year")
def test_the_workbook_has_real_numbers_and_dates(session: Session, books: Books) -> None:
    file = io.BytesIO()
    tax_files.as_xlsx(session, 2025, "plain", books, file)
    sheet = openpyxl.load_workbook(file)["Sales"]
    row = {head.value: cell for head, cell in zip(sheet[1], sheet[2], strict=True)}
    assert row["Purchase date"].is_date
    assert row["Time (local)"].value == datetime.fromisoformat("2025-01-01 00:30")
    assert row["Payout (EUR)"].value == 38.03
    assert row["Order"].data_type == "s"


def test_text_from_outside_is_never_a_formula(session: Session, books: Books) -> None:
    make_listing(session)
    sell(session, books, "1", "L1", "2025-06-01T10:00:00Z")
    order = session.query(StockxOrder).one()
    for title in ("=1+1", "+SUM(A1)", "-2", "@cmd", "\t=1", "\r=1"):
        order.title = title
        session.flush()
        text = "".join(tax_files.as_csv(session, 2025, "plain", books))
        row = next(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        assert row["Title"] == f"'{title}"
        assert row["Fees (EUR)"] == "-10.91", "numbers stay numbers"
        file = io.BytesIO()
        tax_files.as_xlsx(session, 2025, "plain", books, file)
        kinds = {cell.data_type for row in openpyxl.load_workbook(file)["Sales"] for cell in row}
        assert "f" not in kinds


def test_penalties_and_write_offs_are_rows_of_their_own(session: Session, books: Books) -> None:
    item = make_listing(session).item
    assert item is not None
    item.state = "in_stock"
    ledger.write_off(session, item.id, "lost", actor="test", books=books, now=NOW)
    make_listing(session, "L2", style="B")
    sell(session, books, "2", "L2", "2026-01-05T10:00:00Z")
    order = session.query(StockxOrder).one()
    ledger.book_penalty(session, order.id, Decimal("15"), "late", actor="test", books=books, now=NOW)
    kinds = sorted(row.kind for row in tax_rows.rows(session, 2026, "plain", books))
    assert kinds == ["penalty", "sale", "write_off"]
    total = tax.report(session, 2026, "plain", books).total
    assert total.profit == Decimal("18.03") - 20 - 15
    assert total.profit == analytics.profit(session, Period(*year_bounds(2026)), books).profit


TREATMENTS = ["plain", "small_business", "margin_scheme", "intra_eu", "schedule_c"]


@pytest.fixture
def a_wild_year(session: Session, books: Books) -> None:
    """Sixty sales of odd amounts: gains, losses, unknown costs, other currencies, returns, penalties, write-offs."""
    dice = random.Random(5)
    for number in range(60):
        cost = None if number % 7 == 0 else f"{dice.uniform(1, 200):.2f}"
        make_listing(session, f"L{number}", cost=cost, style=f"W{number}")
        price = Decimal(f"{dice.uniform(5, 300):.2f}")
        currency = dice.choice(["EUR", "EUR", "USD", "GBP"])
        paid = payout(str(price), str(price - Decimal(f"{dice.uniform(0, 40):.2f}")), LINES, currency=currency)
        sold = f"2025-{1 + number % 12:02}-{dice.randint(1, 28):02}T{dice.randint(0, 23):02}:30:00Z"
        more = {"payout": paid, "currency": currency}
        sell(
            session,
            books,
            f"{number}",
            f"L{number}",
            sold,
            updated=f"2025-12-{dice.randint(1, 28):02}T01:00:00Z",
            **more,
        )
        if number % 5 == 0:
            sell(session, books, f"{number}", f"L{number}", sold, status="RETURNED", updated="2025-12-30T10:00:00Z")
        if number % 9 == 0:
            order = session.query(StockxOrder).filter_by(stockx_order_number=f"{number}").one()
            late = datetime(2025, 11, 5, 12, tzinfo=UTC)
            ledger.book_penalty(session, order.id, Decimal("7.35"), "late", actor="test", books=books, now=late)
    for number, order in enumerate(session.query(StockxOrder).order_by(StockxOrder.stockx_order_number)):
        order.report = {"Sold to VAT Number": f"NL{number % 3}", "Invoice Number": "I-1"} if number % 4 else {}
    item = make_listing(session, "L99", style="X").item
    assert item is not None
    item.state = "in_stock"
    ledger.write_off(session, item.id, "lost", actor="t", books=books, now=datetime(2025, 6, 1, tzinfo=UTC))
    session.flush()


@pytest.mark.usefixtures("a_wild_year")
@pytest.mark.parametrize("basis", ["sale", "payout"])
@pytest.mark.parametrize("treatment", TREATMENTS)
def test_what_the_database_sums_is_what_the_rows_add_up_to(
    session: Session, books: Books, treatment: str, basis: str
) -> None:
    added = Report(2025, treatment, "EUR")
    for row in tax_rows.rows(session, 2025, treatment, books, basis):
        tax.count_in(added, row)
    summed = tax.report(session, 2025, treatment, books, basis)
    assert summed.total.sales == 60
    assert summed.total.reversals == 12
    assert summed.total.unknown_cost > 0
    assert summed.total == added.total
    assert summed.months == added.months
    assert summed.quarters == added.quarters
    assert summed.by_fee == {name: amount for name, amount in added.by_fee.items() if amount}
    assert {key: value for key, value in summed.summary.items() if value} == {
        key: value for key, value in added.summary.items() if value
    }
    assert summed.missing == added.missing
    steps = dict(summed.bridge())
    fees = sum(summed.by_fee.values())
    assert summed.total.price + fees == steps["Payout: what StockX paid"] == summed.total.payout


@pytest.mark.usefixtures("a_wild_year")
@pytest.mark.parametrize("basis", ["sale", "payout"])
def test_pages_of_rows_are_the_rows_each_once(session: Session, books: Books, basis: str) -> None:
    span = tax_span.Span(2025, "intra_eu", books, basis)
    whole = list(tax_rows.rows(session, 2025, "intra_eu", books, basis))
    for only_missing in (False, True):
        after, walked = None, []
        while True:
            page, after = tax_rows.page(session, span, after=after, only_missing=only_missing, count=7)
            walked += page
            if after is None:
                break
        wanted = [row.entry_ids for row in whole if row.missing or not only_missing]
        assert [row.entry_ids for row in walked] == wanted
    with pytest.raises(InvalidInput, match="damaged"):
        tax_rows.page(session, span, after="nonsense")


def test_a_rate_of_after_the_last_known_day_is_named_as_missing(session: Session, books: Books) -> None:
    make_listing(session)
    paid = payout("48.94", "38.03", currency="USD")
    sell(session, books, "1", "L1", "2099-06-01T10:00:00Z", payout=paid, currency="USD")
    (row,) = tax_rows.rows(session, 2099, "plain", books)
    assert (row.rate_source, row.missing) == ("ECB, last day known", ["exchange rate of the day"])
    assert tax.report(session, 2099, "plain", books).missing == 1
