"""The document and the routes: every operation is there, and nothing undocumented gets through."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
import requests

from soleflip.sandbox import API_KEY, document
from soleflip.sandbox.routes import ROUTES
from tests.sandbox.conftest import Caller


def test_all_thirty_operations_are_answered() -> None:
    names = {operation.name for _, methods in document.operations() for operation in methods.values()}
    assert len(names) == 30
    assert set(ROUTES) == names


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/catalog/search", {"query": "a", "pageSize": 51}),
        ("/catalog/search", {"query": "a" * 101}),
        ("/catalog/search", {"query": ""}),
        ("/catalog/search", {}),
        ("/catalog/search", {"query": "a", "pageNumber": 0}),
        ("/catalog/search", {"query": "a", "pageNumber": "one"}),
        ("/catalog/search", {"query": "a", "pageNumber": 2**31}),
        ("/catalog/search", {"query": ["a", "b"]}),
        ("/catalog/search", {"query": "a", "colour": "red"}),
        ("/selling/listings", {"pageSize": 101}),
        ("/selling/listings", {"listingStatuses": "DELETED"}),
        ("/selling/listings", {"listingStatuses": "ACTIVE,active"}),
        ("/selling/listings", {"inventoryTypes": "DFS"}),
        ("/selling/listings", {"isExpired": "yes"}),
        ("/selling/listings", {"fromDate": "yesterday"}),
        ("/selling/orders/active", {"sortOrder": "AMOUNT"}),
        ("/selling/orders/history", {"sortOrder": "CREATEDAT"}),
    ],
    ids=str,
)
def test_a_query_that_the_document_does_not_allow_is_refused(common: Caller, path: str, query: dict[str, str]) -> None:
    assert common.get(path, expect=400, **query)["statusCode"] == 400


def test_unknown_currencies_are_refused(common: Caller) -> None:
    product = common.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
    for currency in ("XXX", "BRL", "eur"):
        common.get(f"/catalog/products/{product}/market-data", expect=400, currencyCode=currency)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "/selling/listings", 405), ("QUERY", "/catalog/search", 405), ("GET", "/selling", 404), ("GET", "/", 404)],
)
def test_unknown_methods_and_paths(common: Caller, method: str, path: str, status: int) -> None:
    answer = common.session.request(method, common.sandbox.api_url + path, timeout=60)
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"amount": NaN, "variantId": "x"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * (1 << 20) + b"{}", "application/json", 413),
    ],
    ids=("none", "cut", "array", "deep", "nan", "no text", "text", "large"),
)
def test_bodies_that_are_none(common: Caller, body: bytes, kind: str, status: int) -> None:
    url = f"{common.sandbox.api_url}/selling/listings"
    answer = common.session.post(url, data=body, headers={"Content-Type": kind}, timeout=60)
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)


def test_a_chunked_body_is_read(common: Caller) -> None:
    url = f"{common.sandbox.api_url}/selling/listings"
    body = iter([b'{"amount": "1",', b' "variantId": "none"}'])
    answer = common.session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=60)
    assert "none does not exist" in answer.json()["message"]
    common.get("/selling/listings")


@pytest.mark.parametrize(
    "body", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}", b"ffffffffff\r\n{}", b"1\r\n{}\r\n0\r\n\r\n"], ids=repr
)
def test_broken_chunks_are_refused_at_once(common: Caller, body: bytes) -> None:
    address = urlsplit(common.sandbox.auth_url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(
            b"POST /v2/selling/listings HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_what_is_no_http_is_refused_in_the_envelope(common: Caller) -> None:
    answer = requests.get(f"{common.sandbox.api_url}/{'x' * 70_000}", headers={"x-api-key": API_KEY}, timeout=60)
    assert (answer.status_code, answer.json()["statusCode"]) == (414, 414)
