"""StockX's fees: the figures that estimates take, each with the day from which it holds."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fee_tables import CATEGORIES, FEE_TABLES, LEVEL_TABLES, PENALTIES
from soleflip.services import fees
from soleflip.web.forms import settings_fields
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, start_run

bp = Blueprint("fees", __name__, url_prefix="/settings/fees")


@bp.get("")
def index() -> Response:
    """Show today's schedule of each category, the operator's figures with their days, and what StockX publishes."""
    return _page()


@bp.post("/<part>")
def enter(part: str) -> Response:
    """Add figures that hold from a day on."""
    fees.kind_of_part(part)
    try:
        fees.enter(g.session, part, request.form, actor=actor(), now=now())
    except InvalidInput as error:
        return _page(status=422, wrong=(part, error), typed=request.form.to_dict())
    start_run("compute")
    flash("Saved. Estimates from that day on use them; nothing that is booked changes.", "success")
    return go(url_for("fees.index", _anchor=part))


@bp.post("/<part>/remove")
def remove(part: str) -> Response:
    """Take figures out again."""
    try:
        valid_from = date.fromisoformat(request.form.get("valid_from", ""))
    except ValueError:
        raise InvalidInput("Choose the figures to remove.", field="valid_from") from None
    fees.remove(g.session, part, valid_from, request.form.get("category", ""), actor=actor())
    flash("Removed. The figures of the day before hold on.", "info")
    return go(url_for("fees.index", _anchor=part))


def _page(
    *, status: int = 200, wrong: tuple[str, InvalidInput] | None = None, typed: dict[str, Any] | None = None
) -> Response:
    book, today = fees.book(g.session), now().date()
    forms = {}
    for part in fees.PARTS:
        mine = wrong is not None and wrong[0] == part
        start = fees.in_force(book, part, today)
        forms[part] = settings_fields(part, start, typed if mine else None, wrong[1] if wrong and mine else None)
    view: dict[str, Any] = {
        "book": book,
        "schedules": [(label, book.schedule(name, today)) for name, label in CATEGORIES.items()],
        "penalty": book.penalty(today),
        "forms_by_part": forms,
        "categories": CATEGORIES,
        "published": (FEE_TABLES, LEVEL_TABLES, PENALTIES),
    }
    return page("fees/page.html", "fees/_figures.html", status=status, **view)
