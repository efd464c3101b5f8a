"""CSV tables that an operator hands in: any common encoding and separator, each record with its line number."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, TextIO

from soleflip.domain.errors import InvalidInput
from soleflip.domain.words import count_of

LONGEST_FIELD = 100_000
PIECE = 1 << 20
SEPARATORS = (",", ";", "\t")


def read_table(stream: IO[bytes], required: Sequence[str], what: str) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Walk the records of a CSV with their first line in the file; a record that can't be read is a sentence.

    Column names are compared without case and outer spaces. Raises InvalidInput when the file as a whole is wrong, or a
    heading stands twice.
    """
    encoding = _encoding(stream, what)
    head = stream.read(LONGEST_FIELD).decode(encoding, "replace")
    stream.seek(0)
    first = head.splitlines()[0]
    separator = max(SEPARATORS, key=first.count)
    csv.field_size_limit(LONGEST_FIELD)
    text = io.TextIOWrapper(stream, encoding, "replace", newline="")
    try:
        yield from _checked(_records(text, separator), required, what)
    finally:
        text.detach()  # the stream is the caller's to close


def refuse_twice(columns: Iterable[str], read: Iterable[str]) -> None:
    """Raise InvalidInput for a heading that is read and stands twice: nobody can tell which column is meant."""
    headings = Counter(name.strip().casefold() for name in columns)
    twice = {name.strip().casefold(): name.strip() for name in read if headings[name.strip().casefold()] > 1}
    named = [f"“{name}”" for key, name in twice.items() if key]
    if named:
        raise InvalidInput(
            f"{' and '.join(named)} stands more than once in the first line, and nobody can tell which column is meant."
            " Remove the wrong one and import the file again; nothing was taken from it.",
            field="file",
        )


def _checked(
    records: Iterator[tuple[int, list[str] | str]], required: Sequence[str], what: str
) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each record by the header's names; raises InvalidInput when a column is missing."""
    names = {name.strip().casefold(): name for name in required}
    _, header = next(records)
    columns = [names.get(name.strip().casefold(), name.strip()) for name in header]
    missing = [name for name in required if name not in columns]
    if missing:
        raise InvalidInput(f"Columns are missing: {', '.join(missing)}. Hand in {what} as it was downloaded.")
    refuse_twice(columns, columns)
    for line, cells in records:
        if isinstance(cells, str):
            yield line, cells
        elif len(cells) == len(columns):
            yield line, dict(zip(columns, cells, strict=True))
        elif any(cell.strip() for cell in cells):
            there = count_of(len(cells), "field")
            yield line, f"{there} where the header has {len(columns)}: is a quote or a separator missing?"


def _records(text: TextIO, separator: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with its first line; a field far too long means a quote that was never closed."""
    reader = csv.reader(text, delimiter=separator)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"This record can't be read: {error}."


def _encoding(stream: IO[bytes], what: str) -> str:
    """Find a file's encoding a piece at a time, and go back to its start; raises InvalidInput when it is no text."""
    start = stream.read(4)
    is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    encoding = "utf-16" if is_wide else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)("replace" if is_wide else "strict")
    is_text, is_blank, pieces = not start.startswith((b"\x1f\x8b", b"PK\x03\x04", b"%PDF")), True, [start]
    while is_text and pieces:
        piece = pieces.pop()
        is_text = is_wide or b"\x00" not in piece
        if piece:
            pieces.append(stream.read(PIECE))
        if encoding == "cp1252":
            is_blank = is_blank and not piece.strip()
        else:
            try:
                is_blank = not decoder.decode(piece, final=not piece).strip() and is_blank
            except UnicodeDecodeError:
                encoding, is_blank = "cp1252", False
    stream.seek(0)
    if not is_text:
        raise InvalidInput(f"This is no text file. Hand in {what} as CSV.")
    if is_blank:
        raise InvalidInput(f"The file is empty. Hand in {what}.")
    return encoding
