"""The HTTP connection: sends a request exactly once, never without TLS to StockX, and reads what answers say."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from soleflip.domain.errors import InvalidInput

STOCKX_HOST = "stockx.com"
LONGEST_TEXT = 300
_SECRET_FIELDS = ("client_secret", "refresh_token", "code", "code_verifier")
LONGEST_PAUSE = 86_400


class Credentials(AuthBase):
    """Puts key and token on a request; as an auth object it also keeps .netrc from replacing them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


class Connection:
    """One requests session whose calls leave once: no retries, no redirects, always a timeout."""

    def __init__(self, session: requests.Session | None, timeout: tuple[float, float]) -> None:
        self._session = session or requests.Session()
        self._timeout = timeout
        self.sent = 0
        # None but ours: another one for a longer address would take over, and need not verify anything.
        self._session.adapters.clear()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=0))

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> requests.Response:
        """Send one request and read its whole answer; raises what requests raises.

        With `fresh` no connection is used again: a write must not meet one that StockX has just closed, or its fate
        would be unknown for nothing.
        """
        refuse_unverified(url, self._session.verify)
        if fresh:
            self._session.close()
        self.sent += 1
        return self._session.request(
            method,
            url,
            params=params,
            json=json,
            data=form,
            auth=Credentials(headers),
            timeout=self._timeout,
            allow_redirects=False,
        )

    def close(self) -> None:
        """Close what is open; the next request opens a new connection."""
        self._session.close()


def refuse_unverified(url: str, verify: object) -> None:
    """Raise InvalidInput for a request to StockX's own hosts without TLS or without verifying it."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    if host != STOCKX_HOST and not host.endswith(f".{STOCKX_HOST}"):
        return
    if parts.scheme != "https" or not verify:
        raise InvalidInput(f"{host} is only spoken to over verified TLS: use https and leave verification on.")


def never_left(error: requests.RequestException) -> bool:
    """Tell whether the request certainly did not reach StockX: no name, no connection, a wrong certificate."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    if not isinstance(error, requests.ConnectionError):
        # Invalid addresses and the like are refused before anything is sent.
        return isinstance(error, ValueError) and not isinstance(error, requests.JSONDecodeError)
    return any(isinstance(cause, _NOT_CONNECTED) for cause in _causes(error))


_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
    ssl.SSLCertVerificationError,
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def read_json(response: requests.Response) -> Any:
    """Return the JSON of an answer with exact decimals; ValueError when it is none."""
    return json.loads(response.content, parse_float=str)


def error_text(response: requests.Response) -> str:
    """Return what StockX says went wrong, from any of its error bodies, at most 300 characters.

    A gateway may repeat what it was sent: our own secrets are taken out.
    """
    try:
        body = read_json(response)
    except ValueError:
        kind = response.headers.get("Content-Type", "no content type").split(";")[0]
        return f"no readable reason ({kind})"
    if isinstance(body, dict):
        for name in ("message", "errorMessage", "error_description", "error"):
            if body.get(name):
                return _without_secrets(str(body[name]), response.request)[:LONGEST_TEXT]
    return "no reason given"


def _without_secrets(text: str, request: requests.PreparedRequest) -> str:
    """Return `text` without the key, the tokens and the secrets that `request` carried."""
    form = parse_qsl(request.body) if isinstance(request.body, str) else []
    secrets = {value for name, value in form if name in _SECRET_FIELDS}
    secrets |= {request.headers.get("x-api-key") or "", request.headers.get("Authorization", "").partition(" ")[2]}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def retry_after(response: requests.Response, now: datetime, speed: float) -> datetime | None:
    """Return the time before which StockX wants no further call, from seconds or a date; None when not told.

    `now` and the result are in UTC on the client's clock, which runs `speed` times as fast as the seconds of a header.
    A date is measured against the answer's own, so that a clock that goes wrong here does no harm.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        seconds = float(text[:9])
    else:
        until = _http_date(text)
        if until is None:
            return None
        seconds = (until - (_http_date(response.headers.get("Date", "")) or now)).total_seconds()
    return now + timedelta(seconds=min(max(seconds, 0), LONGEST_PAUSE) * speed)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
