"""Text files as records: gzip or plain, any common delimiter, decoded line by line, broken quotes survived."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from soleflip.domain.words import count_of
from soleflip.feeds.base import FeedError

LONGEST_LINE = 1024 * 1024
LONGEST_RECORD = 200
"""A quoted field may hold line breaks, but a record of more lines than this is a quote that was never closed."""
MOST_EMPTY_LINES = 10_000
"""So many empty lines in a row are no feed; read one by one, a packed file could hold hundreds of millions."""
DELIMITERS = ",;\t|"
_GZIP = b"\x1f\x8b"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_TOO_LONG = "\x00too long"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may be: bytes after decompression, and how many times its own size that may be."""

    unpacked_bytes: int = 4 * 1024**3
    ratio: int = 400
    ratio_counts_from: int = 16 * 1024**2


class TextLines:
    """Decoded lines of a file, one after the other, in constant memory.

    A fault of the file (truncated gzip, too large) ends the lines and stands in `problem`. A line that is no UTF-8
    is read as Windows-1252, which is what shops that get this wrong use.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.problem: str | None = None
        self.odd_lines = 0
        self._limits = limits or Limits()
        self._packed = path.stat().st_size
        self._read = 0
        self._empty = 0
        self._file = path.open("rb")
        head = self._file.read(2)
        self._file.seek(0)
        self._is_gzip = head == _GZIP
        # No buffer of ours around it: that would lose what was unpacked before a break.
        self._source = gzip.GzipFile(fileobj=self._file) if self._is_gzip else self._file

    def close(self) -> None:
        self._source.close()
        self._file.close()

    def check(self) -> None:
        """Look at the first bytes without consuming them; raises FeedError for a file that can't be a feed."""
        if self._packed == 0:
            raise FeedError("The file is empty.")
        try:
            head = self._source.peek(4096)[:4096]
        except (EOFError, OSError, zlib.error) as error:
            raise FeedError(_damaged(error)) from None
        if not head.strip():
            raise FeedError("The file is empty.")
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
            raise FeedError("This is no CSV: it looks like a web page. Import a CSV, a CSV.GZ or an XLSX.")
        if head[:2] in _WIDE:
            raise FeedError("The file is encoded as UTF-16. Save it as CSV in UTF-8 and import it again.")
        if b"\x00" in head.partition(b"\n")[0]:
            raise FeedError("This is no CSV: the file holds binary data. Import a CSV, a CSV.GZ or an XLSX.")

    def __iter__(self) -> Iterator[str]:
        while line := self._next():
            yield self._decode(line)

    def _next(self) -> bytes:
        try:
            line = self._source.readline(LONGEST_LINE)
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                line = self._skip_line(line)
        except (EOFError, OSError, zlib.error) as error:
            self.problem = _damaged(error)
            return b""
        self._read += len(line)
        self._empty = 0 if line.strip() else self._empty + 1
        if self._empty > MOST_EMPTY_LINES:
            self.problem = f"More than {MOST_EMPTY_LINES} empty lines in a row, which no feed has; reading stopped."
            return b""
        if self._is_too_large():
            self.problem = (
                f"The file unpacks to more than {self._read // 1024**2} MB, which no feed does; reading stopped."
            )
            return b""
        return line

    def _skip_line(self, line: bytes) -> bytes:
        while line and not line.endswith(b"\n"):
            self._read += len(line)
            if self._is_too_large():
                return b""
            line = self._source.readline(LONGEST_LINE)
        return _TOO_LONG.encode() + b"\n"

    def _is_too_large(self) -> bool:
        limits = self._limits
        if self._read > limits.unpacked_bytes:
            return True
        return self._is_gzip and self._read > limits.ratio_counts_from and self._read > self._packed * limits.ratio

    def _decode(self, line: bytes) -> str:
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.odd_lines += 1
            return line.decode("cp1252", "replace")


