"""Feeds behind an address: limits, versions, redirects, and no way into a private network."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from soleflip.feeds.address import Reach, Version, check_address, fetch
from soleflip.feeds.base import FeedError

HOLDING, LET_GO = threading.Event(), threading.Event()
HERE = Reach(allow_private=True, most_bytes=1024 * 1024, most_seconds=2)


class _Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/feed":
            if self.headers.get("If-None-Match") == '"one"':
                self._answer(304)
            else:
                self._answer(200, b"a,b\n1,2\n", ETag='"one"')
        elif self.path == "/moved":
            self._answer(302, Location="/feed")
        elif self.path == "/inner":
            self._answer(302, Location=f"http://127.0.0.1:{self.server.server_address[1]}/feed")
        elif self.path == "/metadata":
            self._answer(302, Location="http://169.254.169.254/latest/meta-data/")
        elif self.path == "/nowhere":
            self._answer(307, Location="http://[::ffff:169.254.169.254]/latest/meta-data/")
        elif self.path == "/file":
            self._answer(302, Location="file:///etc/passwd")
        elif self.path == "/no-place":
            self._answer(302)
        elif self.path == "/drop":
            self._trickle()
        elif self.path in ("/hold", "/hold-head"):
            self._hold()
        elif self.path == "/circle":
            self._answer(302, Location="/circle")
        elif self.path == "/gone":
            self._answer(404, b"no")
        else:
            self._endless()

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            self.close_connection = True

    def _trickle(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x")
                time.sleep(0.02)
        except OSError:
            self.close_connection = True

    def _hold(self) -> None:
        """Send one byte of the feed, or of its head, and then nothing until the test lets go."""
        if self.path == "/hold":
            self.send_response(200)
            self.end_headers()
        self.wfile.write(b"H")
        self.wfile.flush()
        HOLDING.set()
        LET_GO.wait(120)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    """A web server of a shop, on this machine."""
    HOLDING.clear()
    LET_GO.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Shop) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        LET_GO.set()
        server.shutdown()
        thread.join()


def test_a_feed_is_fetched_and_next_time_only_when_changed(shop: str, tmp_path: Path) -> None:
    target = tmp_path / "feed"
    version = fetch(f"{shop}/feed", target, Version(), HERE)
    assert version == Version('"one"', None)
    assert target.read_bytes() == b"a,b\n1,2\n"
    assert fetch(f"{shop}/feed", target, version, HERE) is None


def test_a_redirect_is_followed(shop: str, tmp_path: Path) -> None:
    assert fetch(f"{shop}/moved", tmp_path / "feed", Version(), HERE) is not None


@pytest.mark.parametrize(
    ("path", "reason"), [("/gone", "answered 404"), ("/circle", "redirects"), ("/endless", "larger than 1 MB")]
)
def test_what_is_no_feed_is_refused_and_leaves_nothing(shop: str, tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(FeedError, match=reason):
        fetch(shop + path, tmp_path / "feed", Version(), HERE)
    assert not (tmp_path / "feed").exists()


def test_a_private_address_is_refused_unless_allowed(shop: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="private network"):
        fetch(f"{shop}/feed", tmp_path / "feed", Version(), Reach())


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "100.64.1.1", "[fd12::1]"])
def test_every_spelling_of_a_private_address_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(FeedError, match="private network"):
        fetch(f"http://{host}/feed", tmp_path / "feed", Version(), Reach())


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "[fe80::1]", "[::]", "[ff02::1]", "[fd00:ec2::254]"],
)
def test_what_is_no_feeds_address_is_refused_even_where_private_ones_are_allowed(tmp_path: Path, host: str) -> None:
    with pytest.raises(FeedError, match="no feed can have"):
        fetch(f"http://{host}/feed", tmp_path / "feed", Version(), HERE)


@pytest.mark.parametrize("path", ["/metadata", "/nowhere"])
def test_a_redirect_to_such_an_address_is_refused_even_where_private_ones_are_allowed(
    shop: str, tmp_path: Path, path: str
) -> None:
    with pytest.raises(FeedError, match="no feed can have"):
        fetch(shop + path, tmp_path / "feed", Version(), HERE)
    assert not (tmp_path / "feed").exists()


@pytest.mark.parametrize("path", ["/file", "/no-place"])
def test_a_redirect_that_leads_to_no_address_is_refused(shop: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(FeedError, match=r"must begin with|redirects"):
        fetch(shop + path, tmp_path / "feed", Version(), HERE)


def test_an_answer_that_trickles_meets_its_deadline(shop: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="takes longer than"):
        fetch(f"{shop}/drop", tmp_path / "feed", Version(), replace(HERE, most_seconds=0.3))
    assert not (tmp_path / "feed").exists()


def test_a_feed_that_drips_is_given_up_long_before_its_deadline(shop: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="comes too slowly"):
        fetch(f"{shop}/drop", tmp_path / "feed", Version(), replace(HERE, most_seconds=3600, span_seconds=0.3))
    assert not (tmp_path / "feed").exists()


def test_a_head_that_never_ends_is_given_up(shop: str, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="Nothing of the feed came"):
        fetch(f"{shop}/hold-head", tmp_path / "feed", Version(), replace(HERE, most_seconds=3600, start_seconds=0.3))
    assert not LET_GO.is_set()


class _Cancelled(Exception):
    """What the one who looks raises."""


@pytest.mark.parametrize("path", ["/hold", "/hold-head"])
def test_a_fetch_is_cancelled_while_the_server_says_nothing(shop: str, tmp_path: Path, path: str) -> None:
    looks = []

    def look() -> None:
        looks.append(HOLDING.is_set())
        if HOLDING.is_set():
            raise _Cancelled

    with pytest.raises(_Cancelled):
        fetch(shop + path, tmp_path / "feed", Version(), replace(HERE, most_seconds=3600), look)
    assert looks[-1]
    assert not LET_GO.is_set()  # the server still holds its answer back
    assert not (tmp_path / "feed").exists()


class Names:
    """A name service and a network of the test's own: public addresses lead to the shop on this machine."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    def look_up(self, host: str, port: int | None, *args: Any, **kwargs: Any) -> list[Any]:
        self.asked.append(host)
        found = self.answers.get(host)
        addresses = (found.pop(0) if len(found) > 1 else found[0]) if found else [host]
        reached = ["127.0.0.1"] if host == PUBLIC else addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in reached]


PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(("path", "reason"), [("/inner", "private network"), ("/metadata", "no feed can have")])
def test_a_redirect_into_a_private_network_is_refused(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reason: str
) -> None:
    names = Names(shop_test=[[PUBLIC]])
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    port = shop.rpartition(":")[2]
    with pytest.raises(FeedError, match=reason):
        fetch(f"http://shop.test:{port}{path}", tmp_path / "feed", Version(), Reach())
    assert not (tmp_path / "feed").exists()


def test_a_name_that_changes_its_meaning_after_the_check_changes_nothing(
    shop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when asked first, private when asked again; it is asked once, and that address is used."""
    names = Names(shop_test=[[PUBLIC], ["127.0.0.1"]])
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    port = shop.rpartition(":")[2]
    assert fetch(f"http://shop.test:{port}/feed", tmp_path / "feed", Version(), Reach()) is not None
    assert names.asked == ["shop.test", PUBLIC]
    # The next fetch checks anew, and the private meaning is refused.
    with pytest.raises(FeedError, match="private network"):
        fetch(f"http://shop.test:{port}/feed", tmp_path / "feed", Version(), Reach())


def test_a_name_with_one_private_address_among_its_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", Names(shop_test=[[PUBLIC, "10.0.0.5"]]).look_up)
    with pytest.raises(FeedError, match="private network"):
        fetch("http://shop.test/feed", tmp_path / "feed", Version(), Reach())


@pytest.mark.parametrize(
    "url", ["ftp://shop.test/x", "file:///etc/passwd", "shop.test", "", "http://", "http://a:b@c/"]
)
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(FeedError, match="must begin with"):
        check_address(url)
