"""What comes in and what goes out over HTTP: reading a request, its JSON or form, and shaping an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from . import document
from .errors import ApiError
from .limits import TooMany
from .oauth import OAuthError

MOST_BYTES = 1 << 20
MOST_FEED_BYTES = 1 << 28


@dataclass(slots=True)
class Request:
    """What came in."""

    method: str
    path: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    base: str
    arrived: int


@dataclass(slots=True)
class Response:
    """What goes out, and what to do with the connection: `hold` real seconds first, then send all, half or nothing."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    hold: float = 0.0
    send: str = "all"
    route: str = ""
    counted: bool = False
    fault: str | None = None


def json_response(status: int, value: Any, route: str = "") -> Response:
    """A JSON answer."""
    return Response(status, json.dumps(value).encode(), route=route)


def error_response(error: ApiError) -> Response:
    """An error in the documented envelope."""
    response = json_response(error.status, {"statusCode": error.status, "message": error.message})
    if isinstance(error, TooMany):
        response.headers.append(("Retry-After", str(error.wait)))
    if error.allowed is not None:
        response.headers.append(("Allow", error.allowed))
    return response


def body_of(operation: document.Operation, request: Request) -> dict[str, Any]:
    """The JSON body of an operation, validated against the document; empty where it takes none."""
    if operation.body is None:
        return {}
    if not request.body:
        raise ApiError(400, "A JSON body is required")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "Content-Type must be application/json")
    try:
        value = json.loads(request.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON") from None
    document.check(value, operation.body, "body")
    checked: dict[str, Any] = value
    return checked


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def form_of(request: Request) -> dict[str, str]:
    """The fields of a posted form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise OAuthError(400, "invalid_request", "Content-Type must be application/x-www-form-urlencoded")
    return dict(parse_qsl(request.body.decode("utf-8", "replace")))


def read(environ: dict[str, Any], arrived: int) -> Request:
    """The request of a WSGI environment; refuses a body that is too large."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE") or ""
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    length = environ.get("CONTENT_LENGTH") or "0"
    most = MOST_FEED_BYTES if path == "/_sandbox/seed" else MOST_BYTES
    if int(length) > most:
        raise ApiError(413, f"The body is larger than {most} bytes")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        pairs=parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True),
        headers=headers,
        body=environ["wsgi.input"].read(int(length)) if int(length) else b"",
        base=f"http://{headers.get('host') or environ['SERVER_NAME'] + ':' + environ['SERVER_PORT']}",
        arrived=arrived,
    )


def phrase(status: int) -> str:
    """The words of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
