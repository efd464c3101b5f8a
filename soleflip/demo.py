"""The whole job once, without a browser, on a throw-away stack: `python -m soleflip.demo [--feed FILE] [--json OUT]`.

Seeds a sandbox world from a feed, imports the feed, detects, lists every opportunity above the thresholds, lets a
month of sandbox time pass while it reprices and syncs, and says what happened and what it earned.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import flask_migrate
import requests
from flask import Flask
from sqlalchemy import select, update

from soleflip import local, sandbox
from soleflip.cli import DEMO_FEED
from soleflip.config import PROJECT, VARIABLES, Settings
from soleflip.db import db
from soleflip.domain.errors import SoleFlipError
from soleflip.domain.words import count_of
from soleflip.factory import create_app
from soleflip.jobs import tasks
from soleflip.models import FeedImport, Run, StockxListing, StockxOrder
from soleflip.runtime import Runtime
from soleflip.services import asks, feeds, opportunities, placing, runs

DAYS = 30
SPEED = 1200
RUN_SECONDS = 300


class DemoFailed(Exception):
    """A step of the demo did not do what it must; the text says which."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running throw-away stack."""

    app: Flask
    runtime: Runtime

    def perform(self, kind: str, params: dict[str, Any] | None = None) -> Run:
        """Write a run and perform it here to its end."""
        with self.runtime.transaction() as session:
            run_id = runs.start(session, kind, actor="demo", params=params).id
        return self.finish(run_id)

    def finish(self, run_id: UUID) -> Run:
        """Perform a run, again where it asks for that, until it is over; raises DemoFailed when it fails."""
        deadline = time.monotonic() + RUN_SECONDS
        while True:
            tasks.perform(str(run_id))
            with self.runtime.transaction() as session:
                run = runs.get(session, run_id)
                if run.state == "done":
                    return run
                if run.state not in runs.OPEN_STATES or time.monotonic() > deadline:
                    raise DemoFailed(f"{run.kind} {run.state}: {run.error or run.message}")
                # Whoever waits for a demo does not want to sit through a retry's pause.
                session.execute(update(Run).where(Run.id == run_id).values(retry_at=None))
            time.sleep(0.2)

    def pass_time(self, hours: float) -> None:
        """Let sandbox time pass at once."""
        url = f"{self.runtime.settings.stockx_auth_url}/_sandbox/clock"
        requests.post(url, json={"step": hours * 3600}, timeout=120).raise_for_status()
        time.sleep(1.1)  # the clock asks the sandbox once a second


@contextmanager
def stage(feed: Path) -> Iterator[Stage]:
    """Start the throw-away stack on free ports and in a temporary folder; stop and remove everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="soleflip-demo-"))
    folder.chmod(0o755)
    try:
        settings = Settings.from_env(_environment(folder))
        world = folder / "sandbox.sqlite"
        report = sandbox.seed_world(feed, world)
        click.echo(
            f"A sandbox world with {count_of(report.products, 'product')} in {count_of(report.variants, 'size')}."
        )
        with local.servers(settings), _sandbox_process(world, settings):
            app = create_app(settings)
            logging.getLogger().setLevel(logging.WARNING)
            with app.app_context():
                flask_migrate.upgrade(directory=str(PROJECT / "migrations"))
                yield Stage(app, app.extensions["soleflip"])
                db.engine.dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path) -> dict[str, str]:
    """The operator's environment without any setting that points at servers or accounts of theirs."""
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    return {**own, "SOLEFLIP_DATA": str(folder), "SANDBOX_PORT": port, "SANDBOX_SPEED": str(SPEED)}


