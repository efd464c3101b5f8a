"""Watched folders: each file once, by its content, and only when it is whole; columns are mapped in the browser."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from soleflip.domain.errors import InvalidInput
from soleflip.feeds import FeedMapping, demo
from soleflip.models import FeedImport, FeedSource, MarketPrice, Shop
from soleflip.services import feed_folders, feed_sources, feeds
from tests.services.test_feed_sources import run_feed
from tests.web.conftest import token

TABLE = b"No;Shoe;Code;Size;Asked\n1;Runner;AB1234-100;42;99,95\n2;Runner;AB1234-100;43;99,95\n"


@pytest.fixture
def folder(app: Any) -> Path:
    """A watched folder of a source called Kantstein."""
    runtime = app.extensions["soleflip"]
    with app.app_context(), runtime.transaction() as session:
        feed_sources.add(session, name="Kantstein", folder="kantstein", actor="test")
    path: Path = runtime.settings.data / feed_folders.ROOT / "kantstein"
    path.mkdir(parents=True, exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    return path


def _look(app: Any) -> str:
    """Look into the folder as a worker would."""
    with app.app_context():
        with app.extensions["soleflip"].transaction() as session:
            source_id = session.scalars(select(FeedSource.id)).one()
        return run_feed(app, source_id).message or ""


def _count(app: Any, query: Any) -> int:
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        return session.scalar(select(func.count()).select_from(query))


def test_a_file_is_taken_at_the_second_look_and_never_again(app: Any, folder: Path) -> None:
    demo.write(folder / "monday.csv.gz", count=10)
    assert "is new: it is taken when it has not changed" in _look(app)
    assert _count(app, MarketPrice) == 0
    _look(app)
    assert _count(app, MarketPrice) == 10
    assert "nothing new" in _look(app)
    (folder / "copy.csv.gz").write_bytes((folder / "monday.csv.gz").read_bytes())
    assert "copy.csv.gz is new" in _look(app)
    assert "the same content as before" in _look(app)
    assert _count(app, FeedImport) == 1
    assert (folder / "monday.csv.gz").is_file(), "the operator's file stays where it is"


def test_a_half_written_file_waits_until_it_is_whole(app: Any, folder: Path) -> None:
    demo.write(folder / "feed.csv.gz", count=200)
    whole = (folder / "feed.csv.gz").read_bytes()
    path = folder / "feed.csv.gz"
    path.write_bytes(whole[:900])
    _look(app)
    assert "not whole" in _look(app)
    assert "nothing new" in _look(app), "it is not read again before it changes"
    path.write_bytes(whole)
    assert "is new" in _look(app)
    _look(app)
    assert _count(app, MarketPrice) == 200


def test_a_plain_file_that_grows_waits_and_unfinished_names_are_left_alone(app: Any, folder: Path) -> None:
    demo.write(folder / "x.gz", count=10)
    text = gzip.decompress((folder / "x.gz").read_bytes())
    (folder / "x.gz").unlink()
    (folder / "feed.csv").write_bytes(text[:1500])
    _look(app)
    (folder / "feed.csv").write_bytes(text)
    assert "is new" in _look(app)
    (folder / "other.csv.part").write_bytes(text)
    (folder / ".hidden.csv").write_bytes(text)
    _look(app)
    assert _count(app, MarketPrice) == 10
    os.utime(folder / "feed.csv")
    _look(app)
    assert "the same content as before" in _look(app)


def test_the_columns_of_a_table_are_mapped_once_in_the_browser(app: Any, folder: Path, browser: Any) -> None:
    (folder / "table.csv").write_bytes(TABLE)
    _look(app)
    assert feed_sources.WAITS in _look(app)
    _look(app)
    page = browser.get("/imports").text
    assert "Say which column is what" in page
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        waiting = session.scalars(select(FeedImport)).one().id
    columns = browser.get(f"/imports/{waiting}/columns").text
    assert "The first rows of the file" in columns
    form = {
        "csrf_token": token(browser, "/imports"),
        "shop": "Kantstein",
        "currency": "EUR",
        "size_system": "eu",
        "notation": "comma",
        "column-external_id": "No",
        "column-title": "Shoe",
        "column-style_code": "Code",
        "column-size": "Size",
        "column-price": "Asked",
    }
    assert browser.post(f"/imports/{waiting}/columns", data=form).status_code == 303
    (folder / "tuesday.csv").write_bytes(TABLE.replace(b"99,95", b"89,95"))
    _look(app)
    _look(app)
    assert _count(app, MarketPrice) == 2, "the next file is read by the source's own mapping"
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        source = session.scalars(select(FeedSource)).one()
        assert source.error is None
        assert FeedMapping.from_stored(source.mapping).columns["price"] == "Asked"


def test_a_table_like_another_shops_is_not_read_as_that_shop(app: Any, folder: Path, browser: Any) -> None:
    columns = {"external_id": "No", "title": "Shoe", "style_code": "Code", "size": "Size", "price": "Asked"}
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        feeds.save_mapping(session, FeedMapping(columns, shop="Another shop", currency="EUR", size_system="eu"))
    (folder / "table.csv").write_bytes(TABLE)
    _look(app)
    assert feed_sources.WAITS in _look(app)
    assert _count(app, MarketPrice) == 0
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        waiting = session.scalars(select(FeedImport)).one().id
    assert '<option value="Asked" selected>' in browser.get(f"/imports/{waiting}/columns").text, "it is proposed"
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        feeds.save_mapping(session, FeedMapping(columns | {"shop": "Laden"}, shop="Many", currency="EUR"))
    (folder / "named.csv").write_bytes(TABLE.replace(b"No;", b"Laden;No;").replace(b"\n", b"\nKantstein;", 2))
    _look(app)
    _look(app)
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert "Kantstein" in session.scalars(select(Shop.name)).all(), "the file itself names its shop"


def test_of_two_files_that_wait_for_columns_the_newer_counts(app: Any, folder: Path) -> None:
    (folder / "one.csv").write_bytes(TABLE)
    _look(app)
    _look(app)
    (folder / "two.csv").write_bytes(TABLE + b"3;Runner;AB1234-100;44;99,95\n")
    _look(app)
    _look(app)
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        entries = {entry.filename: entry.state for entry in feeds.history(session)}
    assert entries == {"one.csv": "cancelled", "two.csv": "mapping"}


@pytest.mark.parametrize(
    "name", ["", "..", "../etc", "/etc/passwd/..", "/var/feeds", "a/../../b", "a\x00b", "~root", "x" * 300]
)
def test_a_folder_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        feed_folders.check_name(name)
    assert refused.value.field == "folder"
