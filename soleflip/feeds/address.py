"""Feeds behind an address: fetched with limits, only when changed, and only from where the operator allows."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Timeout

from soleflip.domain.addresses import may_reach
from soleflip.feeds.base import FeedError

LARGEST = 512 * 1024**2
LONGEST_SECONDS = 600.0
MOST_REDIRECTS = 5
CHUNK = 256 * 1024
LOOK_SECONDS = 1.0
"""So often it is looked whether a fetch goes on, and whether it still may."""
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a fetch may go: bytes, seconds in all, and whether addresses of private networks are allowed.

    The first byte of the feed comes within `start_seconds`; then `least_bytes` or more come in any `span_seconds`.
    """

    allow_private: bool = False
    most_bytes: int = LARGEST
    most_seconds: float = LONGEST_SECONDS
    start_seconds: float = 60.0
    span_seconds: float = 20.0
    least_bytes: int = 10_000


@dataclass(frozen=True, slots=True)
class Version:
    """What the server calls the version of a file, to ask only for a newer one."""

    etag: str | None = None
    modified: str | None = None


def fetch(
    url: str, target: Path, known: Version, reach: Reach, look: Callable[[], object] = lambda: None
) -> Version | None:
    """Write what is behind an http(s) address into a file; None when it has not changed since `known`.

    1. The host's address is looked up once, checked, and the connection goes to just that address.
    2. A redirect is checked like the first address.
    3. The answer is cut off at its limits of size, time and slowness.
    4. `look` is called every second meanwhile, whatever the server does; what it raises ends the fetch.

    Raises FeedError with a sentence for the operator; the target is then not there.
    """
    transfer = _Transfer(url, target, known, reach)
    transfer.start()
    try:
        _watch(transfer, reach, look)
    except BaseException:
        transfer.give_up()
        raise
    return transfer.outcome()


def _watch(transfer: _Transfer, reach: Reach, look: Callable[[], object]) -> None:
    """Wait for the end of a transfer; raises FeedError for one that takes too long or is too slow."""
    begun = since = time.monotonic()
    before = 0
    while not transfer.over.wait(LOOK_SECONDS):
        look()
        now, size = time.monotonic(), transfer.size
        if now - begun > reach.most_seconds:
            raise FeedError(f"The feed takes longer than {reach.most_seconds:.0f} seconds; fetching it stopped.")
        if not size:
            if now - begun > reach.start_seconds:
                raise FeedError(f"Nothing of the feed came within {reach.start_seconds:.0f} seconds.")
            since = now
        elif now - since > reach.span_seconds:
            if size - before < reach.least_bytes:
                raise FeedError(
                    f"The feed comes too slowly: {size - before} bytes in {now - since:.0f} seconds, and at least"
                    f" {reach.least_bytes} are needed. Fetching it stopped; the next time of the timetable tries again."
                )
            since, before = now, size


class _Transfer(threading.Thread):
    """One fetch on a thread of its own: whatever call it waits in, the one that wants the feed can give it up."""

    def __init__(self, url: str, target: Path, known: Version, reach: Reach) -> None:
        super().__init__(name="feed", daemon=True)
        self.over = threading.Event()
        self.size = 0
        self._url, self._target, self._known, self._reach = url, target, known, reach
        self._is_given_up = threading.Event()
        self._answer: BaseHTTPResponse | None = None
        self._version: Version | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Fetch, and keep what came of it."""
        try:
            self._version = self._fetch()
        except Exception as error:  # noqa: BLE001 - outcome() raises it again, where somebody waits for it
            self._error = error
        finally:
            if self._error or self._is_given_up.is_set():
                self._target.unlink(missing_ok=True)
            self.over.set()

    def give_up(self) -> None:
        """End the transfer and remove what it wrote; a call that can't be broken off ends by itself later."""
        self._is_given_up.set()
        if self._answer is not None:
            with suppress(OSError, ValueError, RuntimeError):  # it may end, and close, at this very moment
                self._answer.shutdown()
        self.over.wait(LOOK_SECONDS)
        self._target.unlink(missing_ok=True)

    def outcome(self) -> Version | None:
        """Return what the fetch found; raises what ended it."""
        if self._error is not None:
            raise self._error
        return self._version

    def _fetch(self) -> Version | None:
        url = self._url
        for _ in range(MOST_REDIRECTS + 1):
            parts = check_address(url)
            with _pool(parts, _checked_address(parts, self._reach)) as pool:
                self._answer = answer = _ask(pool, parts, self._known)
                try:
                    if answer.status in _REDIRECTS:
                        url = urljoin(url, answer.headers.get("Location") or "")
                        continue
                    if answer.status == 304:
                        return None
                    if answer.status != 200:
                        raise FeedError(f"{parts.hostname} answered {answer.status} in place of a feed.")
                    self._write(answer)
                    return Version(answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
                except HTTPError as error:
                    raise FeedError(f"The answer of {parts.hostname} broke off ({type(error).__name__}).") from None
                finally:
                    answer.close()
        raise FeedError(f"More than {MOST_REDIRECTS} redirects lead away from the feed's address.")

    def _write(self, answer: BaseHTTPResponse) -> None:
        most = self._reach.most_bytes
        self._target.parent.mkdir(parents=True, exist_ok=True)
        with self._target.open("wb") as file:
            # One piece at a time as it comes: waiting for a whole chunk, a trickle would look as if nothing came.
            while (chunk := answer.read1(CHUNK, decode_content=False)) and not self._is_given_up.is_set():
                self.size += len(chunk)
                if self.size > most:
                    raise FeedError(f"The feed is larger than {most // 1024**2} MB; fetching it stopped.")
                file.write(chunk)


def check_address(url: str) -> SplitResult:
    """Return the parts of an http(s) address; raises FeedError."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password:
        raise FeedError("The address must begin with https:// or http://, without a user name in it.", field="url")
    return parts


def _checked_address(parts: SplitResult, reach: Reach) -> str:
    """Return the address to connect to; raises FeedError for one that must not be reached."""
    assert parts.hostname is not None  # noqa: S101 - check_address saw to it
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FeedError(f"There is no host {parts.hostname}.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not all(may_reach(each, allow_private=True) for each in addresses):
        raise FeedError(f"{parts.hostname} is an address that no feed can have, so it is never fetched from.")
    if not all(may_reach(each, allow_private=reach.allow_private) for each in addresses):
        raise FeedError(
            f"{parts.hostname} is an address inside a private network, which is not allowed. Settings can allow it."
        )
    return addresses[0]


def _pool(parts: SplitResult, address: str) -> urllib3.HTTPConnectionPool:
    """Connect to the address that was checked, and to no other that the name may mean a moment later."""
    timeout = Timeout(connect=10, read=30)
    if parts.scheme == "http":
        return urllib3.HTTPConnectionPool(address, parts.port, timeout=timeout, retries=False)
    return urllib3.HTTPSConnectionPool(
        address,
        parts.port,
        timeout=timeout,
        retries=False,
        server_hostname=parts.hostname,
        assert_hostname=parts.hostname,
    )


def _ask(pool: urllib3.HTTPConnectionPool, parts: SplitResult, known: Version) -> BaseHTTPResponse:
    headers = {"Host": parts.netloc, "User-Agent": "SoleFlip", "Accept-Encoding": "identity"}
    if known.etag:
        headers["If-None-Match"] = known.etag
    if known.modified:
        headers["If-Modified-Since"] = known.modified
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        return pool.request("GET", path, headers=headers, redirect=False, preload_content=False)
    except HTTPError as error:
        raise FeedError(f"{parts.hostname} can't be reached ({type(error).__name__}).") from None
