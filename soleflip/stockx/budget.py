"""One request budget for all processes and machines, kept in Redis (DESIGN.md section 6).

How two requests never come too close: a slot stays taken until its request is *answered* (`Slot.done`), and the
next one is free an interval later. So the distance holds at StockX's door whatever the network or a slow handshake
does in between. A request that takes longer than `HOLD` no longer holds the others up; a caller that was stopped
between getting its slot and using it sees `Slot.is_stale` and asks again. Redis's clock is the only one that counts
here; the interval is 1/rate plus 2 % and a millisecond for the drift between that clock and StockX's.

Why not `limits`: it has neither waiting by rank, nor slots given back, nor days of a clock that isn't the machine's,
and the rules must be weighed in one step or a process could pay for items without getting a slot. So one Lua script
decides, in one round trip when the way is free.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import redis

from soleflip.domain.errors import InvalidInput
from soleflip.stockx.budget_scripts import ACQUIRE, DONE, PENALISE
from soleflip.stockx.errors import BudgetExhausted, BudgetUnreachable

ITEM_WINDOW = 300.0
ITEM_LIMIT = 500
ITEM_DAY_LIMIT = 50_000
HOLD = 2.0
STALE_AFTER = 0.25
LONGEST_BLOCK = timedelta(hours=24)


class Lane(enum.StrEnum):
    """What a call is for, the most urgent first."""

    SALES = "sales"
    CUTS = "cuts"
    LISTING = "listing"
    HOT = "hot"
    COLD = "cold"


# The share of the day up to which a lane may spend: what is above is kept for the lanes before it.
DAY_SHARE = {Lane.SALES: 1.0, Lane.CUTS: 0.99, Lane.LISTING: 0.97, Lane.HOT: 0.95, Lane.COLD: 0.80}
RANK = {lane: rank for rank, lane in enumerate(Lane)}


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The budget at one moment; the day is the UTC day of the budget's clock, as is `blocked_until`."""

    used_today: int
    left_today: int
    by_lane: Mapping[Lane, int]
    blocked_until: datetime | None
    items_today: int = 0
    limited_today: int = 0
    waiting: Mapping[Lane, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slot:
    """The permission to send one request now; `done` says that it was answered or given up."""

    budget: Budget
    ticket: str
    granted_at: float

    @property
    def is_stale(self) -> bool:
        """Too long ago to be used: somebody else may be about to send."""
        return time.monotonic() - self.granted_at > STALE_AFTER

    def done(self) -> None:
        """Give the slot free for the next caller, one interval from now."""
        self.budget.release(self.ticket)


class Budget:
    """The budget of one StockX application.

    `rate` is in requests per real second; a sandbox that runs faster than time has a higher one, and the five
    minutes of the batch window shrink with it. `clock` gives the UTC time by which days are counted and blocks end,
    `speed` its seconds per real second: by default the rate, at least 1, since a sandbox's rate is its speed and a
    block that lasts too long does less harm than one too short. `name` keeps two applications on one Redis apart.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        rate: float = 1.0,
        day_limit: int = 25_000,
        clock: Callable[[], datetime],
        speed: float | None = None,
        name: str = "stockx",
    ) -> None:
        if rate <= 0:
            raise ValueError("a rate is above zero")
        self.redis = client
        self.name = name
        self.rate = rate
        self.day_limit = day_limit
        self.clock = clock
        self.speed = speed or max(1.0, rate)
        self.interval = 1.02 / rate + 0.001
        self._acquire = client.register_script(ACQUIRE)
        self._done = client.register_script(DONE)
        self._penalise = client.register_script(PENALISE)

    def acquire(self, lane: Lane, *, items: int = 0, wait: float) -> Slot:
        """Wait up to `wait` real seconds for the right to send one request carrying `items` batch items.

        Raises BudgetExhausted when there is no slot in that time (at once where that is known), BudgetUnreachable
        when Redis does not answer, InvalidInput for more items than ever fit.
        """
        if items > ITEM_LIMIT:
            raise InvalidInput(
                f"{items} batch items in one call, but StockX takes {ITEM_LIMIT} in 5 minutes: split it."
            )
        deadline = time.monotonic() + wait
        ticket = ""
        try:
            while True:
                verdict, reply, number = self._ask(lane, items, ticket)
                if verdict == "granted":
                    return Slot(self, reply, time.monotonic())
                left = deadline - time.monotonic()
                pause = number / 1e6
                if verdict != "wait":
                    self._raise_unless_soon(verdict, lane, pause, left)
                    pause = min(pause, 1.0)
                else:
                    ticket = reply
                    if left <= 0:
                        raise self._exhausted("busy", lane, self.interval)
                time.sleep(max(0.0, min(pause, left)))
        except BaseException:
            self._leave(ticket)
            raise

    def release(self, ticket: str) -> None:
        """Tell that the request of this slot was answered; without Redis the slot simply runs out."""
        try:
            self._done(keys=[self._key("slot")], args=[ticket, _micros(self.interval)])
        except redis.RedisError:
            return

    def count(self, lane: Lane, result: str) -> None:
        """Count a request and what it came to, for all processes together; without Redis it goes uncounted."""
        try:
            self.redis.hincrby(self._key("calls"), f"{lane.value}|{result}", 1)
        except redis.RedisError:
            return

    def counted(self) -> dict[tuple[str, str], int]:
        """Return how many requests of each lane came to each result; raises BudgetUnreachable without Redis."""
        with reachable():
            stored = cast("dict[Any, Any]", self.redis.hgetall(self._key("calls")))
        parts = {_plain(name).partition("|"): int(count) for name, count in stored.items()}
        return {(lane, result): count for (lane, _, result), count in parts.items()}

    def penalise(self, until: datetime | None = None) -> datetime:
        """Block everybody until a time of the budget's clock; without one, longer each time within the hour.

        Returns the time until which all are blocked now, at most 24 hours from now.
        """
        now = self.clock()
        with reachable():
            reply = self._penalise(
                keys=[self._key("blocked"), self._key("strikes")],
                args=[
                    now.timestamp(),
                    min(until, now + LONGEST_BLOCK).timestamp() if until else 0,
                    self.speed,
                ],
            )
        return datetime.fromtimestamp(float(reply), UTC)

    def note_limited(self) -> None:
        """Count an answer 429 in the day of the budget's clock; without Redis it stays uncounted."""
        try:
            self.redis.hincrby(self._day_key(self.clock()), "limited", 1)
        except redis.RedisError:
            return

    def state(self) -> BudgetState:
        """Read what is used, left and blocked, by one round trip; raises BudgetUnreachable without Redis."""
        now = self.clock()
        with reachable(), self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._day_key(now))
            pipe.get(self._key("blocked"))
            pipe.zrange(self._key("waiting"), 0, -1)
            day, blocked, waiting = cast("tuple[dict[Any, Any], Any, list[Any]]", tuple(pipe.execute()))
        counts = {_plain(name): int(count) for name, count in day.items()}
        used = counts.get("total", 0)
        until = datetime.fromtimestamp(float(blocked), UTC) if blocked else None
        ranks = [int(_plain(ticket).split(":")[0]) for ticket in waiting]
        return BudgetState(
            used_today=used,
            left_today=max(0, self.day_limit - used),
            by_lane={lane: counts.get(lane.value, 0) for lane in Lane},
            blocked_until=until if until and now < until <= now + LONGEST_BLOCK else None,
            items_today=counts.get("items", 0),
            limited_today=counts.get("limited", 0),
            waiting={lane: ranks.count(RANK[lane]) for lane in Lane},
        )

    def _ask(self, lane: Lane, items: int, ticket: str) -> tuple[str, str, float]:
        now = self.clock()
        keys = [self._key("slot"), self._key("waiting"), self._key("items"), self._day_key(now), self._key("blocked")]
        args: list[str | int | float] = [
            ticket,
            RANK[lane],
            lane.value,
            items,
            round(self.day_limit * DAY_SHARE[lane]),
            ITEM_DAY_LIMIT,
            ITEM_LIMIT,
            _micros(ITEM_WINDOW * 1.01 / self.rate),
            _micros(self.interval),
            _micros(HOLD),
            now.timestamp(),
        ]
        with reachable():
            verdict, reply, number = cast("list[Any]", self._acquire(keys=keys, args=args))
        return _plain(verdict), _plain(reply), float(number)

    def _raise_unless_soon(self, verdict: str, lane: Lane, pause: float, left: float) -> None:
        """Raise when the obstacle lasts longer than the caller can wait.

        The day and a block are told in seconds of the clock, all else in real ones.
        """
        if verdict in ("day", "items_day"):
            raise self._exhausted(verdict, lane, _to_midnight(self.clock()) / self.speed)
        real = pause / self.speed if verdict == "blocked" else pause
        if real > left:
            raise self._exhausted(verdict, lane, real)

    def _exhausted(self, reason: str, lane: Lane, seconds: float) -> BudgetExhausted:
        until = self.clock() + timedelta(seconds=seconds * self.speed)
        texts = {
            "day": f"The day's StockX requests for {lane} are used up",
            "items_day": "The day's StockX batch items are used up",
            "items": "StockX takes no more batch items for now",
            "blocked": "StockX asked us to pause",
            "busy": f"Too many StockX requests are waiting before {lane}",
        }
        return BudgetExhausted(
            f"{texts[reason]}: try again after {until:%Y-%m-%d %H:%M:%S} UTC.", until=until, reason=reason
        )

    def _leave(self, ticket: str) -> None:
        if not ticket:
            return
        try:
            self.redis.zrem(self._key("waiting"), ticket)
        except redis.RedisError:
            return

    def _key(self, part: str) -> str:
        return f"{{{self.name}-budget}}:{part}"

    def _day_key(self, now: datetime) -> str:
        return self._key(f"day:{now.astimezone(UTC):%Y-%m-%d}")


@contextmanager
def reachable(*but: type[redis.RedisError]) -> Iterator[None]:
    """Turn an error of Redis into BudgetUnreachable, save those named."""
    try:
        yield
    except but:
        raise
    except redis.RedisError as error:
        raise BudgetUnreachable("Redis does not answer, so nothing is sent to StockX: check REDIS_URL.") from error


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _plain(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _to_midnight(now: datetime) -> float:
    tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (tomorrow - now).total_seconds()
