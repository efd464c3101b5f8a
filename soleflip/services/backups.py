"""Backups: a sealed pg_dump, restored into an empty database and compared before it counts as one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from soleflip.config import Settings
from soleflip.db import SCHEMAS, Transaction
from soleflip.domain.backups import KeepingPlan, kept
from soleflip.domain.errors import InvalidInput, NeedsHuman, NotFound
from soleflip.domain.words import count_of
from soleflip.embedded import dump
from soleflip.models import AuditEntry
from soleflip.services import sealing, settings
from soleflip.services.runs import Work
from soleflip.services.settings import BackupSettings

ENDING = ".backup"
ENOUGH = timedelta(hours=20)
"""Younger than this, a backup need not be made again by the timetable."""

_NAME = re.compile(r"soleflip-\d{8}T\d{6}Z(-[0-9a-f]{4})?\.backup")


@dataclass(frozen=True, slots=True)
class Measure:
    """What a database holds: rows per table, the ledger's sum per currency, and how many guards stand around them."""

    revision: str
    tables: dict[str, int]
    ledger: dict[str, str]
    objects: dict[str, int]

    @property
    def rows(self) -> int:
        """All rows of all tables."""
        return sum(self.tables.values())


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified backup: its file, when it was made (UTC), its size in bytes, its schema and the name of its key."""

    path: Path
    made_at: datetime
    size: int
    revision: str
    key: str
    rows: int

    @property
    def name(self) -> str:
        """The file's name, by which the pages know it."""
        return self.path.name


def perform(work: Work) -> str:
    """Make a backup and drop those that the plan no longer keeps; returns the closing sentence."""
    place = work.settings
    assert place is not None  # noqa: S101 - the task gives every run the settings
    folder = place.backups
    newest = next(iter(found(folder)), None)
    with work.transaction() as session:
        now = real_time(session.connection())
    if work.actor == "timetable" and newest is not None and now - newest.made_at < ENOUGH:
        return f"The newest backup, {newest.name}, is young enough."
    work.progress(message="Writing and verifying a backup.")
    made = make(place, work.transaction, folder)
    with work.transaction() as session:
        plan = settings.load(session, BackupSettings).plan
        session.add(AuditEntry(actor=work.actor, act="backup made", subject=made.name, after={"rows": made.rows}))
    gone = prune(folder, plan, work.books.timezone, now)
    dropped = f" {count_of(gone, 'old one was', 'old ones were')} dropped by the plan." if gone else ""
    return f"{made.name}: {count_of(made.rows, 'row')}, restored once and compared.{dropped}"


