"""The tax report of a year as JSON and as files, and the past that is imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response, request, send_file, stream_with_context
from pydantic import Field
from werkzeug.exceptions import NotAcceptable

from soleflip.api.contract import JSON, operation
from soleflip.api.fields import Amount, Asked, Moment, Number, Paged, Shape, Started, Upload, seal, started, unseal
from soleflip.api.figures import FeeShape
from soleflip.api.unit import actor, now, runtime, session, start_run
from soleflip.domain.tax import TREATMENTS, Totals, treatment_of, year_bounds
from soleflip.services import costs, reports, tax, tax_exports, tax_files, tax_rows
from soleflip.services.runs import Books
from soleflip.services.tax_rows import TaxRow
from soleflip.services.tax_span import Span

bp = Blueprint("tax", __name__)

TAG = "Analytics"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"


class TaxQuery(Paged):
    """How the year is to be taxed, and which of its rows are wanted in JSON; the files have all of them."""

    treatment: str | None = Field(
        default=None,
        pattern=f"^({'|'.join(TREATMENTS)})$",
        description="What fits the VAT setting without it.",
    )
    basis: Literal["sale", "payout"] = Field(default="sale", description="What day a sale counts on.")
    missing: bool = Field(default=False, description="Only the rows that lack documents.")


class TaxFile(Asked):
    """Which file of a year is to be made."""

    form: Literal["xlsx", "pdf"]
    treatment: str | None = Field(default=None, pattern=f"^({'|'.join(TREATMENTS)})$")
    basis: Literal["sale", "payout"] = Field(default="sale", description="What day a sale counts on.")


class FileShape(Shape):
    """A file that a run has made for download; `size` in bytes."""

    run_id: UUID
    name: str
    media_type: str
    rows: int
    size: int
    created_at: Moment


class FileList(Shape):
    """Files that can be downloaded."""

    items: list[FileShape]


class TotalsShape(Shape):
    """Sums of a tax report."""

    sales: int
    reversals: int
    price: Amount
    fees: Amount
    payout: Amount
    turnover: Amount
    cost: Amount
    other: Amount
    vat: Amount
    profit: Amount
    unknown_cost: int
    unknown_payout: Amount


class TaxRowShape(Shape):
    """One row of a tax report: what a line of the CSV and of the workbook has; amounts in the books' currency.

    `row` is sale, reversal, correction, penalty or write off. Of a reversal every amount has the opposite sign.
    """

    row: str
    order: str | None
    listing: str | None
    item: UUID | None
    style: str | None
    size: str | None
    title: str | None
    purchase_date: date | None
    supplier: str | None
    purchase_document: str | None
    purchase_net: Amount | None
    purchase_vat: Amount | None
    purchase_gross: Amount | None = Field(description="In `purchase_currency`, as net and VAT; from there the cost.")
    purchase_currency: str | None
    purchase_rate: Number | None
    purchase_rate_source: str | None
    purchase_rate_date: date | None
    time_utc: Moment
    time_local: datetime
    payout_date: datetime | None
    payout_id: str | None
    sale_price_original: Amount | None = Field(description="In `currency`, at `rate` of `rate_date`.")
    currency: str
    rate: Number
    rate_source: str
    rate_date: date
    sale_price: Amount
    transaction_fee: Amount
    payment_processing: Amount
    shipping: Amount
    other_adjustments: Amount
    unexplained_difference: Amount
    fee_lines: list[FeeShape]
    fees: Amount
    penalty_or_write_off: Amount
    payout: Amount
    cost: Amount | None = Field(description="Missing while it is unknown: the row is in no profit then.")
    turnover: Amount
    vat: Amount | None
    profit: Amount | None
    holding_days: int | None
    counted_on: date
    treatment: str
    counterparty: str
    counterparty_vat_number: str
    self_billing_invoice: str
    destination: str | None
    reverses_entries: list[int]
    ledger_entries: list[int]
    missing: list[str]

    @classmethod
    def of(cls, row: TaxRow, books: Books) -> TaxRowShape:
        """Write a row: its columns, those of several values as lists."""
        cells: dict[str, Any] = {column.key: column.value(row, books) for column in tax_files.COLUMNS}
        cells["fee_lines"] = [FeeShape(name=name, amount=amount) for name, amount in row.fees]
        lists = {"reverses_entries": row.reverses, "ledger_entries": row.entry_ids, "missing": row.missing}
        return cls.model_validate({**cells, **lists})


class SupplyShape(Shape):
    """A line of the recapitulative summary: what one buyer paid in a month; the number is empty when unknown."""

    vat_number: str
    month: int
    payout: Amount


class TaxReportShape(Shape):
    """A year's totals, in all, by month, by quarter and by fee, with a page of its rows by time.

    The totals are of the whole year, on every page; `next_cursor` leads to the next rows and is missing on the last.
    """

    year: int
    treatment: str
    label: str
    rule: str
    basis: str
    currency: str
    total: TotalsShape
    months: dict[str, TotalsShape]
    quarters: dict[str, TotalsShape]
    fees: list[FeeShape]
    bridge: list[FeeShape] = Field(description="From gross receipts to net profit.")
    summary: list[SupplyShape] = Field(description="The recapitulative summary, for intra-EU supplies.")
    missing_documents: int
    rows: list[TaxRowShape]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next rows.")


class PastFile(Asked):
    """What lies before SoleFlip: StockX's seller report, or a table of what past pairs cost."""

    file: Annotated[Upload, Field(description="CSV.")]
    kind: Literal["report", "costs"]
    dry_run: bool = Field(default=False, description="Say what would come of it; write nothing.")


