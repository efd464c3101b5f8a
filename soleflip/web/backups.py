"""Backups: the list, one made now, and one taken away by the owner."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, flash, g, send_file, url_for

from soleflip.services import audit, backups, open_files, runs
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, runtime, start_run

bp = Blueprint("backups", __name__, url_prefix="/settings/backups")


@bp.get("")
def index() -> Response:
    """List the backups, newest first, and how the last attempt went."""
    last = next(iter(runs.latest(g.session, 1, "backup")), None)
    folder = runtime().settings.backups
    view = {"backups": backups.found(folder), "exports": open_files.found(folder), "last": last}
    return page("backups/page.html", "backups/_table.html", busy=_is_open(last), **view)


@bp.post("")
def make() -> Response:
    """Make a backup now."""
    if runs.is_open(g.session, "backup"):
        flash("A backup is being made already.", "info")
        return go(url_for("backups.index"))
    run = start_run("backup")
    return go(url_for("runs.show", run_id=run.id))


@bp.post("/export")
def export() -> Response:
    """Write everything as open files."""
    if runs.is_open(g.session, "export"):
        flash("An export is being made already.", "info")
        return go(url_for("backups.index"))
    run = start_run("export")
    return go(url_for("runs.show", run_id=run.id))


@bp.post("/export/<name>")
def download_export(name: str) -> Response:
    """Hand out the export; who took it stands in the audit log."""
    found = open_files.named(runtime().settings.backups, name)
    return _hand_out(found.path, "export downloaded")


@bp.post("/<name>")
def download(name: str) -> Response:
    """Hand out one backup, sealed as it is; who took it stands in the audit log."""
    backup = backups.named(runtime().settings.backups, name)
    return _hand_out(backup.path, "backup downloaded")


def _hand_out(path: Path, act: str) -> Response:
    audit.note(g.session, actor(), act, path.name)
    response = send_file(path, mimetype="application/octet-stream", as_attachment=True)
    response.headers["Cache-Control"] = "no-store"
    return response


def _is_open(run: object) -> bool:
    return getattr(run, "state", None) in runs.OPEN_STATES
