"""What automation did in the last days."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, g, request

from soleflip.services import automation_report
from soleflip.web.htmx import page
from soleflip.web.unit import now, runtime

bp = Blueprint("report", __name__, url_prefix="/report")

SPANS = (1, 7, 30, 90, 365)


@bp.get("")
def index() -> Response:
    """Show what automation bought, listed, sold and earned, and what was refused and halted."""
    books = runtime().books
    asked = request.args.get("days", "")
    days = int(asked) if asked in map(str, SPANS) else 7
    today = now().astimezone(books.timezone).date()
    found = automation_report.report(g.session, today - timedelta(days=days - 1), today, books)
    return page("automation/report.html", "automation/_report.html", report=found, days=days, spans=SPANS)
