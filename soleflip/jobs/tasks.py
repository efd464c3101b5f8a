"""Tasks: perform a run whose id is given; the table of kinds says which service does it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import current_app
from rq import get_current_job
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from soleflip.db import db
from soleflip.domain.errors import RetryLater, SoleFlipError
from soleflip.domain.words import count_of
from soleflip.models import Run
from soleflip.runtime import Runtime
from soleflip.services import (
    alerts,
    automation,
    away,
    away_asks,
    backups,
    catalog,
    channels,
    deliveries,
    failures,
    feed_sources,
    feeds,
    halts,
    listing_sync,
    market_memory,
    monitor,
    open_files,
    orders,
    pricing,
    proposals,
    reconciliation,
    recovery,
    replays,
    runs,
    searches,
    sourcing,
    stock_lookup,
    stop,
    submission,
    tax_exports,
    timetable,
)
from soleflip.services.runs import Work

log = structlog.get_logger()

KINDS: dict[str, Callable[[Work], str]] = {
    "list": submission.submit,
    "change": proposals.carry_out,
    "reprice": pricing.reprice,
    "listing_sync": listing_sync.sync,
    "order_sync": orders.sync,
    "feed_import": feeds.perform,
    "feed_fetch": feed_sources.fetch_due,
    "catalog_lookup": catalog.look_up,
    "thin_quotes": market_memory.thin_quotes,
    tax_exports.KIND: tax_exports.perform,
    "tidy_exports": tax_exports.tidy,
    "quotes": sourcing.refresh_quotes,
    "detect": sourcing.detect,
    "compute": sourcing.compute,
    "adopt": reconciliation.adopt,
    "searches": searches.look,
    "product_lookup": stock_lookup.look_up,
    "replay": replays.play,
    "deliver_alerts": deliveries.deliver,
    "test_channel": channels.test,
    "monitor": monitor.watch,
    "backup": backups.perform,
    "export": open_files.perform,
    "settle": recovery.settle,
    away.PAUSE: away_asks.pause,
    away_asks.LOOK: away_asks.look,
    "automate": automation.process_quickflip_to_sale,
}


class TimeIsUp(BaseException):
    """This attempt has reached its time limit; no `except Exception` on the way may take it for something else."""


def perform(run_id: str) -> None:
    """Perform a run unless it is over or another worker has it; running it twice does no harm."""
    runtime: Runtime = current_app.extensions["soleflip"]
    key = UUID(run_id)
    runtime.queue.taken(key)
    # The lease lives on a connection of its own: it ends with this process, however that ends.
    with (
        db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        Session(connection) as lease,
    ):
        connection.detach()  # closed for good at the end: back in the pool it would keep the lease
        if not runs.try_lease(lease, key):
            return
        job = get_current_job()
        with runtime.transaction() as session:
            if failures.end_if_overdue(session, key, runtime.clock()):
                return
            run = runs.begin(session, key, job_id=job.id if job else None)
            limit = failures.time_limit(session, run.kind) if run else 0
        if run is not None:
            _perform(runtime, run, limit if job else None)


def _perform(runtime: Runtime, run: Run, limit: int | None) -> None:
    """Do the work and record its end: done, cancelled, failed, or put back for later."""
    work = Work(
        run_id=run.id,
        params=run.params,
        actor=run.actor,
        transaction=runtime.transaction,
        stockx=runtime.stockx,
        clock=runtime.clock,
        books=runtime.books,
        tempo=runtime.settings.sandbox_speed if runtime.settings.sandbox else 1.0,
        settings=runtime.settings,
        wake=runtime.queue.wake,
    )
    logger = log.bind(run=str(run.id), kind=run.kind, attempt=run.attempts)
    sent_before = runtime.stockx.requests_sent
    try:
        with _ended_after(limit):
            message = KINDS[run.kind](work)
    except TimeIsUp:
        # The alarm may have rung in the middle of a statement: no connection of before is used again.
        db.engine.dispose()
        _end(runtime, run, "failed", failures.sentence(limit or 0))
        logger.warning("run ended by its time limit", seconds=limit)
    except runs.Cancelled:
        _end(runtime, run, "cancelled", "Stopped by the operator. What was done stays done.")
    except RetryLater as error:
        _later(runtime, run, runs.MAX_RETRIES, str(error))
        logger.info("run postponed", reason=str(error))
    except stop.Stopped as error:
        with runtime.transaction() as session:
            failures.stand_still(session, run, str(error))
        logger.info("run stands still", reason=str(error))
    except SoleFlipError as error:
        _end(runtime, run, "failed", str(error))
        logger.info("run failed", reason=str(error))
    except Exception:
        reference = uuid4().hex[:8]
        logger.exception("run crashed", reference=reference)
        _later(runtime, run, runs.MAX_CRASHES, f"An unexpected error; the log has it under {reference}.")
        raise
    else:
        _end(runtime, run, "done", message)
        logger.info("run done", result=message)
    finally:
        with runtime.transaction() as session:
            runs.count_requests(session, run.id, runtime.stockx.requests_sent - sent_before)
            told = alerts.waiting_runs(session)
        for waiting in told:  # alerts that this run raised leave at once
            runtime.queue.wake(waiting, alerts.DELIVERY)


@contextmanager
def _ended_after(seconds: int | None) -> Iterator[None]:
    """Raise TimeIsUp in the block after so many seconds; without a number the block may take as long as it takes.

    An alarm, since a job may hang in any call; jobs run in the main thread of a process of their own.
    """
    rung = False

    def ring(_number: int, _frame: Any) -> None:
        nonlocal rung
        rung = True
        raise TimeIsUp

    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    except Exception:
        if rung:  # what broke because the alarm rang in it, such as a statement that was cut off
            raise TimeIsUp from None
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _end(runtime: Runtime, run: Run, state: str, message: str) -> None:
    with runtime.transaction() as session:
        if state == "failed":
            failures.fail(session, run, message, runtime.clock())
        else:
            runs.finish(session, run.id, state, message=message)


def _later(runtime: Runtime, run: Run, limit: int, message: str) -> None:
    """Put a run back with a growing pause, or fail it after `limit` attempts."""
    if run.attempts >= limit:
        _end(runtime, run, "failed", f"{message} Given up after {count_of(run.attempts, 'attempt')}.")
        return
    pause = min(2.0 ** min(run.attempts, 9), 300.0)
    with runtime.transaction() as session:
        runs.postpone(session, run.id, pause, message=message)


def start_due() -> list[UUID]:
    """Start a run of every line of the timetable that is due."""
    runtime: Runtime = current_app.extensions["soleflip"]
    started = []
    with runtime.transaction() as session:
        for kind in timetable.due(session, sandbox=runtime.settings.sandbox):
            started.append(runs.start(session, kind, actor=timetable.ACTOR, params=timetable.params_of(session, kind)))
        if recovery.is_needed(session):
            started.append(runs.start(session, recovery.KIND, actor=timetable.ACTOR))
        leaving = away.start_planned(session, runtime.clock()) or away.pause_late(session)
        started += [leaving] if leaving else []
    for run in started:
        runtime.queue.wake(run.id, run.kind)
    return [run.id for run in started]


def wake_abandoned() -> int:
    """Wake every run that nobody works on: its worker died, or Redis lost its job."""
    runtime: Runtime = current_app.extensions["soleflip"]
    with runtime.transaction() as session:
        failures.give_up(session, runtime.clock())
        found = runs.abandoned(session)
    for run_id in found:
        runtime.queue.wake(run_id)
    return len(found)


def look_for_halts() -> str | None:
    """Stop every write when the books ask for it; returns why."""
    runtime: Runtime = current_app.extensions["soleflip"]
    limited = runtime.stockx.budget.state().limited_today
    with runtime.transaction() as session:
        return halts.look(session, now=runtime.clock(), limited=limited, books=runtime.books)


def end_overdue() -> int:
    """End every run past its time limit, if need be with the process that performs it."""
    runtime: Runtime = current_app.extensions["soleflip"]
    with runtime.transaction() as session:
        held = failures.end_overdue(session, runtime.clock())
    for overdue in held:
        log.warning("a run is past its time limit and goes on: ending its process", run=str(overdue.run_id))
        if overdue.job_id is not None:
            try:
                send_stop_job_command(runtime.redis, overdue.job_id, serializer=JSONSerializer)
            except (InvalidJobOperation, NoSuchJobError) as error:
                log.warning("its process could not be told", run=str(overdue.run_id), error=str(error))
    return len(held)
