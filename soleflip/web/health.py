"""Is it alive, is it ready: for supervisors, without a sign-in."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify, make_response
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from soleflip import schema
from soleflip.web.unit import runtime

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Answer that the process is alive."""
    return make_response("ok\n")


@bp.get("/readyz")
def readyz() -> Response:
    """Answer 200 when database, queue and migrations are as they must be, else 503 with what is wrong."""
    problems = {name: problem for name, problem in (("database", _database()), ("queue", _queue())) if problem}
    return make_response(jsonify(ready=not problems, problems=problems), 503 if problems else 200)


def _database() -> str | None:
    try:
        found = set(g.session.scalars(text("SELECT version_num FROM alembic_version")))
    except SQLAlchemyError as error:
        return f"The database does not answer: {type(error).__name__}."
    wanted = schema.newest()
    return None if found == wanted else f"The tables are at {sorted(found)}, not {sorted(wanted)}: flask db upgrade."


def _queue() -> str | None:
    try:
        runtime().redis.ping()
    except RedisError as error:
        return f"The queue does not answer: {type(error).__name__}."
    return None
