"""The database of a running stack is killed in the middle of a listing run: no step is lost, none is done twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from soleflip.config import Settings
from soleflip.db import db
from soleflip.factory import create_app
from soleflip.models import Run, StockxListing, TimetableSetting
from soleflip.services import timetable
from tests.conftest import Sandbox, Stack, running_stack
from tests.jobs.processes import wait_until
from tests.selling import Selling, learn_catalog
from tests.test_local import server_processes

NUMBER = 230


@contextmanager
def selling_on(stack: Stack) -> Iterator[Selling]:
    """The application of a running stack, seen from here."""
    environ = {name: value for name, value in stack.environ.items() if name not in os.environ}
    settings = Settings.from_env(environ)
    app = create_app(settings)
    api, auth = settings.stockx_api_url, settings.stockx_auth_url
    with app.app_context():
        yield Selling(app, Sandbox(api, auth, stack.data / "sandbox.sqlite"), {**os.environ, **environ})
        db.engine.dispose()
    app.extensions["soleflip"].stockx.close()
    app.extensions["soleflip"].redis.close()


def quiet(selling: Selling) -> None:
    """Switch the timetable off, so that only the drill writes."""
    with selling.runtime.transaction() as session:
        for entry in timetable.TIMETABLE:
            session.merge(TimetableSetting(kind=entry.kind, is_enabled=False))


def states(selling: Selling, run_id: UUID) -> tuple[str, int]:
    with selling.runtime.transaction() as session:
        state = session.scalars(select(Run.state).where(Run.id == run_id)).one()
        begun = session.scalar(
            select(func.count())
            .select_from(StockxListing)
            .where(StockxListing.run_id == run_id, StockxListing.status != "pending")
        )
    return state, int(begun or 0)


def begun(selling: Selling) -> UUID:
    """A listing run in the middle of its work."""
    run_id = selling.order(NUMBER)
    selling.runtime.queue.wake(run_id, "list")
    wait_until(lambda: states(selling, run_id)[1] > 0)
    return run_id


def ends_well(selling: Selling, run_id: UUID) -> None:
    wait_until(lambda: over(selling, run_id))
    selling.check_asks(run_id, NUMBER)


def test_a_database_that_is_killed_loses_no_step_and_repeats_none(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with running_stack(data) as stack, selling_on(stack) as selling:
        learn_catalog(selling)
        quiet(selling)
        run_id = begun(selling)
        next(each for each in server_processes(data) if "postgres" in " ".join(each.cmdline())).kill()
        ends_well(selling, run_id)


def over(selling: Selling, run_id: UUID) -> bool:
    """Whether the run is done; while PostgreSQL is away nobody can tell."""
    try:
        return states(selling, run_id)[0] == "done"
    except DBAPIError:
        return False
