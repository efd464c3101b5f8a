"""What a page weighs on its way: compressed, and its secret never the same twice."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from tests.web.conftest import token

PACKED = {"Accept-Encoding": "gzip"}
PAGES = ("/", "/opportunities", "/listings", "/orders", "/inventory", "/imports", "/runs", "/settings", "/analytics")


@pytest.mark.parametrize("address", PAGES)
def test_a_full_page_is_under_60_kb_compressed(house: Any, browser: Any, address: str) -> None:
    answer = browser.get(address, headers=PACKED)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.vary
    assert len(answer.data) < 60_000
    plain = browser.get(address, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert len(gzip.decompress(answer.data)) == pytest.approx(len(plain.data), rel=0.02)


@pytest.mark.parametrize("address", PAGES)
def test_charts_are_loaded_only_where_one_stands(house: Any, browser: Any, address: str) -> None:
    page = browser.get(address).text
    assert ("vendor/echarts" in page) == ("data-chart" in page)


def test_the_token_never_stands_the_same_in_two_answers(browser: Any) -> None:
    first, second = token(browser, "/runs"), token(browser, "/runs")
    assert first != second
    for each in (first, second):
        assert browser.post("/orders/sync", data={"csrf_token": each}).status_code == 303
    pages = [browser.get("/search?q=" + first[:20]).text for _ in range(2)]
    assert len({re.search(r'csrf-token" content="([^"]+)"', page)[1] for page in pages}) == 2  # type: ignore[index]


@pytest.mark.parametrize("wrong", ["", "x", "AAAA", "\u00e9", "A" * 300])
def test_a_token_that_is_none_is_refused(browser: Any, wrong: str) -> None:
    token(browser)
    assert browser.post("/orders/sync", data={"csrf_token": wrong}).status_code == 400


def test_an_answer_of_the_json_interface_is_not_compressed(browser: Any) -> None:
    assert "Content-Encoding" not in browser.get("/api/v1/openapi.json", headers=PACKED).headers
