"""Feeds behind addresses: due, fetched once, unchanged ones left alone, failures written beside them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import FeedSource, MarketPrice, Run
from soleflip.services import feed_sources, runs, settings
from soleflip.services.settings import FeedSettings
from tests.services.market_data import write_feed

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOLDING, LET_GO = threading.Event(), threading.Event()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a feed of 10 rows on this machine; its server knows versions."""
    HOLDING.clear()
    LET_GO.clear()
    body = write_feed(tmp_path / "feed.csv.gz", 10).read_bytes()

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/hold":
                HOLDING.set()
                LET_GO.wait(120)
                self.close_connection = True
                return
            if self.path == "/page":
                self._page()
                return
            is_known = self.headers.get("If-None-Match") == '"one"'
            self.send_response(304 if is_known else 200 if self.path == "/feed" else 500)
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", "0" if is_known else str(len(body)))
            self.end_headers()
            if not is_known:
                self.wfile.write(body)

        def _page(self) -> None:
            page = b"<!doctype html><html><body>Sign in, to see our feed</body></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        LET_GO.set()
        server.shutdown()
        thread.join()


def _add(session: Session, url: str, name: str = "Kantstein") -> FeedSource:
    return feed_sources.add(session, name=name, url=url, every_hours=6, actor="test")


def test_a_feed_is_due_when_its_hours_have_passed(session: Session) -> None:
    source = _add(session, "https://shop.example/feed")
    assert feed_sources.due(session, NOW) == [source.id]
    source.fetched_at = NOW
    assert feed_sources.due(session, NOW + timedelta(hours=5)) == []
    assert feed_sources.due(session, NOW + timedelta(hours=6)) == [source.id]


@pytest.mark.parametrize(
    ("values", "field"),
    [({"name": " "}, "name"), ({"url": "ftp://x.test/"}, "url"), ({"every_hours": 0}, "every_hours")],
)
def test_a_source_that_makes_no_sense_is_refused_at_its_field(
    session: Session, values: dict[str, Any], field: str
) -> None:
    given = {"name": "Shop", "url": "https://shop.example/feed", "every_hours": 24} | values
    with pytest.raises(InvalidInput) as refused:
        feed_sources.add(session, actor="test", **given)
    assert refused.value.field == field


def test_a_name_is_taken_once_and_a_source_removed_once(session: Session) -> None:
    source = _add(session, "https://shop.example/feed")
    with pytest.raises(Conflict):
        _add(session, "https://shop.example/other")
    feed_sources.remove(session, source.id, actor="test")
    with pytest.raises(NotFound):
        feed_sources.remove(session, source.id, actor="test")


def run_feed(app: Any, source_id: int) -> Run:
    """Fetch a feed as a worker would; StockX is not there, so what follows the import waits for later."""
    from soleflip.jobs import tasks

    runtime = app.extensions["soleflip"]
    with runtime.transaction() as session:
        run_id = runs.start(session, "feed_fetch", actor="test", params={"source_id": source_id}).id
    tasks.perform(str(run_id))
    with runtime.transaction() as session:
        return runs.get(session, run_id)


def test_a_feed_is_fetched_imported_and_next_time_left_alone(app: Any, address: str) -> None:
    runtime = app.extensions["soleflip"]
    with app.app_context():
        with runtime.transaction() as session:
            settings.save(session, FeedSettings, {"private_addresses": "yes"}, actor="test")
            source_id = _add(session, f"{address}/feed").id
            broken_id = _add(session, f"{address}/broken", "Broken").id
        run_feed(app, source_id)
        with runtime.transaction() as session:
            source = session.get_one(FeedSource, source_id)
            assert (source.etag, source.error) == ('"one"', None)
            assert session.scalar(select(func.count()).select_from(MarketPrice)) == 10
        assert run_feed(app, source_id).message == "Kantstein: not changed."
        assert "answered 500" in (run_feed(app, broken_id).message or "")
        with runtime.transaction() as session:
            assert "answered 500" in (session.get_one(FeedSource, broken_id).error or "")


def test_a_run_is_cancelled_while_a_shop_holds_its_answer_back(app: Any, address: str) -> None:
    runtime = app.extensions["soleflip"]

    def cancel() -> None:
        HOLDING.wait(120)
        with app.app_context(), runtime.transaction() as session:
            runs.request_cancel(session, session.scalars(select(Run.id).where(Run.state == "running")).one())

    with app.app_context():
        with runtime.transaction() as session:
            settings.save(session, FeedSettings, {"private_addresses": "yes"}, actor="test")
            source_id = _add(session, f"{address}/hold").id
        canceller = threading.Thread(target=cancel)
        canceller.start()
        run = run_feed(app, source_id)
        canceller.join()
        assert run.state == "cancelled"
        assert not LET_GO.is_set()


def test_a_private_address_is_not_fetched_by_default(app: Any, address: str) -> None:
    with app.app_context():
        with app.extensions["soleflip"].transaction() as session:
            source_id = _add(session, f"{address}/feed").id
        assert "private network" in (run_feed(app, source_id).message or "")


def test_a_page_in_place_of_a_feed_is_reported_and_leaves_nothing(app: Any, address: str) -> None:
    runtime = app.extensions["soleflip"]
    with app.app_context():
        with runtime.transaction() as session:
            settings.save(session, FeedSettings, {"private_addresses": "yes"}, actor="test")
            source_id = _add(session, f"{address}/page").id
        assert "looks like a web page" in (run_feed(app, source_id).message or "")
        with runtime.transaction() as session:
            assert "looks like a web page" in (session.get_one(FeedSource, source_id).error or "")
            assert session.scalar(select(func.count()).select_from(MarketPrice)) == 0
        assert not list((runtime.settings.data / "uploads").glob("address-*"))
