"""Everything as open files: one zip with a CSV for each table, readable without SoleFlip."""

from __future__ import annotations

import base64
import json
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, Table, select
from sqlalchemy.orm import Session

from soleflip.db import Base, EncryptedText
from soleflip.domain.errors import NotFound
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry
from soleflip.services import backups
from soleflip.services.exports import Cell, csv_lines
from soleflip.services.runs import Work

# What opens an account is of use to a thief only.
LEFT_OUT = frozenset({"auth.api_answers", "auth.recovery_codes", "auth.second_factors", "auth.sessions"})
SECRET_NAMES = frozenset({"password_hash", "token_hash"})
ABOUT = """Everything that SoleFlip knew at {at}, one CSV file a table: UTF-8, commas, decimal points, ISO dates in UTC.
tables.json names the columns, their types and how many rows there are. Text that a spreadsheet would take for a formula
has an apostrophe before it. Passwords, keys, tokens and sessions are left out.
"""

_BATCH = 2000
_NAME = re.compile(r"soleflip-export-\d{8}T\d{6}Z\.zip")


@dataclass(frozen=True, slots=True)
class Export:
    """A finished export: its file, when it was made (UTC), its size in bytes."""

    path: Path
    made_at: datetime
    size: int

    @property
    def name(self) -> str:
        """The file's name, by which the pages know it."""
        return self.path.name


def perform(work: Work) -> str:
    """Write every table as of one moment into a zip, in place of the export before; returns the closing sentence."""
    place = work.settings
    assert place is not None  # noqa: S101 - the task gives every run the settings
    folder = place.backups
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = folder / f".{uuid4().hex}.zip.part"
    work.progress(total=len(tables()), message="Writing every table.")
    try:
        with work.transaction() as session:
            connection = session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            at = backups.real_time(connection)
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                rows = _write(session, archive, at, work)
        before = found(folder)
        path = folder / f"soleflip-export-{at:%Y%m%dT%H%M%SZ}.zip"
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    for old in before:
        if old.path != path:
            old.path.unlink(missing_ok=True)
    with work.transaction() as session:
        session.add(AuditEntry(actor=work.actor, act="export made", subject=path.name, after={"rows": rows}))
    return f"{path.name}: {count_of(rows, 'row')} of {count_of(len(tables()), 'table')}."


def tables() -> list[Table]:
    """Return the tables that an export holds."""
    return [table for table in Base.metadata.sorted_tables if table.fullname not in LEFT_OUT]


def columns(table: Table) -> list[Column[Any]]:
    """Return the columns of a table that an export holds: all but secrets."""
    return [
        column
        for column in table.columns
        if not isinstance(column.type, EncryptedText) and column.name not in SECRET_NAMES
    ]


def found(folder: Path) -> list[Export]:
    """Return the finished exports of a folder, newest first."""
    paths = folder.glob("soleflip-export-*.zip") if folder.is_dir() else ()
    return sorted(
        (_export(path) for path in paths if _NAME.fullmatch(path.name)), key=lambda each: each.made_at, reverse=True
    )


def named(folder: Path, name: str) -> Export:
    """Return the export of that name; raises NotFound."""
    path = folder / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such export any more.")
    return _export(path)


def _write(session: Session, archive: zipfile.ZipFile, at: datetime, work: Work) -> int:
    about: dict[str, Any] = {}
    for number, table in enumerate(tables(), 1):
        here = columns(table)
        counted = [0]
        with archive.open(f"{table.schema}/{table.name}.csv", "w", force_zip64=True) as file:
            for part in csv_lines((column.name for column in here), _rows(session, table, here, counted)):
                file.write(part.encode())
        types = {column.name: str(column.type) for column in here}
        about[table.fullname] = {"rows": counted[0], "columns": types}
        work.progress(done=number)
    archive.writestr("tables.json", json.dumps({"at": at.isoformat(), "tables": about}, indent=2))
    archive.writestr("README.txt", ABOUT.format(at=f"{at:%Y-%m-%d %H:%M:%S} UTC"))
    return sum(int(each["rows"]) for each in about.values())


def _rows(session: Session, table: Table, here: list[Column[Any]], counted: list[int]) -> Iterator[list[Cell]]:
    query = select(*here).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    for row in session.execute(query):
        counted[0] += 1
        yield [_cell(value) for value in row]


def _cell(value: Any) -> Cell:
    if value is None or (isinstance(value, str | Decimal | int | date | datetime) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _export(path: Path) -> Export:
    moment = datetime.strptime(f"{path.stem.rpartition('-')[2]}+0000", "%Y%m%dT%H%M%SZ%z")
    return Export(path, moment, path.stat().st_size)
