"""From a feed to opportunities against a StockX of our own: real HTTP, real requests, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select, update

from soleflip.config import Settings
from soleflip.db import db
from soleflip.factory import create_app
from soleflip.feeds.demo import DEMO_FEED
from soleflip.jobs import tasks
from soleflip.models import FeedImport, LatestQuote, MarketPrice, Opportunity, Product, Run
from soleflip.runtime import Runtime
from soleflip.services import feeds, runs
from tests.conftest import Sandbox, running_sandbox


@dataclass(frozen=True)
class Sourcing:
    """An application that buys with a sandbox that knows the products of a feed."""

    app: Flask
    sandbox: Sandbox
    folder: Path

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.extensions["soleflip"]
        return runtime

    def know(self, feed: Path) -> None:
        """Teach the sandbox a feed's products."""
        answer = requests.post(f"{self.sandbox.auth_url}/_sandbox/seed", data=feed.read_bytes(), timeout=60)
        answer.raise_for_status()

    def run(self, kind: str, params: dict[str, Any] | None = None) -> Run:
        """Perform a run of a kind as a worker would."""
        with self.runtime.transaction() as session:
            run_id = runs.start(session, kind, actor="test", params=params).id
        tasks.perform(str(run_id))
        with self.runtime.transaction() as session:
            return runs.get(session, run_id)

    def bring_in(self, feed: Path) -> Run:
        """Import a feed and everything behind it."""
        copy = self.folder / f"upload-{feed.name}"
        copy.write_bytes(feed.read_bytes())
        with self.runtime.transaction() as session:
            import_id = feeds.register(session, filename=feed.name).id
        return self.run("feed_import", {"import_id": str(import_id), "path": str(copy)})

    def offers(self) -> list[MarketPrice]:
        with self.runtime.transaction() as session:
            return list(session.scalars(select(MarketPrice)))


@pytest.fixture
def sourcing(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Sourcing]:
    """An application beside an empty sandbox without limits."""
    with running_sandbox(tmp_path / "world.sqlite", "--control", "--no-limits", "--speed", "60") as sandbox:
        environ = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SOLEFLIP_DATA": str(tmp_path),
            "STOCKX_API_URL": sandbox.api_url,
            "STOCKX_AUTH_URL": sandbox.auth_url,
            "STOCKX_RATE": "1000",
        }
        app = create_app(Settings.from_env(environ))
        with app.app_context():
            sourcing = Sourcing(app, sandbox, tmp_path)
            sourcing.runtime.redis.flushdb()
            yield sourcing
            db.engine.dispose()
        sourcing.runtime.stockx.close()
        sourcing.runtime.redis.close()


def test_an_import_ends_in_opportunities(sourcing: Sourcing) -> None:
    sourcing.know(DEMO_FEED)
    run = sourcing.bring_in(DEMO_FEED)
    assert (run.state, run.error) == ("done", None)
    in_stock = [offer for offer in sourcing.offers() if offer.in_stock]
    assert Counter(offer.match_state for offer in in_stock) == {"firm": len(in_stock)}
    with sourcing.runtime.transaction() as session:
        assert len(session.scalars(select(Opportunity.id)).all()) >= len(in_stock)
        entry = session.scalars(select(FeedImport)).one()
        assert (entry.state, entry.rows, entry.imported, entry.run_id) == ("done", 300, 300, run.id)


def test_a_run_performed_twice_imports_once(sourcing: Sourcing) -> None:
    sourcing.know(DEMO_FEED)
    run = sourcing.bring_in(DEMO_FEED)
    again = sourcing.run("feed_import", run.params)
    assert again.state == "done"
    with sourcing.runtime.transaction() as session:
        entry = session.scalars(select(FeedImport)).one()
        assert (entry.state, entry.imported, entry.unchanged) == ("done", 300, 0)


def test_a_second_detection_asks_stockx_nothing(sourcing: Sourcing) -> None:
    sourcing.know(DEMO_FEED)
    sourcing.bring_in(DEMO_FEED)
    with sourcing.runtime.transaction() as session:
        quoted = session.scalars(select(LatestQuote.at)).all()
    assert sourcing.run("detect").message == "0 opportunities computed."
    with sourcing.runtime.transaction() as session:
        assert session.scalars(select(LatestQuote.at)).all() == quoted


def test_what_stockx_does_not_know_is_remembered_as_such(sourcing: Sourcing) -> None:
    run = sourcing.bring_in(DEMO_FEED)
    assert run.state == "done"
    in_stock = [offer for offer in sourcing.offers() if offer.in_stock]
    assert {offer.match_state for offer in in_stock} == {"none"}
    assert all(offer.looked_up_at is not None for offer in in_stock)
    # Known now, but nobody asks again before the week is over.
    sourcing.know(DEMO_FEED)
    assert "looked up" not in (sourcing.run("detect").message or "")
    # Then by the number alone, too, where the shop tells no style code.
    some = [offer.id for offer in in_stock if offer.gtin][:3]
    asked = {"style_code": None, "style_key": None, "looked_up_at": sourcing.runtime.clock() - timedelta(days=8)}
    with sourcing.runtime.transaction() as session:
        session.execute(update(MarketPrice).where(MarketPrice.id.in_(some)).values(asked))
    sourcing.run("detect")
    assert {offer.match_state for offer in sourcing.offers() if offer.id in some} == {"firm"}


def test_every_row_of_the_real_feed_finds_the_right_size(sourcing: Sourcing, shared: Path) -> None:
    feed = shared / "data" / "awin-feed-sizeofficial-de.csv.gz"
    sourcing.know(feed)
    assert sourcing.bring_in(feed).state == "done"
    stockx = sourcing.runtime.stockx
    wrong, unmatched = [], []
    with sourcing.runtime.transaction() as session:
        for offer in session.scalars(select(MarketPrice)):
            if offer.match_state == "firm" and offer.variant is not None:
                answer = stockx.variant_by_gtin(str(offer.gtin).lstrip("0"))
                if answer.variant_id != offer.variant.stockx_variant_id:
                    wrong.append(offer.title)
            elif offer.in_stock:
                unmatched.append((offer.title, offer.size, offer.match_state, offer.match_reason))
        assert not wrong
        assert not unmatched
        assert len(session.scalars(select(Product.id)).all()) < 100


def test_a_file_that_is_no_feed_fails_with_its_sentence(sourcing: Sourcing, tmp_path: Path) -> None:
    feed = tmp_path / "letter.csv"
    feed.write_text("Dear Sir or Madam", "utf-8")
    run = sourcing.bring_in(feed)
    assert run.state == "failed"
    assert run.error == "This is no CSV: its first line has no columns. Import a CSV, a CSV.GZ or an XLSX."
    with sourcing.runtime.transaction() as session:
        entry = session.scalars(select(FeedImport)).one()
        assert (entry.state, entry.error) == ("failed", run.error)
