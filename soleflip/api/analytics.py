"""What was earned in a period, the tax report of a year, and the past that is imported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint, Response, request, send_file, stream_with_context
from pydantic import Field
from werkzeug.exceptions import NotAcceptable

from soleflip.api.contract import JSON, operation
from soleflip.api.fields import Amount, Asked, AskedDay, Moment, Number, Percent, Shape, Started, Upload, started
from soleflip.api.figures import FiguresShape
from soleflip.api.unit import actor, now, runtime, session, start_run
from soleflip.domain.analytics import Period, period_of, unit_for
from soleflip.domain.tax import TREATMENTS, Report, Totals, treatment_of, year_bounds
from soleflip.services import analytics, costs, reports, tax, tax_exports, tax_files

bp = Blueprint("analytics", __name__)

TAG = "Analytics"
DAYS = {"from": "start_date", "to": "end_date"}
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"


class PeriodQuery(Asked):
    """A period by name, or custom with its days (the operator's), both included."""

    period: Literal["7d", "30d", "90d", "year", "all", "custom"] = "30d"
    start_date: AskedDay | None = None
    end_date: AskedDay | None = None

    def wanted(self) -> Period:
        """Return the period; days alone make it a custom one. Raises InvalidInput."""
        today = now().astimezone(runtime().books.timezone).date()
        name = "custom" if self.start_date and self.end_date else self.period
        return period_of(name, today, self.start_date, self.end_date)


class ProfitQuery(PeriodQuery):
    """A period, and the steps it is shown in."""

    unit: Literal["day", "week", "month"] | None = Field(default=None, description="What suits the period without it.")


class GroupQuery(PeriodQuery):
    """A period, and by what its sales are put together."""

    by: Literal["brand", "product", "size", "shop", "strategy", "destination"] = "brand"


class BucketShape(Shape):
    """The figures of one day, week or month, named by its first day."""

    start: date
    figures: FiguresShape


class ExpectedShape(Shape):
    """Sales under way: nothing of it is realised yet."""

    sales: int
    payout: Amount
    cost: Amount
    profit: Amount
    unknown_sales: int
    unknown_payout: Amount


class FeeShape(Shape):
    """What was charged under one name; charges are negative."""

    name: str
    amount: Amount


class AgeShape(Shape):
    """Money bound in unsold pairs of one age."""

    label: str
    items: int
    cost: Amount
    unknown: int


class ProfitShape(Shape):
    """What a period brought, what is under way, and what is bound in stock; amounts in `currency`."""

    start_date: date
    end_date: date
    currency: str
    realised: FiguresShape
    expected: ExpectedShape
    fees: list[FeeShape]
    money_at_work: Amount
    at_work: list[AgeShape]
    median_days: Number | None = Field(description="From purchase to sale.")
    sell_through: Percent | None
    over_time: list[BucketShape]


class GroupShape(Shape):
    """The figures of one brand, product, size, shop, strategy or destination."""

    name: str
    figures: FiguresShape


class GroupList(Shape):
    """Figures by group, the best profit first; amounts in `currency`."""

    currency: str
    items: list[GroupShape]


class TaxQuery(Asked):
    """How the year is to be taxed."""

    treatment: str | None = Field(
        default=None,
        pattern=f"^({'|'.join(TREATMENTS)})$",
        description="What fits the VAT setting without it.",
    )


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


class TaxReportShape(Shape):
    """A year's totals, in all, by month, by quarter and by fee; the rows are in the CSV and the workbook."""

    year: int
    treatment: str
    label: str
    currency: str
    total: TotalsShape
    months: dict[str, TotalsShape]
    quarters: dict[str, TotalsShape]
    fees: list[FeeShape]
    missing_documents: int


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


@bp.get("/analytics/profits")
@operation(TAG, "read", ProfitShape, names=DAYS)
def show_profits(query: ProfitQuery) -> ProfitShape:
    """Show what a period brought."""
    period, books = query.wanted(), runtime().books
    found = analytics.summary(session(), period, books, now())
    buckets = analytics.over_time(session(), period, query.unit or unit_for(period), books)
    return ProfitShape(
        start_date=period.first,
        end_date=period.last,
        currency=found.currency,
        realised=FiguresShape.of(found.realised),
        expected=ExpectedShape.model_validate(found.expected),
        fees=[FeeShape(name=name, amount=amount) for name, amount in found.fees],
        money_at_work=found.money_at_work,
        at_work=[AgeShape.model_validate(age) for age in found.at_work],
        median_days=found.pace.median_days,
        sell_through=found.pace.sell_through,
        over_time=[BucketShape(start=each.start, figures=FiguresShape.of(each.figures)) for each in buckets],
    )


@bp.get("/analytics/groups")
@operation(TAG, "read", GroupList, names=DAYS)
def show_groups(query: GroupQuery) -> GroupList:
    """Show what a period brought by brand, product, size, shop, strategy or destination."""
    books = runtime().books
    groups = analytics.by_group(session(), query.wanted(), query.by, books)
    items = [GroupShape(name=each.name, figures=FiguresShape.of(each.figures)) for each in groups]
    return GroupList(currency=books.currency, items=items)


@bp.get("/analytics/tax-report/<int(max=9999):year>")
@operation(TAG, "read", TaxReportShape, files={CSV: "Every row.", XLSX: "A workbook.", PDF: "For paper."})
def show_tax_report(year: int, query: TaxQuery) -> Any:
    """Show the tax report of a year: totals as JSON, or everything as CSV, workbook or PDF, as Accept asks."""
    year_bounds(year)
    treatment = treatment_of(query.treatment or tax.default_treatment(session())).key
    asked = request.accept_mimetypes.best_match((JSON, CSV, XLSX, PDF)) if request.accept_mimetypes else JSON
    if asked is None:
        raise NotAcceptable("There is this report as application/json, text/csv, XLSX and application/pdf.")
    if asked == JSON:
        return _report(tax.report(session(), year, treatment, runtime().books))
    if asked == CSV:
        return _csv(year, treatment)
    return _at_once(year, treatment, {XLSX: "xlsx", PDF: "pdf"}[asked])


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


def _report(found: Report) -> TaxReportShape:
    return TaxReportShape(
        year=found.year,
        treatment=found.treatment,
        label=treatment_of(found.treatment).label,
        currency=found.currency,
        total=_totals(found.total),
        months={str(month): _totals(totals) for month, totals in sorted(found.months.items())},
        quarters={str(quarter): _totals(totals) for quarter, totals in sorted(found.quarters.items())},
        fees=[FeeShape(name=name, amount=amount) for name, amount in sorted(found.by_fee.items())],
        missing_documents=found.missing,
    )


def _totals(found: Totals) -> TotalsShape:
    return TotalsShape.model_validate(found)


def _csv(year: int, treatment: str) -> Response:
    parts = runtime()

    def content() -> Iterator[str]:
        with parts.transaction() as own:
            yield from tax_files.as_csv(own, year, treatment, parts.books)

    return Response(stream_with_context(content()), mimetype=CSV, headers=_attachment(year, treatment, "csv"))


def _at_once(year: int, treatment: str, form: str) -> Response:
    wanted, books = tax_exports.Wanted(year, treatment, "sale", form), runtime().books
    tax_exports.refuse_big(tax.report(session(), year, treatment, books))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    tax_exports.write(session(), wanted, books, file, tax_files.no_tick)
    file.seek(0)
    return send_file(file, mimetype=tax_exports.MEDIA_TYPES[form], as_attachment=True, download_name=wanted.name)


def _attachment(year: int, treatment: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{tax_files.file_name(year, treatment, ending)}"'}
