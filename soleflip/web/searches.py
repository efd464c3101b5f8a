"""Saved views: filters of the big tables, kept by name, opened, watched and forgotten."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.models import SavedSearch
from soleflip.services import searches
from soleflip.web.auth import safe_next
from soleflip.web.htmx import go
from soleflip.web.unit import now

bp = Blueprint("searches", __name__, url_prefix="/searches")


@bp.post("")
def save() -> Response:
    """Keep the filter of a page under a name."""
    form = request.form
    room = form.get("room", "")
    # The address may have moved on since the form was rendered; the browser says where it stands now.
    stands = urlsplit(request.referrer or "")
    query = stands.query if stands.path == f"/{room}" else form.get("query", "")
    has_alerts = form.get("alerts") == "1"
    kept = searches.save(g.session, room, form.get("name", ""), query, now=now(), has_alerts=has_alerts)
    flash(f"{kept.name} is among the saved views.", "success")
    return go(_address(kept))


@bp.get("/<int:search_id>")
def open_(search_id: int) -> Response:
    """Open a saved filter, wherever it leads by now."""
    return go(_address(searches.get(g.session, search_id)))


@bp.post("/<int:search_id>/alerts")
def set_alerts(search_id: int) -> Response:
    """Begin or stop telling what is new in a saved filter."""
    is_on = request.form.get("on") == "1"
    searches.set_alerts(g.session, search_id, on=is_on, now=now())
    flash("You hear of every new pair once." if is_on else "No more alerts of this filter.", "info")
    return go(safe_next(request.form.get("back")))


@bp.post("/<int:search_id>/forget")
def forget(search_id: int) -> Response:
    """Remove a saved filter."""
    searches.forget(g.session, search_id)
    return go(safe_next(request.form.get("back")))


def _address(found: SavedSearch) -> str:
    home = url_for(f"{found.room}.index")
    return f"{home}?{found.query}" if found.query else home
