"""What other processes do in the tests of the shared budget and token; imports little, so that they start fast."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

import redis as redis_py

from soleflip.stockx import Budget, BudgetExhausted, Lane, StockX, StoredTokens

SPEED = 60
# Forked from a process that has this module and nothing else: starting eight takes no time, threads are no danger.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])
NAMES = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "api_key": "sandbox-key"}


class OneToken:
    """A token store that must not change."""

    def load(self) -> StoredTokens:
        return StoredTokens("sandbox-refresh", datetime(2026, 1, 1, tzinfo=UTC))

    def save(self, tokens: StoredTokens) -> None:
        raise AssertionError("nothing new to keep")

    def mark_disconnected(self, reason: str) -> None:
        raise AssertionError(reason)


@dataclass(frozen=True)
class CountedClock:
    """The sandbox's time as it was at a real time, counted on; survives the way into another process."""

    at: datetime
    mark: float

    def __call__(self) -> datetime:
        return self.at + timedelta(seconds=(time.time() - self.mark) * SPEED)


def client_of(url: str, redis: redis_py.Redis, clock: CountedClock, day_limit: int = 25_000) -> StockX:
    budget = Budget(redis, rate=SPEED, day_limit=day_limit, clock=clock)
    return StockX(api_url=f"{url}/v2", auth_url=url, tokens=OneToken(), budget=budget, clock=clock, **NAMES)


def ask_for_quotes(
    url: str, redis_url: str, clock: CountedClock, start: Barrier, day_limit: int, seconds: float, product_id: str
) -> None:
    """Ask for quotes until the time or the day is over."""
    with redis_py.Redis.from_url(redis_url) as redis:
        client = client_of(url, redis, clock, day_limit)
        start.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                client.market_data(product_id, "EUR")
            except BudgetExhausted:
                break
        client.close()


def fetch_token(url: str, redis_url: str, clock: CountedClock, start: Barrier, found: Any) -> None:
    """Fetch an access token, at the same moment as the others."""
    with redis_py.Redis.from_url(redis_url) as redis:
        client = client_of(url, redis, clock)
        start.wait()
        found.put(client.auth.access_token())
        client.close()


def wait_in_sales(redis_url: str) -> None:
    """Wait in the highest lane, for ever."""
    with redis_py.Redis.from_url(redis_url) as redis:
        Budget(redis, rate=1000, clock=lambda: datetime(2026, 3, 2, tzinfo=UTC)).acquire(Lane.SALES, wait=600)
