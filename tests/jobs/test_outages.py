"""A worker and a scheduler outlive Redis and PostgreSQL being away: nothing is lost, nothing is done twice."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from sqlalchemy import func, make_url, select

from soleflip.config import Settings
from soleflip.embedded.valkey import Valkey
from soleflip.models import Run, StockxListing, TimetableSetting
from soleflip.services import timetable
from tests.gate import gate
from tests.jobs.processes import process, wait_until
from tests.selling import Selling

ROWS = 250


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of this test alone."""
    server = Valkey(tmp_path / "own")
    server.data.mkdir()
    server.start()
    yield server
    server.start()
    server.stop()


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    return Settings.from_env({"SOLEFLIP_DATA": str(valkey.data)}).redis_url


@contextmanager
def at_work(selling: Selling) -> Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A worker and a scheduler whose timetable is empty."""
    with selling.runtime.transaction() as session:
        for entry in timetable.TIMETABLE:
            session.merge(TimetableSetting(kind=entry.kind, is_enabled=False))
    with process(selling, "worker") as worker, process(selling, "scheduler") as scheduler:
        yield worker, scheduler


def kill(server: Valkey) -> None:
    with server._client() as client:
        process = psutil.Process(int(client.info("server")["process_id"]))
    process.kill()
    process.wait(60)


def state(selling: Selling, run_id: UUID) -> str:
    with selling.runtime.transaction() as session:
        return session.scalars(select(Run.state).where(Run.id == run_id)).one()


def begun(selling: Selling) -> UUID:
    """A listing run in the middle of its work."""
    run_id = selling.order(ROWS)
    selling.runtime.queue.wake(run_id, "list")
    sent = select(func.count()).where(StockxListing.run_id == run_id, StockxListing.status != "pending")

    def some() -> bool:
        with selling.runtime.transaction() as session:
            return bool(session.scalar(sent))

    wait_until(some)
    return run_id


def complaints(selling: Selling, *commands: str) -> int:
    """How often the processes said that a server is away."""
    folder = Path(selling.environ["SOLEFLIP_DATA"])
    logs = [(folder / f"{command}.log").read_text("utf-8", "replace") for command in commands]
    words = ("could not connect", "goes on soon", "lost the database")
    return sum(log.count(word) for log in logs for word in words)


def test_redis_that_is_killed_in_the_middle_of_a_run_costs_no_process_and_no_step(
    selling: Selling, valkey: Valkey
) -> None:
    with at_work(selling) as started:
        run_id = begun(selling)
        kill(valkey)
        wait_until(lambda: complaints(selling, "worker") >= 3)
        valkey.start()
        wait_until(lambda: state(selling, run_id) == "done")
        selling.check_asks(run_id, ROWS)
        # Once more while nothing is under way.
        kill(valkey)
        seen = complaints(selling, "worker")
        wait_until(lambda: complaints(selling, "worker") > seen + 1)
        valkey.start()
        again = selling.order(3)
        wait_until(lambda: state(selling, again) == "done")
        assert [each.poll() for each in started] == [None, None]
        for each in started:
            each.terminate()
            assert each.wait(120) == 0
    selling.check_asks(again, 3)


def test_both_start_before_their_servers_do_and_end_without_them(selling: Selling, valkey: Valkey) -> None:
    kill(valkey)
    with at_work(selling) as (worker, scheduler):
        wait_until(lambda: complaints(selling, "worker") >= 2)
        scheduler.terminate()
        assert scheduler.wait(120) == 0
        valkey.start()
        run_id = selling.order(2)
        selling.runtime.queue.wake(run_id, "list")
        wait_until(lambda: state(selling, run_id) == "done")
        kill(valkey)
        worker.terminate()
        assert worker.wait(120) == 0


def test_postgresql_that_is_away_for_a_while_costs_no_process_and_no_step(selling: Selling) -> None:
    url = make_url(selling.runtime.settings.database_url)
    with gate(f"{url.query['host']}/.s.PGSQL.{url.query['port']}") as door:
        way = f"postgresql+psycopg://soleflip@127.0.0.1:{door.port}/{url.database}?connect_timeout=5"
        with at_work(replace(selling, environ={**selling.environ, "DATABASE_URL": way})) as started:
            run_id = begun(selling)
            door.shut()
            wait_until(lambda: complaints(selling, "scheduler") >= 2)
            door.open()
            wait_until(lambda: state(selling, run_id) == "done")
            assert [each.poll() for each in started] == [None, None]
    selling.check_asks(run_id, ROWS)
