"""Feeds that come by themselves, from addresses and folders: which are due, fetched and imported on the timetable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.feeds import FeedError, FeedMapping, Preview, preview
from soleflip.feeds.address import Reach, Version, check_address, fetch
from soleflip.models import AuditEntry, FeedImport, FeedSource
from soleflip.services import feed_folders, feeds, sourcing
from soleflip.services.runs import Work
from soleflip.services.settings import FeedSettings, load

LONGEST_INTERVAL = 24 * 30
WAITS = "Say which column is what: the file waits under Imports."


def add(
    session: Session, *, name: str, url: str | None = None, folder: str | None = None, every_hours: int = 24, actor: str
) -> FeedSource:
    """Keep an address to fetch a feed from, or a folder to watch; a folder is looked into each time.

    Raises InvalidInput with the field, Conflict for a name that is taken.
    """
    plain = " ".join(name.split())[:120]
    if not plain:
        raise InvalidInput("Give the feed a name.", field="name")
    if bool(url) == bool(folder):
        raise InvalidInput("Give either an address or a folder.", field="url")
    if url:
        check_address(url)
    if not 1 <= every_hours <= LONGEST_INTERVAL:
        raise InvalidInput(f"Every 1 to {LONGEST_INTERVAL} hours.", field="every_hours")
    if session.scalar(select(FeedSource.id).where(FeedSource.name == plain)):
        raise Conflict(f"There is a feed called {plain!r} already.")
    source = FeedSource(
        name=plain,
        url=url.strip() if url else None,
        folder=feed_folders.check_name(folder) if folder else None,
        every_hours=every_hours,
    )
    session.add(source)
    after = {"url": _host(url)} if url else {"folder": source.folder}
    session.add(AuditEntry(actor=actor, act="add feed", subject=plain, after=after))
    session.flush()
    return source


def remove(session: Session, source_id: int, *, actor: str) -> None:
    """Stop fetching a feed; its offers stay until they are too old. Raises NotFound."""
    source = session.get(FeedSource, source_id)
    if source is None:
        raise NotFound("There is no such feed.")
    session.add(AuditEntry(actor=actor, act="remove feed", subject=source.name))
    session.delete(source)
    session.flush()


def everything(session: Session) -> Sequence[FeedSource]:
    """Return the feeds that are fetched by themselves, by name."""
    return session.scalars(select(FeedSource).order_by(FeedSource.name)).all()


def due(session: Session, now: datetime) -> list[int]:
    """Return the feeds whose time has come, the longest waiting first; folders are looked into each time."""
    waited = FeedSource.fetched_at + func.make_interval(0, 0, 0, 0, FeedSource.every_hours)
    query = select(FeedSource.id).where(
        FeedSource.is_enabled, or_(FeedSource.fetched_at.is_(None), FeedSource.folder.is_not(None), waited <= now)
    )
    return list(session.scalars(query.order_by(FeedSource.fetched_at.nullsfirst(), FeedSource.id)))


def fetch_due(work: Work) -> str:
    """Fetch the feeds that are due, or that of `params` source_id, and import what is new (run kind `feed_fetch`)."""
    with work.transaction() as session:
        wanted = [int(work.params["source_id"])] if "source_id" in work.params else due(session, work.clock())
    said = [_fetch(work, source_id) for source_id in wanted]
    if any("rows:" in sentence for sentence in said):
        said.append(sourcing.detect(work))
    return " ".join(said) or "No feed is due."


def _fetch(work: Work, source_id: int) -> str:
    """Fetch and import one feed; a failure is written beside it and stops no other."""
    with work.transaction() as session:
        source = session.get(FeedSource, source_id)
        if source is None:
            return ""
        session.expunge(source)
        reach = Reach(allow_private=load(session, FeedSettings).private_addresses == "yes")
    work.progress(message=f"Fetching {source.name}")
    if source.folder is not None:
        return _look_into(work, source)
    target = feed_folders.folder_of_uploads(work) / f"address-{work.run_id}-{source_id}"
    known = Version(source.etag, source.modified)
    try:
        version = fetch(source.url or "", target, known, reach, work.progress)
        label = f"{source.name} ({_host(source.url)})"
        said = "not changed." if version is None else _take_in(work, source, target, label)
    except FeedError as error:
        _record(work, source_id, known, str(error))
        work.note("failed", f"{source.name}: {error}")
        return f"{source.name}: {error}"
    finally:
        target.unlink(missing_ok=True)
    _record(work, source_id, version or known, said if said == WAITS else None)
    return f"{source.name}: {said}"


def _look_into(work: Work, source: FeedSource) -> str:
    """Take what is new in a folder; a file that can't be read stops no other, and is named until one can be read."""
    problems, is_well = [], False

    def take(found: feed_folders.Found) -> str:
        nonlocal is_well
        try:
            said = _take_in(work, source, found.copy, found.name, found.sha256)
        except FeedError as error:
            work.note("failed", f"{source.name}, {found.name}: {error}")
            said = str(error)
            problems.append(f"{found.name}: {said}")
        else:
            is_well = said != WAITS
            if not is_well:
                problems.append(f"{found.name}: {said}")
        return said

    said = feed_folders.pick_up(work, source, take)
    _record(work, source.id, Version(), " ".join(problems) or (None if is_well else source.error))
    return f"{source.name}: {' '.join(said) or 'nothing new.'}"


def _take_in(work: Work, source: FeedSource, path: Path, label: str, sha256: str | None = None) -> str:
    """Import a file of a source, or keep it until the operator has said what its columns are."""
    seen = preview(path)
    with work.transaction() as session:
        mapping = _mapping(session, source, seen)
        is_clear = seen.is_awin or mapping is not None
        entry = feeds.register(session, filename=label, waits_for_mapping=not is_clear)
        entry.run_id, entry.source_id, entry.sha256 = work.run_id, source.id, sha256
        if not is_clear:
            _replace_waiting(session, entry, feed_folders.folder_of_uploads(work))
    if not is_clear:
        path.replace(feed_folders.folder_of_uploads(work) / str(entry.id))
        return WAITS
    return feeds.take_in(work, entry.id, path, mapping.stored() if mapping else None).sentence()


def _mapping(session: Session, source: FeedSource, seen: Preview) -> FeedMapping | None:
    """Return the mapping of a source where it still fits the file, else one by which the file names its shop."""
    if source.mapping:
        own = FeedMapping.from_stored(source.mapping)
        if set(own.columns.values()) <= set(seen.columns):
            return own
    return None if seen.is_awin else feeds.mapping_without_doubt(session, seen.columns)


def _replace_waiting(session: Session, entry: FeedImport, folder: Path) -> None:
    """Of one source only the newest file waits for its columns."""
    older = select(FeedImport).where(
        FeedImport.source_id == entry.source_id, FeedImport.state == "mapping", FeedImport.id != entry.id
    )
    for waiting in session.scalars(older):
        waiting.state, waiting.error = "cancelled", "A newer file of this feed came before its columns were mapped."
        (folder / str(waiting.id)).unlink(missing_ok=True)


def _record(work: Work, source_id: int, version: Version, error: str | None) -> None:
    with work.transaction() as session:
        source = session.get(FeedSource, source_id)
        if source is not None:
            source.etag, source.modified = version.etag, version.modified
            source.fetched_at, source.error = work.clock(), error


def _host(url: str | None) -> str:
    """Return an address without what may be secret in it."""
    return urlsplit(url or "").hostname or ""