@contextmanager
def _sandbox_process(world: Path, settings: Settings) -> Iterator[None]:
    command = [sys.executable, "-m", "soleflip.sandbox", "--database", str(world), "run", "--control"]
    command += ["--port", str(settings.sandbox_port), "--speed", str(settings.sandbox_speed), "--jitter-ms", "40"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        try:
            _wait(f"{settings.stockx_auth_url}/_sandbox/clock", process)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise DemoFailed("the sandbox did not start")


def play(on: Stage, feed: Path) -> dict[str, Any]:
    """Do the whole job and return what came of it, amounts as strings."""
    began = time.monotonic()
    offers = _import(on, feed)
    found, run = _list(on)
    for day in range(1, DAYS + 1):
        on.pass_time(24)
        on.perform("order_sync")
        if day % 3 == 0:
            on.perform("reprice")
    on.perform("order_sync")
    with on.runtime.transaction() as session:
        listings = session.scalars(select(StockxListing).where(StockxListing.run_id == run.id)).all()
        failed = sum(row.stockx_listing_id is None for row in listings)
        orders = session.scalars(
            select(StockxOrder).where(StockxOrder.net_profit.is_not(None)).order_by(StockxOrder.sold_at)
        ).all()
        sold = [_order(order) for order in orders]
        result: dict[str, Any] = {
            "offers": offers,
            "opportunities": found,
            "listings": {"requested": len(listings), "active": len(listings) - failed, "failed": failed},
            "orders": sold,
            "totals": totals(sold),
        }
    result["seconds"] = round(time.monotonic() - began, 1)
    check(result)
    return result


def _import(on: Stage, feed: Path) -> dict[str, int]:
    uploads = on.runtime.settings.data / "uploads"
    uploads.mkdir(parents=True, exist_ok=True)
    copy = uploads / feed.name
    shutil.copyfile(feed, copy)
    with on.runtime.transaction() as session:
        import_id = feeds.register(session, filename=feed.name).id
    run = on.perform("feed_import", {"import_id": str(import_id), "path": str(copy)})
    click.echo(f"Import: {run.message}")
    with on.runtime.transaction() as session:
        entry = session.get_one(FeedImport, import_id)
        return {
            "rows": entry.rows,
            "imported": entry.imported + entry.updated + entry.unchanged,
            "refused": entry.refused,
        }


def _list(on: Stage) -> tuple[int, Run]:
    """List every opportunity above the default thresholds with one run."""
    now = on.runtime.clock()
    with on.runtime.transaction() as session:
        ids = opportunities.matching_ids(session, opportunities.OpportunityFilter(), now=now, limit=asks.MOST)
        shown = asks.preview(session, now=now, local_hour=12, opportunity_ids=ids)
        run_id = placing.order(session, shown, actor="demo", now=now, created_from="bulk").id
    run = on.finish(run_id)
    click.echo(f"Listing: {run.message}")
    return len(ids), run


def _order(order: StockxOrder) -> dict[str, str]:
    return {
        "order_number": order.stockx_order_number,
        "sale_price": str(order.sale_price),
        "total_adjustments": str(order.total_adjustments),
        "total_payout": str(order.net_proceeds),
        "cost": str(order.original_buy_price),
        "net_profit": str(order.net_profit),
    }


def totals(orders: list[dict[str, str]]) -> dict[str, str]:
    """Add up the orders' amounts, cent by cent."""
    columns = {"sales": "sale_price", "payouts": "total_payout", "cost": "cost", "net_profit": "net_profit"}
    return {
        name: str(sum((Decimal(order[column]) for order in orders), Decimal("0.00")))
        for name, column in columns.items()
    }


def check(result: dict[str, Any]) -> None:
    """Raise DemoFailed unless something was sold and every figure adds up."""
    sums = {name: Decimal(value) for name, value in result["totals"].items()}
    if not result["orders"]:
        raise DemoFailed("nothing was sold")
    if sums["payouts"] - sums["cost"] != sums["net_profit"]:
        raise DemoFailed(f"payouts - cost is not the net profit: {result['totals']}")
    for order in result["orders"]:
        if Decimal(order["total_payout"]) - Decimal(order["cost"]) != Decimal(order["net_profit"]):
            raise DemoFailed(f"order {order['order_number']} does not add up")


def _table(result: dict[str, Any]) -> str:
    offers, listings, sums = result["offers"], result["listings"], result["totals"]
    rows = [
        ("Offers read / taken / refused", f"{offers['rows']} / {offers['imported']} / {offers['refused']}"),
        ("Opportunities above the thresholds", str(result["opportunities"])),
        ("Listings ordered / live / failed", f"{listings['requested']} / {listings['active']} / {listings['failed']}"),
        (f"Pairs sold and paid out in {DAYS} days", str(len(result["orders"]))),
        ("Sales", sums["sales"]),
        ("Payouts", sums["payouts"]),
        ("Cost of the pairs", sums["cost"]),
        ("Net profit", sums["net_profit"]),
        ("Seconds", str(result["seconds"])),
    ]
    return "\n".join(f"  {label:<38}{value:>18}" for label, value in rows)


@click.command()
@click.option("--feed", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=DEMO_FEED)
@click.option("--json", "out", type=click.Path(path_type=Path))
def main(feed: Path, out: Path | None) -> None:
    """Do the whole job once on a throw-away stack and print what it earned."""
    try:
        with stage(feed) as on:
            result = play(on, feed)
    except (DemoFailed, SoleFlipError, local.CannotStart) as error:
        raise click.ClickException(str(error)) from error
    click.echo(_table(result))
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
