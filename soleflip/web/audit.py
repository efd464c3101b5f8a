"""The audit log's page."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from soleflip.services import audit
from soleflip.web.htmx import page

bp = Blueprint("audit", __name__, url_prefix="/settings/audit")


@bp.get("")
def index() -> Response:
    """List who did what when, newest first."""
    actor, act = request.args.get("actor") or None, request.args.get("act") or None
    entries, cursor = audit.entries(g.session, actor=actor, act=act, after=request.args.get("after"))
    actors, acts = audit.names(g.session)
    view = {"rows": [(entry, audit.changes(entry)) for entry in entries], "cursor": cursor}
    return page("audit/page.html", "audit/_table.html", actor=actor, act=act, actors=actors, acts=acts, **view)
