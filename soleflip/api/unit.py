"""What a view of the API needs of its request: session, clock, actor, and the runs it starts.

The session is opened, committed and closed by the application's one unit of work, as for the pages.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from flask import current_app, g
from sqlalchemy.orm import Session

from soleflip.models import Run
from soleflip.runtime import Runtime
from soleflip.services import runs


def runtime() -> Runtime:
    """Return the parts this process reaches the world with."""
    return cast(Runtime, current_app.extensions["soleflip"])


def session() -> Session:
    """Return the request's session."""
    return cast(Session, g.session)


def now() -> datetime:
    """Tell the time by which business is done, UTC: in the sandbox, the sandbox's; one moment per request."""
    if "now" not in g:
        g.now = runtime().clock()
    return cast(datetime, g.now)


def actor() -> str:
    """Return who acts, for runs and the audit log: the token's owner and the token's name."""
    return f"{g.token.user.email} ({g.token.name})"[:120]


def start_run(kind: str, params: dict[str, Any] | None = None, total: int | None = None) -> Run:
    """Write a queued run; a worker is woken once the request is committed."""
    run = runs.start(session(), kind, actor=actor(), params=params, total=total)
    return wake_after_commit(run)


def wake_after_commit(run: Run) -> Run:
    """Have a worker woken for a run that a service started, once the request is committed."""
    g.started_runs.append((run.id, run.kind))
    return run
