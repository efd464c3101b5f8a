"""Commands: `flask ...`. Each translates its words, calls one service and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import requests
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from soleflip import sandbox
from soleflip.cli import keeping
from soleflip.cli.parts import EXISTING, database, plainly, runtime
from soleflip.config import PROJECT
from soleflip.domain.words import count_of
from soleflip.runtime import system_clock
from soleflip.services import accounts, costs, feeds, replay, reports, resumption, sales_files
from soleflip.services import stop as switch

operator = AppGroup("operator", help="Accounts.")
sandbox_group = AppGroup("sandbox", help="The sandbox StockX.")
JSON_OUT = click.option("--json", "out", type=click.Path(path_type=Path), help="Write the result as JSON.")
MOST_REFUSALS = 10
DEMO_FEED = PROJECT / "soleflip" / "feeds" / "demo.csv.gz"


def install(app: Flask) -> None:
    """Register all commands on the application."""
    commands = (import_feed, import_report, import_costs, import_sales, replay_command, stop, resume)
    for command in (*commands, *keeping.COMMANDS):
        app.cli.add_command(command)
    app.cli.add_command(operator)
    app.cli.add_command(sandbox_group)


def _write_json(path: Path | None, value: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@operator.command("create")
@click.option("--email", required=True)
@click.option("--role", type=click.Choice(["owner", "operator", "viewer"]), default="operator")
@click.password_option()
@plainly
def create_operator(email: str, role: str, password: str) -> None:
    """Make an account."""
    with database(), runtime().transaction() as session:
        accounts.create_operator(session, email, password, role)
    click.echo(f"{email} may sign in as {role}.")


@operator.command("rescue")
@click.option("--email", required=True)
@click.password_option()
@plainly
def rescue_operator(email: str, password: str) -> None:
    """Let somebody in again: a new password, no lock, no second factor, an open account."""
    with database(), runtime().transaction() as session:
        accounts.rescue(session, email, password, now=system_clock())
    click.echo(f"{email} may sign in with the new password. Set up a new second factor.")


@sandbox_group.command("run")
@click.option("--control/--no-control", default=False, help="Open the control interface under /_sandbox/.")
def run_sandbox(control: bool) -> None:
    """Serve the sandbox until told to stop."""
    settings = runtime().settings
    # A clock sixty times as fast makes a second out of 17 ms, less than two busy processes take to keep in step.
    sandbox.serve(
        port=settings.sandbox_port,
        database=_world(),
        speed=settings.sandbox_speed,
        control=control,
        jitter_ms=40,
    )


@sandbox_group.command("seed")
@click.option("--feed", type=EXISTING, help="A shop's feed whose products the world shall know.")
@click.option("--first", is_flag=True, help="The feed that SoleFlip ships.")
@plainly
def seed_sandbox(feed: Path | None, first: bool) -> None:
    """Teach the sandbox's world the products of a feed, also while it runs."""
    source = DEMO_FEED if first or feed is None else feed
    try:
        report = asdict(sandbox.seed_world(source, _world()))
    except sandbox.StoreUnusable:
        report = _teach_running(source)
    if not report["products"]:
        raise click.ClickException(f"{source.name} is no shop feed: not one product was found in it.")
    click.echo(f"The world learnt {report['new_products']} products in {report['new_variants']} sizes.")


def _teach_running(feed: Path) -> dict[str, int]:
    """Send a feed to the sandbox that runs, over its control interface."""
    url = f"{runtime().settings.stockx_auth_url}/_sandbox/seed"
    answer = requests.post(url, data=feed.read_bytes(), timeout=300)
    if answer.status_code != 200:
        raise click.ClickException(f"The running sandbox takes no seed (start it with --control): {answer.text[:200]}")
    report: dict[str, int] = answer.json()
    return report


def _world() -> Path:
    data = runtime().settings.data
    data.mkdir(parents=True, exist_ok=True)
    return data / "sandbox.sqlite"


@click.command("import-feed")
@click.argument("file", type=EXISTING)
@JSON_OUT
@with_appcontext
@plainly
def import_feed(file: Path, out: Path | None) -> None:
    """Import a shop's feed; needs the database only."""
    with database(), runtime().transaction() as session:
        result = feeds.import_file(session, file, now=runtime().clock())
    _write_json(out, result.as_json())
    click.echo(result.sentence())
    for refusal in result.refusals[:20]:
        click.echo(f"  line {refusal.line}: {refusal.reason}")


