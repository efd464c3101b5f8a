"""CSV tables that an operator hands in: any common encoding and separator, each record with its line number."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO

from soleflip.domain.errors import InvalidInput

LONGEST_FIELD = 100_000
SEPARATORS = (",", ";", "\t")


def read_table(stream: IO[bytes], required: Sequence[str], what: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Walk the records of a CSV with their first line in the file; a record that can't be read is a sentence.

    Column names are compared without case and outer spaces. Raises InvalidInput when the file as a whole is wrong.
    """
    raw = stream.read()
    if not raw.strip():
        raise InvalidInput(f"The file is empty. Hand in {what}.")
    text = _decoded(raw)
    if "\x00" in text or raw.startswith((b"\x1f\x8b", b"PK\x03\x04", b"%PDF")):
        raise InvalidInput(f"This is no text file. Hand in {what} as CSV.")
    if not text.strip():
        raise InvalidInput(f"The file is empty. Hand in {what}.")
    first = text.splitlines()[0]
    separator = max(SEPARATORS, key=first.count)
    csv.field_size_limit(LONGEST_FIELD)
    records = _records(text, separator)
    names = {name.strip().casefold(): name for name in required}
    _, header = next(records)
    columns = [names.get(name.strip().casefold(), name.strip()) for name in header]
    missing = [name for name in required if name not in columns]
    if missing:
        raise InvalidInput(f"Columns are missing: {', '.join(missing)}. Hand in {what} as it was downloaded.")
    for line, cells in records:
        if isinstance(cells, str):
            yield line, cells
        elif len(cells) == len(columns):
            yield line, dict(zip(columns, cells, strict=True))
        elif any(cell.strip() for cell in cells):
            yield line, f"{len(cells)} fields where the header has {len(columns)}: is a quote or a separator missing?"


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with its first line; a field far too long means a quote that was never closed."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"This record can't be read: {error}."


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
