"""Parts for the sandbox's tests: a feed, a running sandbox whose clock stands, a caller that checks every answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from openapi_schema_validator import OAS30Validator

from soleflip.sandbox import API_KEY, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, document
from tests.conftest import PROJECT, Sandbox, running_sandbox, wait_for

FEED = """\
product_name,brand_name,ean,Fashion:size,search_price,currency,description,merchant_category
Alpha Runner,Nike,4006381333931,42.5,120.00,EUR,A shoe. | AB1234-100,Men's Footwear
Alpha Runner,Nike,4006381333948,43,120.00,EUR,A shoe. | AB1234-100,Men's Footwear
Beta Court Damen,adidas,0012345678905,38 2/3,"1.090,50",EUR,Noch ein Schuh | GX9876,Women's Footwear
Gamma Trail,ASICS,4006381333962,44.5,95,EUR,Trail | 1203A544.101,Men's Footwear
"""


@dataclass
class Caller:
    """A client of one sandbox whose every answer is validated against the document."""

    sandbox: Sandbox
    session: requests.Session = field(default_factory=requests.Session)
    last: requests.Response | None = None

    def connect(self) -> Caller:
        """Get an access token."""
        answer = self.token(grant_type="refresh_token", refresh_token=REFRESH_TOKEN)
        assert answer.status_code == 200, answer.text
        self.session.headers.update({"x-api-key": API_KEY, "Authorization": f"Bearer {answer.json()['access_token']}"})
        return self

    def token(self, **form: str) -> requests.Response:
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return requests.post(f"{self.sandbox.auth_url}/oauth/token", data=client | form, timeout=60)

    def call(self, method: str, path: str, *, expect: int | None = None, **more: Any) -> Any:
        """One documented call; `expect` is the status, success when it is not given; returns the JSON answer."""
        response = self.session.request(method, self.sandbox.api_url + path, timeout=30, **more)
        self.last = response
        assert response.status_code == expect or (expect is None and response.ok), response.text
        if response.headers["Content-Type"] == "application/pdf":
            return response.content
        validate(method, path, response)
        return response.json()

    def get(self, path: str, expect: int | None = None, **query: Any) -> Any:
        return self.call("GET", path, expect=expect, params=query)

    def post(self, path: str, expect: int | None = None, **body: Any) -> Any:
        return self.call("POST", path, expect=expect, json=body)

    def put(self, path: str, expect: int | None = None, **body: Any) -> Any:
        return self.call("PUT", path, expect=expect, json=body)

    def patch(self, path: str, expect: int | None = None, **body: Any) -> Any:
        return self.call("PATCH", path, expect=expect, json=body)

    def delete(self, path: str, expect: int | None = None) -> Any:
        return self.call("DELETE", path, expect=expect)

    def step(self, **time: float) -> None:
        """Let sandbox time pass; the access token is renewed where that takes long."""
        seconds = sum(
            {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}[unit] * n for unit, n in time.items()
        )
        self.sandbox.control("clock", step=seconds)
        if seconds > 3600:
            self.connect()

    def variants(self, style: str = "AB1234-100") -> list[dict[str, Any]]:
        product = self.get("/catalog/search", query=style)["products"][0]
        found: list[dict[str, Any]] = self.get(f"/catalog/products/{product['productId']}/variants")
        return found

    def list_one(self, variant_id: str, amount: int, **more: Any) -> dict[str, Any]:
        """A listing whose CREATE operation is done."""
        body = {"variantId": variant_id, "amount": str(amount), "currencyCode": "EUR"} | more
        started = self.post("/selling/listings", **body)
        self.step(seconds=3)
        found: dict[str, Any] = self.get(f"/selling/listings/{started['listingId']}")
        return found

    def sell_one(self, variant_id: str, amount: int = 150, **more: Any) -> dict[str, Any]:
        """The order of a listing that was bought at once."""
        listing = self.list_one(variant_id, amount, **more)
        number = self.sandbox.control("purchase", listingId=listing["listingId"])["orderNumber"]
        found: dict[str, Any] = self.get(f"/selling/orders/{number}")
        return found

    def quiet_market(self, variant_id: str, asks: list[int], bids: list[int]) -> None:
        """A book that nobody but the test moves."""
        self.sandbox.control(f"books/{variant_id}", asks=asks, bids=bids, buyers_per_week=0)


def validate(method: str, path: str, response: requests.Response) -> None:
    """Hold an answer against the document: the schema of its status, the error envelope for any other one."""
    operation, _ = document.find(method, path)
    node = document.load()["paths"][operation.path][method.lower()]
    content = document.resolve(node["responses"].get(str(response.status_code), {})).get("content")
    envelope = {"$ref": "#/components/schemas/PublicApiError"}
    schema = content["application/json"]["schema"] if content else envelope
    if not content:
        assert response.status_code in (400, 403, 404, 413, 415, 429, 500, 503), "a status that no page names"
    OAS30Validator({**schema, "components": document.load()["components"]}).validate(response.json())


@contextmanager
def calling(database: Path, *arguments: str, feed: str = FEED) -> Iterator[Caller]:
    """A caller of a sandbox of its own that knows the feed and whose clock stands."""
    with running_sandbox(database, *arguments) as sandbox:
        sandbox.control("clock", frozen=True)
        teach(sandbox, feed)
        yield Caller(sandbox).connect()


def teach(sandbox: Sandbox, feed: str) -> dict[str, int]:
    """Seed a running sandbox with the text of a feed."""
    answer = requests.post(f"{sandbox.auth_url}/_sandbox/seed", data=feed.encode(), timeout=60)
    assert answer.status_code == 200, answer.text
    report: dict[str, int] = answer.json()
    return report


def start(database: Path, port: int) -> subprocess.Popen[bytes]:
    """A sandbox process without limits that the test ends by `kill`."""
    log = database.with_suffix(".log")
    command = [sys.executable, "-m", "soleflip.sandbox", "--database", str(database), "run", "--control", "--no-limits"]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=PROJECT, stdout=out, stderr=out)
    wait_for(f"http://127.0.0.1:{port}/_sandbox/healthz", process, log)
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as a power cut would."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    """A caller of a sandbox of this test alone."""
    with calling(tmp_path / "sandbox.sqlite") as caller:
        yield caller


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a sandbox that the tests of a module share; each uses variants of its own."""
    with calling(tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite") as caller:
        yield caller


@pytest.fixture(scope="module")
def _unused(common: Caller) -> Iterator[str]:
    every = [
        variant["variantId"] for style in ("AB1234-100", "1203A544-101", "GX9876") for variant in common.variants(style)
    ]
    return iter(every)


@pytest.fixture
def variant_id(common: Caller, _unused: Iterator[str]) -> str:
    """A variant of the common sandbox that no other test uses, in a quiet market without asks and bids."""
    found = next(_unused)
    common.quiet_market(found, [], [])
    return found
