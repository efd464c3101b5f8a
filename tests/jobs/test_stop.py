"""The stop switch and the automatic halts, by real workers against the sandbox's own log."""

from __future__ import annotations

import csv
import gzip
import itertools
import subprocess
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from sqlalchemy import select, update

from soleflip.config import PROJECT
from soleflip.domain.errors import RetryLater
from soleflip.jobs import tasks
from soleflip.models import (
    Alert,
    Decision,
    Item,
    LatestQuote,
    ListingChange,
    Run,
    StockxBatch,
    StockxListing,
    StopSwitch,
)
from soleflip.services import changes, feeds, resumption, runs, settings, stop
from soleflip.services.changes import Wish
from soleflip.services.halts import ACTOR, HaltSettings
from tests.jobs.processes import wait_until
from tests.selling import SPEED, Selling
from tests.services.market_data import write_feed

MILLISECONDS = 1000
NO_WAIT = ("operation_seconds", "batch_start_seconds", "batch_min_seconds", "batch_max_seconds")
ROUTES = ("CreateListings", "UpdateListings", "DeleteListings")


def writes(selling: Selling) -> list[dict[str, Any]]:
    log = selling.sandbox.look("requests", limit=100_000)
    return [line for line in log if line["route"] in ROUTES]


def switch(selling: Selling) -> StopSwitch | None:
    with selling.runtime.transaction() as session:
        return stop.switch(session)


def reprice_all(selling: Selling, run_id: object, factor: Decimal, *, kind: str = "change") -> Any:
    """Write a run that sets every ask of another run to a part of itself; their pairs cost next to nothing."""
    with selling.runtime.transaction() as session:
        session.execute(update(Item).values(cost=Decimal("0.10")))
        rows = session.execute(
            select(StockxListing.id, StockxListing.ask_price).where(StockxListing.run_id == run_id)
        ).all()
        run = runs.start(session, kind, actor="test")
        wishes = [Wish(key, "price", (ask * factor).quantize(Decimal(1))) for key, ask in rows]
        asked = changes.ask(session, wishes, run_id=run.id, actor="test", now=selling.runtime.clock())
        assert asked.waiting == len(rows), asked.refused
        return run.id


def test_eight_workers_write_nothing_a_second_after_the_button(selling: Selling) -> None:
    orders = [selling.order(300) for _ in range(8)]
    with ExitStack() as stack:
        workers = [stack.enter_context(selling.worker(run_id)) for run_id in orders]
        wait_until(lambda: len(writes(selling)) >= 3)
        with selling.runtime.transaction() as session:
            stop.stop(session, actor="the owner", reason="a look", now=selling.runtime.clock())
        committed = datetime.fromisoformat(selling.sandbox.look("clock")["time"])
        for worker in workers:
            assert worker.wait(400) == 0
    last = datetime.fromtimestamp(max(line["at"] for line in writes(selling)) / MILLISECONDS, UTC)
    assert last - committed <= timedelta(seconds=1) * SPEED, "the one bound of the issue: a second from the commit"
    with selling.runtime.transaction() as session:
        left = session.scalars(select(StockxListing.id).where(StockxListing.status == "pending")).all()
        states = set(session.scalars(select(Run.state).where(Run.id.in_(orders))))
        seen = set(session.scalars(select(Run.seen_by).where(Run.id.in_(orders), Run.state == "failed")))
        told = session.execute(select(Alert.kind, Alert.title, Alert.body)).all()
    assert left, "the button came in the middle"
    assert states <= {"failed", "done"}
    assert "failed" in states
    assert told == [("halt", "Writes to StockX were stopped by the owner", "a look.")]
    assert seen == {"the stop switch"}


def test_a_stop_after_all_was_sent_fails_nothing(selling: Selling) -> None:
    selling.sandbox.control("settings", batch_start_seconds=3.0 * SPEED)
    run_id = selling.order(3)
    with selling.worker(run_id) as worker:
        wait_until(lambda: batches_sent(selling) == 1)
        with selling.runtime.transaction() as session:
            stop.stop(session, actor="the owner", reason="a look", now=selling.runtime.clock())
        assert worker.wait(400) == 0
    with selling.runtime.transaction() as session:
        run = runs.get(session, run_id)
        assert (run.state, run.message) == ("done", "3 listed.")
    selling.check_asks(run_id, 3)


def batches_sent(selling: Selling) -> int:
    with selling.runtime.transaction() as session:
        return len(session.scalars(select(StockxBatch.id).where(StockxBatch.stockx_batch_id.is_not(None))).all())


