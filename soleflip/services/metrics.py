"""What Prometheus is told: counted by every process into Redis, or read from the books; one answer for all machines."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import RetryLater
from soleflip.models import ProfitDay, Run, StockxListing, StopSwitch
from soleflip.services.readiness import queue_age
from soleflip.services.runs import NOW, OPEN_STATES
from soleflip.stockx import Budget

REQUESTS = "soleflip:metrics:requests"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FLUSH_EVERY = 2.0
_PAUSE_WITHOUT_REDIS = 30.0


class Requests:
    """Counts the requests of this process, and adds them to everybody's now and then; Redis away delays no page."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._micros = 0
        self._next = 0.0

    def note(self, room: str, method: str, status: int, seconds: float) -> None:
        """Count one request that was answered."""
        bucket = next((str(limit) for limit in BUCKETS if seconds <= limit), "+Inf")
        with self._lock:
            self._counts[f"answered|{room}|{method}|{status}"] += 1
            self._counts[f"took|{bucket}"] += 1
            self._micros += round(seconds * 1e6)
            if time.monotonic() < self._next:
                return
        self.flush()

    def flush(self) -> None:
        """Add what was counted here to everybody's counts; without Redis it is kept and tried again later."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            micros, self._micros = self._micros, 0
            self._next = time.monotonic() + _FLUSH_EVERY
        try:
            with self._redis.pipeline(transaction=True) as pipe:
                for name, count in counts.items():
                    pipe.hincrby(REQUESTS, name, count)
                pipe.hincrby(REQUESTS, "micros", micros)
                pipe.execute()
        except RedisError:
            with self._lock:
                self._counts.update(counts)
                self._micros += micros
                self._next = time.monotonic() + _PAUSE_WITHOUT_REDIS


def text(session: Session, redis: Redis, budget: Budget, *, newest_backup: datetime | None) -> bytes:
    """Return all metrics in Prometheus's text format; what can't be read now is left out and said by `soleflip_up`."""
    found: list[Metric] = [*_books(session), *_runs(session), *_backup(session, newest_backup)]
    up = GaugeMetricFamily("soleflip_up", "Is the part there: 1, or 0", labels=["part"])
    up.add_metric(["database"], 1)
    try:
        found += [*_requests(redis), *_stockx(budget)]
        up.add_metric(["queue"], 1)
    except (RedisError, RetryLater):
        up.add_metric(["queue"], 0)
    registry = CollectorRegistry()
    registry.register(_Found([*found, up]))
    return generate_latest(registry)


class _Found(Collector):
    """Hands over what was found."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield from self._found


def _books(session: Session) -> Iterator[Metric]:
    live = GaugeMetricFamily("soleflip_asks_live", "Asks that are up on StockX", labels=["currency"])
    worth = GaugeMetricFamily("soleflip_asks_live_amount", "The sum of those asks", labels=["currency"])
    asks = select(StockxListing.currency, func.count(), func.sum(StockxListing.ask_price))
    for currency, count, amount in session.execute(
        asks.where(StockxListing.status == "active").group_by(StockxListing.currency)
    ):
        live.add_metric([currency], count)
        worth.add_metric([currency], float(amount))
    yield from (live, worth)
    sums = select(
        ProfitDay.currency,
        func.sum(ProfitDay.sales),
        func.sum(ProfitDay.revenue),
        func.sum(ProfitDay.revenue + ProfitDay.fees),
        func.sum(ProfitDay.profit),
    ).group_by(ProfitDay.currency)
    names = ("sales", "revenue_amount", "payouts_amount", "profit_amount")
    families = [
        GaugeMetricFamily(f"soleflip_{name}", "Realised, from the books", labels=["currency"]) for name in names
    ]
    for currency, *values in session.execute(sums):
        for family, value in zip(families, values, strict=True):
            family.add_metric([str(currency)], float(str(value)))
    yield from families


def _runs(session: Session) -> Iterator[Metric]:
    counted = GaugeMetricFamily("soleflip_runs_last_day", "Runs begun in the last 24 hours", labels=["kind", "state"])
    day = select(Run.kind, Run.state, func.count()).where(Run.created_at > NOW - func.make_interval(0, 0, 0, 1))
    for kind, state, count in session.execute(day.group_by(Run.kind, Run.state)):
        counted.add_metric([kind, state], count)
    waiting = func.count().filter(Run.state == "queued")
    row = session.execute(select(waiting, func.count(), queue_age()).where(Run.state.in_(OPEN_STATES))).one()
    yield counted
    yield GaugeMetricFamily("soleflip_runs_queued", "Runs that wait for a worker", value=row[0])
    yield GaugeMetricFamily("soleflip_runs_open", "Runs that wait or are worked on", value=row[1])
    yield GaugeMetricFamily(
        "soleflip_queue_age_seconds", "How long the oldest due run has waited", value=float(row[2] or 0)
    )
    stopped = session.scalar(select(StopSwitch.is_stopped))
    yield GaugeMetricFamily("soleflip_stopped", "Is every write to StockX stopped", value=int(bool(stopped)))


def _backup(session: Session, newest: datetime | None) -> Iterator[Metric]:
    if newest is not None:
        age = session.execute(select(func.extract("epoch", NOW - newest))).scalar_one()
        yield GaugeMetricFamily("soleflip_backup_age_seconds", "Age of the newest backup", value=float(age))


def _requests(redis: Redis) -> Iterator[Metric]:
    stored = cast("dict[bytes, bytes]", redis.hgetall(REQUESTS))
    counts = {name.decode(): int(count) for name, count in stored.items()}
    answered = CounterMetricFamily("soleflip_requests", "Requests answered", labels=["room", "method", "status"])
    for name, count in sorted(counts.items()):
        kind, *labels = name.split("|")
        if kind == "answered":
            answered.add_metric(labels, count)
    yield answered
    total, buckets = 0, []
    for limit in (*map(str, BUCKETS), "+Inf"):
        total += counts.get(f"took|{limit}", 0)
        buckets.append((limit, float(total)))
    took = HistogramMetricFamily("soleflip_request_seconds", "How long requests took")
    took.add_metric([], buckets, sum_value=counts.get("micros", 0) / 1e6)
    yield took


def _stockx(budget: Budget) -> Iterator[Metric]:
    calls = CounterMetricFamily("soleflip_stockx_calls", "Requests to StockX", labels=["lane", "result"])
    for (lane, result), count in sorted(budget.counted().items()):
        calls.add_metric([lane, result], count)
    yield calls
    state = budget.state()
    yield GaugeMetricFamily("soleflip_stockx_budget_used", "Requests of this UTC day", value=state.used_today)
    yield GaugeMetricFamily("soleflip_stockx_budget_left", "Requests left this UTC day", value=state.left_today)
    yield GaugeMetricFamily(
        "soleflip_stockx_blocked", "Did StockX ask us to pause", value=int(bool(state.blocked_until))
    )
