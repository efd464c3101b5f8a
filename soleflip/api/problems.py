"""Errors of the API: one shape (RFC 9457), from every door."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

import structlog
from flask import Flask, Response, current_app, g, request
from flask.typing import ResponseReturnValue
from gunicorn.http.errors import NoMoreData, ParseException
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import BadRequest, HTTPException

from soleflip.domain.errors import (
    Conflict,
    InvalidInput,
    NeedsHuman,
    NotFound,
    Refused,
    RetryLater,
    SoleFlipError,
)

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"

# Each error of ours with its status and the name that programs may rely on; the first class that fits decides.
TABLE: tuple[tuple[type[SoleFlipError], int, str], ...] = (
    (InvalidInput, 422, "invalid-input"),
    (NotFound, 404, "not-found"),
    (Conflict, 409, "conflict"),
    (Refused, 409, "refused"),
    (NeedsHuman, 409, "needs-human"),
    (RetryLater, 503, "retry-later"),
    (SoleFlipError, 400, "bad-request"),
)
NAMES = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    413: "too-large",
    414: "too-large",
    415: "unsupported-media-type",
    422: "invalid-input",
    429: "too-many-requests",
    431: "too-large",
    500: "server-error",
    503: "retry-later",
}
RETRY_AFTER = 5
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="The field as it was sent, nested ones with dots.", examples=["new_price"])
    message: str = Field(description="What is wrong with it, in one sentence.")


class Problem(BaseModel):
    """An error: what happened, and what can be done about it."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Where this kind of problem is explained.", examples=["/api/v1/docs#conflict"])
    title: str = Field(description="The kind of problem, always the same words for one type.")
    status: int = Field(description="The HTTP status.", examples=[409])
    detail: str = Field(description="What happened this time, for a person to read.")
    request_id: str = Field(description="Finds this request in the server's log.")
    errors: list[FieldProblem] = Field(default=[], description="The fields that were refused, if any.")
    guard: str | None = Field(default=None, description="Which guard refused: below_floor, cost_unknown, away, ...")


class Unfit(InvalidInput):
    """A request whose fields were refused before any service saw them."""

    def __init__(self, errors: Iterable[FieldProblem]) -> None:
        self.errors = list(errors)
        said = "; ".join(f"{each.field}: {each.message}" for each in self.errors[:3])
        super().__init__(f"The request was refused and nothing was changed. {said}")


def install(app: Flask) -> None:
    """Let the application's error handlers answer in the API's shape below its address."""
    app.extensions["problem"] = lambda status, detail: answer(status, detail)
    for broken in (ParseException, NoMoreData):
        app.register_error_handler(broken, _unreadable)


def _unreadable(error: Exception) -> ResponseReturnValue:
    """Answer a request whose body broke off or was no chunks, which shows only while it is read."""
    log.info("body could not be read", path=request.path, error=str(error)[:200])
    return current_app.handle_http_exception(BadRequest("The body can't be read to its end. Nothing was changed."))


def of_domain(error: SoleFlipError) -> Response:
    """Answer an error that a service raised on purpose."""
    status, name = next((status, name) for kind, status, name in TABLE if isinstance(error, kind))
    errors = error.errors if isinstance(error, Unfit) else []
    if not errors and isinstance(error, InvalidInput) and error.field:
        errors = [FieldProblem(field=error.field, message=str(error))]
    guard = error.guard if isinstance(error, Refused) else None
    return answer(status, str(error), name=name, errors=errors, guard=guard)


def of_http(error: HTTPException) -> Response:
    """Answer an error of HTTP itself."""
    status = error.code or 500
    if status < 400:
        return Response(status=status)
    response = answer(status, error.description or HTTPStatus(status).phrase)
    for name, value in error.get_response().headers:
        if name in KEPT_HEADERS:
            response.headers[name] = value
    return response


def describe(status: int, detail: str, request_id: str, *, name: str | None = None) -> Problem:
    """Return the problem of a status, named by it unless a name is given."""
    name = name or NAMES.get(status, NAMES[400 if status < 500 else 500])
    title = name.replace("-", " ").capitalize()
    return Problem(type=f"/api/v1/docs#{name}", title=title, status=status, detail=detail, request_id=request_id)


def answer(
    status: int,
    detail: str,
    *,
    name: str | None = None,
    errors: Iterable[FieldProblem] = (),
    guard: str | None = None,
    **headers: str,
) -> Response:
    """Write a problem; headers are named with underscores."""
    problem = describe(status, detail, str(g.get("request_id", "unnamed")), name=name)
    problem.errors, problem.guard = list(errors), guard
    log.info("api request refused", path=request.path, method=request.method, status=status, why=detail)
    response = Response(problem.model_dump_json(exclude_none=True), status, mimetype=CONTENT_TYPE)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    for header, value in headers.items():
        response.headers[header.replace("_", "-")] = value
    return response
