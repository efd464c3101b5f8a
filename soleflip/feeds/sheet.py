"""Excel files (XLSX) as records: the first sheet, read row by row."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from soleflip.feeds.base import FeedError

LARGEST_UNPACKED = 512 * 1024**2
LARGEST_STRINGS = 64 * 1024**2
MOST_COLUMNS = 1000


class SheetRecords:
    """The records of a workbook's first sheet; the first row is its header."""

    def __init__(self, path: Path) -> None:
        _ensure_harmless(path)
        self.problem: str | None = None
        self._file = path.open("rb")
        try:
            self.columns = self._open()
        except FeedError:
            self._file.close()
            raise

    def _open(self) -> list[str]:
        try:
            # Opened by hand: by its path, a workbook would have to be called .xlsx.
            self._book = load_workbook(self._file, read_only=True, data_only=True)
            sheet = self._book.worksheets[0] if self._book.worksheets else None
            if sheet is None:
                raise FeedError("The workbook has no sheet.")
            # The stated size of a sheet is often wrong; what is there counts.
            sheet.reset_dimensions()
            self._rows = sheet.iter_rows(values_only=True)
            first = next(self._rows, ())
        except (InvalidFileException, KeyError, ValueError, ParseError, zipfile.BadZipFile, OSError) as error:
            raise FeedError(
                f"This XLSX file can't be read ({type(error).__name__}). Save it again and import it."
            ) from None
        columns = [" ".join(_text(cell).split()) for cell in first[:MOST_COLUMNS]]
        while columns and not columns[-1]:
            columns.pop()
        if len(columns) < 2:
            raise FeedError("The first row of the first sheet has no columns.")
        return columns

    def notes(self) -> list[str]:
        """There is nothing to say about a workbook."""
        return []

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()
        self._file.close()

    def __iter__(self) -> Iterator[tuple[int, Sequence[str] | str]]:
        width = len(self.columns)
        try:
            for line, row in enumerate(self._rows, start=2):
                cells = [_text(cell) for cell in row[:width]]
                if any(cells):
                    yield line, cells + [""] * (width - len(cells))
        except (KeyError, ValueError, ParseError, zipfile.BadZipFile, OSError) as error:
            self.problem = f"The XLSX file is damaged and can't be read further ({type(error).__name__})."
        finally:
            self.close()


def _text(cell: object) -> str:
    """Return a cell as text; a whole number without its `.0`, so that an EAN stays an EAN."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)


def _ensure_harmless(path: Path) -> None:
    """Refuse a file that is no workbook, or that unpacks to more than any feed; raises FeedError."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise FeedError(
            "The file is damaged: it begins like an XLSX file but can't be opened. Fetch it again."
        ) from None
    if not any(entry.filename == "[Content_Types].xml" for entry in entries):
        raise FeedError("This is a ZIP file, not an XLSX file. Unpack it and import the CSV in it.")
    unpacked = sum(entry.file_size for entry in entries)
    strings = sum(entry.file_size for entry in entries if "sharedstrings" in entry.filename.lower())
    if unpacked > LARGEST_UNPACKED or strings > LARGEST_STRINGS:
        raise FeedError(f"The workbook unpacks to {unpacked // 1024**2} MB, which is too much. Export a CSV instead.")
