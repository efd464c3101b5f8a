"""How one call gets to StockX and back: token, budget slot, sending once, and naming what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import requests
import stamina
import structlog

from soleflip.domain.errors import InvalidInput, SoleFlipError
from soleflip.stockx.auth import Auth
from soleflip.stockx.budget import Budget, Lane, Slot
from soleflip.stockx.connection import Connection, error_text, never_left, read_json, retry_after
from soleflip.stockx.errors import (
    Ambiguous,
    RateLimited,
    ReconnectNeeded,
    StockXNotFound,
    StockXRefused,
    StockXUnavailable,
)

T = TypeVar("T")
READ_ATTEMPTS = 4
READ_SECONDS = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `path` is a template that `subject` fills, `items` counts against the batch limits."""

    operation: str
    method: str
    path: str
    lane: Lane
    subject: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str | None] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    items: int = 0

    def address(self) -> str:
        """Return the path; an id that would change which call this is raises InvalidInput."""
        for name, value in self.subject.items():
            if not value or value in (".", ".."):
                raise InvalidInput(f"{value!r} is no {name}: nothing was sent to StockX.", field=name)
        return self.path.format(**{name: quote(value, safe="") for name, value in self.subject.items()})


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered, with the times (UTC, the client's clock) around it."""

    response: requests.Response
    sent_at: datetime
    finished_at: datetime


class Transport:
    """Sends calls: reads a few times if need be, writes once."""

    def __init__(
        self,
        *,
        api_url: str,
        api_key: str,
        auth: Auth,
        budget: Budget,
        clock: Callable[[], datetime],
        connection: Connection,
        slot_wait: float,
        before_write: Callable[[], None] | None,
    ) -> None:
        self._url = api_url.rstrip("/")
        self._api_key = api_key
        self._auth = auth
        self._budget = budget
        self._clock = clock
        self._connection = connection
        self._slot_wait = slot_wait
        self._before_write = before_write or (lambda: None)
        pace = budget.speed
        self._reading = stamina.RetryingCaller(
            attempts=READ_ATTEMPTS,
            timeout=READ_SECONDS,
            wait_initial=0.5 / pace,
            wait_max=8.0 / pace,
            wait_jitter=1.0 / pace,
        )

    def read(self, call: Call, parse: Callable[[Any], T]) -> T:
        """Carry out a read, again for a few times while StockX is unavailable, and parse its JSON."""
        return self._reading(self._is_worth_another_try, self._read, call, lambda response: parse(read_json(response)))

    def read_pdf(self, call: Call) -> bytes:
        """Carry out a read whose answer is a PDF."""
        return self._reading(self._is_worth_another_try, self._read, call, _pdf)

    def write(self, call: Call, parse: Callable[[Any], T]) -> T:
        """Carry out a write, sent once; raises Ambiguous when it may have happened and the answer does not tell."""
        exchange = self._exchange(call, is_write=True)
        status = exchange.response.status_code
        refusal = self._refusal(call, exchange.response)
        if refusal is not None and not isinstance(refusal, StockXUnavailable):
            raise refusal
        if refusal is None:
            try:
                return parse(read_json(exchange.response))
            except ValueError:
                refusal = StockXUnavailable(f"its answer ({status}) can't be read")
        raise self._ambiguous(call, str(refusal), exchange.sent_at, exchange.finished_at, status)

    def _read(self, call: Call, parse: Callable[[requests.Response], T]) -> T:
        response = self._exchange(call, is_write=False).response
        refusal = self._refusal(call, response)
        if refusal is not None:
            raise refusal
        try:
            return parse(response)
        except ValueError as error:
            raise StockXUnavailable(f"StockX's answer to {call.operation} can't be read.") from error

    def _is_worth_another_try(self, error: Exception) -> bool | float:
        """Retry what is temporary; a pause that StockX asked for is kept by the budget, if it is short enough."""
        if isinstance(error, RateLimited):
            pause = (error.until - self._clock()).total_seconds() / self._budget.speed
            return pause <= self._slot_wait and 0.0
        return isinstance(error, StockXUnavailable)

    def _exchange(self, call: Call, *, is_write: bool) -> Exchange:
        """Send with a token that works: a 401 is a refusal, so one more sending with a fresh token does no harm."""
        token = self._auth.access_token()
        exchange = self._send(call, token, is_write=is_write)
        if exchange.response.status_code != 401:
            return exchange
        token = self._auth.refresh(stale=token)
        exchange = self._send(replace(call, items=0), token, is_write=is_write)
        if exchange.response.status_code == 401:
            raise ReconnectNeeded(
                f"StockX refuses a fresh token ({error_text(exchange.response)}): check the API key, then reconnect."
            )
        return exchange

    def _send(self, call: Call, token: str, *, is_write: bool) -> Exchange:
        url = self._url + call.address()
        params = {name: value for name, value in call.params.items() if value is not None}
        headers = {"Authorization": f"Bearer {token}", "x-api-key": self._api_key, "Accept": "application/json"}
        slot = self._slot(call, is_write=is_write)
        sent_at, started = self._clock(), time.monotonic()
        result = "lost"
        try:
            response = self._connection.send(
                call.method, url, headers=headers, params=params, json=call.body, fresh=is_write
            )
            result = str(response.status_code)
        except requests.RequestException as error:
            reason = type(error).__name__
            if never_left(error) or not is_write:
                raise StockXUnavailable(f"StockX can't be reached for {call.operation} ({reason}).") from error
            raise self._ambiguous(call, f"the answer was lost ({reason})", sent_at, self._clock()) from error
        finally:
            slot.done()
            self._budget.count(call.lane, result)
            took = round((time.monotonic() - started) * 1000)
            log.info("stockx_call", operation=call.operation, lane=call.lane.value, status=result, ms=took)
        return Exchange(response, sent_at, self._clock())

    def _slot(self, call: Call, *, is_write: bool) -> Slot:
        """Wait for a slot; asks the gate last, so that a stop holds up writes that were waiting."""
        for _ in range(3):
            slot = self._budget.acquire(call.lane, items=call.items, wait=self._slot_wait)
            try:
                if is_write:
                    self._before_write()
            except BaseException:
                slot.done()
                raise
            if not slot.is_stale:
                return slot
            slot.done()
        raise StockXUnavailable("This machine is too slow to send to StockX at the right moment: nothing was sent.")

    def _refusal(self, call: Call, response: requests.Response) -> SoleFlipError | None:
        """Name what an answer means; None for success. Also passes a wish to pause on to everybody."""
        status = response.status_code
        if 200 <= status < 300:
            return None
        until = retry_after(response, self._clock(), self._budget.speed)
        if status == 429:
            self._budget.note_limited()
            until = self._budget.penalise(until)
            return RateLimited(f"StockX limits our requests until {until:%Y-%m-%d %H:%M:%S} UTC.", until=until)
        if until is not None:
            self._budget.penalise(until)
        text = f"StockX answered {status} to {call.operation}: {error_text(response)}"
        if status == 404:
            return StockXNotFound(text)
        if status in (408, 425) or not 400 <= status < 500:
            return StockXUnavailable(text)
        return StockXRefused(text, status=status)

    def _ambiguous(
        self, call: Call, why: str, sent_at: datetime, finished_at: datetime, status: int | None = None
    ) -> Ambiguous:
        return Ambiguous(
            f"It is not known whether {call.operation} happened: {why}. Look at StockX before sending it again.",
            operation=call.operation,
            lane=call.lane,
            subject=call.subject,
            payload=call.body or {},
            sent_at=sent_at,
            finished_at=finished_at,
            status=status,
        )


def joined(values: Iterable[str]) -> str | None:
    """Join ids or statuses as StockX's filters take them; None for none."""
    return ",".join(values) or None


def _pdf(response: requests.Response) -> bytes:
    if not response.content.startswith(b"%PDF"):
        raise ValueError("no PDF")
    return response.content
