"""Work with StockX, counted in requests by the sandbox's own log: repricing, order sync, a worker's first request."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from random import Random
from subprocess import DEVNULL
from typing import Any
from uuid import UUID

import requests
from rq import Worker
from sqlalchemy import func, select

from bench.figures import Figure
from bench.world import SEED
from soleflip import demo
from soleflip.cli import DEMO_FEED
from soleflip.config import PROJECT, VARIABLES
from soleflip.models import Item, ListingChange, Run, StockxBatch, StockxListing, Variant
from soleflip.services import feeds, runs

BATCH = 100
QUOTES = "GetProductMarketData"
WINDOW = 300
PATIENCE = 600
SOLD = 10
NOTICED = 1.5
"""So many seconds after a change of the sandbox's time our clock has surely noticed: it asks once a second."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A running stack that sells in a sandbox."""

    stage: demo.Stage

    def control(self, path: str, **values: Any) -> Any:
        """Give the sandbox an order; returns its answer."""
        answer = requests.post(f"{self.url}/{path}", json=values, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def log(self) -> list[dict[str, Any]]:
        """Every request that the sandbox has seen."""
        answer = requests.get(f"{self.url}/requests", params={"limit": 100_000}, timeout=60)
        answer.raise_for_status()
        lines: list[dict[str, Any]] = answer.json()
        return lines

    @property
    def url(self) -> str:
        """The sandbox's control interface."""
        return f"{self.stage.runtime.settings.stockx_auth_url}/_sandbox"

    def perform(self, kind: str, **params: Any) -> tuple[Run, Counter[str]]:
        """Perform a run; returns it and its requests by operation, those for a token left out: they spend no budget."""
        before = len(self.log())
        run = self.stage.perform(kind, params)
        return run, Counter(str(line["route"]) for line in self.log()[before:] if line["route"] != "Token")


def measure(listings: int) -> list[Figure]:
    """List pairs in a sandbox, reprice them, sell some, sync."""
    with demo.stage(DEMO_FEED) as stage:
        shop = Shop(stage)
        shop.control("settings", demand=0.0)
        _learn(stage)
        run_id = order(stage, listings)
        stage.finish(run_id)
        figures = [*_repricing(shop), *_order_sync(shop, run_id), *_first_request(shop)]
        answers = Counter(int(line["status"]) for line in shop.log())
        limits = f"limits, all {sum(answers.values()):,} requests"
        return [*figures, Figure(limits, "answers 429", answers[429], "answers", most=0)]


def _learn(stage: demo.Stage) -> None:
    """Import the demo feed, so that its products are in the catalog with quotes."""
    uploads = stage.runtime.settings.data / "uploads"
    uploads.mkdir(parents=True, exist_ok=True)
    copy = uploads / DEMO_FEED.name
    shutil.copyfile(DEMO_FEED, copy)
    with stage.runtime.transaction() as session:
        import_id = feeds.register(session, filename=copy.name).id
    stage.perform("feed_import", {"import_id": str(import_id), "path": str(copy)})


def order(stage: demo.Stage, number: int) -> UUID:
    """Write a run that lists so many pairs, in an order by chance, at asks far above the market."""
    with stage.runtime.transaction() as session:
        variants = list(session.scalars(select(Variant).where(Variant.stockx_variant_id.is_not(None))))
        variants.sort(key=lambda variant: str(variant.stockx_variant_id))
        run = runs.start(session, "list", actor="bench", total=number)
        chosen = [variants[position % len(variants)] for position in range(number)]
        Random(SEED).shuffle(chosen)
        items = [
            Item(product_id=v.product_id, variant_id=v.id, state="reserved", cost=Decimal(50), currency="EUR")
            for v in chosen
        ]
        session.add_all(items)
        session.flush()
        for variant, item in zip(chosen, items, strict=True):
            session.add(
                StockxListing(
                    product_id=variant.product_id,
                    catalog_variant_id=variant.id,
                    item_id=item.id,
                    stockx_product_id=variant.product.stockx_product_id,
                    variant_id=variant.stockx_variant_id,
                    currency="EUR",
                    ask_price=Decimal(900),
                    buy_price=Decimal(50),
                    run_id=run.id,
                    created_at=stage.runtime.clock(),
                )
            )
        return run.id


def _repricing(shop: Shop) -> list[Figure]:
    shop.control("clock", step=48 * 3600)
    time.sleep(NOTICED)
    run, asked = shop.perform("reprice")
    with shop.stage.runtime.transaction() as session:
        live = StockxListing.status == "active"
        listings = session.scalar(select(func.count()).select_from(StockxListing).where(live)) or 0
        products = session.scalar(select(func.count(StockxListing.product_id.distinct())).where(live)) or 0
        changes = session.scalar(select(func.count()).where(ListingChange.run_id == run.id)) or 0
    # Frozen, no quote grows old between two cycles.
    shop.control("clock", frozen=True)
    time.sleep(NOTICED)
    shop.perform("reprice", dry_run=True)
    _, again = shop.perform("reprice", dry_run=True)
    work = f"repricing {listings} listings, {products} products, {changes} changes"
    allowed = -(-listings // BATCH) + products + 2 * -(-changes // BATCH) + 2
    return [
        Figure(work, "requests", asked.total(), "requests", most=allowed),
        Figure(work, "quote calls / products", asked[QUOTES] / max(products, 1), "x", most=1),
        Figure(work, "quote calls when nothing is stale", again[QUOTES], "requests", most=0),
        Figure(work, "prices changed", changes, "changes", least=1),
    ]


def _order_sync(shop: Shop, run_id: UUID) -> list[Figure]:
    with shop.stage.runtime.transaction() as session:
        known = select(StockxListing.stockx_listing_id).where(
            StockxListing.run_id == run_id, StockxListing.status == "active"
        )
        sold = session.scalars(known.order_by(StockxListing.stockx_listing_id).limit(SOLD)).all()
    for listing_id in sold:
        shop.control("purchase", listingId=listing_id)
    began = time.perf_counter()
    _, asked = shop.perform("order_sync")
    seconds = time.perf_counter() - began
    shop.perform("order_sync")
    _, idle = shop.perform("order_sync")
    work = "order sync"
    return [
        Figure(work, f"requests for {len(sold)} new orders", asked.total(), "requests"),
        Figure(work, "orders a second", len(sold) / seconds, "orders/s"),
        Figure(work, "most requests per list with nothing new", max(idle.values(), default=0), "requests", most=1),
        Figure(work, "requests with nothing new", idle.total(), "requests", most=2),
    ]


@contextmanager
def workers(shop: Shop, number: int) -> Iterator[None]:
    """Let so many workers run beside the stack, each a process, and wait until all of them work."""
    settings = shop.stage.runtime.settings
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    here = {"SOLEFLIP_DATA": str(settings.data), "SANDBOX_PORT": str(settings.sandbox_port)}
    environ = {**own, **here, "SANDBOX_SPEED": str(settings.sandbox_speed)}
    command = [sys.executable, "-m", "flask", "worker"]
    with ExitStack() as running:
        for _ in range(number):
            worker = subprocess.Popen(command, cwd=PROJECT, env=environ, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
            running.callback(worker.wait, 30)
            running.callback(worker.terminate)
        began = time.perf_counter()
        while len(Worker.all(connection=shop.stage.runtime.redis)) < number:
            if time.perf_counter() - began > PATIENCE:
                raise RuntimeError("the workers do not start")
            time.sleep(0.05)
        yield


def _first_request(shop: Shop) -> list[Figure]:
    """Let a worker wait, start a run as a click does, and see when StockX is asked first."""
    with workers(shop, 1):
        _wait_for_first(shop)  # the first run shows that the worker is there
        waited = sorted(_wait_for_first(shop) for _ in range(3))
    return [Figure("queue, one worker", "click to the first request on StockX (middle of 3)", waited[1], "s")]


def at_once(jobs: int, listings: int) -> list[Figure]:
    """Count the jobs of one, two and four workers, and how well four of them keep StockX's limits together."""
    with demo.stage(DEMO_FEED) as stage:
        shop = Shop(stage)
        shop.control("settings", demand=0.0)
        _learn(stage)
        return _at_once(shop, jobs, listings)


def _at_once(shop: Shop, jobs: int, listings: int) -> list[Figure]:
    figures = []
    for number in (1, 2, 4):
        with workers(shop, number):
            seconds = _all_done(shop, ["thin_quotes"] * jobs)
        figures.append(Figure(f"queue, {number} workers", "jobs a second", jobs / seconds, "jobs/s"))
    before = len(shop.log())
    with workers(shop, 4):
        run_id = order(shop.stage, listings)
        shop.stage.runtime.queue.wake(run_id, "list")
        _all_done(shop, ["order_sync", "listing_sync", "quotes", "order_sync"], run_id)
    lines = [line for line in shop.log()[before:] if line["route"] != "Token"]
    times = sorted(line["at"] for line in lines)
    with shop.stage.runtime.transaction() as session:
        sent = session.execute(select(StockxBatch.sent_at, StockxBatch.items)).all()
    most = max(sum(items for at, items in sent if 0 <= (at - since).total_seconds() < WINDOW) for since, _ in sent)
    work = f"limits, 4 workers, {len(lines):,} requests"
    answers = Counter(int(line["status"]) for line in lines)
    return [
        *figures,
        Figure(work, "least time between two requests", min(b - a for a, b in pairwise(times)) / 1000, "s", least=1),
        Figure(work, f"most items of batches in {WINDOW} s", most, "items", most=500),
        Figure(work, "answers 429", answers[429], "answers", most=0),
    ]


def _all_done(shop: Shop, kinds: list[str], *others: UUID) -> float:
    """Start runs as clicks do, and wait until they and others are over; returns the seconds it took."""
    began = time.perf_counter()
    with shop.stage.runtime.transaction() as session:
        ids = [runs.start(session, kind, actor="bench").id for kind in kinds]
    for run_id, kind in zip(ids, kinds, strict=True):
        shop.stage.runtime.queue.wake(run_id, kind)
    still_open = select(func.count()).where(Run.id.in_([*ids, *others]), Run.state.in_(runs.OPEN_STATES))
    woken = began
    while (now := time.perf_counter()) - began < PATIENCE:
        with shop.stage.runtime.transaction() as session:
            if not session.scalar(still_open):
                return now - began
            # Here is no scheduler to wake what waits for its next try.
            waiting = runs.abandoned(session) if now - woken > 1 else []
        for run_id in waiting:
            shop.stage.runtime.queue.wake(run_id, "list")
        woken = now if now - woken > 1 else woken
        time.sleep(0.05)
    with shop.stage.runtime.transaction() as session:
        rows = session.execute(select(Run.kind, Run.state, Run.message).where(Run.id.in_([*ids, *others]))).all()
    raise RuntimeError(f"the workers do not do their work: {[tuple(row) for row in rows]}")


def _wait_for_first(shop: Shop) -> float:
    """Return the seconds between a click's commit and the first request that the sandbox sees."""
    before = len(shop.log())
    with shop.stage.runtime.transaction() as session:
        run_id = runs.start(session, "order_sync", actor="bench").id
    began = time.perf_counter()
    shop.stage.runtime.queue.wake(run_id, "order_sync")
    waited = None
    while time.perf_counter() - began < 60:
        if waited is None and len(shop.log()) > before:
            waited = time.perf_counter() - began
        with shop.stage.runtime.transaction() as session:
            if waited is not None and runs.get(session, run_id).state not in runs.OPEN_STATES:
                return waited
        time.sleep(0.01)
    raise RuntimeError("the worker does not do its work")