class PastResult(Shape):
    """What came of a file of the past."""

    kind: str
    dry_run: bool
    sentence: str
    result: dict[str, Any] = Field(description="Counts, sums as text, and the refused lines with their reasons.")


@bp.get("/analytics/tax-report/<int(max=9999):year>")
@operation(TAG, "read", TaxReportShape, files={CSV: "Every row.", XLSX: "A workbook.", PDF: "For paper."})
def show_tax_report(year: int, query: TaxQuery) -> Any:
    """Show the tax report of a year as Accept asks: JSON page by page, or all at once as CSV, workbook or PDF."""
    year_bounds(year)
    treatment = treatment_of(query.treatment or tax.default_treatment(session())).key
    span = Span(year, treatment, runtime().books, query.basis)
    asked = request.accept_mimetypes.best_match((JSON, CSV, XLSX, PDF)) if request.accept_mimetypes else JSON
    if asked is None:
        raise NotAcceptable("There is this report as application/json, text/csv, XLSX and application/pdf.")
    if asked == JSON:
        return _report(span, query)
    return _csv(span) if asked == CSV else _at_once(span, {XLSX: "xlsx", PDF: "pdf"}[asked])


@bp.post("/analytics/tax-report/<int(max=9999):year>/files")
@operation(TAG, "list", Started, status=202, acts=True)
def make_tax_file(year: int, json: TaxFile) -> Any:
    """Have the workbook or PDF of a year of many rows made by a run; follow it, then download the file."""
    year_bounds(year)
    treatment = treatment_of(json.treatment or tax.default_treatment(session())).key
    wanted = tax_exports.Wanted(year, treatment, json.basis, json.form)
    return started(start_run(tax_exports.KIND, wanted.params()))


@bp.get("/analytics/files")
@operation(TAG, "read", FileList)
def list_files() -> FileList:
    """List the files that runs have made, the newest first; they are kept for a week."""
    return FileList(items=[FileShape.model_validate(found) for found in tax_exports.recent(session())])


@bp.get("/analytics/files/<uuid:run_id>")
@operation(TAG, "read", files={XLSX: "A workbook.", PDF: "For paper."})
def download_file(run_id: UUID) -> Any:
    """Download a file by the id of the run that made it."""
    export, parts = tax_exports.get(session(), run_id), runtime()

    def content() -> Iterator[bytes]:
        with parts.transaction() as own:
            yield from tax_exports.content(own, run_id)

    headers = {"Content-Disposition": f'attachment; filename="{export.name}"', "Content-Length": str(export.size)}
    return Response(stream_with_context(content()), mimetype=export.media_type, headers=headers)


@bp.post("/analytics/past")
@operation(TAG, "admin", PastResult, acts=True)
def import_past(form: PastFile) -> PastResult:
    """Import a seller report or the costs of past pairs; each row counts once."""
    given: Any = form.file
    books = runtime().books
    act = reports.import_report if form.kind == "report" else costs.import_costs
    found = act(session(), given.stream, dry_run=form.dry_run, now=now(), books=books, actor=actor())
    return PastResult(kind=form.kind, dry_run=form.dry_run, sentence=found.sentence, result=found.as_json())


def _report(span: Span, query: TaxQuery) -> TaxReportShape:
    found = tax.report(session(), span.year, span.treatment, span.books, span.basis)
    rows, cursor = tax_rows.page(
        session(), span, after=unseal(query.cursor), only_missing=query.missing, count=query.limit
    )
    return TaxReportShape(
        year=found.year,
        treatment=found.treatment,
        label=treatment_of(found.treatment).label,
        rule=treatment_of(found.treatment).rule,
        basis=span.basis,
        currency=found.currency,
        total=_totals(found.total),
        months={str(month): _totals(totals) for month, totals in sorted(found.months.items())},
        quarters={str(quarter): _totals(totals) for quarter, totals in sorted(found.quarters.items())},
        fees=[FeeShape(name=name, amount=amount) for name, amount in sorted(found.by_fee.items())],
        bridge=[FeeShape(name=name, amount=amount) for name, amount in found.bridge()],
        summary=[
            SupplyShape(vat_number=number, month=month, payout=payout)
            for (number, month), payout in sorted(found.summary.items())
        ],
        missing_documents=found.missing,
        rows=[TaxRowShape.of(row, span.books) for row in rows],
        next_cursor=seal(cursor),
    )


def _totals(found: Totals) -> TotalsShape:
    return TotalsShape.model_validate(found)


def _csv(span: Span) -> Response:
    parts = runtime()

    def content() -> Iterator[str]:
        with parts.transaction() as own:
            yield from tax_files.as_csv(own, span.year, span.treatment, span.books, span.basis)

    name = tax_files.file_name(span.year, span.treatment, "csv")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(stream_with_context(content()), mimetype=CSV, headers=headers)


def _at_once(span: Span, form: str) -> Response:
    wanted = tax_exports.Wanted(span.year, span.treatment, span.basis, form)
    tax_exports.refuse_big(tax.report(session(), span.year, span.treatment, span.books, span.basis))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    tax_exports.write(session(), wanted, span.books, file, tax_files.no_tick)
    file.seek(0)
    return send_file(file, mimetype=tax_exports.MEDIA_TYPES[form], as_attachment=True, download_name=wanted.name)
