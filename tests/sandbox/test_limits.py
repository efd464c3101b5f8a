"""The request limits over HTTP, on sandbox time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import requests

from tests.conftest import Sandbox, free_port, running_sandbox
from tests.sandbox.conftest import FEED, Caller, kill, start, teach


def test_two_requests_within_a_sandbox_second_are_one_too_many(caller: Caller) -> None:
    caller.sandbox.control("settings", rate_when_frozen=True)
    caller.get("/selling/listings")
    caller.step(seconds=0.999)
    caller.get("/selling/listings", expect=429)
    assert caller.last is not None
    assert caller.last.headers["Retry-After"] == "1"
    caller.step(seconds=0.001)
    caller.get("/selling/listings")


def test_the_limit_runs_on_the_sandbox_clock(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox.sqlite", "--speed", "600") as sandbox:
        caller = Caller(sandbox).connect()
        for _ in range(10):
            time.sleep(0.05)
            caller.get("/selling/listings")
        sandbox.control("clock", speed=0.001)
        caller.session.get(f"{sandbox.api_url}/selling/listings", timeout=60)
        caller.get("/selling/listings", expect=429)
        sandbox.control("clock", step=1)
        caller.get("/selling/listings")


def test_jitter_is_forgiven_on_a_fast_clock_but_the_rate_holds(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox.sqlite", "--speed", "60", "--jitter-ms", "40") as sandbox:
        caller = Caller(sandbox).connect()
        url = f"{sandbox.api_url}/selling/listings"
        # Several ask at once: one after another a busy machine might never be too fast.
        with ThreadPoolExecutor(8) as askers:
            answers = askers.map(lambda _: requests.get(url, headers=caller.session.headers, timeout=60), range(100))
            statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) >= 2
        assert 429 in statuses
        lines = [line["at"] for line in sandbox.look("requests") if line["counted"]]
        assert lines[-1] - lines[0] >= (len(lines) - 1) * 1000 - 40 * 59


def test_jitter_counts_for_nothing_at_the_speed_of_life(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox.sqlite", "--speed", "1", "--jitter-ms", "500") as sandbox:
        caller = Caller(sandbox).connect()
        caller.get("/selling/listings")
        caller.get("/selling/listings", expect=429)


def test_what_was_asked_while_the_clock_stood_is_not_owed(caller: Caller) -> None:
    for _ in range(20):
        caller.get("/selling/listings")
    caller.step(seconds=1)
    caller.sandbox.control("settings", rate_when_frozen=True)
    caller.get("/selling/listings")


def test_the_quota_of_the_day_ends_at_midnight_utc(caller: Caller) -> None:
    caller.sandbox.control("settings", rate_when_frozen=True, rate_seconds=0.0, daily_requests=5)
    used = caller.sandbox.look("state")["requests_today"]
    for _ in range(5 - used):
        caller.get("/selling/listings")
    caller.get("/selling/listings", expect=429)
    caller.step(days=1)
    caller.get("/selling/listings")


def test_limits_can_be_switched_off(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "sandbox.sqlite", "--no-limits") as sandbox:
        caller = Caller(sandbox).connect()
        for _ in range(20):
            caller.get("/selling/listings")


def test_refused_and_foreign_requests_do_not_count(caller: Caller) -> None:
    caller.sandbox.control("settings", rate_when_frozen=True)
    before = caller.sandbox.look("state")["requests_today"]
    requests.get(f"{caller.sandbox.api_url}/selling/listings", timeout=60)
    caller.get("/selling/listings")
    caller.get("/selling/listings", expect=429)
    assert caller.sandbox.look("state")["requests_today"] == before + 1


def test_the_log_tells_when_and_what_and_how_it_ended(caller: Caller) -> None:
    caller.get("/selling/listings")
    caller.get("/selling/orders/none", expect=404)
    *_, one, two = caller.sandbox.look("requests")
    assert [(line["method"], line["route"], line["status"], line["counted"]) for line in (one, two)] == [
        ("GET", "GetAllListings", 200, 1),
        ("GET", "GetOrder", 404, 1),
    ]
    assert one["time"] == caller.sandbox.look("clock")["time"]
    assert caller.sandbox.look("requests", after=one["n"]) == [two]


def test_three_hundred_requests_take_less_than_a_second_of_work(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path / "world.sqlite", port)
    try:
        sandbox = Sandbox(f"http://127.0.0.1:{port}/v2", f"http://127.0.0.1:{port}", tmp_path)
        teach(sandbox, FEED)
        caller = Caller(sandbox).connect()
        product = caller.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
        url = f"{sandbox.api_url}/catalog/products/{product}/market-data"
        # The work is counted rather than the time, since other processes of the test run share the machine.
        watched = psutil.Process(process.pid)
        before = sum(watched.cpu_times()[:2])
        for _ in range(300):
            assert caller.session.get(url, timeout=60).status_code == 200
        assert sum(watched.cpu_times()[:2]) - before < 1.0
    finally:
        kill(process)
