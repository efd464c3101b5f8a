"""Feeds behind addresses: which are due, fetched and imported by themselves on the timetable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.feeds.address import Reach, Version, check_address, fetch
from soleflip.feeds.base import FeedError
from soleflip.models import AuditEntry, FeedSource
from soleflip.services import feeds, sourcing
from soleflip.services.runs import Work
from soleflip.services.settings import FeedSettings, load

LONGEST_INTERVAL = 24 * 30


def add(session: Session, *, name: str, url: str, every_hours: int, actor: str) -> FeedSource:
    """Keep an address to fetch a feed from; raises InvalidInput with the field, Conflict for a name that is taken."""
    plain = " ".join(name.split())[:120]
    if not plain:
        raise InvalidInput("Give the feed a name.", field="name")
    check_address(url)
    if not 1 <= every_hours <= LONGEST_INTERVAL:
        raise InvalidInput(f"Every 1 to {LONGEST_INTERVAL} hours.", field="every_hours")
    if session.scalar(select(FeedSource.id).where(FeedSource.name == plain)):
        raise Conflict(f"There is a feed called {plain!r} already.")
    source = FeedSource(name=plain, url=url.strip(), every_hours=every_hours)
    session.add(source)
    session.add(AuditEntry(actor=actor, act="add feed", subject=plain, after={"url": _host(url)}))
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
    """Return the feeds whose time has come, the longest waiting first."""
    waited = FeedSource.fetched_at + func.make_interval(0, 0, 0, 0, FeedSource.every_hours)
    query = select(FeedSource.id).where(FeedSource.is_enabled, or_(FeedSource.fetched_at.is_(None), waited <= now))
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
    target = Path(gettempdir()) / f"soleflip-feed-{work.run_id}-{source_id}"
    known = Version(source.etag, source.modified)
    try:
        version = fetch(source.url or "", target, known, reach)
        said = "not changed." if version is None else _take_in(work, source, target)
    except FeedError as error:
        _record(work, source_id, known, str(error))
        work.note("failed", f"{source.name}: {error}")
        return f"{source.name}: {error}"
    finally:
        target.unlink(missing_ok=True)
    _record(work, source_id, version or known, None)
    return f"{source.name}: {said}"


def _take_in(work: Work, source: FeedSource, target: Path) -> str:
    with work.transaction() as session:
        entry = feeds.register(session, filename=f"{source.name} ({_host(source.url)})")
        entry.run_id = work.run_id
    return feeds.take_in(work, entry.id, target, source.mapping or None).sentence()


def _record(work: Work, source_id: int, version: Version, error: str | None) -> None:
    with work.transaction() as session:
        source = session.get(FeedSource, source_id)
        if source is not None:
            source.etag, source.modified = version.etag, version.modified
            source.fetched_at, source.error = work.clock(), error


def _host(url: str | None) -> str:
    """Return an address without what may be secret in it."""
    return urlsplit(url or "").hostname or ""
