"""Feeds of shops: a file is handed in, a run reads it, and what was refused can be read line by line."""

from __future__ import annotations

import json as plain_json
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field
from werkzeug.utils import secure_filename

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Moment, Page, Paged, RunShape, Shape, Upload, seal, unseal
from soleflip.api.unit import runtime, session, start_run
from soleflip.domain.errors import InvalidInput
from soleflip.feeds import FeedMapping, Preview, preview
from soleflip.models import FeedImport
from soleflip.services import feeds

bp = Blueprint("imports", __name__, url_prefix="/quickflip")

TAG = "Imports"


class FeedFile(Asked):
    """A feed: Awin's CSV or CSV.GZ as it is, any other CSV or XLSX with the mapping of its columns."""

    file: Annotated[Upload, Field(description="CSV, CSV.GZ or XLSX.")]
    mapping: str | None = Field(
        default=None,
        max_length=5000,
        description="A Mapping as JSON; without it the saved one that fits the columns is used.",
    )


class Mapping(Asked):
    """Which column holds which field, and what holds for every row."""

    columns: dict[str, str] = Field(
        max_length=40,
        description="Field to column.",
        examples=[{"title": "Name", "price": "Price", "gtin": "EAN", "size": "Size"}],
    )
    shop: str | None = Field(default=None, max_length=120)
    currency: str | None = Field(default=None, min_length=3, max_length=3)
    size_system: str | None = Field(
        default=None,
        max_length=10,
        description="What bare sizes are in; without it the name of the size column counts, else they are undeclared.",
    )
    notation: Literal["auto", "comma", "point"] = "auto"

    def read(self) -> FeedMapping:
        """Return the mapping as the feeds take it; raises InvalidInput."""
        return FeedMapping.from_stored(self.model_dump())


class ImportShape(Shape):
    """One reading of one file: counts of its rows; both times are real ones, also in the sandbox."""

    id: UUID
    filename: str
    state: str = Field(description="mapping, waiting, running, done, incomplete, failed or cancelled")
    run_id: UUID | None
    rows: int
    imported: int
    updated: int
    unchanged: int
    refused: int
    gone: int
    error: str | None
    note: str | None
    created_at: Moment
    finished_at: Moment | None


class ImportList(Shape):
    """The newest imports, newest first."""

    items: list[ImportShape]


class ImportStarted(Shape):
    """An import and the run that reads it."""

    feed_import: ImportShape
    run: RunShape


class RefusalShape(Shape):
    """A row that was not taken."""

    line: int
    field: str | None
    reason: str
    excerpt: str


class RefusalPage(Page[RefusalShape]):
    """A page of refused rows, in the file's order."""


@bp.post("/import")
@operation(TAG, "list", ImportStarted, status=202, acts=True)
def import_feed(form: FeedFile) -> Any:
    """Hand in a shop's feed: a run reads it, matches it and works out what would pay."""
    given: Any = form.file
    mapping = _mapping(form.mapping)
    entry = feeds.register(session(), filename=secure_filename(given.filename or "") or "feed", waits_for_mapping=True)
    path = _path(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    given.save(path)
    try:
        chosen = _fitting(path, preview(path), mapping)
    except InvalidInput:
        path.unlink(missing_ok=True)
        raise
    return _start(entry, chosen)


@bp.get("/imports")
@operation(TAG, "read", ImportList)
def list_imports() -> ImportList:
    """List the newest imports."""
    return ImportList(items=[ImportShape.model_validate(entry) for entry in feeds.history(session())])


@bp.get("/imports/<uuid:import_id>")
@operation(TAG, "read", ImportShape)
def show_import(import_id: UUID) -> ImportShape:
    """Show an import and its counts."""
    return ImportShape.model_validate(feeds.get(session(), import_id))


@bp.get("/imports/<uuid:import_id>/refusals")
@operation(TAG, "read", RefusalPage)
def list_refusals(import_id: UUID, query: Paged) -> RefusalPage:
    """List the rows that were not taken, each with its line and the reason."""
    feeds.get(session(), import_id)
    after = int(unseal(query.cursor) or 0)
    found = feeds.refusals(session(), import_id, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    cursor = str(shown[-1].id) if len(found) > query.limit else None
    return RefusalPage(items=[RefusalShape.model_validate(row) for row in shown], next_cursor=seal(cursor))


@bp.post("/imports/<uuid:import_id>/columns")
@operation(TAG, "list", ImportStarted, status=202, acts=True)
def map_columns(import_id: UUID, json: Mapping) -> Any:
    """Say what the columns of a file that was uploaded on the Imports page are, and read it."""
    entry = feeds.get(session(), import_id)
    mapping = json.read()
    feeds.check_mapping(_path(entry), mapping)
    return _start(entry, mapping)


def _mapping(text: str | None) -> FeedMapping | None:
    if not text:
        return None
    try:
        return Mapping.model_validate(plain_json.loads(text)).read()
    except ValueError as error:
        raise InvalidInput("This is no mapping of columns: see Mapping in the document.", field="mapping") from error


def _fitting(path: Path, seen: Preview, mapping: FeedMapping | None) -> FeedMapping | None:
    """Return the mapping a file is read with; None for Awin's own."""
    chosen = mapping or (None if seen.is_awin else feeds.mapping_without_doubt(session(), seen.columns))
    if chosen is None and not seen.is_awin:
        names = ", ".join(seen.columns[:40])
        raise InvalidInput(
            f"Say which shop this is of, and which of these columns is what: {names}."[:1000], field="mapping"
        )
    if chosen is not None:
        feeds.check_mapping(path, chosen)
    return chosen


def _start(entry: FeedImport, mapping: FeedMapping | None) -> Any:
    feeds.begin(session(), entry.id, mapping)
    params = {"import_id": str(entry.id), "path": str(_path(entry))}
    run = start_run("feed_import", params | ({"mapping": mapping.stored()} if mapping else {}))
    entry.run_id = run.id
    session().flush()
    session().refresh(entry)
    answer = ImportStarted(feed_import=ImportShape.model_validate(entry), run=RunShape.of(run))
    return answer, 202, {"Location": f"/api/v1/automation/runs/{run.id}"}


def _path(entry: FeedImport) -> Path:
    """Return where an upload lies: its name is ours, never the sender's."""
    return runtime().settings.data / "uploads" / str(entry.id)
