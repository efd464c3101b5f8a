"""What tests of runs share: an application on a sandbox of its own, a catalog of its products, listings to make."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from soleflip.config import PROJECT, Settings
from soleflip.db import db
from soleflip.factory import create_app
from soleflip.jobs import tasks
from soleflip.models import Item, Product, Run, StockxListing, Variant
from soleflip.runtime import Runtime, system_clock
from soleflip.services import accounts, runs, sessions
from tests.conftest import Sandbox, running_sandbox

SPEED = 3000
EMAIL, PASSWORD = "owner@soleflip.test", "a password for tests"
DEMO_FEED = PROJECT / "soleflip" / "feeds" / "demo.csv.gz"


@dataclass(frozen=True)
class Selling:
    """An application that sells in a sandbox: real PostgreSQL, real Valkey, real HTTP."""

    app: Flask
    sandbox: Sandbox
    environ: dict[str, str]

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.extensions["soleflip"]
        return runtime

    def order(self, number: int, ask: int = 9000) -> UUID:
        """Write a run with so many pending listings, each of an item of its own; asks so high that nobody buys."""
        now = self.runtime.clock()
        with self.runtime.transaction() as session:
            variants = session.scalars(select(Variant).order_by(Variant.id).limit(number)).all()
            run = runs.start(session, "list", actor="test", total=number)
            for position in range(number):
                variant = variants[position % len(variants)]
                item = Item(
                    product_id=variant.product_id,
                    variant_id=variant.id,
                    state="reserved",
                    cost=Decimal(50),
                    currency="EUR",
                )
                session.add(item)
                session.flush()
                session.add(
                    StockxListing(
                        product_id=variant.product_id,
                        catalog_variant_id=variant.id,
                        item_id=item.id,
                        stockx_product_id=variant.product.stockx_product_id,
                        variant_id=variant.stockx_variant_id,
                        currency="EUR",
                        ask_price=Decimal(ask),
                        buy_price=Decimal(50),
                        status="pending",
                        run_id=run.id,
                        created_at=now,
                    )
                )
            return run.id

    def perform(self, run_id: UUID) -> Run:
        """Perform a run in this process until it is over, as workers would; returns it."""
        deadline = time.monotonic() + 120
        while True:
            with self.runtime.transaction() as session:
                session.execute(update(Run).where(Run.id == run_id).values(retry_at=None))
            tasks.perform(str(run_id))
            with self.runtime.transaction() as session:
                run = runs.get(session, run_id)
                if run.state not in runs.OPEN_STATES:
                    return run
            assert time.monotonic() < deadline, f"the run does not end: {run.message}"
            time.sleep(0.2)

    def worker(self, run_id: UUID, when: str = "never", number: int = 0) -> subprocess.Popen[str]:
        """Start a worker process for one run that dies where it is told to."""
        with (Path(self.environ["SOLEFLIP_DATA"]) / "worker.log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    str(Path(__file__).with_name("jobs") / "dying_worker.py"),
                    str(run_id),
                    when,
                    str(number),
                ],
                cwd=PROJECT,
                env=self.environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def browse(self, visit: Callable[[FlaskClient], Any]) -> Any:
        """Let a signed-in browser-like client visit pages, outside the application context that tests run in."""

        def visited() -> Any:
            client = self.app.test_client()
            with client.session_transaction() as cookie:
                cookie["_user_id"] = str(begun.id)
            found = re.search(r'name="csrf-token" content="([^"]+)"', client.get("/").text)
            assert found
            client.environ_base["HTTP_X_CSRFTOKEN"] = found[1]
            return visit(client)

        with self.runtime.transaction() as session:
            owner = accounts.ensure_first_operator(session, EMAIL, PASSWORD)
            assert owner is not None
            begun = sessions.begin(session, owner.id, address=None, device=None, now=system_clock())
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(visited).result()

    def check_asks(self, run_id: UUID, number: int) -> None:
        """Every row of a run is live, has a StockX listing of its own, and StockX has no other ask of ours."""
        with self.runtime.transaction() as session:
            rows = session.scalars(select(StockxListing).where(StockxListing.run_id == run_id)).all()
            known = set(session.scalars(select(StockxListing.stockx_listing_id)))
            assert Counter(row.status for row in rows) == {"active": number}
            assert len({row.stockx_listing_id for row in rows}) == number
        live = [each for each in self.sandbox.look("state")["listings"] if each["status"] == "ACTIVE"]
        unknown = [each for each in live if self.id_of(each) not in known]
        assert unknown == [], "asks on StockX that no row of ours knows"
        assert {row.stockx_listing_id for row in rows} <= {self.id_of(each) for each in live}

    @staticmethod
    def id_of(listing: dict[str, Any]) -> str:
        return str(listing.get("listing_id") or listing.get("id"))


@pytest.fixture
def selling(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Selling]:
    """An application with the demo feed's products in its catalog and in the sandbox."""
    with running_sandbox(tmp_path / "world.sqlite", "--control", "--no-limits", "--speed", str(SPEED)) as sandbox:
        environ = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SOLEFLIP_DATA": str(tmp_path),
            "STOCKX_API_URL": sandbox.api_url,
            "STOCKX_AUTH_URL": sandbox.auth_url,
            "STOCKX_RATE": "1000",
            "SANDBOX_SPEED": str(SPEED),
        }
        app = create_app(Settings.from_env(environ))
        with app.app_context():
            selling = Selling(app, sandbox, {**os.environ, **environ, "PYTHONPATH": _python_path()})
            selling.runtime.redis.flushdb()
            answer = requests.post(f"{sandbox.auth_url}/_sandbox/seed", data=DEMO_FEED.read_bytes(), timeout=60)
            answer.raise_for_status()
            sandbox.control("settings", demand=0.0)
            learn_catalog(selling)
            yield selling
            db.engine.dispose()
        selling.runtime.stockx.close()
        selling.runtime.redis.close()


@pytest.fixture
def requests_of(selling: Selling) -> Callable[[str], int]:
    """Count the requests of one operation in the sandbox's own log."""

    def count(operation: str) -> int:
        log = selling.sandbox.look("requests", limit=100_000)
        return sum(operation == line["route"] for line in log)

    return count


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))


def learn_catalog(selling: Selling) -> None:
    """Take 60 products of the sandbox into the catalog, by the client's own calls."""
    stockx = selling.runtime.stockx
    seen: dict[str, Any] = {}
    for word in ("Nike", "adidas", "New Balance", "ASICS", "Jordan", "Puma"):
        for found in stockx.search(word):
            seen[found.product_id] = found
            if len(seen) >= 40:
                break
    with selling.runtime.transaction() as session:
        for product_id, found in sorted(seen.items()):
            product = Product(title=found.title or "Shoe", style_code=found.style_id, stockx_product_id=product_id)
            session.add(product)
            session.flush()
            for variant in stockx.variants(product_id):
                session.add(
                    Variant(
                        product_id=product.id,
                        stockx_variant_id=variant.variant_id,
                        size=variant.variant_value or variant.variant_id,
                        sizes={},
                    )
                )
