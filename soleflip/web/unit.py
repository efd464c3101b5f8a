"""One request, one unit of work: its session, its clock, its actor, and the runs it starts.

`g.session` is opened before the view and committed after it when the answer is below 400, else rolled back. A worker
is woken only after the commit, so it never looks for a row that is not there yet.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from flask import Flask, Response, current_app, g
from flask_login import current_user
from sqlalchemy.orm import Session

from soleflip.db import open_session
from soleflip.models import Run
from soleflip.runtime import Runtime
from soleflip.services import runs


def install(app: Flask) -> None:
    """Open, commit and close the session of every request."""
    app.before_request(_open)
    app.after_request(_commit)
    app.teardown_request(_close)


def runtime() -> Runtime:
    """Return the parts this process reaches the world with."""
    return cast(Runtime, current_app.extensions["soleflip"])


def now() -> datetime:
    """Tell the time by which business is done, UTC: in the sandbox, the sandbox's; one moment per request."""
    if "now" not in g:
        g.now = runtime().clock()
    return cast(datetime, g.now)


def actor() -> str:
    """Return the e-mail of who is signed in, for runs and the audit log."""
    return str(current_user.email) if current_user and current_user.is_authenticated else "nobody"


def start_run(kind: str, params: dict[str, Any] | None = None, total: int | None = None) -> Run:
    """Write a queued run; a worker is woken once the request is committed.

    When the queue is away the run stays queued in the database and is picked up later.
    """
    run = runs.start(g.session, kind, actor=actor(), params=params, total=total)
    wake_after_commit(run)
    return run


def wake_after_commit(run: Run) -> None:
    """Have a worker woken for a run that a service started, once the request is committed."""
    g.started_runs.append((run.id, run.kind))


def _open() -> None:
    g.session = open_session()
    g.started_runs = []


def _commit(response: Response) -> Response:
    session: Session | None = g.get("session")
    if session is None:
        return response
    if response.status_code >= 400:
        session.rollback()
        return response
    session.commit()
    started: list[tuple[UUID, str]] = g.started_runs
    g.started_runs = []
    for run_id, kind in started:
        runtime().queue.wake(run_id, kind)
    return response


def _close(_error: BaseException | None) -> None:
    session: Session | None = g.pop("session", None)
    if session is not None:
        session.close()
