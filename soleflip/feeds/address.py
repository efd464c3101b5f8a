"""Feeds behind an address: fetched with limits, only when changed, and only from where the operator allows."""

from __future__ import annotations

import socket
import time
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
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a fetch may go: bytes, seconds in all, and whether addresses of private networks are allowed."""

    allow_private: bool = False
    most_bytes: int = LARGEST
    most_seconds: float = LONGEST_SECONDS


@dataclass(frozen=True, slots=True)
class Version:
    """What the server calls the version of a file, to ask only for a newer one."""

    etag: str | None = None
    modified: str | None = None


def fetch(url: str, target: Path, known: Version, reach: Reach) -> Version | None:
    """Write what is behind an http(s) address into a file; None when it has not changed since `known`.

    1. The host's address is looked up once, checked, and the connection goes to just that address.
    2. A redirect is checked like the first address.
    3. The answer is cut off at its limits of size and time.

    Raises FeedError with a sentence for the operator; the target is then not there.
    """
    deadline = time.monotonic() + reach.most_seconds
    for _ in range(MOST_REDIRECTS + 1):
        parts = check_address(url)
        with _pool(parts, _checked_address(parts, reach)) as pool:
            answer = _ask(pool, parts, known)
            try:
                if answer.status in _REDIRECTS:
                    url = urljoin(url, answer.headers.get("Location") or "")
                    continue
                if answer.status == 304:
                    return None
                if answer.status != 200:
                    raise FeedError(f"{parts.hostname} answered {answer.status} in place of a feed.")
                _write(answer, target, deadline, reach)
                return Version(answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
            except HTTPError as error:
                target.unlink(missing_ok=True)
                raise FeedError(f"The answer of {parts.hostname} broke off ({type(error).__name__}).") from None
            finally:
                answer.close()
    raise FeedError(f"More than {MOST_REDIRECTS} redirects lead away from the feed's address.")


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


def _write(answer: BaseHTTPResponse, target: Path, deadline: float, reach: Reach) -> None:
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("wb") as file:
            # One piece at a time as it comes: waiting for a whole chunk, a trickle would never meet its deadline.
            while chunk := answer.read1(CHUNK, decode_content=False):
                size += len(chunk)
                if size > reach.most_bytes:
                    raise FeedError(f"The feed is larger than {reach.most_bytes // 1024**2} MB; fetching it stopped.")
                if time.monotonic() > deadline:
                    raise FeedError(
                        f"The feed takes longer than {reach.most_seconds:.0f} seconds; fetching it stopped."
                    )
                file.write(chunk)
    except FeedError:
        target.unlink(missing_ok=True)
        raise
