"""The world's file: every record as JSON in SQLite, and the request log. One transaction for one answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (
    n INTEGER PRIMARY KEY, at INTEGER NOT NULL, method TEXT NOT NULL, route TEXT NOT NULL, status INTEGER NOT NULL,
    counted INTEGER NOT NULL, fault TEXT
);
"""
_UPSERT = (
    "INSERT INTO record (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body"
)


class StoreUnusable(Exception):
    """The file is no database, or another process owns it."""


KEPT_REQUESTS = 200_000  # several days at the quota of a day
LogLine = tuple[int, int, str, str, int, int, str | None]


class Store:
    """A SQLite file that survives the death of the process at any moment."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1)
        # The page cache outlives a killed process; only a power cut could cost the last answers of a sandbox.
        try:
            # One process owns the file: a second writer would change what the first one has in memory.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StoreUnusable(
                f"The sandbox database {path} cannot be used ({error}). "
                "If a sandbox is running with it, seed that one over POST /_sandbox/seed, or stop it first."
            ) from error

    def write(
        self,
        records: Iterable[tuple[str, str, Any]],
        removed: Iterable[tuple[str, str]] = (),
        requests: Iterable[LogLine] = (),
    ) -> None:
        """Save records as (kind, id, JSON value), delete others, and append to the request log, all or nothing."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                _UPSERT, ((kind, key, json.dumps(body, separators=(",", ":"))) for kind, key, body in records)
            )
            db.executemany("DELETE FROM record WHERE kind = ? AND id = ?", removed)
            for line in requests:
                db.execute("INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?)", line)
                if line[0] % 1000 == 0:
                    db.execute("DELETE FROM request WHERE n <= ?", (line[0] - KEPT_REQUESTS,))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def read(self) -> Iterator[tuple[str, str, Any]]:
        """Every record as (kind, id, JSON value)."""
        for kind, key, body in self._db.execute("SELECT kind, id, body FROM record ORDER BY kind, id"):
            yield kind, key, json.loads(body)

    def requests(self, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """The request log after number `after`, oldest first."""
        rows = self._db.execute(
            "SELECT n, at, method, route, status, counted, fault FROM request WHERE n > ? ORDER BY n LIMIT ?",
            (after, limit),
        )
        names = ("n", "at", "method", "route", "status", "counted", "fault")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def counted_since(self, at: int) -> int:
        """How many requests counted against the limits since `at`."""
        row = self._db.execute("SELECT count(*) FROM request WHERE at >= ? AND counted = 1", (at,)).fetchone()
        return int(row[0])

    def last_request(self) -> tuple[int, int | None]:
        """The number of the newest line of the request log (0: none) and when the last request counted."""
        number = self._db.execute("SELECT coalesce(max(n), 0) FROM request").fetchone()[0]
        at = self._db.execute("SELECT max(at) FROM request WHERE counted = 1").fetchone()[0]
        return int(number), None if at is None else int(at)

    def close(self) -> None:
        """Close the file; what was written is safe."""
        self._db.close()
