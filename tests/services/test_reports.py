"""The seller report: every sale once, to the cent, whatever the file looks like."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.analytics import period_of
from soleflip.domain.errors import InvalidInput
from soleflip.models import LedgerEntry, PayoutLine, StockxOrder
from soleflip.services import analytics, profit_days, reports, tax_rows
from soleflip.services.order_snapshots import record
from soleflip.services.reports import ReportResult
from soleflip.services.runs import Books
from soleflip.stockx.wire import Payout
from tests.services.sales import entry, make_listing, payout

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVER = period_of("all", NOW.date())
HEADER = (
    "Seller Name|Seller Address (Billing)|Seller VAT Number|Sold To Name|Sold To address|Sold to VAT Number|"
    "Fiscal Representative Name|Fiscal Representative Address|StockX Destination Address|Payout date|Invoice Date|"
    "Invoice Number|Item|Sku Name|Sku Size|Style|Order Number|Sale Date|Seller Tracking Number|"
    "Buyer Destination Country|Buyer Destination City|Buyer Tracking Number|Quantity|Ship From Address|"
    "Ship To Address|Seller Fee|Seller Fee Currency|Payment Processing|Payment Processing Currency|Shipping Fee|"
    "Shipping Fee Currency|VAT Rate|Total Net Amount (Payout Excluding VAT)|"
    "Total Net Amount (Payout Excluding VAT) Currency|Listing Price|Listing Price Currency|"
    "Total Gross Amount (Total Payout)|Total Gross Amount (Total Payout) Currency|Total VAT Amount|"
    "Total VAT Amount Currency|Payout ID|Special references|Provider Transaction ID|Total Invoice Amount"
)
COLUMNS = HEADER.split("|")


def line(number: str = "1-1", **fields: str) -> dict[str, str]:
    """A row as StockX writes it; `price`, `paid`, `fee` are short for their columns."""
    names = {"price": "Listing Price", "paid": "Total Gross Amount (Total Payout)", "fee": "Seller Fee"}
    names |= {"sold": "Sale Date", "size": "Sku Size", "style": "Style", "proc": "Payment Processing"}
    row = dict.fromkeys(COLUMNS, "")
    row |= {
        "Sold To Name": "StockX LLC",
        "Sold to VAT Number": "NL826418247B01",
        "Payout date": "2024-07-13 09:54:57 +00",
        "Invoice Number": f"INV-{number}",
        "Item": "Gel One",
        "Sku Size": "9W",
        "Style": "AB1234-100",
        "Order Number": number,
        "Sale Date": "2024-07-08 00:46:09 +00",
        "Buyer Destination Country": "United States",
        "Quantity": "1",
        "Seller Fee": "N/A",
        "Payment Processing": "1.35",
        "Payment Processing Currency": "EUR",
        "Shipping Fee": "5",
        "Shipping Fee Currency": "EUR",
        "Listing Price": "45",
        "Listing Price Currency": "EUR",
        "Total Gross Amount (Total Payout)": "30.65",
        "Total Gross Amount (Total Payout) Currency": "EUR",
        "Payout ID": "0",
        "Special references": "1) Intra-EU supply of goods\n2) Invoice issued by the customer (self-billing)",
    }
    return row | {names.get(name, name): value for name, value in fields.items()}


def report(*rows: dict[str, str], separator: str = ",", encoding: str = "utf-8") -> io.BytesIO:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return io.BytesIO(text.getvalue().encode(encoding))


@pytest.fixture
def take(session: Session, books: Books) -> Any:
    def take_(*rows: dict[str, str], dry_run: bool = False, **form: str) -> ReportResult:
        return reports.import_report(session, report(*rows, **form), dry_run=dry_run, now=NOW, books=books)

    return take_


def count(session: Session, table: Any) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_payout_is_the_truth_and_the_difference_a_line(take: Any, session: Session) -> None:
    result = take(line())
    assert result.as_json() == {
        "dry_run": False,
        "rows": 1,
        "imported": 1,
        "updated": 0,
        "duplicates": 0,
        "refused": [],
        "sale_total": "45.00",
        "fees_total": "-6.35",
        "unexplained_total": "-8.00",
        "payout_total": "30.65",
        "currencies": ["EUR"],
        "by_year": {
            "2024": {
                "sales": 1,
                "sale_total": "45.00",
                "fees_total": "-6.35",
                "unexplained_total": "-8.00",
                "payout_total": "30.65",
            }
        },
    }
    lines = session.execute(select(PayoutLine.name, PayoutLine.amount).order_by(PayoutLine.position)).all()
    assert [tuple(found) for found in lines] == [
        ("Payment Processing", Decimal("-1.35")),
        ("Shipping Fee", Decimal("-5.00")),
        ("Difference to StockX's total", Decimal("-8.00")),
    ]
    assert session.scalar(select(func.sum(LedgerEntry.amount))) == Decimal("30.65")
    order = session.scalars(select(StockxOrder)).one()
    assert (order.payout_id, order.destination, order.size) == (None, "United States", "9W")


def test_a_dry_run_says_the_same_and_writes_nothing(take: Any, session: Session) -> None:
    rows = [line("1"), line("1"), line("2", price="none")]
    dry, wet = take(*rows, dry_run=True), take(*rows)
    assert dry.as_json() | {"dry_run": False} == wet.as_json()
    assert count(session, StockxOrder) == 1


def test_importing_twice_changes_nothing(take: Any, session: Session) -> None:
    rows = [line(str(number)) for number in range(5)]
    take(*rows)
    again = take(*rows)
    assert (again.imported, again.duplicates, again.total.payout_total) == (0, 5, 0)
    assert (count(session, StockxOrder), count(session, LedgerEntry)) == (5, 20)


def test_bad_rows_are_named_by_line_and_no_good_row_is_lost(take: Any) -> None:
    result = take(
        line("1"),
        line("2", sold="yesterday"),
        line("3", price="-4"),
        line("4", paid=""),
        line(""),
        line("6", Quantity="2"),
        line("7", **{"Total Gross Amount (Total Payout) Currency": "USD"}),
        line("1", paid="31.00"),
        line("9", **{"Listing Price Currency": "XXX", "Total Gross Amount (Total Payout) Currency": "XXX",
                     "Payment Processing": "", "Shipping Fee": ""}),
        line("10"),
    )  # fmt: skip
    assert (result.rows, result.imported, len(result.refused)) == (10, 2, 8)
    reasons = dict(result.refused)
    assert list(reasons) == [4, 6, 8, 10, 12, 14, 16, 18], "the first line of each record, of two lines each"
    assert reasons[4] == "Sale Date is 'yesterday', which is no time like 2022-07-13 09:54:57 +00."
    assert reasons[8] == "Total Gross Amount (Total Payout) is empty: the payout is what counts."
    assert reasons[16] == "Order 1 stands already on line 2, with other content."


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "The file is empty"),
        (b"  \n", "The file is empty"),
        (b"a,b\n1,2\n", "Columns are missing: Order Number, Sale Date"),
        (b"\x1f\x8b\x08\x00\x00", "This is no text file"),
        (b"PK\x03\x04\x00\x00", "This is no text file"),
        ((",".join([*COLUMNS, "listing price "]) + "\n").encode(), "“Listing Price” stands more than once"),
        ((",".join([*COLUMNS, "Seller Fee"]) + "\n").encode(), "“Seller Fee” stands more than once"),
    ],
)
def test_a_wrong_file_is_refused_with_what_to_do(session: Session, books: Books, content: bytes, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        reports.import_report(session, io.BytesIO(content), dry_run=False, now=NOW, books=books)


@pytest.mark.parametrize(("separator", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-16"), (",", "cp1252")])
def test_a_file_saved_again_by_a_spreadsheet_is_read(take: Any, separator: str, encoding: str) -> None:
    result = take(line(Item="Größe"), separator=separator, encoding=encoding)
    assert (result.imported, result.refused) == (1, [])


@pytest.mark.parametrize(
    ("written", "read"),
    [("30.65", "30.65"), ("30,65", "30.65"), ("1,234.50", "1234.50"), ("1,234", "1234"), ("30.6500", "30.65")],
)
def test_amounts_are_read_in_the_usual_notations(take: Any, written: str, read: str) -> None:
    assert take(line(price="2000", paid=written)).total.payout_total == Decimal(read)


@pytest.mark.parametrize("written", ["1.234,50", "30.655", "NaN", "1e3", "30 EUR", "1_000"])
def test_an_amount_that_could_be_misread_is_refused(take: Any, written: str) -> None:
    assert len(take(line(paid=written)).refused) == 1


@pytest.mark.parametrize("day", ["9999-12-31 23:59:59 +00", "0001-01-01 00:00:00 +01", "1999-12-31 12:00:00 +00"])
def test_a_day_at_the_end_of_the_calendar_refuses_its_row_alone(take: Any, day: str) -> None:
    result = take(line("1", sold=day), line("2"))
    assert [number for number, _ in result.refused] == [2]
    assert result.imported == 1


def test_years_end_in_the_operators_time_zone(take: Any, session: Session, books: Books) -> None:
    result = take(line("1", sold="2024-12-31 23:30:00 +00"), line("2", sold="2024-12-31 22:59:59 +00"))
    assert {year: found.sales for year, found in result.by_year.items()} == {2025: 1, 2024: 1}
    assert [row.name for row in tax_rows.rows(session, 2025, "plain", books)] == ["1"]


def test_figures_after_an_import_are_those_of_the_file(take: Any, session: Session, books: Books) -> None:
    result = take(*[line(str(number), price=str(40 + number), paid=f"{30 + number}.13") for number in range(40)])
    figures = analytics.profit(session, EVER, books)
    assert (figures.sales, figures.payout) == (40, result.total.payout_total)
    assert (figures.unknown_sales, figures.profit) == (40, 0)
    assert analytics.full_sum(session, EVER, books) == figures
    assert profit_days.refresh_all(session, books, NOW) == 1


def test_an_order_of_the_sync_gets_what_only_the_report_tells(take: Any, session: Session, books: Books) -> None:
    make_listing(session)
    paid = entry("1-1", "COMPLETED", created="2024-07-08T00:46:09Z", payout=payout("45", "30.65", []))
    record(session, [paid], books, NOW, actor="test")
    result = take(line("1-1"))
    assert (result.imported, result.updated) == (0, 1)
    order = session.scalars(select(StockxOrder)).one()
    assert order.paid_at == datetime(2024, 7, 13, 9, 54, 57, tzinfo=UTC)
    assert analytics.profit(session, EVER, books).profit == Decimal("10.65")


def test_the_reports_payout_corrects_the_syncs(take: Any, session: Session, books: Books) -> None:
    make_listing(session)
    paid = entry("1-1", "COMPLETED", created="2024-07-08T00:46:09Z", payout=payout("45", "30.00", []))
    record(session, [paid], books, NOW, actor="test")
    take(line("1-1"))
    assert analytics.profit(session, EVER, books).profit == Decimal("10.65")
    later = paid.model_copy(update={"updated_at": NOW, "payout": Payout.model_validate(payout("45", "30.01", []))})
    for page in (paid, later):
        record(session, [page], books, NOW, actor="test")
    assert analytics.profit(session, EVER, books).profit == Decimal("10.65"), "what was paid stays"


@pytest.mark.parametrize("item", ["Schuh", "Schuh für €"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_letters_are_read_in_every_usual_encoding(take: Any, session: Session, item: str, encoding: str) -> None:
    rows = [line(str(number)) for number in range(3)] + [line("9", Item=item, **{"Total Invoice Amount": "30 €"})]
    assert take(*rows, encoding=encoding).refused == []
    order = session.scalars(select(StockxOrder).where(StockxOrder.stockx_order_number == "9")).one()
    assert (order.title, order.report["Total Invoice Amount"]) == (item, "30 €")