def test_the_command_stops_and_says_what_waits_before_it_resumes(selling: Selling) -> None:
    selling.order(2)
    flask(selling, "stop", "--reason", "a look")
    row = switch(selling)
    assert row is not None
    assert (row.is_stopped, row.actor, row.reason) == (True, "command line", "a look")
    assert "2 new asks" in flask(selling, "resume")
    row = switch(selling)
    assert row is not None
    assert not row.is_stopped


def flask(selling: Selling, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flask", *command],
        cwd=PROJECT,
        env={**selling.environ, "FLASK_APP": "app.py", "FLASK_SKIP_DOTENV": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("seen", [False, True])
def test_a_run_that_cuts_all_prices_halts_before_its_first_batch(selling: Selling, seen: bool) -> None:
    order = selling.order(120)
    selling.perform(order)
    run_id = reprice_all(selling, order, Decimal("0.01"))
    before = len(writes(selling))
    assert selling.perform(run_id).state == "failed"
    assert len(writes(selling)) == before
    row = switch(selling)
    assert row is not None
    assert row.actor == ACTOR
    assert "120 of 120 asks of a run fall by more than 50 %" in (row.reason or "")
    with selling.runtime.transaction() as session:
        assert set(session.scalars(select(Alert.kind))) == {"halt"}, "the halt is told, the runs stand still by it"
        (waiting,) = resumption.outlook(session, rate=1).waiting
        assert (waiting.kind, waiting.count, waiting.goes_by_itself) == ("price", 120, False)
        assert waiting.largest_fall == Decimal(99)
        now = selling.runtime.clock()
        reopened = resumption.resume(session, go_on=seen, actor="test", now=now)
        assert [run.id for run in reopened] == ([run_id] if seen else [])
    if seen:
        assert selling.perform(run_id).state == "done", "what was seen halts no second time"
        assert len(writes(selling)) > before


def test_a_feed_with_all_prices_divided_by_100_halts_before_anything_is_made_of_it(
    selling: Selling, tmp_path: Path
) -> None:
    good = write_feed(tmp_path / "good.csv.gz", 40)
    bad = divided(good, tmp_path / "bad.csv.gz")
    order = selling.order(150)
    with selling.runtime.transaction() as session:
        feeds.import_file(session, good, now=selling.runtime.clock())
    assert switch(selling) is None
    with selling.runtime.transaction() as session:
        feeds.import_file(session, bad, now=selling.runtime.clock())
    row = switch(selling)
    assert row is not None
    assert row.is_stopped
    assert "offers of a feed fall" in (row.reason or "")
    assert selling.perform(order).state == "failed"
    assert writes(selling) == []


def divided(feed: Path, to: Path) -> Path:
    """Write a feed again with every price divided by 100."""
    with gzip.open(feed, "rt", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        for name, value in row.items():
            if "price" in name and value.replace(".", "", 1).isdigit():
                row[name] = f"{Decimal(value) / 100:.2f}"
    with gzip.open(to, "wt", newline="") as target:
        writer = csv.DictWriter(target, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return to


def test_writes_that_fail_one_after_the_other_halt_the_rest(selling: Selling) -> None:
    with selling.runtime.transaction() as session:
        settings.save(session, HaltSettings, {"error_count": "3"}, actor="test")
    selling.sandbox.control("faults", route="CreateListings", kind="503", count=-1)
    order = selling.order(3)
    run = selling.perform(order)
    assert run.state == "failed"
    row = switch(selling)
    assert row is not None
    assert "3 of the last 3 writes to StockX failed" in (row.reason or "")
    # What failed before it was resumed was known then.
    requests.delete(f"{selling.sandbox.auth_url}/_sandbox/faults", timeout=30).raise_for_status()
    with selling.runtime.transaction() as session:
        resumption.resume(session, go_on=True, actor="test", now=selling.runtime.clock())
    assert selling.perform(order).state == "done"
    selling.check_asks(order, 3)


def stands_still(selling: Selling, order: Any) -> None:
    """Nothing of an order leaves while everything is halted."""
    before = len(writes(selling))
    assert selling.perform(order).state == "failed"
    assert len(writes(selling)) == before


def test_refusals_for_coming_too_fast_halt_everything_once(selling: Selling) -> None:
    selling.sandbox.control("clock", frozen=True)
    selling.sandbox.control("settings", **dict.fromkeys(NO_WAIT, 0.0))
    selling.runtime.clock.skip(0)  # type: ignore[attr-defined]
    with selling.runtime.transaction() as session:
        settings.save(session, HaltSettings, {"limited_count": "3"}, actor="test")
    order = selling.order(2)
    for _ in range(2):
        assert tasks.look_for_halts() is None
        selling.sandbox.control("faults", kind="429", count=3, retry_after=0)
        refused = selling.runtime.stockx.budget.state().limited_today + 3
        while selling.runtime.stockx.budget.state().limited_today < refused:
            with suppress(RetryLater):
                list(itertools.islice(selling.runtime.stockx.search("Nike"), 1))
        assert "StockX refused 3 requests of this day" in (tasks.look_for_halts() or "")
        stands_still(selling, order)
        with selling.runtime.transaction() as session:
            resumption.resume(session, go_on=True, actor="test", now=selling.runtime.clock())
    assert tasks.look_for_halts() is None, "what was known on resuming halts no second time"
    assert selling.perform(order).state == "done"
    selling.check_asks(order, 2)


def commit(selling: Selling, amount: int) -> None:
    """Let a rule have committed money, past every limit."""
    with selling.runtime.transaction() as session:
        now = selling.runtime.clock()
        facts = {"rule_name": "Broken", "subject": "opportunity", "subject_id": uuid4(), "action": "buy"}
        session.add(
            Decision(
                **facts, basis="1", state="done", amount=Decimal(amount), currency="EUR", sentence="-", done_at=now
            )
        )


def test_money_past_the_limit_of_the_day_halts_everything_once(selling: Selling) -> None:
    selling.sandbox.control("clock", frozen=True)
    selling.sandbox.control("settings", **dict.fromkeys(NO_WAIT, 0.0))
    selling.runtime.clock.skip(0)  # type: ignore[attr-defined]
    order = selling.order(2)
    commit(selling, 1000)
    assert tasks.look_for_halts() is None
    for total in (1001, 1002):
        selling.sandbox.control("clock", step=1)
        selling.runtime.clock.skip(0)  # type: ignore[attr-defined]
        commit(selling, 1)
        assert f"committed {total}.00 EUR today, the limit is 1000.00 EUR" in (tasks.look_for_halts() or "")
        stands_still(selling, order)
        selling.sandbox.control("clock", step=1)
        selling.runtime.clock.skip(0)  # type: ignore[attr-defined]
        with selling.runtime.transaction() as session:
            resumption.resume(session, go_on=True, actor="test", now=selling.runtime.clock())
        assert tasks.look_for_halts() is None, "what was known on resuming halts no second time"
    assert selling.perform(order).state == "done"
    selling.check_asks(order, 2)


def test_taking_asks_down_waits_for_no_quote(selling: Selling) -> None:
    order = selling.order(2)
    selling.perform(order)
    old_quotes(selling)
    with selling.runtime.transaction() as session:
        ids = session.scalars(select(StockxListing.id).where(StockxListing.run_id == order)).all()
        run = runs.start(session, "change", actor="test")
        now = selling.runtime.clock()
        changes.ask(session, [Wish(key, "deactivate") for key in ids], run_id=run.id, actor="test", now=now)
    assert selling.perform(run.id).state == "done"
    assert switch(selling) is None


def old_quotes(selling: Selling) -> None:
    with selling.runtime.transaction() as session:
        now = selling.runtime.clock()
        for row in session.scalars(select(StockxListing)):
            session.add(
                LatestQuote(
                    variant_id=row.catalog_variant_id,
                    currency="EUR",
                    lowest_ask=Decimal(100),
                    at=now - timedelta(days=9),
                )
            )
        session.add(Run(kind="quotes", state="failed", actor="test", params={}, counts={}))


def test_old_quotes_halt_when_the_market_is_no_longer_asked(selling: Selling) -> None:
    order = selling.order(2)
    selling.perform(order)
    assert tasks.look_for_halts() is None
    old_quotes(selling)
    assert "no quote of the 2 live asks is younger" in (tasks.look_for_halts() or "")
    assert tasks.look_for_halts() is None, "a house that stands still is halted once"


def test_prices_of_a_stopped_repricing_hold_up_no_later_one(selling: Selling) -> None:
    order = selling.order(5)
    selling.perform(order)
    run_id = reprice_all(selling, order, Decimal("0.99"), kind="reprice")
    now = selling.runtime.clock()
    with selling.runtime.transaction() as session:
        session.execute(update(Run).where(Run.id == run_id).values(counts={"looked_at": 5}))
        stop.stop(session, actor="the owner", reason="a look", now=now)
        by_itself = runs.start(session, "reprice", actor="timetable").id
    assert selling.perform(run_id).state == "failed"
    assert selling.perform(by_itself).message == "Writes are stopped: nothing was planned."
    with selling.runtime.transaction() as session:
        assert resumption.resume(session, go_on=False, actor="the owner", now=now) == ()
        assert resumption.outlook(session, rate=1).count == 0
        assert set(session.scalars(select(ListingChange.state))) == {"cancelled"}
    assert selling.perform(reprice_all(selling, order, Decimal("0.98"))).state == "done"
