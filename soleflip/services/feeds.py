"""Feed imports: a file becomes offers in one transaction, by COPY into a staging table and one upsert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, NotFound
from soleflip.domain.words import count_of
from soleflip.feeds import Feed, FeedError, FeedMapping, OfferRow, Refusal, open_feed
from soleflip.models import FeedImport, FeedRefusal, FeedSource, Shop
from soleflip.services import sourcing
from soleflip.services.feed_merge import ANALYZE, COPY, Merge, merge_stage, open_stage
from soleflip.services.runs import NOW, Cancelled, Work

MOST_REFUSALS = 10_000
"""So many refused rows are kept with their reasons; all are counted."""
BATCH = 10_000
AT_A_TIME = 500
PAGE = 200
OVER = ("done", "incomplete")
SAME = {"external_id": "product number", "gtin": "EAN", "style_code": "style code and size"}
"""What two rows have in common that are the same offer, by the field that says so."""

Progress = Callable[[int, int], None]
"""Told how many rows were read and how many of them refused; may raise to stop."""


@dataclass(slots=True)
class ImportResult:
    """What came of a file's rows; `problem` is set when it could not be read to its end."""

    rows: int = 0
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    gone: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    shop_ids: Sequence[int] = ()
    problem: str | None = None
    notes: list[str] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        """Count a refused row and keep its reason while there is room."""
        self.refused += 1
        if len(self.refusals) < MOST_REFUSALS:
            self.refusals.append(refusal)

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "rows": self.rows,
            "imported": self.imported,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "refused": [
                {"line": each.line, "field": each.field, "reason": each.reason, "excerpt": each.excerpt}
                for each in self.refusals
            ],
            "refused_count": self.refused,
            "gone": self.gone,
            "complete": self.problem is None,
            "problem": self.problem,
            "notes": self.notes,
        }

    def sentence(self) -> str:
        """Say in one sentence what came of the file."""
        words = (
            f"{count_of(self.rows, 'row')}: {count_of(self.imported, 'new offer')}, {self.updated} updated, "
            f"{self.unchanged} unchanged, {self.refused} refused, {self.gone} gone."
        )
        return f"{words} {self.problem}" if self.problem else words


def import_file(
    session: Session,
    path: Path,
    *,
    now: datetime,
    mapping: FeedMapping | None = None,
    complete: bool = True,
    import_id: UUID | None = None,
    progress: Progress = lambda rows, refused: None,
) -> ImportResult:
    """Read a feed file into offers; `complete` says that a shop's offers not in it are gone.

    1. Stream rows through validation into a staging table; bad ones are kept with line and reason.
    2. Merge: what changed is written, an earlier price goes into the history, the rest is not touched.
    3. When the file broke off in the middle, the rows before it count and nothing is marked gone.

    Raises FeedError when the file can't be read at all; the session's transaction is then as it was.
    """
    feed = open_feed(path, mapping)
    result = ImportResult()
    open_stage(session)
    _stage(session, feed, result, progress)
    result.problem, result.notes = feed.problem, feed.notes
    if result.rows == 0:
        raise FeedError(result.problem or "The file has a first line and no rows below it; nothing was changed.")
    merged = merge_stage(session, now, complete=complete and result.problem is None, import_id=import_id)
    _add(result, merged)
    return result


def register(session: Session, *, filename: str, waits_for_mapping: bool = False) -> FeedImport:
    """Write the row of an import that is about to run, or that waits for the mapping of its columns."""
    entry = FeedImport(filename=filename[:300], state="mapping" if waits_for_mapping else "waiting")
    session.add(entry)
    session.flush()
    return entry


