"""What the browser gets when something goes wrong: what happened, what was not lost, what to do, and an id.

The id stands in the answer's X-Request-ID header, on the page and in every log line of the request.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, SecurityError

from soleflip.domain.errors import (
    Conflict,
    InvalidInput,
    NeedsHuman,
    NotFound,
    Refused,
    RetryLater,
    SoleFlipError,
)
from soleflip.web.htmx import VARY, wants_fragment

log = structlog.get_logger()

# The first class that fits decides.
STATUS: tuple[tuple[type[SoleFlipError], int], ...] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 409),
    (NeedsHuman, 409),
    (RetryLater, 503),
    (SoleFlipError, 400),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """An error in the operator's words: a title, what happened, and what to do about it."""

    title: str
    text: str
    advice: str


EXPLANATIONS: dict[int, Explanation] = {
    400: Explanation("That request made no sense", "The server could not read it. Nothing was changed.", "Go back."),
    401: Explanation("Please sign in", "This page is for people who are signed in.", "Sign in and try again."),
    403: Explanation("Not allowed", "Your account may not do this. Nothing was changed.", "Ask the owner."),
    404: Explanation("Nothing here", "This address leads nowhere, or the thing is gone.", "Check the address."),
    405: Explanation("Not this way", "This address can't be used in that way. Nothing was changed.", "Go back."),
    409: Explanation("Not now", "This can't be done as things stand. Nothing was changed.", "Go back and look again."),
    413: Explanation(
        "That file is too large", "The upload was refused. Nothing was changed.", "Send a smaller file, or gzip it."
    ),
    422: Explanation("Please check what you entered", "A value was refused. Nothing was changed.", "Go back, mend it."),
    429: Explanation("Too many tries", "Please wait a minute. Nothing was lost.", "Wait, then try again."),
    500: Explanation(
        "That is our mistake",
        "Something broke on the server. What you had not saved before is unchanged.",
        "Try again; if it stays, look for the id below in the log.",
    ),
    503: Explanation(
        "Not reachable just now",
        "A part this page needs does not answer. Nothing was lost; jobs wait and go on.",
        "Try again in a moment.",
    ),
}
CSRF = Explanation(
    "This form is too old",
    "For your safety a form counts only in the session it was opened in. Nothing was changed.",
    "Go back, reload the page and send the form again. You may have to sign in first.",
)
DATABASE = Explanation(
    "The database does not answer",
    "Nothing was lost: what was saved is safe, and what you just sent was not done.",
    "Try again in a moment. /readyz says what is wrong.",
)
QUEUE = Explanation(
    "The queue does not answer",
    "Redis can't be reached. Nothing was lost: jobs wait in the database and go on.",
    "Try again in a moment. /readyz says what is wrong.",
)


def install(app: Flask) -> None:
    """Give every request an id and every error a page."""
    app.before_request(_name_request)
    app.after_request(_show_id)
    app.register_error_handler(SoleFlipError, _own)
    app.register_error_handler(CSRFError, lambda error: _answer(400, CSRF))
    app.register_error_handler(HTTPException, _http)
    for error in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(error, _database)
    app.register_error_handler(RedisError, _queue)
    app.register_error_handler(500, _broken)


def _name_request() -> Response | None:
    g.request_id = secrets.token_hex(6)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request=g.request_id)
    if isinstance(request.routing_exception, SecurityError):
        # Asked for under a name that is not ours (ALLOWED_HOSTS): no page, for its links would hold that name.
        log.info("request refused", path=request.path, why="unknown host")
        return Response("SoleFlip does not go by this name.\n", 400, mimetype="text/plain")
    return None


def _show_id(response: Response) -> Response:
    response.headers["X-Request-ID"] = _id()
    return response


def _id() -> str:
    return str(g.get("request_id", "unnamed"))


def _own(error: SoleFlipError) -> Response:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    common = EXPLANATIONS[status]
    return _answer(status, Explanation(common.title, str(error), common.advice))


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    above = _page_above() if status == 405 and request.method == "GET" and not wants_fragment() else None
    if above is not None:
        return make_response(redirect(above, 303))
    response = _answer(status, EXPLANATIONS.get(status, EXPLANATIONS[400 if status < 500 else 500]))
    for name, value in error.get_response().headers:
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _database(error: Exception) -> Response:
    log.error("the database does not answer", path=request.path, error=type(error).__name__)
    # Whoever it is can't be looked up either; the page must not try.
    g._login_user = AnonymousUserMixin()
    return _answer(503, DATABASE, bare=True)


def _queue(error: RedisError) -> Response:
    log.error("redis does not answer", path=request.path, error=type(error).__name__)
    return _answer(503, QUEUE, bare=True)


def _broken(error: Exception) -> Response:
    cause = getattr(error, "original_exception", None) or error
    log.error("request broke", path=request.path, method=request.method, exc_info=cause)
    return _answer(500, EXPLANATIONS[500], bare=True)


def _came_from() -> str | None:
    """Return the page of ours that a refused form was sent from; nothing when the page itself was asked for."""
    before = urlsplit(request.referrer or "")
    pages = current_app.url_map.bind("")
    if request.method != "POST" or before.netloc != request.host or not pages.test(before.path, "GET"):
        return None
    return before.path + (f"?{before.query}" if before.query else "")


def _page_above() -> str | None:
    """Return the nearest page above an address that takes forms only: a browser that reloads one lands there."""
    pages, path = current_app.url_map.bind(""), request.path
    while path.startswith("/") and path != "/" and not path.startswith("/api/"):
        path = path.rpartition("/")[0] or "/"
        if pages.test(path, "GET"):
            return path
    return None


def _answer(status: int, explanation: Explanation, *, bare: bool = False) -> Response:
    """Write the error as a page, as a notice for htmx, or as the JSON API's own problem under /api/."""
    if status != 500:
        log.info("request refused", path=request.path, method=request.method, status=status, why=explanation.text)
    if f"{request.path}/".startswith("/api/"):
        problem: Callable[[int, str], Response] = current_app.extensions["problem"]
        return problem(status, explanation.text)
    view = {"status": status, "explanation": explanation, "request_id": _id(), "came_from": _came_from()}
    if wants_fragment():
        response = make_response(render_template("errors/_notice.html", **view), status)
        response.headers["HX-Retarget"] = "#notices"
        response.headers["HX-Reswap"] = "innerHTML show:top"
        response.headers["HX-Push-Url"] = "false"
    else:
        frame = "bare.html" if bare or not current_user.is_authenticated else "base.html"
        response = make_response(render_template("errors/page.html", frame=frame, **view), status)
    response.vary.update(VARY)
    return response
