"""Eight processes on one budget, against a sandbox that counts: never too close, and orders always get through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import redis as redis_py

from soleflip.stockx import BudgetExhausted, Lane, StockX
from tests.conftest import Sandbox, running_sandbox
from tests.stockx.conftest import prepare
from tests.stockx.processes import FORKS, SPEED, CountedClock, ask_for_quotes, client_of

PROCESSES = 8


@pytest.fixture
def strict(tmp_path: Any) -> Iterator[Sandbox]:
    """A sandbox with all limits, at noon, so that no day ends during a test."""
    with running_sandbox(tmp_path / "world.db", "--speed", str(SPEED)) as sandbox:
        prepare(sandbox)
        noon = datetime.fromisoformat(sandbox.look("clock")["time"]) + timedelta(days=1)
        sandbox.control("clock", set=noon.replace(hour=12, minute=0).isoformat())
        yield sandbox


def clock_of(sandbox: Sandbox) -> CountedClock:
    return CountedClock(datetime.fromisoformat(sandbox.look("clock")["time"]), time.time())


def run_quotes(sandbox: Sandbox, redis: redis_py.Redis, redis_url: str, day_limit: int, seconds: float) -> StockX:
    """Let eight processes ask for quotes at once; return a client of the same budget."""
    clock = clock_of(sandbox)
    client = client_of(sandbox.auth_url, redis, clock, day_limit)
    [product, *_] = client.search("DD1391-100")
    arguments = (sandbox.auth_url, redis_url, clock, FORKS.Barrier(PROCESSES), day_limit, seconds, product.product_id)
    processes = [FORKS.Process(target=ask_for_quotes, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    return client


def counted(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [line for line in sandbox.look("requests", limit=100_000) if line["route"] != "Token"]


def test_eight_processes_never_come_closer_than_a_second_of_stockx(strict, redis, redis_url):
    client = run_quotes(strict, redis, redis_url, day_limit=25_000, seconds=8)
    client.close()
    lines = counted(strict)
    assert {line["status"] for line in lines} == {200}
    assert min(after["at"] - before["at"] for before, after in pairwise(lines)) >= 1000
    assert len(lines) > 8 * SPEED / 6, "the way is safe, but much slower than StockX allows"


def test_orders_get_through_when_quotes_have_used_95_percent_of_the_day(strict, redis, redis_url):
    strict.control("settings", daily_requests=100)
    client = run_quotes(strict, redis, redis_url, day_limit=100, seconds=30)
    assert client.budget.state().by_lane[Lane.HOT] + client.budget.state().by_lane[Lane.COLD] == 95
    for _ in range(5):
        assert list(client.active_orders()) == []
    with pytest.raises(BudgetExhausted):
        list(client.active_orders())
    client.close()
    assert {line["status"] for line in counted(strict)} == {200}
