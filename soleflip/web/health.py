"""Is it alive, is it ready: for supervisors, without a sign-in."""

from __future__ import annotations

import hmac
import time

from flask import Blueprint, Flask, Response, abort, g, jsonify, make_response, request
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from soleflip import schema
from soleflip.services import backups, metrics, readiness
from soleflip.web.unit import runtime

bp = Blueprint("health", __name__)


def install(app: Flask) -> None:
    """Count every request: what it was for, how it was answered and how long it took."""
    counts = metrics.Requests(app.extensions["soleflip"].redis)

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        if request.endpoint != "static" and "begun" in g:
            room = request.blueprint or "none"
            counts.note(room, request.method, response.status_code, time.perf_counter() - g.begun)
        return response


@bp.get("/healthz")
def healthz() -> Response:
    """Answer that the process is alive."""
    return make_response("ok\n")


@bp.get("/metrics")
def show_metrics() -> Response:
    """Tell Prometheus what there is to watch: to the bearer of METRICS_TOKEN, or without one to this machine."""
    if not _may_watch():
        abort(404)
    parts = runtime()
    newest = next((backup.made_at for backup in backups.found(parts.settings.backups)), None)
    content = metrics.text(g.session, parts.redis, parts.stockx.budget, newest_backup=newest)
    return Response(content, content_type=CONTENT_TYPE_LATEST)


def _may_watch() -> bool:
    token = runtime().settings.metrics_token
    if token is not None:
        return hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
    # A proxy on this machine would make everybody look like this machine.
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "Via"))
    return request.remote_addr in ("127.0.0.1", "::1") and not forwarded


@bp.get("/readyz")
def readyz() -> Response:
    """Answer 200 when database, queue and migrations are as they must be, else 503 with what is wrong.

    What only stands still is a warning: the pages work, and a proxy that took them away would help nobody.
    """
    workers, queue = _queue()
    database = _database()
    problems = {name: problem for name, problem in (("database", database), ("queue", queue)) if problem}
    warnings = {} if database else readiness.standing_still(g.session, workers)
    answer = jsonify(ready=not problems, problems=problems, warnings=warnings)
    return make_response(answer, 503 if problems else 200)


def _database() -> str | None:
    try:
        found = set(g.session.scalars(text("SELECT version_num FROM alembic_version")))
    except SQLAlchemyError as error:
        return f"The database does not answer: {type(error).__name__}."
    wanted = schema.newest()
    return None if found == wanted else f"The tables are at {sorted(found)}, not {sorted(wanted)}: flask db upgrade."


def _queue() -> tuple[int | None, str | None]:
    """Return how many workers there are, or what is wrong with the queue."""
    try:
        return runtime().queue.workers(), None
    except RedisError as error:
        return None, f"The queue does not answer: {type(error).__name__}."
