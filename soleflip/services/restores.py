"""Restoring a backup: into a database of its own, verified, and only then put in the place of the present one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, make_url, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from soleflip.config import Settings
from soleflip.db import transaction_on
from soleflip.domain.errors import Conflict
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, Run, StockxListing, UserSession
from soleflip.services import backups, listings, runs, sealing, stop
from soleflip.services.runs import OPEN_STATES

SWAP_TRIES = 20
_MAINTENANCE = ("postgres", "template1")
_ASIDE = "_before_"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: rows that are back, the name under which the database before it is kept."""

    rows: int
    kept_as: str
    unsure: int


def restore(
    place: Settings,
    path: Path,
    *,
    known_revisions: frozenset[str],
    upgrade: Callable[[str], None],
    now: datetime,
    in_use_is_fine: bool,
) -> Restored:
    """Put a backup in the place of the present database, which is kept under another name.

    1. Refuses a schema that this version does not know, and a database that others use.
    2. Restores into a new database, compares it with what it held, upgrades it, and makes it safe: `prepare`.
    3. Swaps the names in one transaction; until then nothing has changed.

    `upgrade` brings a database of a given address to the newest schema. Raises InvalidInput, Conflict, NeedsHuman.
    """
    with path.open("rb") as file:
        revision = str(sealing.facts_of(file).get("revision"))
    if revision not in known_revisions:
        raise Conflict(
            f"This backup has the schema {revision}, which this SoleFlip does not know: install a newer one."
        )
    users = _users(place.database_url)
    if users and not in_use_is_fine:
        theirs = count_of(users, "connection uses", "connections use")
        raise Conflict(f"{theirs} the database. Stop web, workers and scheduler, or say --yes.")
    name = f"soleflip_restored_{uuid4().hex[:12]}"
    backups.create(place.database_url, name)
    fresh = backups.at(place.database_url, name)
    try:
        measured = backups.check(path, place.encryption_keys, fresh)
        upgrade(fresh)
        with transaction_on(fresh) as session:
            unsure = prepare(session, path.name, now)
        kept_as = _swap(place.database_url, name)
    except BaseException:
        with backups.connected(place.database_url) as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        raise
    return Restored(measured.rows, kept_as, unsure)


def prepare(session: Session, source: str, now: datetime) -> int:
    """Make a restored database safe to start: what was done after the backup is not known here.

    Writes are stopped. A listing that had not left, or whose answer was out, may have been put up since: it goes to
    review. Runs that were open are over, but for those whose rows wait for them. Everybody signs in anew: a session
    that was ended after the backup would be open again. Returns how many went to review.
    """
    stop.stop(session, actor="restore", reason=f"restored from {source}: sync first, then resume", now=now)
    rows = session.scalars(select(StockxListing).where(StockxListing.status.in_(("pending", "submitting")))).all()
    for row in rows:
        if row.status == "pending":
            listings.move(
                session, row, "submitting", cause="May have been sent after the backup.", actor="restore", now=now
            )
        row.review = {"why": "Restored from a backup: it may have been put up since.", "candidates": []}
        listings.move(session, row, "review", cause="Restored from a backup.", actor="restore", now=now)
    session.execute(
        update(Run)
        .where(Run.state.in_(OPEN_STATES), Run.kind.not_in(runs.HOLDS_ROWS))
        .values(state="cancelled", finished_at=runs.NOW, message="Was open when the backup was made.")
    )
    session.execute(update(UserSession).where(UserSession.ended_at.is_(None)).values(ended_at=runs.NOW))
    session.add(AuditEntry(actor="restore", act="restored", subject=source))
    session.flush()
    return len(rows)


def drop_put_aside(database_url: str) -> None:
    """Drop every database that a restore has put aside, for good."""
    before = f"{make_url(database_url).database}{_ASIDE}"
    query = text(
        "SELECT datname FROM pg_database WHERE starts_with(datname, :b) AND substr(datname, :n) ~ '^[0-9]{14}$'"
    )
    with backups.connected(database_url) as connection:
        for name in connection.scalars(query, {"b": before, "n": len(before) + 1}).all():
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def _users(database_url: str) -> int:
    with backups.connected(database_url) as connection:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> :me")
        return int(connection.scalar(query, {"me": connection.scalar(text("SELECT pg_backend_pid()"))}) or 0)


def _swap(database_url: str, fresh: str) -> str:
    """Rename the present database away and the fresh one into its place; returns the name of the one before."""
    present = str(make_url(database_url).database)
    with backups.connected(database_url) as connection:
        aside = f"{present}{_ASIDE}{backups.real_time(connection):%Y%m%d%H%M%S}"
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(:n) AND pid <> pg_backend_pid()"
    )
    engine = create_engine(_maintenance(database_url), poolclass=NullPool)
    for attempt in range(SWAP_TRIES):
        try:
            with engine.begin() as connection:
                connection.execute(end, {"n": [present, fresh]})
                connection.execute(text(f'ALTER DATABASE "{present}" RENAME TO "{aside}"'))
                connection.execute(text(f'ALTER DATABASE "{fresh}" RENAME TO "{present}"'))
            return aside
        except OperationalError:  # somebody connected again in between
            if attempt == SWAP_TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _maintenance(database_url: str) -> str:
    """Return the address of a database from which another one can be renamed."""
    for name in _MAINTENANCE:
        url = backups.at(database_url, name)
        try:
            with backups.connected(url):
                return url
        except OperationalError:
            continue
    raise Conflict("Neither the database `postgres` nor `template1` lets us in; one is needed to swap databases.")
