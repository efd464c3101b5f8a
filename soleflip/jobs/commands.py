"""`flask worker` and `flask scheduler`: the processes of this edge, which outlive PostgreSQL and Redis being away."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from soleflip.db import db
from soleflip.jobs import tasks
from soleflip.jobs.enduring import Worker, keep_going
from soleflip.jobs.schedule import Scheduler
from soleflip.runtime import QUEUES, QUICK_QUEUES, WORKER_TTL, Runtime


def install(app: Flask) -> None:
    """Register the commands on the application."""
    app.cli.add_command(worker)
    app.cli.add_command(scheduler)


@click.command("worker")
@click.option("--quick", is_flag=True, help="Leave feeds, backups and other long runs to other workers.")
@with_appcontext
def worker(quick: bool) -> None:
    """Perform runs until told to stop."""
    keep_going(partial(_work, QUICK_QUEUES if quick else QUEUES))


@click.command("scheduler")
@with_appcontext
def scheduler() -> None:
    """Start what the timetable says until told to stop."""
    keep_going(Scheduler(current_app.extensions["soleflip"]).run)


def _work(queues: Sequence[str]) -> None:
    runtime: Runtime = current_app.extensions["soleflip"]
    tasks.wake_abandoned()
    # What this process opened must not be shared with the children it forks for its jobs.
    db.engine.dispose()
    Worker(list(queues), connection=runtime.redis, serializer="json", worker_ttl=WORKER_TTL).perform()
