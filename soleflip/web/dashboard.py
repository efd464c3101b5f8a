"""The dashboard: money made, money at work, what needs me now."""

from __future__ import annotations

from flask import Blueprint, Response, g

from soleflip.services import dashboard
from soleflip.web.htmx import page
from soleflip.web.unit import now, runtime

bp = Blueprint("dashboard", __name__)


@bp.get("/")
def index() -> Response:
    """Show the house at one look."""
    parts = runtime()
    view = dashboard.overview(g.session, parts.books, now())
    return page("dashboard/page.html", "dashboard/_overview.html", view=view)