def begin(session: Session, import_id: UUID, mapping: FeedMapping | None = None) -> FeedImport:
    """Let an import that waited go on, and save its mapping with its shop and the source that it came from.

    Raises Conflict when it did already.
    """
    entry = session.get(FeedImport, import_id, with_for_update=True)
    if entry is None:
        raise NotFound("There is no such import.")
    if entry.state != "mapping":
        raise Conflict("This import is no longer waiting for its columns.")
    if mapping is not None and mapping.shop:
        entry.shop_id = save_mapping(session, mapping).id
    source = session.get(FeedSource, entry.source_id) if entry.source_id is not None else None
    if mapping is not None and source is not None:
        source.mapping, source.error = mapping.stored(), None
    entry.state = "waiting"
    session.flush()
    return entry


def check_mapping(path: Path, mapping: FeedMapping) -> None:
    """Raise FeedError when the mapping does not fit the file."""
    open_feed(path, mapping).records.close()


def save_mapping(session: Session, mapping: FeedMapping) -> Shop:
    """Save a column mapping with its shop, which is made when it is new. Raises FeedError without a shop's name."""
    if not mapping.shop:
        raise FeedError("Give the shop a name.", field="shop")
    shop = session.scalar(select(Shop).where(Shop.name == mapping.shop))
    if shop is None:
        shop = Shop(name=mapping.shop)
        session.add(shop)
    shop.mapping = mapping.stored()
    shop.feed_kind = "table"
    shop.currency = mapping.currency
    session.flush()
    return shop


def mapping_for(session: Session, columns: Sequence[str]) -> FeedMapping | None:
    """Return a saved mapping whose columns a file all has, the newest shop's first; None when there is none.

    Two shops may well have the same columns: it is a proposal to the operator, see `mapping_without_doubt`.
    """
    there = set(columns)
    for stored in session.scalars(select(Shop.mapping).where(Shop.feed_kind == "table").order_by(Shop.id.desc())):
        mapping = FeedMapping.from_stored(stored)
        if set(mapping.columns.values()) <= there:
            return mapping
    return None


def mapping_without_doubt(session: Session, columns: Sequence[str]) -> FeedMapping | None:
    """Return a saved mapping by which a file can be read unasked: one by which the file itself names its shop.

    Under the name of another shop its offers would be wrong, and that shop's own would count as gone.
    """
    known = mapping_for(session, columns)
    return known if known and "shop" in known.columns else None


def perform(work: Work) -> str:
    """Carry out an import and everything after it: match, look up, quotes, opportunities (run kind `feed_import`).

    `params`: import_id, path, optional mapping. Performed again after a crash, it goes on behind what is done.
    """
    import_id = UUID(work.params["import_id"])
    with work.transaction() as session:
        entry = session.get(FeedImport, import_id)
        if entry is None:
            raise NotFound("This import no longer exists.")
        is_over, entry.run_id = entry.state in OVER, work.run_id
        entry.state = entry.state if is_over else "running"
    said = "" if is_over else take_in(work, import_id, Path(work.params["path"]), work.params.get("mapping")).sentence()
    return f"{said} {sourcing.detect(work)}".strip()


def take_in(work: Work, import_id: UUID, path: Path, stored: dict[str, Any] | None) -> ImportResult:
    """Import a file in one transaction, the counts of the import with it, and remove it; record why when it fails."""

    def tell(rows: int, refused: int) -> None:
        work.progress(done=rows, message=f"Reading {path.name}: {count_of(rows, 'row')}", rows=rows, refused=refused)

    try:
        mapping = FeedMapping.from_stored(stored) if stored else None
        with work.transaction() as session:
            now = work.clock()
            result = import_file(session, path, now=now, mapping=mapping, import_id=import_id, progress=tell)
            record(session, import_id, result)
    except FeedError as error:
        _fail(work, import_id, "failed", str(error))
        raise
    except Cancelled:
        _fail(work, import_id, "cancelled", "Stopped by the operator; nothing of this file was taken.")
        raise
    work.progress(
        total=result.rows,
        done=result.rows,
        rows=result.rows,
        imported=result.imported,
        updated=result.updated,
        unchanged=result.unchanged,
        refused=result.refused,
        gone=result.gone,
    )
    path.unlink(missing_ok=True)
    return result