def ends_well(path: Path, limits: Limits | None = None) -> bool:
    """Tell whether a gzip file goes on to its end; one beyond the limits counts as whole, for reading it refuses it."""
    limits = limits or Limits()
    most = min(limits.unpacked_bytes, max(path.stat().st_size * limits.ratio, limits.ratio_counts_from))
    read = 0
    try:
        with gzip.open(path) as file:
            while read <= most and (chunk := file.read(LONGEST_LINE)):
                read += len(chunk)
    except (EOFError, OSError, zlib.error):
        return False
    return True


def _damaged(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "The gzip file ends in the middle: the download broke off. Fetch it again to get the rest."
    return f"The file is damaged and can't be read further ({type(error).__name__}). Fetch it again."


class TextRecords:
    """The records of a text file; the first one is its header."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self._lines = TextLines(path, limits)
        try:
            self._lines.check()
            self._stream = iter(self._lines)
            first = next(self._stream, "").removeprefix("\ufeff")
            if first.startswith(_TOO_LONG) or self._lines.problem:
                raise FeedError(self._lines.problem or "This is no feed: its first line is longer than 1 MB.")
            self.delimiter = _delimiter(first)
            self._waiting: deque[str] = deque([first])
            self._line = 0
            self.columns = self._header()
        except FeedError:
            self._lines.close()
            raise

    @property
    def problem(self) -> str | None:
        return self._lines.problem

    def notes(self) -> list[str]:
        """Say how odd bytes were read."""
        if not self._lines.odd_lines:
            return []
        return [f"{count_of(self._lines.odd_lines, 'line is', 'lines are')} not UTF-8, read as Windows-1252."]

    def close(self) -> None:
        """Let go of the file."""
        self._lines.close()

    def __iter__(self) -> Iterator[tuple[int, Sequence[str] | str]]:
        try:
            yield from self._records(len(self.columns))
        finally:
            self.close()

    def _header(self) -> list[str]:
        first = next(self._records(0), None)
        cells = first[1] if first else ""
        if isinstance(cells, str) or len(cells) < 2:
            raise FeedError("This is no CSV: its first line has no columns. Import a CSV, a CSV.GZ or an XLSX.")
        return [" ".join(cell.split()) for cell in cells]

    def _records(self, width: int) -> Iterator[tuple[int, Sequence[str] | str]]:
        """Split lines into records.

        1. A record that spans lines and has the wrong width is an unclosed quote: only its first line is refused.
        2. Its other lines are read again, so that no good row is lost to a bad one before it.
        """
        taken: list[str] = []
        reader = self._reader(taken)
        while True:
            taken.clear()
            fault: str | None = None
            record: list[str] = []
            try:
                record = next(reader)
            except StopIteration:
                if not taken:
                    return
                fault = "the row can't be split into columns"
            except (csv.Error, _Runaway):
                fault = "the row has a quote that is never closed, or a field longer than 128 KB"
            start = self._line + 1
            if width and len(taken) > 1 and fault is None and len(record) != width:
                fault = "the row has a quote that is never closed"
            if fault is not None and len(taken) > 1:
                self._waiting.extendleft(reversed(taken[1:]))
                reader = self._reader(taken)
                self._line += 1
            else:
                self._line += len(taken)
                reader = self._reader(taken) if fault else reader
            if record and record[0] == _TOO_LONG:
                fault = "the line is longer than 1 MB"
            if fault is not None:
                yield start, fault
            elif record:
                yield start, record

    def _reader(self, taken: list[str]) -> Iterator[list[str]]:
        return csv.reader(self._supply(taken), delimiter=self.delimiter)

    def _supply(self, taken: list[str]) -> Iterator[str]:
        waiting, stream = self._waiting, self._stream
        while True:
            line = waiting.popleft() if waiting else next(stream, None)
            if line is None:
                return
            taken.append(line)
            if len(taken) > LONGEST_RECORD:
                raise _Runaway
            yield line


class _Runaway(Exception):
    """A record takes more lines than any real one."""


def _delimiter(header: str) -> str:
    """Return the delimiter that splits the header into the most columns."""
    widths = {}
    for each in DELIMITERS:
        try:
            widths[each] = len(next(csv.reader([header], delimiter=each), []))
        except csv.Error:
            widths[each] = 0
    return max(widths, key=lambda each: widths[each])
