"""Faults: PostgreSQL or Redis away or slow, StockX down or blocking, a clock that jumps, a disk that is full.

Pages stay readable and say so, runs wait and go on, nothing is lost or done twice.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
import requests
from flask.testing import FlaskClient
from sqlalchemy import make_url, text, update

from soleflip import factory
from soleflip.config import PROJECT
from soleflip.db import db
from soleflip.jobs import tasks
from soleflip.models import Run
from soleflip.services import accounts, runs, sessions
from soleflip.stockx import Lane
from tests.gate import Gate, gate
from tests.selling import EMAIL, PASSWORD, Selling

ROWS = 120


@pytest.fixture
def postgres_gate(selling: Selling) -> Iterator[Gate]:
    """A gate before PostgreSQL."""
    query = make_url(selling.runtime.settings.database_url).query
    with gate(f"{query['host']}/.s.PGSQL.{query['port']}") as made:
        yield made


@pytest.fixture
def redis_gate(selling: Selling) -> Iterator[Gate]:
    """A gate before Redis."""
    with gate(unquote(urlsplit(selling.runtime.settings.redis_url).path)) as made:
        yield made


def database_through(selling: Selling, door: Gate) -> str:
    name = make_url(selling.runtime.settings.database_url).database
    return f"postgresql+psycopg://soleflip@127.0.0.1:{door.port}/{name}?connect_timeout=5"


def redis_through(selling: Selling, door: Gate) -> str:
    number = parse_qs(urlsplit(selling.runtime.settings.redis_url).query)["db"][0]
    return f"redis://127.0.0.1:{door.port}/{number}"


@pytest.fixture
def behind(selling: Selling) -> Iterator[Callable[..., FlaskClient]]:
    """Signed-in browsers of applications that reach their servers by other ways."""
    made = []

    def browser(**changes: str) -> FlaskClient:
        with selling.runtime.transaction() as session:
            owner = accounts.ensure_first_operator(session, EMAIL, PASSWORD)
            assert owner is not None
            moment = session.execute(text("SELECT now()")).scalar_one()
            begun = sessions.begin(session, owner.id, address=None, device=None, now=moment)
        app = factory.create_app(replace(selling.runtime.settings, **changes))
        made.append(app)
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = str(begun.id)
        return client

    yield browser
    for app in made:
        with app.app_context():
            db.engine.dispose()
        app.extensions["soleflip"].redis.close()
        app.extensions["soleflip"].stockx.close()


def one_try(selling: Selling, run_id: UUID) -> Run:
    """Perform a run once, due or not, as a worker would."""
    with selling.runtime.transaction() as session:
        session.execute(update(Run).where(Run.id == run_id).values(retry_at=None))
    tasks.perform(str(run_id))
    with selling.runtime.transaction() as session:
        return runs.get(session, run_id)


def test_pages_say_that_postgresql_is_away_and_come_back_with_it(
    selling: Selling, postgres_gate: Gate, behind: Callable[..., FlaskClient]
) -> None:
    browser = behind(database_url=database_through(selling, postgres_gate))
    assert browser.get("/runs").status_code == 200
    postgres_gate.shut()
    away = browser.get("/runs")
    assert away.status_code == 503
    assert "The database does not answer" in away.text
    assert browser.get("/healthz").status_code == 200
    ready = browser.get("/readyz")
    assert (ready.status_code, list(ready.json["problems"])) == (503, ["database"])
    postgres_gate.open()
    assert browser.get("/runs").status_code == 200
    assert browser.get("/readyz").status_code == 200


@pytest.mark.parametrize("after", [40, 70, 110])
def test_a_worker_that_loses_postgresql_leaves_no_double_and_no_gap(
    selling: Selling, postgres_gate: Gate, after: int
) -> None:
    environ = {**selling.environ, "DATABASE_URL": database_through(selling, postgres_gate)}
    run_id = selling.order(ROWS)
    with replace(selling, environ=environ).worker(run_id) as worker:
        while worker.poll() is None and postgres_gate.passed < after:
            time.sleep(0.001)
        postgres_gate.shut()
        worker.wait(120)
    assert selling.perform(run_id).state == "done"
    selling.check_asks(run_id, ROWS)


def test_without_redis_pages_work_runs_wait_and_nothing_is_sent(
    selling: Selling, redis_gate: Gate, behind: Callable[..., FlaskClient], requests_of: Callable[[str], int]
) -> None:
    browser = behind(redis_url=redis_through(selling, redis_gate))
    there = browser.application.extensions["soleflip"]
    run_id = selling.order(ROWS)
    redis_gate.shut()
    assert browser.get("/listings").status_code == 200
    assert list(browser.get("/readyz").json["problems"]) == ["queue"]
    assert there.queue.wake(run_id, "list") is False
    run = perform_in(browser, run_id)
    assert run.state == "queued"
    assert "Redis does not answer" in (run.message or "")
    assert requests_of("CreateListings") == 0
    redis_gate.open()
    assert selling.perform(run_id).state == "done"
    selling.check_asks(run_id, ROWS)


def perform_in(browser: FlaskClient, run_id: UUID) -> Run:
    """Perform a run once in the application of that browser."""
    with browser.application.app_context():
        tasks.perform(str(run_id))
        with browser.application.extensions["soleflip"].transaction() as session:
            return runs.get(session, run_id)


def test_slow_servers_make_slow_pages_and_no_wrong_ones(
    selling: Selling, postgres_gate: Gate, redis_gate: Gate, behind: Callable[..., FlaskClient]
) -> None:
    browser = behind(
        database_url=database_through(selling, postgres_gate), redis_url=redis_through(selling, redis_gate)
    )
    postgres_gate.delay = redis_gate.delay = 0.02
    run_id = selling.order(3)
    assert browser.get("/listings").status_code == 200
    assert browser.get("/readyz").json["ready"]
    assert perform_in(browser, run_id).state in ("done", "queued")
    selling.perform(run_id)
    selling.check_asks(run_id, 3)


def test_an_hour_without_stockx_delays_and_loses_nothing(selling: Selling, behind: Callable[..., FlaskClient]) -> None:
    run_id = selling.order(ROWS)
    selling.sandbox.control("faults", route="CreateListings", kind="503", count=1000)
    for _ in range(3):
        run = one_try(selling, run_id)
        assert run.state == "queued"
        assert run.retry_at is not None
    assert "StockX" in (run.message or "")
    assert behind().get(f"/runs/{run_id}").status_code == 200
    requests.delete(f"{selling.sandbox.auth_url}/_sandbox/faults", timeout=30).raise_for_status()
    assert selling.perform(run_id).state == "done"
    selling.check_asks(run_id, ROWS)


def test_a_block_of_a_day_holds_everything_up_and_then_it_goes_on(
    selling: Selling, requests_of: Callable[[str], int]
) -> None:
    selling.sandbox.control("clock", frozen=True)
    run_id = selling.order(ROWS)
    budget, clock = selling.runtime.stockx.budget, selling.runtime.clock
    budget.penalise(clock() + timedelta(hours=23))
    run = one_try(selling, run_id)
    assert run.state == "queued"
    assert "StockX asked us to pause" in (run.message or "")
    assert requests_of("CreateListings") == 0
    assert budget.state().blocked_until is not None
    selling.sandbox.control("clock", frozen=False, step=24 * 3600)
    selling.runtime.clock.skip(0)
    assert selling.perform(run_id).state == "done"
    selling.check_asks(run_id, ROWS)
    assert budget.state().by_lane[Lane.LISTING] > 0


@pytest.mark.parametrize("hours", [1, 30])
def test_a_clock_that_jumps_makes_no_double(selling: Selling, hours: int) -> None:
    run_id = selling.order(250)
    with selling.worker(run_id, "after", 3) as worker:
        worker.wait(120)
    selling.sandbox.control("clock", step=hours * 3600)
    selling.perform(run_id)
    selling.check_asks(run_id, 250)


def test_a_full_disk_of_the_database_is_said_and_nothing_is_half_done(
    selling: Selling, behind: Callable[..., FlaskClient]
) -> None:
    """PostgreSQL's own answer to a full disk, given by a trigger: SQLSTATE 53100."""
    browser = behind()
    page = browser.get("/listings").text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    with selling.runtime.transaction() as session:
        session.execute(
            text(
                "CREATE FUNCTION ops.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
            )
        )
        session.execute(
            text("CREATE TRIGGER full_disk BEFORE INSERT ON ops.runs FOR EACH ROW EXECUTE FUNCTION ops.full_disk()")
        )
    answer = browser.post("/orders/sync", data={"csrf_token": token})
    assert answer.status_code == 503
    assert "what you just sent was not done" in answer.text
    assert browser.get("/listings").status_code == 200
    with selling.runtime.transaction() as session:
        assert session.query(Run).count() == 0


def test_a_disk_that_is_full_during_a_backup_leaves_no_half_of_one(selling: Selling, tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the same write fails at the same place."""
    folder = tmp_path / "small"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-m", "flask", "backup", "--to", str(folder)],
        cwd=PROJECT,
        env={**selling.environ, "FLASK_APP": "app.py", "PATH": os.environ["PATH"]},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
    assert list(folder.iterdir()) == []