def record(session: Session, import_id: UUID, result: ImportResult) -> None:
    """Write what came of an import into its row, and its refused rows beside it."""
    session.execute(delete(FeedRefusal).where(FeedRefusal.import_id == import_id))
    session.execute(
        update(FeedImport)
        .where(FeedImport.id == import_id)
        .values(
            state="incomplete" if result.problem else "done",
            rows=result.rows,
            imported=result.imported,
            updated=result.updated,
            unchanged=result.unchanged,
            refused=result.refused,
            gone=result.gone,
            error=result.problem,
            note=" ".join(result.notes) or None,
            shop_id=result.shop_ids[0] if len(result.shop_ids) == 1 else FeedImport.shop_id,
            finished_at=NOW,
        )
    )
    if result.refusals:
        rows = [{"import_id": import_id, **each._asdict()} for each in result.refusals]
        session.execute(insert(FeedRefusal), rows)


def history(session: Session, limit: int = 50) -> Sequence[FeedImport]:
    """Return the newest imports, newest first."""
    return session.scalars(select(FeedImport).order_by(FeedImport.created_at.desc(), FeedImport.id).limit(limit)).all()


def get(session: Session, import_id: UUID) -> FeedImport:
    """Return an import; raises NotFound."""
    entry = session.get(FeedImport, import_id)
    if entry is None:
        raise NotFound("There is no such import.")
    return entry


def refusals(session: Session, import_id: UUID, *, after: int = 0, limit: int = PAGE) -> Sequence[FeedRefusal]:
    """Return refused rows of an import in the file's order, those behind the refusal with the id `after`."""
    return session.scalars(
        select(FeedRefusal)
        .where(FeedRefusal.import_id == import_id, FeedRefusal.id > after)
        .order_by(FeedRefusal.id)
        .limit(limit)
    ).all()


def _stage(session: Session, feed: Feed, result: ImportResult, progress: Progress) -> None:
    """Stream good rows into the staging table, a batch at a time, so that memory stays flat."""
    rows = feed.rows()
    cursor: Any = session.connection().connection.cursor()
    with cursor:
        while _copy(cursor, islice(rows, BATCH), result):
            progress(result.rows, result.refused)
    session.execute(text(ANALYZE))


def _copy(cursor: Any, rows: Iterator[OfferRow | Refusal], result: ImportResult) -> int:
    """Copy rows into the staging table, some at a time; returns how many there were."""
    before = result.rows
    with cursor.copy(COPY) as copy:
        while some := list(islice(rows, AT_A_TIME)):
            good = [each for each in some if isinstance(each, OfferRow)]
            copy.write("".join([f"{line}\t{values}\t{key}\n" for line, values, key in good]))
            for each in some if len(good) < len(some) else ():
                if isinstance(each, Refusal):
                    result.refuse(each)
            result.rows += len(some)
    return result.rows - before


def _add(result: ImportResult, merged: Merge) -> None:
    for line, title, first, same in merged.doubles:
        result.refuse(Refusal(line, same, f"the same {SAME[same]} as in line {first}", title[:200]))
    result.refused += merged.double_count - len(merged.doubles)
    result.refusals.sort(key=lambda refusal: refusal.line)
    result.imported, result.updated = merged.imported, merged.updated
    result.unchanged, result.gone = merged.unchanged, merged.gone
    result.shop_ids = merged.shop_ids
    if merged.spared:
        result.notes.append(
            f"{count_of(merged.spared, 'offer')} of this shop are missing in the file; that is nearly all, "
            "so none was marked gone."
        )


def _fail(work: Work, import_id: UUID, state: str, reason: str) -> None:
    with work.transaction() as session:
        session.execute(
            update(FeedImport).where(FeedImport.id == import_id).values(state=state, error=reason, finished_at=NOW)
        )
