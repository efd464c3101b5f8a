"""Backups: the list, one made now, and one taken away by the owner."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, send_file, url_for

from soleflip.services import audit, backups, runs
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, runtime, start_run

bp = Blueprint("backups", __name__, url_prefix="/settings/backups")


@bp.get("")
def index() -> Response:
    """List the backups, newest first, and how the last attempt went."""
    last = next(iter(runs.latest(g.session, 1, "backup")), None)
    found = backups.found(runtime().settings.backups)
    return page("backups/page.html", "backups/_table.html", backups=found, last=last, busy=_is_open(last))


@bp.post("")
def make() -> Response:
    """Make a backup now."""
    if runs.is_open(g.session, "backup"):
        flash("A backup is being made already.", "info")
        return go(url_for("backups.index"))
    run = start_run("backup")
    return go(url_for("runs.show", run_id=run.id))


@bp.post("/<name>")
def download(name: str) -> Response:
    """Hand out one backup, sealed as it is; who took it stands in the audit log."""
    backup = backups.named(runtime().settings.backups, name)
    audit.note(g.session, actor(), "backup downloaded", backup.name)
    response = send_file(backup.path, mimetype="application/octet-stream", as_attachment=True)
    response.headers["Cache-Control"] = "no-store"
    return response


def _is_open(run: object) -> bool:
    return getattr(run, "state", None) in runs.OPEN_STATES
