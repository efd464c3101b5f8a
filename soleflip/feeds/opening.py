"""From a path to a feed: what kind of file it is, and with which mapping its columns are read."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from soleflip.domain.sizes import system_named
from soleflip.feeds import awin, table
from soleflip.feeds.base import Feed, FeedError, FeedMapping
from soleflip.feeds.sheet import SheetRecords
from soleflip.feeds.text import Limits, TextRecords, ends_well


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a file, for making a mapping: `guesses` and `size_system` are what the columns' names say."""

    columns: list[str]
    rows: list[list[str]]
    guesses: dict[str, str]
    is_awin: bool

    @property
    def size_system(self) -> str | None:
        """The system that the name of the size column declares."""
        return system_named(self.guesses.get("size", ""))


def open_feed(path: Path, mapping: FeedMapping | None = None, limits: Limits | None = None) -> Feed:
    """Open a feed: Awin's by itself, any other table by its mapping. Raises FeedError when it can't be read at all."""
    records = _open(path, limits)
    try:
        return Feed(records.columns, _mapping(records.columns, mapping), records)
    except FeedError:
        records.close()
        raise


def _mapping(columns: Sequence[str], mapping: FeedMapping | None) -> FeedMapping:
    if mapping is not None:
        return table.check(columns, mapping)
    if awin.is_awin(columns):
        return awin.mapping(columns)
    raise FeedError(
        "This is no Awin feed: the columns aw_product_id and search_price are missing. "
        "Map its columns on the Imports page to read it as a table."
    )


def preview(path: Path, rows: int = 8) -> Preview:
    """Read the first rows of a table as they are written. Raises FeedError, also when none of them can be read."""
    records = _open(path, None)
    cells: list[list[str]] = []
    faults: list[str] = []
    with closing(records):
        for line, record in islice(records, rows):
            if isinstance(record, str):
                faults.append(f"in line {line} {record}")
            elif any("\x00" in cell for cell in record):
                faults.append(f"in line {line} the line holds NUL bytes")
            else:
                cells.append([cell[:120] for cell in record])
    if not cells and (records.problem or faults):
        raise FeedError(records.problem or f"No row of this file can be read: {faults[0]}.")
    columns = list(records.columns)
    return Preview(columns, cells, table.guess(columns), awin.is_awin(columns))


def _open(path: Path, limits: Limits | None) -> TextRecords | SheetRecords:
    if not path.is_file():
        raise FeedError(f"There is no file {path.name}.")
    with path.open("rb") as file:
        head = file.read(4)
    return SheetRecords(path) if head == b"PK\x03\x04" else TextRecords(path, limits)


def is_whole(path: Path) -> bool:
    """Tell whether a packed file can be unpacked to its end; of a plain one nobody can tell, so it counts as whole."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PK\x03\x04":
        return zipfile.is_zipfile(path)
    return not head.startswith(b"\x1f\x8b") or ends_well(path)
