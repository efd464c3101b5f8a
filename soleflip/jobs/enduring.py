"""What keeps a process of this edge going while PostgreSQL or Redis is away, for as long as that takes."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

import rq
import structlog
from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from sqlalchemy.exc import DBAPIError

from soleflip.domain.errors import RetryLater

log = structlog.get_logger()

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0


class Interrupted(RuntimeError):
    """RQ's worker ended without having been told to; its own log says why."""


class Worker(rq.Worker):
    """RQ's worker: a job under way is waited for while Redis is away, and an end without being told is an error."""

    max_connection_wait_time = LONGEST_PAUSE
    _told = False

    def perform(self) -> None:
        """Perform jobs until told to stop; raises Interrupted when it ends for any other reason."""
        self.work(logging_level="WARNING")
        if not self._told:
            raise Interrupted

    def request_stop(self, signum: Any, frame: Any) -> None:
        """Remember that it was a signal that ended the work."""
        self._told = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def set_shutdown_requested_date(self) -> None:
        """Tell Redis of the signal, if it is there."""
        with contextlib.suppress(RedisError):
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]

    def maintain_heartbeats(self, job: Any, execution: Any) -> None:
        """Give Redis a sign of life; a job goes on while nobody is there to be told."""
        with contextlib.suppress(RedisError):
            super().maintain_heartbeats(job, execution)

    def register_death(self) -> None:
        """Sign off, once the job under way came to its end and if Redis is there."""
        if self.horse_pid:
            with contextlib.suppress(ChildProcessError):
                self.wait_for_horse()
        with contextlib.suppress(RedisError):
            super().register_death()  # type: ignore[no-untyped-call]

    def unsubscribe(self) -> None:
        """Stop listening for commands, also where Redis cannot be told."""
        with contextlib.suppress(RedisError):
            super().unsubscribe()  # type: ignore[no-untyped-call]
        if self.pubsub_thread is not None:
            self.pubsub_thread.stop()


def keep_going(work: Callable[[], None]) -> None:
    """Do the work, again after a short pause whenever a server it needs is away, until a signal says stop."""
    pause = FIRST_PAUSE
    while True:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _stop)
        begun = time.monotonic()
        try:
            try:
                work()
                return
            except (RedisError, DBAPIError, RetryLater, Interrupted) as error:
                pause = FIRST_PAUSE if time.monotonic() - begun > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
                log.warning("interrupted, goes on soon", seconds=pause, error=str(error) or type(error).__name__)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _stop)
            time.sleep(pause)
        except StopRequested:
            return


def _stop(_number: int, _frame: Any) -> None:
    raise StopRequested
