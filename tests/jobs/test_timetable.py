"""The timetable by real processes: one scheduler acts, changes count at once, what hangs is ended."""

from __future__ import annotations

import os
import signal
from collections import Counter
from datetime import timedelta

import psutil
import pytest
from sqlalchemy import select, update

from soleflip.jobs import tasks
from soleflip.models import Run, StockxBatch, StockxListing, TimetableSetting
from soleflip.services import runs, timetable
from tests.jobs.processes import process, wait_until
from tests.selling import Selling


@pytest.fixture
def quiet(selling: Selling) -> Selling:
    """The timetable with every line switched off."""
    with selling.runtime.transaction() as session:
        for entry in timetable.TIMETABLE:
            session.add(TimetableSetting(kind=entry.kind, is_enabled=False))
    return selling


def change(selling: Selling, kind: str, **values: object) -> None:
    with selling.runtime.transaction() as session:
        timetable.change(session, kind, sandbox=True, actor="test", **values)


def started(selling: Selling) -> Counter[str]:
    with selling.runtime.transaction() as session:
        return Counter(session.scalars(select(Run.kind).where(Run.actor == "timetable")))


def end_runs(selling: Selling) -> None:
    """Let every open run be over, as workers would."""
    with selling.runtime.transaction() as session:
        session.execute(update(Run).where(Run.state == "queued").values(state="done"))


def test_one_of_two_schedulers_acts_and_the_other_takes_over(quiet: Selling) -> None:
    change(quiet, "quotes", is_enabled=True, every=timedelta(seconds=10))
    with process(quiet, "scheduler") as first:
        wait_until(lambda: started(quiet)["quotes"] == 1)
        with process(quiet, "scheduler"):
            change(quiet, "listing_sync", is_enabled=True)
            wait_until(lambda: started(quiet)["listing_sync"] == 1)
            first.send_signal(signal.SIGKILL)
            first.wait()
            change(quiet, "thin_quotes", is_enabled=True)
            wait_until(lambda: started(quiet)["thin_quotes"] == 1)
    assert started(quiet) == {"quotes": 1, "listing_sync": 1, "thin_quotes": 1}, "an open line starts no second run"


def test_an_interval_and_a_switch_count_from_the_next_look(quiet: Selling) -> None:
    change(quiet, "quotes", is_enabled=True)
    tasks.start_due()
    tasks.start_due()
    end_runs(quiet)
    tasks.start_due()
    assert started(quiet) == {"quotes": 1}, "not due yet"
    with quiet.runtime.transaction() as session:
        session.execute(update(Run).values(created_at=runs.NOW - timedelta(seconds=30)))
    tasks.start_due()
    assert started(quiet) == {"quotes": 1}
    change(quiet, "quotes", every=timedelta(seconds=20))
    tasks.start_due()
    assert started(quiet) == {"quotes": 2}
    end_runs(quiet)
    change(quiet, "quotes", every=timedelta(seconds=10), is_enabled=False)
    with quiet.runtime.transaction() as session:
        session.execute(update(Run).values(created_at=runs.NOW - timedelta(hours=1)))
    tasks.start_due()
    assert started(quiet) == {"quotes": 2}


def test_a_run_that_hangs_is_ended_and_what_it_sent_is_looked_up(quiet: Selling) -> None:
    with quiet.runtime.transaction() as session:
        session.add(TimetableSetting(kind="list", time_limit=2))
    quiet.sandbox.control("faults", route="CreateListings", kind="timeout_after", count=1, seconds=600)
    run_id = quiet.order(3)
    quiet.runtime.queue.wake(run_id, "list")
    with process(quiet, "worker"), process(quiet, "scheduler"):
        wait_until(lambda: state(quiet, run_id) in ("failed", "done"))
        wait_until(lambda: settled(quiet))
    with quiet.runtime.transaction() as session:
        run = runs.get(session, run_id)
        assert run.state == "done", "all it had sent was found, so nothing is left undone"
        assert run.error is None
        assert (run.message or "").startswith("3 listed. It had ended early: Ended after 0 min 2 s")
    # The call had happened: its asks are found, and nothing goes out a second time.
    quiet.check_asks(run_id, 3)


def test_a_frozen_process_is_killed_and_its_run_ends(quiet: Selling) -> None:
    quiet.sandbox.control("faults", route="CreateListings", kind="timeout_before", count=1, seconds=600)
    run_id = quiet.order(2)
    quiet.runtime.queue.wake(run_id, "list")
    with process(quiet, "worker") as worker:
        wait_until(lambda: submitting(quiet) == 2)
        horse = psutil.Process(worker.pid).children()[0]
        os.kill(horse.pid, signal.SIGSTOP)
        assert tasks.end_overdue() == 0, "within its limit it may take its time"
        with quiet.runtime.transaction() as session:
            session.execute(update(Run).where(Run.id == run_id).values(attempt_at=runs.NOW - timedelta(hours=2)))
        assert tasks.end_overdue() == 1
        wait_until(lambda: not horse.is_running())
        quiet.runtime.queue.wake(run_id, "list")  # a second job for the same run takes over nothing
        wait_until(lambda: tasks.end_overdue() == 0 and state(quiet, run_id) == "failed")
        tasks.start_due()
        wait_until(lambda: settled(quiet))
    with quiet.runtime.transaction() as session:
        found = session.scalars(select(StockxListing.status).where(StockxListing.run_id == run_id)).all()
    assert found == ["pending", "pending"], "nothing had arrived: both wait for the operator's word"


def state(selling: Selling, run_id: object) -> str:
    with selling.runtime.transaction() as session:
        return session.scalars(select(Run.state).where(Run.id == run_id)).one()


def submitting(selling: Selling) -> int:
    with selling.runtime.transaction() as session:
        sent = select(StockxListing.id).join(StockxBatch, StockxBatch.id == StockxListing.batch_id)
        return len(session.scalars(sent.where(StockxListing.status == "submitting")).all())


def settled(selling: Selling) -> bool:
    with selling.runtime.transaction() as session:
        return bool(session.scalar(select(Run.id).where(Run.kind == "settle", Run.state == "done")))
