"""The restore drill: a backup is made, the database is ruined, and everything is back and safe to start."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import flask_migrate
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, make_url, select, text
from sqlalchemy.pool import NullPool

from soleflip import schema
from soleflip.config import PROJECT, new_encryption_key
from soleflip.db import db
from soleflip.domain.errors import Conflict, InvalidInput, NeedsHuman
from soleflip.models import (
    AuditEntry,
    LedgerEntry,
    Product,
    Run,
    StockxConnection,
    StockxListing,
    StopSwitch,
    User,
    UserSession,
)
from soleflip.services import backups, restores, sessions
from tests.conftest import bare_app

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EMPTIED = "SET soleflip.erasing = 'yes'; TRUNCATE selling.ledger_entries CASCADE"
TOKEN = "refresh-token-that-nobody-may-read"


@pytest.fixture
def place(app, settings):
    """A database with money, a secret, a listing that has not left, and a run that is open."""
    sealed = Fernet(settings.encryption_keys[0]).encrypt(TOKEN.encode()).decode()
    with app.app_context():
        with app.extensions["soleflip"].transaction() as session:
            owner = User(email="owner@soleflip.test", role="owner", password_hash="x" * 90)
            session.add(owner)
            session.flush()
            sessions.begin(session, owner.id, address=None, device=None, now=NOW)
            session.add(StockxConnection(id=1, state="connected", refresh_token_encrypted=sealed))
            product = Product(stockx_product_id="p-1", title="A shoe")
            runs = [Run(kind=kind, actor="owner", params={}, counts={}) for kind in ("list", "reprice", "order_sync")]
            session.add_all([product, *runs])
            session.flush()
            session.add(
                StockxListing(
                    product_id=product.id,
                    stockx_product_id="p-1",
                    variant_id="v-1",
                    currency="EUR",
                    ask_price=Decimal("120"),
                    run_id=runs[0].id,
                )
            )
            for cents in range(1, 301):
                session.add(line(Decimal(cents) / 100))
        yield settings


def line(amount: Decimal) -> LedgerEntry:
    return LedgerEntry(
        kind="penalty",
        name="a line",
        amount=amount,
        currency="EUR",
        books_amount=amount,
        books_currency="EUR",
        rate=Decimal(1),
        rate_source="none",
        rate_date=date(2026, 3, 1),
        booked_at=NOW,
    )


@pytest.fixture
def transaction(app, place):
    return app.extensions["soleflip"].transaction


def restore(place, path, **changes):
    values = {
        "known_revisions": schema.known(),
        "upgrade": schema.upgrade,
        "now": NOW,
        "in_use_is_fine": True,
        **changes,
    }
    return restores.restore(place, path, **values)


def query(url: str, statement: str):
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return connection.scalar(text(statement))


def test_the_drill(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    assert TOKEN.encode() not in made.path.read_bytes()
    assert made.path.stat().st_mode & 0o077 == 0
    before = backups.measure_at(place.database_url)
    assert before.ledger == {"EUR": "451.50"}
    assert before.objects["triggers"] >= 2
    with transaction() as session:
        session.execute(text(EMPTIED))
        session.execute(text("DROP TRIGGER audit_is_append_only ON ops.audit"))

    done = restore(place, made.path)

    assert done.rows == before.rows
    after = backups.measure_at(place.database_url)
    assert after.ledger == before.ledger
    assert after.objects == before.objects
    grown = {"automation.alerts", "automation.stop_switch", "ops.audit", "selling.listing_moves"}
    assert {name for name in before.tables if before.tables[name] != after.tables[name]} <= grown
    kept = backups.at(place.database_url, done.kept_as)
    assert query(kept, "SELECT count(*) FROM selling.ledger_entries") == 0
    backups_left = (
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'soleflip_check_%' OR datname LIKE '%restored_%'"
    )
    assert query(place.database_url, backups_left) == 0


def test_what_may_have_happened_since_the_backup_is_not_done_twice(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    assert restore(place, made.path).unsure == 1
    with transaction() as session:
        assert session.scalars(select(UserSession)).one().ended_at is not None
        listing = session.scalars(select(StockxListing)).one()
        assert listing.status == "review"
        assert "may have been put up since" in listing.review["why"]
        assert session.get_one(StopSwitch, 1).is_stopped
        states = {run.kind: run.state for run in session.scalars(select(Run))}
        assert states == {"list": "queued", "reprice": "queued", "order_sync": "cancelled"}
        assert session.scalars(select(AuditEntry.subject).where(AuditEntry.act == "restored")).one() == made.name


def test_a_database_in_use_is_left_alone_until_somebody_says_yes(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    other = create_engine(place.database_url, poolclass=NullPool)
    with other.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(Conflict, match=r"connections? uses? the database"):
            restore(place, made.path, in_use_is_fine=False)
        assert query(place.database_url, "SELECT count(*) FROM selling.ledger_entries") == 300
        restore(place, made.path)
        connection.invalidate()


def test_a_schema_of_a_newer_version_is_refused(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    with pytest.raises(Conflict, match="install a newer one"):
        restore(place, made.path, known_revisions=frozenset({"0000"}))


def test_a_backup_of_an_older_version_is_brought_to_the_newest_schema(place, transaction, tmp_path):
    url = make_url(place.database_url)
    with bare_app(url).app_context():
        flask_migrate.downgrade(revision="-1")
        db.engine.dispose()
    made = backups.make(place, transaction, tmp_path)
    assert {made.revision} != schema.newest()
    restore(place, made.path)
    assert {backups.measure_at(place.database_url).revision} == schema.newest()


def test_a_damaged_backup_changes_nothing(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    raw = bytearray(made.path.read_bytes())
    raw[len(raw) // 2] ^= 1
    made.path.write_bytes(raw)
    with pytest.raises(InvalidInput, match="damaged"):
        restore(place, made.path)
    made.path.write_bytes(raw[:-40])
    with pytest.raises(InvalidInput, match="damaged"):
        restore(place, made.path)
    assert query(place.database_url, "SELECT count(*) FROM selling.ledger_entries") == 300
    left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'soleflip_restored_%'"
    assert query(place.database_url, left) == 0


def test_a_backup_opens_with_older_keys_too_and_with_no_other(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    with pytest.raises(InvalidInput, match="not in ENCRYPTION_KEY"):
        restore(replace(place, encryption_keys=(new_encryption_key(),)), made.path)
    restore(replace(place, encryption_keys=(new_encryption_key(), *place.encryption_keys)), made.path)


def test_a_backup_that_lacks_a_line_of_the_books_is_none(place, transaction, tmp_path):
    made = backups.make(place, transaction, tmp_path)
    with backups.scratch(place.database_url) as url:
        measured = backups.fill(made.path, place.encryption_keys, url)
        with backups.connected(url) as connection:
            connection.execute(text(EMPTIED))
        with pytest.raises(NeedsHuman, match=r"selling\.ledger_entries 300 is 0"):
            backups._compare(measured, backups.measure_at(url))


def test_the_plan_drops_what_is_old_and_what_a_killed_attempt_left(place, transaction, tmp_path):
    made = [backups.make(place, transaction, tmp_path) for _ in range(2)]
    left = tmp_path / ".0000.backup.part"
    left.write_bytes(b"half")
    old = (NOW - timedelta(days=900)).timestamp()
    os.utime(left, (old, old))
    with transaction() as session:
        now = backups.real_time(session.connection())
    assert backups.prune(tmp_path, backups.KeepingPlan(7, 4, 12), UTC, now) == 1
    assert [backup.name for backup in backups.found(tmp_path)] == [made[1].name]
    assert not left.exists()


def test_the_commands_do_the_same(place, transaction, tmp_path):
    environ = {
        **os.environ,
        "DATABASE_URL": place.database_url,
        "REDIS_URL": place.redis_url,
        "SOLEFLIP_DATA": str(tmp_path),
        "ENCRYPTION_KEY": ",".join(place.encryption_keys),
        "FLASK_APP": "app.py",
    }

    def flask(*words: str) -> str:
        command = [sys.executable, "-m", "flask", *words]
        done = subprocess.run(
            command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=True, timeout=300
        )
        return done.stdout

    folder = tmp_path / "elsewhere"
    assert "restored once and compared" in flask("backup", "--to", str(folder))
    (made,) = backups.found(folder)
    said = flask("restore", str(made.path), "--yes")
    assert "compared with what the backup held" in said
    assert "1 listing waits for your decision" in said