def _import_past(take: Callable[..., Any], file: Path, dry_run: bool, out: Path | None) -> None:
    """Let a service take a file of the past into the books, and tell its result."""
    parts = runtime()
    with database(), file.open("rb") as stream, parts.transaction() as session:
        result = take(session, stream, dry_run=dry_run, now=parts.clock(), books=parts.books)
    _write_json(out, result.as_json())
    click.echo(result.sentence)
    for line, reason in result.refused[:MOST_REFUSALS]:
        click.echo(f"  line {line}: {reason}")
    more = len(result.refused) - MOST_REFUSALS
    if more > 0:
        click.echo(f"  and {count_of(more, 'more line')}: --json FILE writes all of them.")
    if result.refused and len(result.refused) == result.rows:
        raise click.ClickException("Every row was refused; nothing was taken.")


@click.command("import-report")
@click.argument("file", type=EXISTING)
@click.option("--dry-run", is_flag=True, help="Only show what would be imported.")
@JSON_OUT
@with_appcontext
@plainly
def import_report(file: Path, dry_run: bool, out: Path | None) -> None:
    """Import StockX's seller report of past sales; needs the database only."""
    _import_past(reports.import_report, file, dry_run, out)


@click.command("import-costs")
@click.argument("file", type=EXISTING)
@click.option("--dry-run", is_flag=True, help="Only show what would be matched.")
@JSON_OUT
@with_appcontext
@plainly
def import_costs(file: Path, dry_run: bool, out: Path | None) -> None:
    """Import what past pairs cost, matched to sales first in, first out; needs the database only."""
    _import_past(costs.import_costs, file, dry_run, out)


@click.command("import-sales")
@click.argument("file", type=EXISTING)
@JSON_OUT
@with_appcontext
@plainly
def import_sales(file: Path, out: Path | None) -> None:
    """Import past sales as market memory for strategies; needs the database only."""
    parts = runtime()
    with database(), file.open("rb") as stream, parts.transaction() as session:
        today = parts.clock().date()
        result = sales_files.import_sales(session, stream, currency=parts.books.currency, today=today)
    _write_json(out, result.as_json())
    click.echo(result.sentence)
    for refusal in result.refusals[:20]:
        click.echo(f"  line {refusal.line}: {refusal.reason}")


@click.command("replay")
@click.option("--sales", type=EXISTING, required=True, help="A CSV (.gz) of past sales.")
@click.option("--strategy", required=True)
@click.option("--settings", "settings_json", default="{}", help="The strategy's settings as JSON.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Where decisions.csv goes.")
@click.option("--json", "summary", type=click.Path(path_type=Path), required=True, help="Where the summary goes.")
@click.option("--episodes", type=click.IntRange(1, 100_000), default=2000)
@click.option("--seed", type=int, default=1)
@click.option("--starts", type=EXISTING, help="A CSV of product, size_us, start to run as given.")
@plainly
def replay_command(
    sales: Path,
    strategy: str,
    settings_json: str,
    out: Path,
    summary: Path,
    episodes: int,
    seed: int,
    starts: Path | None,
) -> None:
    """Replay past sales to see what a strategy would have earned; needs no running service."""
    result = replay.run(
        sales=sales,
        strategy=strategy,
        settings_json=settings_json,
        out=out,
        episodes=episodes,
        seed=seed,
        starts=starts,
    )
    _write_json(summary, result)
    click.echo(replay.table(result))


@click.command("stop")
@click.option("--reason", default="stopped on the command line")
@with_appcontext
@plainly
def stop(reason: str) -> None:
    """Halt every write to StockX at once."""
    with database(), runtime().transaction() as session:
        switch.stop(session, actor="command line", reason=reason, now=runtime().clock())
    click.echo("Every write to StockX is stopped. `flask resume` lets them go on.")


@click.command("resume")
@with_appcontext
@plainly
def resume() -> None:
    """Let writes to StockX go on, and say what waits."""
    parts = runtime()
    with database(), parts.transaction() as session:
        found = resumption.outlook(session, rate=parts.settings.stockx_rate)
        resumption.resume(session, go_on=False, actor="command line", now=parts.clock())
    for row in found.waiting:
        how = "goes out by itself" if row.goes_by_itself else "waits for its run to go on"
        click.echo(f"{row.count} {row.words}: {how}.")
    for rule in found.approved:
        money = f", {count_of(rule.pairs, 'pair')} for {rule.amount:.2f} {rule.currency}" if rule.amount else ""
        decided = count_of(rule.count, "approved decision")
        click.echo(f"{decided} of {rule.rule_name}{money}: carried out inside its limits.")
    if found.fallen:
        cheap = count_of(found.fallen, "opportunity", "opportunities")
        click.echo(f"The cause still stands: {cheap} at fallen prices.")
    click.echo("Writes to StockX go on.")
