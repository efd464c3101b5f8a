"""The parts through which the edges reach the world, made once per process and never changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import requests
import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker

from soleflip.config import Settings
from soleflip.db import Clock, Transaction
from soleflip.domain.errors import Conflict, RetryLater
from soleflip.services.runs import Books
from soleflip.stockx import StockX

log = structlog.get_logger()

TASK = "soleflip.jobs.tasks.perform"
URGENT = frozenset({"away", "list", "change", "order_sync", "product_lookup", "deliver_alerts", "test_channel"})
LONG = frozenset(
    {"feed_fetch", "feed_import", "catalog_lookup", "detect", "compute", "replay", "backup", "export", "tax_export"}
)
QUEUES = ("urgent", "default", "long")
QUICK_QUEUES = QUEUES[:2]
"""What a quick worker takes: so sales, repricing and order sync wait behind no feed and no backup."""
WORKER_TTL = 60
"""A worker that waits gives a sign of life so many seconds apart, less 15; a minute later it counts as gone."""
BELIEVED = 30
"""So many seconds a run is believed to wait in the queue; longer, its job may be lost, and it is put there again."""
JOB_TIMEOUT = 32 * 86_400
"""Longer than any time limit of a run: those are what ends one (services/timetable.py)."""


@dataclass(frozen=True, slots=True)
class RunQueue:
    """Wakes workers: a job carries nothing but the id of its run, so a lost job is made again from the row."""

    redis: Redis

    def wake(self, run_id: UUID, kind: str = "") -> bool:
        """Put a run's id into the queue, unless it waits there; False (and a log line) when it can't be reached."""
        urgent, default, long = QUEUES
        name = urgent if kind in URGENT else long if kind in LONG else default
        try:
            if not self.redis.set(_waiting(run_id), 1, nx=True, ex=BELIEVED):
                return True
            Queue(name, connection=self.redis, serializer="json").enqueue(
                TASK, str(run_id), job_timeout=JOB_TIMEOUT, result_ttl=60, failure_ttl=86400
            )
        except RedisError as error:
            log.warning("queue unreachable, the run waits in the database", run=str(run_id), error=str(error))
            return False
        return True

    def taken(self, run_id: UUID) -> None:
        """Note that a worker has taken a run's id out of the queue: it may be put there again."""
        with suppress(RedisError):
            self.redis.delete(_waiting(run_id))

    def workers(self) -> int:
        """Return how many workers gave a sign of life in the last two minutes; raises RedisError."""
        return len(Worker.all(connection=self.redis, serializer="json"))


def _waiting(run_id: UUID) -> str:
    return f"soleflip:waiting:{run_id}"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Settings, transactions, the StockX client, the queue, Redis and the clock."""

    settings: Settings
    transaction: Transaction
    stockx: StockX
    queue: RunQueue
    redis: Redis
    clock: Clock

    @property
    def books(self) -> Books:
        """The currency and time zone of the operator's books."""
        return Books(self.settings.currency, self.settings.zone)


def system_clock() -> datetime:
    """Tell the real time, UTC."""
    return datetime.now(UTC)


class SandboxClock:
    """Tells the sandbox's time, and holds its levers: asked over HTTP now and then, counted on at its speed in between.

    While the sandbox can't be reached the last known course goes on; before the first answer it is the real time.
    """

    def __init__(self, base_url: str, *, refresh: float = 1.0, timer: Callable[[], float] = time.monotonic) -> None:
        self._base = f"{base_url}/_sandbox"
        self._refresh = refresh
        self._timer = timer
        self._lock = threading.Lock()
        self._at: datetime | None = None
        self._asked = float("-inf")
        self._read = 0.0
        self._speed = 1.0

    def __call__(self) -> datetime:
        """Tell the sandbox's time, UTC."""
        with self._lock:
            if self._timer() - self._asked > self._refresh:
                self._ask()
            if self._at is None:
                return system_clock()
            return self._at + timedelta(seconds=(self._timer() - self._read) * self._speed)

    def skip(self, hours: int) -> None:
        """Let sandbox time pass at once; raises Conflict when the sandbox runs without its control interface."""
        self._order("clock", {"step": hours * 3600})
        with self._lock:
            self._asked = float("-inf")

    def forget_trades(self) -> None:
        """Let the sandbox forget every ask and order of ours; raises Conflict without its control interface."""
        self._order("forget", {})

    def _order(self, what: str, body: dict[str, int]) -> None:
        try:
            answer = requests.post(f"{self._base}/{what}", json=body, timeout=60)
        except requests.RequestException as error:
            raise RetryLater("The sandbox does not answer; is it running?") from error
        if answer.status_code != 200:
            raise Conflict("This sandbox takes no orders: start it with --control.")

    def _ask(self) -> None:
        self._asked = self._timer()
        try:
            answer = requests.get(f"{self._base}/clock", timeout=2).json()
            self._speed = 0.0 if answer["frozen"] else float(answer["speed"])
            self._at = datetime.fromisoformat(answer["time"])
            self._read = self._timer()
        except (requests.RequestException, ValueError, KeyError) as error:
            log.warning("the sandbox does not tell the time", error=type(error).__name__)


def make_clock(settings: Settings) -> Clock:
    """Return the clock by which business is done: the real one, or the sandbox's in the sandbox."""
    if not settings.sandbox:
        return system_clock
    return SandboxClock(settings.stockx_auth_url)
