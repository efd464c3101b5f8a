"""Inventory: every pair we own or have committed to buy."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.money import plain_number
from soleflip.domain.words import count_of
from soleflip.services import ledger, runs, stock, stock_import, stock_overview, wishes
from soleflip.services.stock import Buying
from soleflip.services.stock_overview import StockFilter
from soleflip.web.forms import selected
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, start_run

bp = Blueprint("inventory", __name__, url_prefix="/inventory")

SHORTEST = 2


@bp.get("")
def index() -> Response:
    """Show the pairs, filtered and sorted."""
    view = stock_overview.overview(g.session, StockFilter.from_args(request.args))
    return page("inventory/page.html", "inventory/_table.html", view=view)


@bp.get("/<uuid:item_id>")
def show(item_id: UUID) -> Response:
    """Show one pair: what it cost, where it is, and what it was listed as."""
    return _show(item_id)


@bp.post("/<uuid:item_id>")
def edit(item_id: UUID) -> Response:
    """Change what a pair cost and where it was bought."""
    try:
        cost = _amount(request.form.get("cost", ""))
        if cost is not None and cost != stock.get(g.session, item_id).cost:
            wishes.edit_cost(g.session, item_id, cost, actor=actor(), now=now())
        stock.edit_purchase(
            g.session,
            item_id,
            supplier=_text("supplier"),
            document=_text("document"),
            purchased_on=_date("purchased_on"),
            expected_on=_date("expected_on"),
            note=_text("note"),
            today=now().date(),
        )
    except (InvalidInput, Conflict) as error:
        g.session.rollback()
        return _show(item_id, status=422, error=error)
    flash("Saved. Floors and profits use it from now on.", "success")
    return go(url_for("inventory.show", item_id=item_id))


@bp.post("/<uuid:item_id>/write-off")
def write_off(item_id: UUID) -> Response:
    """Take a pair out of stock and book its cost as a loss."""
    reason = request.form.get("reason", "").strip() or "no reason given"
    try:
        ledger.write_off(g.session, item_id, reason, actor=actor(), books=runtime().books, now=now())
    except (InvalidInput, Conflict) as error:
        g.session.rollback()
        return _show(item_id, status=422, error=error)
    flash("Written off. Its cost is booked as a loss today.", "success")
    return go(url_for("inventory.show", item_id=item_id))


@bp.post("/bulk")
def change() -> Response:
    """Mark selected pairs as arrived, or forget those that will not be bought."""
    ids = selected("pair")
    if request.form.get("act") == "arrive":
        count = stock.arrive(g.session, ids)
        flash(f"{count} marked as arrived." if count else "None of these was awaited.", "success" if count else "info")
    elif request.form.get("act") == "drop":
        count = stock.drop_unbought(g.session, ids, actor=actor())
        flash(_dropped(count), "success" if count else "info")
    else:
        raise InvalidInput("Choose what is to be done with the selected pairs.")
    return go(_back())


@bp.get("/new")
def new() -> Response:
    """Show the form that adds pairs by hand: find the size, then say what it cost."""
    return _new()


@bp.post("/new")
def add() -> Response:
    """Add pairs by hand."""
    form = request.form
    try:
        quantity = int(form.get("quantity", "1")) if form.get("quantity", "1").isdecimal() else 0
        state = "ordered" if form.get("state") == "ordered" else "in_stock"
        buying = Buying(
            cost=_amount(form.get("cost", "")),
            currency=runtime().settings.currency,
            supplier=_text("supplier"),
            document=_text("document"),
            purchased_on=_date("purchased_on"),
        )
        variant_id = _uuid(form.get("variant_id", ""))
        items = stock.create_items(g.session, variant_id, quantity, buying, state=state, today=now().date())
    except InvalidInput as error:
        return _new(status=422, error=error)
    flash(f"{count_of(len(items), 'pair is', 'pairs are')} in the inventory.", "success")
    return go(url_for("inventory.index"))


@bp.post("/look-up")
def look_up() -> Response:
    """Ask StockX about a shoe that the catalog does not know yet."""
    text = request.form.get("q", "").strip()[:100]
    if len(text) < SHORTEST:
        raise InvalidInput("Type a style code, a name or an EAN first.", field="q")
    run = start_run("product_lookup", {"text": text})
    return go(url_for("inventory.new", q=text, run=run.id))


@bp.route("/import", methods=["GET", "POST"])
def import_() -> Response:
    """Take pairs from a CSV file; each bad line is refused alone, with the reason."""
    if request.method == "GET":
        return _import_form()
    given = request.files.get("file")
    try:
        if given is None or not given.filename:
            raise InvalidInput("Choose a CSV file first.", field="file")
        content = given.stream.read(stock_import.LARGEST + 1)
        run = stock_import.import_items(
            g.session,
            content,
            filename=given.filename,
            now=now(),
            currency=runtime().settings.currency,
            actor=actor(),
            again=request.form.get("again") == "1",
        )
    except (InvalidInput, Conflict) as error:
        return _import_form(status=422, error=error)
    flash(run.message or "", "warning" if run.counts["refused"] else "success")
    return go(url_for("runs.show", run_id=run.id) if run.counts["refused"] else url_for("inventory.index"))


def _show(item_id: UUID, *, status: int = 200, error: Exception | None = None) -> Response:
    view = stock_overview.detail(g.session, item_id)
    typed = request.form if error is not None else {}
    return page("inventory/show.html", "inventory/_edit.html", status=status, view=view, error=error, typed=typed)


def _new(*, status: int = 200, error: InvalidInput | None = None) -> Response:
    text = (request.values.get("q") or "").strip()[:100]
    found = stock_overview.find_variants(g.session, text) if len(text) >= SHORTEST else []
    run = runs.get(g.session, _uuid(request.args["run"])) if request.args.get("run") else None
    full, fragment = "inventory/new.html", "inventory/_new.html"
    return page(full, fragment, status=status, text=text, found=found, run=run, error=error, typed=request.form)


def _import_form(*, status: int = 200, error: Exception | None = None) -> Response:
    columns = stock_import.COLUMNS
    return page("inventory/import.html", "inventory/_import.html", status=status, error=error, columns=columns)


def _dropped(count: int) -> str:
    if not count:
        return "Only pairs that are to buy and not listed can be dropped: delist them first."
    return f"{count} dropped. Their opportunities are open again."


def _text(name: str) -> str | None:
    return request.form.get(name, "").strip()[:120] or None


def _amount(text: str) -> Decimal | None:
    plain = text.strip()
    if not plain:
        return None
    try:
        amount = plain_number(plain)
    except InvalidOperation as error:
        raise InvalidInput(f"{plain[:20]!r} is not an amount; write it like 89.90.", field="cost") from error
    if not amount.is_finite() or amount < 0 or amount >= 100_000_000:
        raise InvalidInput("A cost is zero or more, and below 100 million.", field="cost")
    return amount


def _date(name: str) -> date | None:
    text = request.form.get(name, "").strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"{text[:20]!r} is no date; write it like 2026-03-31.", field=name) from error


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput("Choose the size first.", field="variant_id") from error


def _back() -> str:
    """Return the page of ours that a form was sent from."""
    back = request.form.get("back", "")
    return back if back.startswith("/inventory") and "\\" not in back else url_for("inventory.index")
