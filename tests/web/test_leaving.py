"""Leaving: everything as open files, and everything deleted."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from soleflip import schema
from soleflip.db import db
from soleflip.jobs import tasks
from soleflip.models import AuditEntry, Product, Run, SecondFactor, StockxConnection, StockxListing, User
from soleflip.services import backups, erasure, keyring, open_files, restores
from tests.web.conftest import EMAIL, PASSWORD, post

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def owner(app, signed_in):
    """The owner's browser; there is a product whose name is a formula, an ask that is up, and a secret."""
    browser = signed_in("owner")
    parts = app.extensions["soleflip"]
    with app.app_context(), parts.transaction() as session:
        product = Product(title='=HYPERLINK("http://evil.example")', stockx_product_id="p-1")
        session.add(product)
        session.flush()
        ask = {"currency": "EUR", "ask_price": Decimal("120.00"), "status": "active", "stockx_product_id": "p-1"}
        session.add(StockxListing(product_id=product.id, tags=["one, two"], **ask))
        sealed = keyring.encrypt(parts.settings.encryption_keys, "refresh")
        session.add(StockxConnection(id=1, state="connected", refresh_token_encrypted=sealed))
    return browser


def exported(app, browser):
    """Make an export as a worker would and download it."""
    answer = post(browser, "/settings/backups/export")
    with app.app_context():
        tasks.perform(answer.location.rsplit("/", 1)[1])
        with app.extensions["soleflip"].transaction() as session:
            assert session.query(Run).filter_by(kind="export", state="done").count() == 1
    (made,) = open_files.found(app.extensions["soleflip"].settings.backups)
    with post(browser, f"/settings/backups/export/{made.name}") as answer:
        return zipfile.ZipFile(io.BytesIO(answer.data))


def test_everything_comes_as_open_files_but_secrets(app, owner):
    archive = exported(app, owner)
    about = json.loads(archive.read("tables.json"))["tables"]
    assert about.keys() == {table.fullname for table in open_files.tables()}
    for name, each in about.items():
        content = archive.read(f"{name.replace('.', '/')}.csv").decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(content)))
        assert len(rows) == each["rows"], name
        assert all(row.keys() == each["columns"].keys() for row in rows), name
    (product,) = csv.DictReader(io.StringIO(archive.read("products/products.csv").decode("utf-8-sig")))
    assert product["title"] == """'=HYPERLINK("http://evil.example")"""
    (listing,) = csv.DictReader(io.StringIO(archive.read("selling/stockx_listings.csv").decode("utf-8-sig")))
    assert (listing["ask_price"], listing["is_active"], json.loads(listing["tags"])) == ("120.00", "true", ["one, two"])
    assert "password_hash" not in about["auth.users"]["columns"]
    assert "refresh_token_encrypted" not in about["auth.stockx_connection"]["columns"]
    assert "auth.sessions" not in about
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"$argon2id$" not in everything
    assert b"gAAAA" not in everything, "nothing that Fernet sealed"


def test_deleting_asks_for_password_word_and_what_happens_to_asks(app, owner):
    wrong = [
        ({"password": "no", "word": erasure.WORD, "asks_stay": "1"}, 422, "This is not your password."),
        ({"password": PASSWORD, "word": "delete", "asks_stay": "1"}, 422, "in capital letters"),
        ({"password": PASSWORD, "word": erasure.WORD}, 409, "1 ask is up on StockX"),
    ]
    for fields, status, words in wrong:
        answer = post(owner, "/settings/erase", **fields)
        assert (answer.status_code, words in answer.text) == (status, True), fields
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert session.query(StockxListing).count() == 1


def test_afterwards_nothing_is_left_but_the_owner_and_one_line(app, owner):
    exported(app, owner)
    with app.app_context():
        backups.make(*_place(app))
    done = post(owner, "/settings/erase", password=PASSWORD, word=erasure.WORD, asks_stay="1", backups="1")
    assert done.status_code == 303
    assert owner.get("/").status_code == 200
    folder = app.extensions["soleflip"].settings.backups
    assert open_files.found(folder) == []
    assert backups.found(folder) == []
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert [user.email for user in session.query(User)] == [EMAIL["owner"]]
        (entry,) = session.query(AuditEntry)
        assert (entry.actor, entry.act, entry.after) == (
            EMAIL["owner"],
            "everything deleted",
            {"asks left on StockX": 1},
        )
        measured = backups.measure(session.connection()).tables
    filled = {name for name, rows in measured.items() if rows}
    assert filled == {"auth.users", "auth.sessions", "ops.audit", "public.alembic_version"}
    assert SecondFactor.__table__.fullname in erasure.KEPT


def test_backups_stay_unless_asked_for(app, owner):
    with app.app_context():
        made = backups.make(*_place(app))
    post(owner, "/settings/erase", password=PASSWORD, word=erasure.WORD, asks_stay="1")
    assert [each.name for each in backups.found(made.path.parent)] == [made.name]


def test_what_restores_put_aside_goes_with_the_backups(app, owner):
    parts = app.extensions["soleflip"]
    with app.app_context():
        made = backups.make(*_place(app))
        done = restores.restore(
            parts.settings,
            made.path,
            known_revisions=schema.known(),
            upgrade=schema.upgrade,
            now=NOW,
            in_use_is_fine=True,
        )
        db.engine.dispose()
    post(owner, "/sign-in", email=EMAIL["owner"], password=PASSWORD)
    wish = {"password": PASSWORD, "word": erasure.WORD, "asks_stay": "1"}
    post(owner, "/settings/erase", **wish)
    assert done.kept_as in databases(parts.settings.database_url)
    post(owner, "/settings/erase", **wish, backups="1")
    assert done.kept_as not in databases(parts.settings.database_url)
    assert owner.get("/").status_code == 200


def databases(url):
    with backups.connected(url) as connection:
        return set(connection.scalars(text("SELECT datname FROM pg_database")))


def _place(app):
    parts = app.extensions["soleflip"]
    return parts.settings, parts.transaction, parts.settings.backups
