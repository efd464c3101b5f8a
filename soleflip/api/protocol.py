"""What HTTP itself refuses before an address is known: too long, no HTTP, headers that can't be read."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import structlog
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from soleflip.api import problems

log = structlog.get_logger()

ANSWERS: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.LimitRequestLine, 414, "The address is too long. Send less in it, or send it as a body."),
    (errors.LimitRequestHeaders, 431, "The headers are too many or too long."),
    (errors.UnsupportedTransferCoding, 501, "This transfer coding is not understood."),
    (errors.ExpectationFailed, 417, "This expectation can't be met."),
    (errors.ParseException, 400, "This is no HTTP request that can be read."),
)
PHRASES = {400: "Bad Request", 414: "URI Too Long", 417: "Expectation Failed", 431: "Request Header Fields Too Large"}


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, whose own refusals are problems as well.

    Of such a request no address was read, so it can't be told whether a page or the API was meant: all get the same.
    """

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer a request that never reached the application; what broke in it is left to gunicorn."""
        found = next(((status, why) for kind, status, why in ANSWERS if isinstance(exc, kind)), None)
        if found is None:
            super().handle_error(req, client, addr, exc)
            return
        status, why = found
        name = uuid4().hex
        log.info("request was no HTTP", status=status, error=str(exc)[:200], request_id=name)
        try:
            client.sendall(_written(status, f"{why} Nothing was changed.", name))
        except OSError as error:
            log.info("refusal could not be sent", error=type(error).__name__, request_id=name)


def _written(status: int, why: str, request_id: str) -> bytes:
    body = problems.describe(status, why, request_id).model_dump_json(exclude_none=True).encode()
    head = (
        f"HTTP/1.1 {status} {PHRASES.get(status, 'Not Implemented')}\r\n"
        "Connection: close\r\n"
        f"Content-Type: {problems.CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-ID: {request_id}\r\n\r\n"
    )
    return head.encode("latin-1") + body
