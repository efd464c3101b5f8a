"""The scheduler: starts what the timetable says, and wakes runs that nobody works on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq.cron import CronScheduler
from rq.utils import now
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from soleflip.db import db
from soleflip.jobs import tasks
from soleflip.runtime import Runtime
from soleflip.services.timetable import TIMETABLE

log = structlog.get_logger()

SCHEDULER_LOCK = 7420018


SWEEP_EVERY = 5


class Timetable(CronScheduler):
    """RQ's scheduler, which starts runs in the database in place of bare jobs; only one of several acts."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(connection=runtime.redis, name="soleflip")
        self._actions: dict[str, Callable[[], object]] = {}
        self._leader: Connection | None = None
        self._holds = False
        self._add("sweep", SWEEP_EVERY, tasks.wake_abandoned)
        for entry in TIMETABLE:
            every = entry.every_in_sandbox if runtime.settings.sandbox else entry.every
            self._add(entry.kind, every, partial(tasks.start_scheduled, entry.kind))

    def run(self) -> None:
        """Go on until told to stop by a signal."""
        self.start()  # type: ignore[no-untyped-call]

    def _add(self, name: str, every: int, action: Callable[[], object]) -> None:
        self._actions[name] = action
        self.register(tasks.start_scheduled, "default", args=(name,), interval=every, name=name)

    def enqueue_jobs(self) -> list[Any]:
        """Start what is due, when this scheduler is the one that acts; a fault of one line stops no other."""
        if not self._is_leader():
            return []
        due = [job for job in self.get_jobs() if job.should_run()]
        for job in due:
            try:
                self._actions[job.name]()
            except (OperationalError, RedisError) as error:
                log.warning("timetable line not started", line=job.name, error=str(error))
            job.set_enqueue_time(now())
        return due

    def calculate_sleep_interval(self) -> float:
        """Never sleep longer than the sweep's interval, so that a second scheduler takes over soon."""
        return min(super().calculate_sleep_interval(), float(SWEEP_EVERY))

    def _is_leader(self) -> bool:
        """Hold the scheduler's lock, or try to get it: it is free as soon as its holder dies."""
        try:
            if self._leader is None:
                self._leader = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._holds = False
            if not self._holds:
                self._holds = bool(self._leader.scalar(text("SELECT pg_try_advisory_lock(:k)"), {"k": SCHEDULER_LOCK}))
            else:
                self._leader.execute(text("SELECT 1"))
        except OperationalError as error:
            log.warning("the scheduler lost the database", error=str(error))
            self._leader = None
            return False
        return self._holds
