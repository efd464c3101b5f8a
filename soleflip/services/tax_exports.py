"""Workbooks and PDFs of big tax years: made by a run, kept for a while in chunks, and removed by the timetable."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import IO, Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.domain.tax import Report
from soleflip.domain.words import count_of
from soleflip.models import Export, ExportChunk
from soleflip.services import tax_files
from soleflip.services.runs import NOW, Books, Work
from soleflip.services.tax_span import Span

KIND = "tax_export"
MOST_AT_ONCE = 2000
"""How many sales and reversals a file may have that is made while the browser waits."""
KEPT = timedelta(days=7)
CHUNK = 262_144
TICK = 500
MEDIA_TYPES = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which file of which year; plain values, as a run keeps them."""

    year: int
    treatment: str
    basis: str
    form: str

    def __post_init__(self) -> None:
        if self.form not in MEDIA_TYPES:
            raise InvalidInput(f"{self.form[:20]!r} is no format: {', '.join(MEDIA_TYPES)}.", field="form")

    @property
    def name(self) -> str:
        """The file's name."""
        return tax_files.file_name(self.year, self.treatment, self.form)

    def params(self) -> dict[str, Any]:
        """Return the run's params."""
        return asdict(self)

    def span(self, books: Books) -> Span:
        """Return what the file is of; raises InvalidInput for an unknown treatment or basis."""
        return Span(self.year, self.treatment, books, self.basis)


def is_big(found: Report) -> bool:
    """Whether a year's workbook or PDF takes a run."""
    return found.total.sales + found.total.reversals > MOST_AT_ONCE


def refuse_big(found: Report) -> None:
    """Raise Conflict for a year whose workbook or PDF takes a run."""
    if is_big(found):
        raise Conflict(
            f"{found.year} has more than {MOST_AT_ONCE:,} rows: have the file made by a run, and download it then."
            " The CSV comes at once."
        )


def perform(work: Work) -> str:
    """Make the file of a run and keep it; made again, it takes the place of the one before (run kind `tax_export`)."""
    wanted = Wanted(**work.params)

    def tick(rows: int) -> None:
        if rows % TICK == 0:
            work.progress(done=rows)

    with tempfile.TemporaryFile() as file:
        with work.transaction() as session:
            rows = write(session, wanted, work.books, file, tick)
        size = file.tell()
        file.seek(0)
        with work.transaction() as session:
            _keep(session, work.run_id, wanted, rows, size, file)
    work.progress(done=rows, total=rows)
    return f"{wanted.name} has {count_of(rows, 'row')}. It can be downloaded for {count_of(KEPT.days, 'day')}."


def write(session: Session, wanted: Wanted, books: Books, file: IO[bytes], tick: Callable[[int], None]) -> int:
    """Write a file; `tick` is told the number of rows so far. Returns how many there are."""
    span = wanted.span(books)
    make = {"xlsx": tax_files.as_xlsx, "pdf": tax_files.as_pdf}[wanted.form]
    return make(session, span.year, span.treatment, books, file, span.basis, tick=tick)


def _keep(session: Session, run_id: UUID, wanted: Wanted, rows: int, size: int, file: IO[bytes]) -> None:
    session.execute(delete(Export).where(Export.run_id == run_id))
    export = Export(run_id=run_id, name=wanted.name, media_type=MEDIA_TYPES[wanted.form], rows=rows, size=size)
    session.add(export)
    session.flush()
    position = 0
    while data := file.read(CHUNK):
        session.execute(insert(ExportChunk).values(run_id=run_id, position=position, data=data))
        position += 1


def recent(session: Session, limit: int = 20) -> Sequence[Export]:
    """Return the files that can be downloaded, the newest first."""
    return session.scalars(select(Export).order_by(Export.created_at.desc()).limit(limit)).all()


def get(session: Session, run_id: UUID) -> Export:
    """Return a file that can be downloaded; raises NotFound for one that is not ready, or removed."""
    found = session.get(Export, run_id)
    if found is None:
        raise NotFound(f"This file is not there: it is not ready yet, or was removed after {KEPT.days} days.")
    return found


def content(session: Session, run_id: UUID) -> Iterator[bytes]:
    """Read a file piece by piece."""
    position = 0
    while True:
        query = select(ExportChunk.data).where(ExportChunk.run_id == run_id, ExportChunk.position == position)
        data = session.scalar(query)
        if data is None:
            return
        yield data
        position += 1


def tidy(work: Work) -> str:
    """Remove the files that have been kept long enough (run kind `tidy_exports`)."""
    with work.transaction() as session:
        old = session.scalars(delete(Export).where(Export.created_at < NOW - KEPT).returning(Export.run_id)).all()
    return f"{count_of(len(old), 'file')} removed."
