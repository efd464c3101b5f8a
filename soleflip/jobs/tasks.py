"""Tasks: perform a run whose id is given; the table of kinds says which service does it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from soleflip.db import db
from soleflip.domain.errors import RetryLater, SoleFlipError
from soleflip.models import Run
from soleflip.runtime import Runtime
from soleflip.services import (
    backups,
    catalog,
    change_batches,
    channels,
    deliveries,
    feed_sources,
    feeds,
    listing_sync,
    market_memory,
    orders,
    pricing,
    replays,
    runs,
    sourcing,
    stock_lookup,
    submission,
    timetable,
)
from soleflip.services.runs import Work

log = structlog.get_logger()

KINDS: dict[str, Callable[[Work], str]] = {
    "list": submission.submit,
    "change": change_batches.carry_out,
    "reprice": pricing.reprice,
    "listing_sync": listing_sync.sync,
    "order_sync": orders.sync,
    "feed_import": feeds.perform,
    "feed_fetch": feed_sources.fetch_due,
    "catalog_lookup": catalog.look_up,
    "thin_quotes": market_memory.thin_quotes,
    "quotes": sourcing.refresh_quotes,
    "detect": sourcing.detect,
    "product_lookup": stock_lookup.look_up,
    "replay": replays.play,
    "deliver_alerts": deliveries.deliver,
    "test_channel": channels.test,
    "backup": backups.perform,
}


def perform(run_id: str) -> None:
    """Perform a run unless it is over or another worker has it; running it twice does no harm."""
    runtime: Runtime = current_app.extensions["soleflip"]
    key = UUID(run_id)
    # The lease lives on a connection of its own: it ends with this process, however that ends.
    with (
        db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        Session(connection) as lease,
    ):
        if not runs.try_lease(lease, key):
            return
        with runtime.transaction() as session:
            run = runs.begin(session, key)
        if run is not None:
            _perform(runtime, run)


def _perform(runtime: Runtime, run: Run) -> None:
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
    )
    logger = log.bind(run=str(run.id), kind=run.kind, attempt=run.attempts)
    sent_before = runtime.stockx.requests_sent
    try:
        message = KINDS[run.kind](work)
    except runs.Cancelled:
        _end(runtime, run, "cancelled", "Stopped by the operator. What was done stays done.")
    except RetryLater as error:
        _later(runtime, run, runs.MAX_RETRIES, str(error))
        logger.info("run postponed", reason=str(error))
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


def _end(runtime: Runtime, run: Run, state: str, message: str) -> None:
    with runtime.transaction() as session:
        runs.finish(session, run.id, state, message=message, error=message if state == "failed" else None)


def _later(runtime: Runtime, run: Run, limit: int, message: str) -> None:
    """Put a run back with a growing pause, or fail it after `limit` attempts."""
    if run.attempts >= limit:
        _end(runtime, run, "failed", f"{message} Given up after {run.attempts} attempts.")
        return
    pause = min(2.0 ** min(run.attempts, 9), 300.0)
    with runtime.transaction() as session:
        runs.postpone(session, run.id, pause, message=message)


def start_scheduled(kind: str) -> UUID | None:
    """Start a run of this kind from the timetable, unless one is still open."""
    runtime: Runtime = current_app.extensions["soleflip"]
    with runtime.transaction() as session:
        if runs.is_open(session, kind) or not timetable.is_needed(session, kind):
            return None
        run = runs.start(session, kind, actor="timetable", params=timetable.params_of(session, kind))
    runtime.queue.wake(run.id, kind)
    return run.id


def wake_abandoned() -> int:
    """Wake every run that nobody works on: its worker died, or Redis lost its job."""
    runtime: Runtime = current_app.extensions["soleflip"]
    with runtime.transaction() as session:
        found = runs.abandoned(session)
    for run_id in found:
        runtime.queue.wake(run_id)
    return len(found)
