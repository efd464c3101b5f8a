"""The tax report of a year and its files, and the import of what lies before SoleFlip."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from flask import Blueprint, Response, flash, g, request, send_file, stream_with_context, url_for

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.tax import TREATMENTS, treatment_of, year_bounds
from soleflip.services import costs, fees, reports, tax, tax_exports, tax_files, tax_span
from soleflip.services.costs import CostsResult
from soleflip.services.reports import ReportResult
from soleflip.services.tax_exports import MEDIA_TYPES
from soleflip.services.tax_span import Span
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, start_run

bp = Blueprint("tax", __name__, url_prefix="/tax")

KINDS = {"report": "StockX seller report", "costs": "Costs of past pairs"}


@bp.get("")
def index() -> Response:
    """Show a year's totals, its first rows, and what is missing."""
    books = runtime().books
    years, newest = tax.years(g.session, books, now())
    year = request.args.get("year", newest, type=int)
    year_bounds(year)
    treatment = request.args.get("treatment") or tax.default_treatment(g.session)
    basis = request.args.get("basis") or "sale"
    only_missing = request.args.get("show") == "missing"
    span = Span(year, treatment, books, basis)
    found = tax.overview(g.session, span, after=request.args.get("after"), only_missing=only_missing)
    return page(
        "tax/page.html",
        "tax/_report.html",
        report=found.report,
        treatment=treatment_of(treatment),
        treatments=TREATMENTS,
        basis=basis,
        bases=tax_span.BASES,
        years=sorted({*years, year}, reverse=True),
        rows=found.rows,
        next=found.next,
        only_missing=only_missing,
        missing=found.missing,
        meters=tax.meters(found.report, now()),
        level=fees.seller_level(g.session, books, now()),
        headers=tax_files.TOTAL_HEADERS,
        cells=tax_files.total_cells,
        is_big=tax_exports.is_big(found.report),
        files=tax_exports.recent(g.session),
    )


@bp.get("/<int:year>.csv")
def as_csv(year: int) -> Response:
    """Download the report as CSV, streamed while it is read."""
    treatment, basis = _asked(year)
    parts = runtime()

    def content() -> Iterator[str]:
        with parts.transaction() as session:
            yield from tax_files.as_csv(session, year, treatment, parts.books, basis)

    return Response(stream_with_context(content()), mimetype="text/csv", headers=_attachment(year, treatment, "csv"))


@bp.get("/<int:year>.xlsx")
def as_xlsx(year: int) -> Response:
    """Download the report as a workbook."""
    return _at_once(year, "xlsx")


@bp.get("/<int:year>.pdf")
def as_pdf(year: int) -> Response:
    """Download the report as PDF."""
    return _at_once(year, "pdf")


def _at_once(year: int, form: str) -> Response:
    wanted, books = tax_exports.Wanted(year, *_asked(year), form), runtime().books
    tax_exports.refuse_big(tax.report(g.session, year, wanted.treatment, books, wanted.basis))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it
    tax_exports.write(g.session, wanted, books, file, tax_files.no_tick)
    file.seek(0)
    return send_file(file, mimetype=MEDIA_TYPES[form], as_attachment=True, download_name=wanted.name)


@bp.post("/<int:year>/files")
def make_file(year: int) -> Response:
    """Have the workbook or PDF of a big year made by a run."""
    treatment, basis = request.form.get("treatment", ""), request.form.get("basis", "sale")
    wanted = tax_exports.Wanted(year, treatment, basis, request.form.get("form", ""))
    wanted.span(runtime().books)
    run = start_run(tax_exports.KIND, wanted.params())
    return go(url_for("runs.show", run_id=run.id))


@bp.get("/files/<uuid:run_id>")
def download(run_id: UUID) -> Response:
    """Download a file that a run made."""
    export, parts = tax_exports.get(g.session, run_id), runtime()

    def content() -> Iterator[bytes]:
        with parts.transaction() as session:
            yield from tax_exports.content(session, run_id)

    headers = {"Content-Disposition": f'attachment; filename="{export.name}"', "Content-Length": str(export.size)}
    return Response(stream_with_context(content()), mimetype=export.media_type, headers=headers)


@bp.get("/past")
def upload() -> Response:
    """Show the forms that take a seller report or a table of costs."""
    return page("tax/upload.html", "tax/_upload.html", kinds=KINDS, result=None)


@bp.post("/past")
def preview() -> Response:
    """Keep the file and show what importing it would do; nothing is written yet."""
    kind, sent = request.form.get("kind", ""), request.files.get("file")
    if kind not in KINDS or sent is None or not sent.filename:
        raise InvalidInput("Choose a CSV file first.", field="file")
    kept = _kept(uuid4())
    kept.parent.mkdir(parents=True, exist_ok=True)
    sent.save(kept)
    sent.close()
    try:
        with kept.open("rb") as stream:
            result = _import(kind, stream, dry_run=True)
    except InvalidInput as error:
        kept.unlink()
        return page("tax/upload.html", "tax/_upload.html", status=422, kinds=KINDS, result=None, error=error, kind=kind)
    return page(
        "tax/upload.html",
        "tax/_upload.html",
        kinds=KINDS,
        result=result,
        kind=kind,
        token=kept.name,
        name=sent.filename,
    )


@bp.post("/past/<uuid:token>")
def take(token: UUID) -> Response:
    """Import a file that was previewed."""
    kind, kept = request.form.get("kind", ""), _kept(token)
    if kind not in KINDS or not kept.is_file():
        raise NotFound("This upload is no longer there. Hand the file in again.")
    with kept.open("rb") as stream:
        result = _import(kind, stream, dry_run=False)
    kept.unlink()
    flash(result.sentence, "success")
    return go(url_for("tax.index"))


def _import(kind: str, stream: IO[bytes], *, dry_run: bool) -> ReportResult | CostsResult:
    act = reports.import_report if kind == "report" else costs.import_costs
    return act(g.session, stream, dry_run=dry_run, now=now(), books=runtime().books, actor=actor())


def _kept(token: UUID) -> Path:
    return runtime().settings.data / "uploads" / f"{token}"


def _asked(year: int) -> tuple[str, str]:
    """Check what a download asks for; raises InvalidInput. Returns treatment and basis."""
    year_bounds(year)
    treatment = treatment_of(request.args.get("treatment") or tax.default_treatment(g.session)).key
    return treatment, tax_span.basis_of(request.args.get("basis") or "sale")


def _attachment(year: int, treatment: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{tax_files.file_name(year, treatment, ending)}"'}
