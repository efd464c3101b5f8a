"""Imports: upload a shop's feed, map the columns of a table, watch it being read, see what was refused and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, abort, g, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.sizes import SYSTEMS
from soleflip.feeds import FeedError, FeedMapping, Preview, preview
from soleflip.feeds.base import FIELDS
from soleflip.models import FeedImport
from soleflip.services import feed_sources, feeds, runs
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, runtime, start_run

bp = Blueprint("imports", __name__, url_prefix="/imports")

NOTATIONS = (("auto", "As it stands in each cell"), ("comma", "1.299,00"), ("point", "1,299.00"))


@bp.get("")
def index() -> Response:
    """Show the upload form and earlier imports, newest first."""
    return _index()


@bp.post("")
def upload() -> Response:
    """Take a file: an Awin feed is read at once, any other table first gets its columns mapped."""
    given = request.files.get("file")
    if given is None or not given.filename:
        return _index(status=422, error="Choose a file first: a CSV, a CSV.GZ or an XLSX.")
    return take(given)


def take(given: FileStorage) -> Response:
    """Keep a file and start reading it, or lead on to the mapping of its columns."""
    entry = feeds.register(g.session, filename=secure_filename(given.filename or "") or "feed", waits_for_mapping=True)
    try:
        is_awin = _keep(given, entry).is_awin
    except FeedError as error:
        _path(entry).unlink(missing_ok=True)
        return _index(status=422, error=f"{given.filename}: {error}")
    if not is_awin:
        return go(url_for("imports.columns", import_id=entry.id))
    feeds.begin(g.session, entry.id)
    return _start(entry)


@bp.post("/sources")
def add_source() -> Response:
    """Keep an address that a feed is fetched from, or a folder to watch, and look there for the first time."""
    hours = request.form.get("every_hours", "24")
    try:
        source = feed_sources.add(
            g.session,
            name=request.form.get("name", ""),
            url=request.form.get("url") or None,
            folder=request.form.get("folder") or None,
            every_hours=int(hours) if hours.isascii() and hours.isdigit() and len(hours) < 6 else 0,
            actor=actor(),
        )
    except (InvalidInput, Conflict) as error:
        return _index(status=422, source_error=error)
    run = start_run("feed_fetch", {"source_id": source.id})
    return go(url_for("runs.show", run_id=run.id))


@bp.post("/sources/<int:source_id>/fetch")
def fetch_source(source_id: int) -> Response:
    """Fetch one feed now."""
    run = start_run("feed_fetch", {"source_id": source_id})
    return go(url_for("runs.show", run_id=run.id))


@bp.post("/sources/<int:source_id>/remove")
def remove_source(source_id: int) -> Response:
    """Stop fetching a feed."""
    feed_sources.remove(g.session, source_id, actor=actor())
    return go(url_for("imports.index"))


@bp.get("/<uuid:import_id>")
def show(import_id: UUID) -> Response:
    """Show an import: its progress, its counts, and the refused rows with line and reason."""
    entry = feeds.get(g.session, import_id)
    after = request.args.get("after", "0")
    refused = feeds.refusals(
        g.session, import_id, after=int(after) if after.isdecimal() and len(after) < 19 else 0, limit=feeds.PAGE + 1
    )
    view: dict[str, Any] = {
        "entry": entry,
        "run": runs.get(g.session, entry.run_id) if entry.run_id else None,
        "refusals": refused[: feeds.PAGE],
        "cursor": refused[feeds.PAGE - 1].id if len(refused) > feeds.PAGE else None,
    }
    return page("imports/show.html", "imports/_result.html", **view)


@bp.get("/<uuid:import_id>/columns")
def columns(import_id: UUID) -> Response:
    """Show the first rows of a table and ask which column is what."""
    entry = feeds.get(g.session, import_id)
    if entry.state != "mapping":
        return go(url_for("imports.show", import_id=import_id))
    return _columns(entry)


@bp.post("/<uuid:import_id>/columns")
def map_columns(import_id: UUID) -> Response:
    """Save the mapping with its shop and read the file."""
    entry = feeds.get(g.session, import_id)
    form = request.form
    try:
        chosen = {name: form.get(f"column-{name}", "") for name in FIELDS}
        rest = {name: form.get(name, "") for name in ("shop", "currency", "size_system", "notation")}
        mapping = FeedMapping.from_stored({"columns": chosen, **rest})
        feeds.check_mapping(_path(entry), mapping)
    except InvalidInput as error:
        return _columns(entry, status=422, error=str(error))
    feeds.begin(g.session, import_id, mapping)
    return _start(entry, mapping)


def _index(
    *, status: int = 200, error: str | None = None, source_error: InvalidInput | Conflict | None = None
) -> Response:
    view: dict[str, Any] = {
        "imports": feeds.history(g.session),
        "sources": feed_sources.everything(g.session),
        "error": error,
        "source_error": source_error,
    }
    return page("imports/page.html", "imports/_table.html", status=status, **view)


def _columns(entry: FeedImport, *, status: int = 200, error: str | None = None) -> Response:
    path = _path(entry)
    if not path.is_file():
        abort(404)
    seen = preview(path)
    known = feeds.mapping_for(g.session, seen.columns)
    view: dict[str, Any] = {
        "entry": entry,
        "seen": seen,
        "fields": FIELDS,
        "known": known,
        "chosen": dict(known.columns) if known else seen.guesses,
        "systems": list(SYSTEMS.items()),
        "notations": NOTATIONS,
        "error": error,
    }
    return page("imports/columns.html", "imports/_columns.html", status=status, **view)


def _keep(given: FileStorage, entry: FeedImport) -> Preview:
    """Put the upload into the data folder and look at its first rows; raises FeedError when it can't be read."""
    path = _path(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    given.save(path)
    return preview(path)


def _start(entry: FeedImport, mapping: FeedMapping | None = None) -> Response:
    params = {"import_id": str(entry.id), "path": str(_path(entry))}
    run = start_run("feed_import", params | ({"mapping": mapping.stored()} if mapping else {}))
    entry.run_id = run.id
    return go(url_for("imports.show", import_id=entry.id))


def _path(entry: FeedImport) -> Path:
    """Return where an upload lies: its name is ours, never the browser's."""
    return runtime().settings.data / "uploads" / str(entry.id)
