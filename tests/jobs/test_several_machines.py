"""Growing: three web, four worker and two scheduler machines on one PostgreSQL and one Redis, killed one after another.

Each machine is a process group with a data folder of its own; what they share is what docs/operations.md says.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from sqlalchemy import func, select

from soleflip import processes
from soleflip.config import PROJECT
from soleflip.models import Run, StockxListing, TimetableSetting
from soleflip.services import accounts
from soleflip.services.runs import OPEN_STATES
from soleflip.services.timetable import TIMETABLE
from tests.conftest import free_port
from tests.selling import EMAIL, PASSWORD, Selling

RUNS, ROWS = 4, 110
PATIENCE = 300


class Machine:
    """One line of the Procfile on a machine of its own."""

    def __init__(self, name: str, command: str, selling: Selling, folder: Path) -> None:
        self.port = free_port()
        shared = selling.runtime.settings
        environ = {
            **selling.environ,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "FLASK_APP": "app.py",
            "SOLEFLIP_DATA": str(folder / name),
            "SECRET_KEY": shared.secret_key,
            "ENCRYPTION_KEY": ",".join(shared.encryption_keys),
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
        }
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                cwd=PROJECT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def die(self) -> None:
        """A power cut: the whole group at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path: str, session: requests.Session | None = None) -> requests.Response:
        """Ask the web server of this machine."""
        return (session or requests.Session()).get(f"http://127.0.0.1:{self.port}{path}", timeout=60)


@pytest.fixture
def start(selling: Selling, tmp_path: Path) -> Iterator[Callable[[str, int], list[Machine]]]:
    """Start machines of one kind; all end with the test."""
    commands = processes.procfile(PROJECT / "Procfile")
    machines: list[Machine] = []

    def begin(kind: str, number: int) -> list[Machine]:
        made = [Machine(f"{kind}-{each}", commands[kind], selling, tmp_path) for each in range(number)]
        machines.extend(made)
        return made

    yield begin
    for machine in machines:
        machine.die()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something to come true; the bound only keeps a broken build from hanging."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def answers(machine: Machine) -> bool:
    """Does its web server say that it is ready?"""
    with suppress(requests.RequestException):
        return machine.get("/readyz").ok
    return False


def test_machines_die_one_after_another_and_every_ask_is_up_once(
    selling: Selling, start: Callable[[str, int], list[Machine]]
) -> None:
    with selling.runtime.transaction() as session:
        accounts.ensure_first_operator(session, EMAIL, PASSWORD)
        session.add_all([TimetableSetting(kind=entry.kind, is_enabled=False) for entry in TIMETABLE])
    run_ids = [selling.order(ROWS) for _ in range(RUNS)]
    webs, schedulers, workers = start("web", 3), start("scheduler", 2), start("worker", 4)
    for machine in webs:
        until(lambda machine=machine: answers(machine), f"web does not come up: {machine.log}")
    browser = sign_in(webs[0])
    for run_id in run_ids:
        selling.runtime.queue.wake(run_id, "list")

    def up() -> int:
        with selling.runtime.transaction() as session:
            return session.scalar(select(func.count()).where(StockxListing.status != "pending")) or 0

    def open_runs() -> int:
        with selling.runtime.transaction() as session:
            return session.scalar(select(func.count()).where(Run.id.in_(run_ids), Run.state.in_(OPEN_STATES))) or 0

    # A worker, a web server and the scheduler that acts go while listing goes on; then all but one of each.
    for dying in ([workers[0], webs[0], schedulers[0]], [workers[1], webs[1]], [workers[2]]):
        before = up()
        until(lambda before=before: up() > before or not open_runs(), "listing does not go on")
        for machine in dying:
            machine.die()
        page = webs[2].get("/listings", browser)
        assert (page.status_code, "Sign in" in page.text) == (200, False), "a session counts on every machine"
    until(lambda: not open_runs(), "the last worker does not finish what the others left")
    for run_id in run_ids:
        selling.check_asks(run_id, ROWS)
    assert answers(webs[2])


def sign_in(machine: Machine) -> requests.Session:
    """Sign in on one machine; the cookie goes by host, not by port, so it is sent to all."""
    browser = requests.Session()
    page = machine.get("/sign-in", browser).text
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    form = {"csrf_token": token, "email": EMAIL, "password": PASSWORD}
    answer = browser.post(f"http://127.0.0.1:{machine.port}/sign-in", data=form, timeout=60)
    assert answer.ok, answer.text
    return browser