def make(place: Settings, transaction: Transaction, folder: Path) -> Backup:
    """Write a verified backup into a folder. Raises NeedsHuman when it can't be made or does not hold what it should.

    1. One snapshot: rows and sums are measured, and dumped, as of the same moment.
    2. The dump is sealed on its way to the disk; nothing readable ever lies there.
    3. It is restored into an empty database, measured again, and that database dropped. Only then it gets its name.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = folder / f".{uuid4().hex}{ENDING}.part"
    try:
        with transaction() as session:
            made_at = _write(session, place, aside)
        with scratch(place.database_url) as url:
            check(aside, place.encryption_keys, url)
        path = folder / f"soleflip-{made_at:%Y%m%dT%H%M%SZ}-{uuid4().hex[:4]}{ENDING}"
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return _backup(path)


def _write(session: Session, place: Settings, path: Path) -> datetime:
    connection = session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    made_at = real_time(connection)
    snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
    measured = measure(connection)
    facts = {"made_at": made_at.isoformat(), "revision": measured.revision, "rows": measured.rows}

    def content() -> Iterator[bytes]:
        yield json.dumps(asdict(measured)).encode()
        yield from dump.dump(place.database_url, server=server_version(connection), snapshot=str(snapshot))

    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        sealing.seal(file, place.encryption_keys[0], facts, content())
        file.flush()
        os.fsync(file.fileno())
    return made_at


def fill(path: Path, keys: Sequence[str], database_url: str) -> Measure:
    """Restore a backup into an empty database; returns what it held when it was made."""
    with path.open("rb") as file:
        _, content = sealing.unseal(file, keys)
        measured = Measure(**json.loads(next(content)))
        with connected(database_url) as connection:
            server = server_version(connection)
        dump.restore(database_url, content, server=server)
        for _ in content:  # what pg_restore did not ask for is read all the same: the end must be proved
            pass
    return measured


def check(path: Path, keys: Sequence[str], database_url: str) -> Measure:
    """Restore a backup into an empty database and compare it with what it held. Raises NeedsHuman."""
    measured = fill(path, keys, database_url)
    _compare(measured, measure_at(database_url))
    return measured


def measure_at(database_url: str) -> Measure:
    """Measure a database by its address."""
    with connected(database_url) as connection:
        return measure(connection)


def measure(connection: Connection) -> Measure:
    """Count what a database holds, in as many statements as it has tables."""
    names = connection.execute(
        text(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY(:s) ORDER BY 1, 2"
        ),
        {"s": [*SCHEMAS, "public"]},
    ).all()
    tables = {
        f"{schema}.{table}": int(connection.scalar(text(f'SELECT count(*) FROM "{schema}"."{table}"')) or 0)  # noqa: S608
        for schema, table in names
    }
    sums = connection.execute(
        text("SELECT books_currency, sum(books_amount)::text FROM selling.ledger_entries GROUP BY 1 ORDER BY 1")
    ).all()
    objects = connection.execute(
        text(
            "SELECT 'triggers', count(*) FROM pg_trigger WHERE NOT tgisinternal UNION ALL "
            "SELECT 'indexes', count(*) FROM pg_indexes WHERE schemaname = ANY(:s) UNION ALL "
            "SELECT 'constraints', count(*) FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace "
            "WHERE n.nspname = ANY(:s)"
        ),
        {"s": list(SCHEMAS)},
    ).all()
    revision = connection.scalar(text("SELECT version_num FROM public.alembic_version"))
    return Measure(str(revision), tables, dict(map(tuple, sums)), dict(map(tuple, objects)))


def _compare(wanted: Measure, there: Measure) -> None:
    if there != wanted:
        different = [
            f"{name} {value!r} is {there_value!r}"
            for group in ("tables", "ledger", "objects")
            for name, value, there_value in _differences(getattr(wanted, group), getattr(there, group))
        ]
        raise NeedsHuman(f"The backup does not hold what it should: {', '.join(different)}. It was thrown away.")


def _differences(wanted: dict[str, Any], there: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in {**wanted, **there}:
        if wanted.get(name) != there.get(name):
            yield name, wanted.get(name), there.get(name)


@contextmanager
def scratch(database_url: str) -> Iterator[str]:
    """Have an empty database on the same server inside the block."""
    name = f"soleflip_check_{uuid4().hex[:12]}"
    create(database_url, name)
    try:
        yield at(database_url, name)
    finally:
        with connected(database_url) as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


def create(database_url: str, name: str) -> None:
    """Make an empty database beside the one of that address. Raises NeedsHuman where the account may not."""
    with connected(database_url) as connection:
        if not connection.scalar(text("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")):
            raise NeedsHuman(
                "A backup counts only once it was restored into an empty database, but the account of DATABASE_URL "
                "may not make one. As the server's administrator: ALTER ROLE ... CREATEDB;"
            )
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE template0'))


def at(database_url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return make_url(database_url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def connected(database_url: str) -> Iterator[Connection]:
    """A connection of its own, without a transaction around it."""
    engine = create_engine(database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def real_time(connection: Connection) -> datetime:
    """Tell the real time (UTC) by the database's clock: backups are made in it, also in the sandbox."""
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


def server_version(connection: Connection) -> int:
    """Return the server's major version."""
    return int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000


def found(folder: Path) -> list[Backup]:
    """Return the backups of a folder, newest first; files of others are passed over."""
    paths = folder.glob(f"soleflip-*{ENDING}") if folder.is_dir() else ()
    backups = []
    for path in paths:
        try:
            backups.append(_backup(path))
        except (InvalidInput, OSError, KeyError, ValueError):
            continue
    return sorted(backups, key=lambda backup: (backup.made_at, backup.name), reverse=True)


def named(folder: Path, name: str) -> Backup:
    """Return the backup of that name; raises NotFound."""
    path = folder / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound("There is no such backup any more.")
    return _backup(path)


def prune(folder: Path, plan: KeepingPlan, zone: tzinfo, now: datetime) -> int:
    """Delete what the plan no longer keeps, and what a killed attempt left; returns how many backups went."""
    backups = found(folder)
    keep = kept((backup.made_at for backup in backups), plan, zone)
    gone = [backup for backup in backups if backup.made_at not in keep]
    for backup in gone:
        backup.path.unlink(missing_ok=True)
    day_ago = now.timestamp() - 86_400
    for left in folder.glob(".*.part"):
        if left.stat().st_mtime < day_ago:
            left.unlink(missing_ok=True)
    return len(gone)


def _backup(path: Path) -> Backup:
    with path.open("rb") as file:
        facts = sealing.facts_of(file)
    made_at = datetime.fromisoformat(facts["made_at"])
    return Backup(path, made_at, path.stat().st_size, str(facts["revision"]), str(facts["key"]), int(facts["rows"]))
