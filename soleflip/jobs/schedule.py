"""The scheduler: starts what the timetable says, and sees to runs that nobody works on or that never end."""

from __future__ import annotations

import contextlib
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq.cron import CronScheduler
from rq.utils import now
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from soleflip.db import db
from soleflip.domain.errors import RetryLater
from soleflip.jobs import tasks
from soleflip.runtime import Runtime
from soleflip.services.readiness import SCHEDULER_LOCK

log = structlog.get_logger()

LOOK_EVERY = 5
"""Seconds between two looks at the timetable and at the runs."""

DUTIES = (tasks.look_for_halts, tasks.end_overdue, tasks.wake_abandoned, tasks.start_due)
"""What is done at every look: what ended is not woken, and what is woken is not started again."""


class Scheduler(CronScheduler):
    """RQ's scheduler with one line, the look; what is due is in the database. Only one of several acts."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(connection=runtime.redis, name="soleflip")
        self._leader: Connection | None = None
        self._holds = False
        self.register(look, "default", interval=LOOK_EVERY, name="look")

    def run(self) -> None:
        """Go on until told to stop by a signal."""
        self.start()  # type: ignore[no-untyped-call]

    def enqueue_jobs(self) -> list[Any]:
        """Look, when it is time and this scheduler is the one that acts."""
        due = [job for job in self.get_jobs() if job.should_run()]
        for job in due:
            job.set_enqueue_time(now())
            if self._is_leader():
                look()
        return due

    def register_birth(self) -> None:
        """Tell Redis that this scheduler began, if it is there."""
        with contextlib.suppress(RedisError):
            super().register_birth()

    def register_death(self, pipeline: Any = None) -> None:
        """Tell Redis that this scheduler ends, if it is there."""
        with contextlib.suppress(RedisError):
            super().register_death(pipeline)

    def save(self, pipeline: Any = None) -> None:
        """Tell Redis of this scheduler; while Redis is away nobody is told, and the look goes on."""
        if pipeline is not None:
            super().save(pipeline)
            return
        with contextlib.suppress(RedisError):
            super().save()

    def heartbeat(self) -> None:
        """Give Redis a sign of life; while it is away nobody is told, and the look goes on."""
        with contextlib.suppress(RedisError):
            super().heartbeat()

    def calculate_sleep_interval(self) -> float:
        """Never sleep longer than until the next look, so that a second scheduler takes over soon."""
        return min(super().calculate_sleep_interval(), float(LOOK_EVERY))

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
        except DBAPIError as error:
            log.warning("the scheduler lost the database", error=str(error))
            self._leader = None
            return False
        return self._holds


def look() -> None:
    """Do every duty of the scheduler once; a fault of one stops no other."""
    for duty in DUTIES:
        try:
            duty()
        except (DBAPIError, RedisError, RetryLater) as error:
            log.warning("a duty of the scheduler was not done", duty=duty.__name__, error=str(error))
