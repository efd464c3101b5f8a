"""`python app.py`, as `make run` starts it: comes up by itself, ends completely, recovers from every kind of end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from sqlalchemy import create_engine, text

from soleflip.config import PROJECT, Settings
from soleflip.processes import MARK

from .conftest import free_port
from .test_local import data, server_processes
from .test_processes import wait_until

__all__ = ["data"]


class Console:
    """A running `python app.py` and what it prints."""

    def __init__(self, data: Path, **variables: str) -> None:
        self.port = free_port()
        self.data = data
        self._file = (data.parent / f"{data.name}.console").open("w+b")
        own = {"PORT": str(self.port), "SOLEFLIP_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env={**os.environ, **own, **variables},
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
        )

    @property
    def text(self) -> str:
        return Path(self._file.name).read_text("utf-8", "replace")

    def until(self, words: str, seconds: float = 400) -> str:
        """Wait until the console shows some words; returns all it shows."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return self.text

    def ended(self, seconds: float = 300) -> int:
        """Wait for the end; returns the exit status."""
        return self.process.wait(seconds)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=120, allow_redirects=False)

    def until_ready(self) -> None:
        """Wait until it says that everything it needs is there."""

        def is_ready() -> bool:
            assert self.process.poll() is None, self.text
            try:
                return self.get("/readyz").status_code == 200
            except requests.RequestException:
                return False

        wait_until(is_ready)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(60)
            self.process.kill()
            self.process.wait()
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)


@pytest.fixture
def started(data: Path) -> Iterator[list[Console]]:
    """Start consoles by appending them; all end with the test."""
    consoles: list[Console] = []
    yield consoles
    for console in consoles:
        console.close()
    for process in carriers(data):
        process.kill()


def carriers(data: Path) -> list[psutil.Process]:
    """The processes that a stack on this data folder started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environ = process.environ()
            if MARK in environ and environ.get("SOLEFLIP_DATA", "").startswith(str(data)):
                found.append(process)
    return found


def runs_done(data: Path) -> int:
    """How many runs of a stack are done."""
    settings = Settings.from_env({"SOLEFLIP_DATA": str(data)})
    engine = create_engine(settings.database_url)
    with engine.connect() as connection:
        count = connection.scalar(text("SELECT count(*) FROM ops.runs WHERE state = 'done'"))
    engine.dispose()
    return int(count or 0)


def sandbox_port(console: Console) -> int:
    """The port on which a stack's sandbox listens."""
    process = next(process for process in carriers(console.data) if "sandbox" in process.cmdline())
    return next(c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN)


def test_it_comes_up_ends_completely_and_finds_its_data_again(data: Path, started: list[Console]) -> None:
    # A neighbour starts at the same moment, and neither was told of a port for its sandbox.
    first, neighbour = Console(data / "var"), Console(data / "neighbour")
    started += [first, neighbour]
    shown = first.until("Stop with Ctrl-C.")
    neighbour.until("Stop with Ctrl-C.")
    assert sandbox_port(first) != sandbox_port(neighbour)
    neighbour.process.terminate()
    assert neighbour.ended() == 0
    assert f"http://127.0.0.1:{first.port}" in shown
    sign_in = re.search(r"operator@soleflip.test with the password (\S+)", shown)
    assert sign_in is not None
    assert first.get("/healthz").status_code == 200
    assert first.get("/readyz").status_code == 200
    assert first.get("/").status_code in (302, 303)
    commands = " ".join(" ".join(process.cmdline()) for process in carriers(data))
    for part in ("gunicorn", "flask worker", "flask scheduler", "flask sandbox run"):
        assert part in commands

    again = Console(data / "var")
    started.append(again)
    assert again.ended() == 1
    assert "runs already" in again.text

    first.process.send_signal(signal.SIGINT)
    assert first.ended() == 0
    assert carriers(data) == []
    assert server_processes(data / "var") == []

    second = Console(data / "var")
    started.append(second)
    assert sign_in.group(0) in second.until("Stop with Ctrl-C.")
    second.process.terminate()
    assert second.ended() == 0
    assert carriers(data) == []
    assert server_processes(data / "var") == []


def test_it_starts_again_after_it_was_killed_and_starts_again_what_is_killed(
    data: Path, started: list[Console]
) -> None:
    first = Console(data / "var")
    started.append(first)
    first.until("Stop with Ctrl-C.")
    first.process.kill()
    first.process.wait()
    orphans = carriers(data)
    assert orphans, "the processes outlive their supervisor, so the next start has something to end"

    second = Console(data / "var", PORT=str(first.port))
    second.port = first.port
    started.append(second)
    second.until("Stop with Ctrl-C.")
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in orphans)
    assert second.get("/readyz").status_code == 200

    for name in ("worker", "scheduler", "web"):
        word = "app:create_app()" if name == "web" else name
        lines = [(each, each.cmdline()) for each in carriers(data)]
        found = [each for each, line in lines if word in line and "--quick" not in line]
        oldest = min(found, key=psutil.Process.create_time)
        oldest.kill()
        second.until(f"{name} had ended and was started again")
        second.until_ready()
    seen = runs_done(data / "var")
    wait_until(lambda: runs_done(data / "var") > seen)
    second.process.terminate()
    assert second.ended() == 0
    assert carriers(data) == []
    assert server_processes(data / "var") == []


def test_a_taken_port_is_named(data: Path, started: list[Console]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        console = Console(data / "var", PORT=str(taken.getsockname()[1]))
        started.append(console)
        assert console.ended() == 1
    assert "is taken by another program" in console.text
    assert "Traceback" not in console.text


def test_a_setting_that_makes_no_sense_is_named(data: Path, started: list[Console]) -> None:
    console = Console(data / "var", SOLEFLIP_TIMEZONE="Mars")
    started.append(console)
    assert console.ended() == 1
    assert "SOLEFLIP_TIMEZONE" in console.text
    assert "Traceback" not in console.text


def test_an_embedded_server_that_is_killed_is_started_again_and_nothing_is_lost(
    data: Path, started: list[Console]
) -> None:
    console = Console(data / "var")
    started.append(console)
    console.until("Stop with Ctrl-C.")
    for name in ("PostgreSQL", "Valkey"):
        before = {process.pid for process in carriers(data)}
        wanted = "postgres" if name == "PostgreSQL" else "unixsocket:"
        victim = next(each for each in server_processes(data / "var") if wanted in " ".join(each.cmdline()))
        victim.kill()
        console.until(f"{name} had ended and was started again")
        console.until_ready()
        assert before & {process.pid for process in carriers(data)}, "the stack went on"
    # What the timetable starts from now on is carried out: scheduler and worker found their servers again.
    seen = runs_done(data / "var")
    wait_until(lambda: runs_done(data / "var") > seen)
    console.process.send_signal(signal.SIGINT)
    assert console.ended() == 0
    assert server_processes(data / "var") == []
