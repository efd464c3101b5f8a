"""The tax report as CSV, XLSX and PDF: the same rows and the same totals, written while they are read."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import xlsxwriter
from sqlalchemy.orm import Session

from soleflip.domain.tax import Report, Totals, treatment_of
from soleflip.services import tax, tax_rows, tax_span
from soleflip.services.exports import Cell, csv_lines
from soleflip.services.runs import Books
from soleflip.services.tax_paper import Paper
from soleflip.services.tax_rows import TaxRow

PAPER = "Working paper from the books of SoleFlip. No tax advice: have it checked."


def no_tick(rows: int) -> None:
    """Tell nobody how many rows there are so far."""


def file_name(year: int, treatment: str, ending: str) -> str:
    """Return what a report's file is called."""
    return f"soleflip-tax-{year}-{treatment}.{ending}"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the report; `total` names the sum that stands under it."""

    header: str
    value: Callable[[TaxRow, Books], Cell]
    total: Callable[[Report], Decimal] | None = None

    @property
    def key(self) -> str:
        """The header as programs name it: small letters and underscores."""
        return re.sub("[^a-z]+", "_", self.header.lower()).strip("_")


def _fact(name: str) -> Callable[[TaxRow, Books], Cell]:
    def value(row: TaxRow, _: Books) -> Cell:
        found: Cell = getattr(row.facts, name)
        return found

    return value


def _net(row: TaxRow, _: Books) -> Cell:
    gross, vat = row.facts.item_price, row.facts.item_vat
    return gross - vat if gross is not None and vat is not None else None


def _paid(row: TaxRow, books: Books) -> Cell:
    return row.facts.paid_at.astimezone(books.timezone) if row.facts.paid_at else None


def _fee(kind: str) -> Callable[[TaxRow, Books], Cell]:
    return lambda row, _: row.fee_sum(kind)


def _ids(ids: tuple[int, ...]) -> str:
    return " ".join(str(number) for number in ids)


COLUMNS: tuple[Column, ...] = (
    Column("Row", lambda row, _: row.kind.replace("_", " ")),
    Column("Order", _fact("order_number")),
    Column("Listing", _fact("listing_id")),
    Column("Item", lambda row, _: str(row.item_id) if row.item_id else None),
    Column("Style", _fact("style_code")),
    Column("Size", _fact("size")),
    Column("Title", _fact("title")),
    Column("Purchase date", _fact("purchased_on")),
    Column("Supplier", _fact("supplier")),
    Column("Purchase document", _fact("document")),
    Column("Purchase net", _net),
    Column("Purchase VAT", _fact("item_vat")),
    Column("Purchase gross", _fact("item_price")),
    Column("Purchase currency", _fact("item_currency")),
    Column("Purchase rate", lambda row, _: row.cost_rate and row.cost_rate[0]),
    Column("Purchase rate source", lambda row, _: row.cost_rate and row.cost_rate[1]),
    Column("Purchase rate date", lambda row, _: row.cost_rate and row.cost_rate[2]),
    Column("Time (UTC)", lambda row, _: row.booked_at),
    Column("Time (local)", lambda row, books: row.booked_at.astimezone(books.timezone)),
    Column("Payout date", _paid),
    Column("Payout id", _fact("payout_id")),
    Column("Sale price, original", lambda row, _: row.original_price),
    Column("Currency", lambda row, _: row.original_currency),
    Column("Rate", lambda row, _: row.rate),
    Column("Rate source", lambda row, _: row.rate_source),
    Column("Rate date", lambda row, _: row.rate_date),
    Column("Sale price", lambda row, _: row.booked.price, lambda found: found.total.price),
    Column("Transaction fee", _fee("transaction")),
    Column("Payment processing", _fee("processing")),
    Column("Shipping", _fee("shipping")),
    Column("Other adjustments", _fee("other")),
    Column("Unexplained difference", _fee("unexplained")),
    Column("Fee lines", lambda row, _: "; ".join(f"{name} {amount}" for name, amount in row.fees)),
    Column("Fees", lambda row, _: row.booked.fees, lambda found: found.total.fees),
    Column("Penalty or write-off", lambda row, _: row.booked.other, lambda found: found.total.other),
    Column("Payout", lambda row, _: row.booked.payout, lambda found: found.total.payout),
    Column("Cost", lambda row, _: row.booked.cost, lambda found: found.total.cost),
    Column("Turnover", lambda row, _: row.taxed.turnover, lambda found: found.total.turnover),
    Column("VAT", lambda row, _: row.taxed.vat, lambda found: found.total.vat),
    Column("Profit", lambda row, _: row.taxed.profit, lambda found: found.total.profit),
    Column("Holding days", lambda row, _: row.holding_days),
    Column("Counted on", lambda row, _: row.local_day),
    Column("Treatment", lambda row, _: treatment_of(row.treatment).label),
    Column("Counterparty", lambda row, _: row.from_report("Sold To Name") or "StockX"),
    Column("Counterparty VAT number", lambda row, _: row.counterparty_vat_id),
    Column("Self-billing invoice", lambda row, _: row.from_report("Invoice Number")),
    Column("Destination", _fact("destination")),
    Column("Reverses entries", lambda row, _: _ids(row.reverses)),
    Column("Ledger entries", lambda row, _: _ids(row.entry_ids)),
    Column("Missing", lambda row, _: ", ".join(row.missing)),
)
TOTAL = "TOTAL"


def as_csv(session: Session, year: int, treatment: str, books: Books, basis: str = "sale") -> Iterator[str]:
    """Write the report as CSV, line by line; the last line has the totals."""
    found = Report(year, treatment, books.currency)
    header = [f"{c.header} ({books.currency})" if c.total else c.header for c in COLUMNS]
    return csv_lines(header, _with_totals(session, found, books, basis, no_tick))


def _with_totals(
    session: Session, found: Report, books: Books, basis: str, tick: Callable[[int], None]
) -> Iterator[list[Cell]]:
    # Closed at once where it is left: the rows come from a cursor of the database.
    with closing(tax_rows.rows(session, found.year, found.treatment, books, basis)) as rows:
        for number, row in enumerate(rows, start=1):
            tax.count_in(found, row)
            tick(number)
            yield [column.value(row, books) for column in COLUMNS]
    totals: list[Cell] = [column.total(found) if column.total else None for column in COLUMNS]
    yield [TOTAL, *totals[1:]]


def as_xlsx(
    session: Session,
    year: int,
    treatment: str,
    books: Books,
    file: IO[bytes],
    basis: str = "sale",
    *,
    tick: Callable[[int], None] = no_tick,
) -> int:
    """Write the report as a workbook with the sheets Sales and Totals, and return how many rows it has.

    Numbers are numbers, dates are dates; `tick` is told how many rows are written.
    """
    rows = 0
    found = Report(year, treatment, books.currency)
    with xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_formulas": False}) as book:
        sheet = _Sheet(book, "Sales", books)
        sheet.write([f"{c.header} ({books.currency})" if c.total else c.header for c in COLUMNS], bold=True)
        sheet.sheet.freeze_panes(1, 2)
        for cells in _with_totals(session, found, books, basis, tick):
            sheet.write(cells, bold=cells[0] == TOTAL)
            rows += cells[0] != TOTAL
        totals = _Sheet(book, "Totals", books)
        for cells, is_head in _totals_table(found):
            totals.write(cells, bold=is_head)
    file.seek(0, io.SEEK_END)
    return rows


class _Sheet:
    """A sheet that is written from the top, each cell by its type."""

    def __init__(self, book: Any, name: str, books: Books) -> None:
        self.sheet = book.add_worksheet(name)
        self._books = books
        self._row = 0
        kinds = {
            "text": "",
            "amount": "#,##0.00",
            "rate": "0.00000000",
            "date": "yyyy-mm-dd",
            "time": "yyyy-mm-dd hh:mm",
        }
        self._formats = {
            (kind, bold): book.add_format({"num_format": pattern or "@", "bold": bold})
            for kind, pattern in kinds.items()
            for bold in (False, True)
        }

    def write(self, cells: list[Cell], *, bold: bool) -> None:
        """Write one row."""
        for column, cell in enumerate(cells):
            self._write(column, cell, bold)
        self._row += 1

    def _write(self, column: int, cell: Cell, bold: bool) -> None:
        if cell is None or cell == "":
            return
        if isinstance(cell, str):
            self.sheet.write_string(self._row, column, cell, self._formats["text", bold])
        elif isinstance(cell, datetime):
            self.sheet.write_datetime(self._row, column, cell.replace(tzinfo=None), self._formats["time", bold])
        elif isinstance(cell, date):
            self.sheet.write_datetime(self._row, column, cell, self._formats["date", bold])
        elif isinstance(cell, Decimal):
            is_rate = -int(cell.as_tuple().exponent) > 2
            self.sheet.write_number(
                self._row, column, float(cell), self._formats["rate" if is_rate else "amount", bold]
            )
        else:
            self.sheet.write_number(self._row, column, cell)


TOTAL_HEADERS = ("Sales", "Reversals", "Sale prices", "Fees", "Payouts", "Turnover", "Cost", "Other", "VAT", "Profit")


def total_cells(totals: Totals) -> list[Cell]:
    """Return one line of totals, in the order of TOTAL_HEADERS."""
    return [
        totals.sales,
        totals.reversals,
        totals.price,
        totals.fees,
        totals.payout,
        totals.turnover,
        totals.cost,
        totals.other,
        totals.vat,
        totals.profit,
    ]


def _totals_table(found: Report) -> Iterator[tuple[list[Cell], bool]]:
    yield [f"Tax report {found.year}", treatment_of(found.treatment).label, found.currency], True
    yield [PAPER], False
    yield [treatment_of(found.treatment).rule], False
    yield [], False
    yield ["Period", *TOTAL_HEADERS], True
    for month in sorted(found.months):
        yield [f"{found.year}-{month:02}", *total_cells(found.months[month])], False
    for quarter in sorted(found.quarters):
        yield [f"Quarter {quarter}", *total_cells(found.quarters[quarter])], False
    yield [TOTAL, *total_cells(found.total)], True
    yield ["Sales of unknown cost, not in cost and profit", found.total.unknown_cost, found.total.unknown_payout], False
    yield ["Rows with missing documents", found.missing], False
    yield [], False
    yield ["From gross receipts to net profit"], True
    for name, amount in found.bridge():
        yield [name, amount], False
    if found.summary:
        yield [], False
        yield ["Recapitulative summary", "Month", "Payouts"], True
        for (vat_id, month), amount in sorted(found.summary.items()):
            yield [vat_id or "VAT number unknown", f"{found.year}-{month:02}", amount], False


def as_pdf(
    session: Session,
    year: int,
    treatment: str,
    books: Books,
    file: IO[bytes],
    basis: str = "sale",
    *,
    tick: Callable[[int], None] = no_tick,
) -> int:
    """Write the report as a PDF, totals first, then a line per row, and return how many rows it has."""
    found = tax.report(session, year, treatment, books, basis)
    pdf = Paper(orientation="landscape", format="A4")
    pdf.title_line = f"Tax report {year}: {treatment_of(treatment).label}, {books.currency}"
    pdf.set_title(pdf.title_line)
    pdf.set_creation_date(datetime(year, 12, 31, tzinfo=books.timezone))
    pdf.add_page()
    pdf.words(PAPER)
    pdf.words(f"Counted by: {tax_span.BASES[basis].lower()}, time zone {books.timezone.key}.")
    pdf.words(treatment_of(treatment).rule)
    blocks: list[list[list[Cell]]] = [[]]
    for cells, is_head in list(_totals_table(found))[4:]:
        if not cells:
            blocks.append([])
        elif is_head and len(cells) == 1:
            blocks[-1].append([*cells, f"Amount ({found.currency})"])
        else:
            blocks[-1].append(cells)
    for block in blocks:
        width = max(len(cells) for cells in block)
        pdf.numbers([[_shown(cell) for cell in cells] + [""] * (width - len(cells)) for cells in block])
    rows = pdf.lines(_pdf_lines(session, found, books, basis, tick))
    file.write(pdf.output())
    return rows


def _pdf_lines(
    session: Session, found: Report, books: Books, basis: str, tick: Callable[[int], None]
) -> Iterator[list[str]]:
    with closing(tax_rows.rows(session, found.year, found.treatment, books, basis)) as rows:
        for number, row in enumerate(rows, start=1):
            tick(number)
            yield _pdf_line(row)


def _pdf_line(row: TaxRow) -> list[str]:
    facts, booked = row.facts, row.booked
    texts = (row.kind.replace("_", " "), row.name, facts.style_code, facts.size, facts.document)
    amounts = (booked.price, booked.fees, booked.payout, booked.cost, row.taxed.vat, row.taxed.profit)
    unknown = "unknown"
    return [
        row.local_day.isoformat(),
        *((text or "")[:24] for text in texts),
        *(unknown if amount is None else f"{amount:,.2f}" for amount in amounts),
    ]


def _shown(cell: Cell) -> str:
    return f"{cell:,.2f}" if isinstance(cell, Decimal) else "" if cell is None else str(cell)
