"""Saved views: a filter of any big table is kept by name, opened, watched and forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from soleflip.services.searches import MOST, ROOMS
from tests.web.conftest import token

FILTERS = {
    "opportunities": "max_price=100",
    "listings": "state=inactive&sort=-ask",
    "inventory": "state=free",
    "orders": "stage=overdue",
    "runs": "state=failed",
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_filter_is_kept_by_name_opened_and_forgotten(browser: Any, room: str) -> None:
    query = FILTERS[room]
    form = {"csrf_token": token(browser, f"/{room}"), "room": room, "name": " Good  ones ", "query": f"{query}&after=x"}
    answer = browser.post("/searches", data=form)
    assert (answer.status_code, answer.location) == (303, f"/{room}?{query}")
    link = f'href="/{room}?{query.replace("&", "&amp;")}"'
    assert link in browser.get(f"/{room}").text
    assert browser.get("/searches/1").location == f"/{room}?{query}"
    for other in set(ROOMS) - {room}:
        assert "Good ones" not in browser.get(f"/{other}").text
    answer = browser.post("/searches/1/forget", data=form | {"back": f"/{room}?{query}"})
    assert answer.location == f"/{room}?{query}"
    assert link not in browser.get(f"/{room}").text
    assert browser.get("/searches/1").status_code == 404


def test_a_filter_that_cannot_be_kept_is_refused(browser: Any) -> None:
    form = {"csrf_token": token(browser, "/runs"), "room": "runs", "name": "Failed", "query": "state=failed"}
    assert browser.post("/searches", data=form | {"name": " "}).status_code == 422
    assert browser.post("/searches", data=form | {"room": "settings"}).status_code == 422
    assert browser.post("/searches", data=form | {"alerts": "1"}).status_code == 422
    for number in range(MOST):
        assert browser.post("/searches", data=form | {"name": f"View {number}"}).status_code == 303
    assert browser.post("/searches", data=form | {"name": "One more"}).status_code == 422
    assert browser.post("/searches", data=form | {"name": "View 0"}).status_code == 303


def test_what_is_new_among_opportunities_can_be_told(browser: Any) -> None:
    form = {"csrf_token": token(browser, "/opportunities"), "room": "opportunities", "name": "Cheap", "query": "q=x"}
    browser.post("/searches", data=form)
    answer = browser.post("/searches/1/alerts", data=form | {"on": "1", "back": "/opportunities?q=x"})
    assert answer.location == "/opportunities?q=x"
    assert "Alerts on" in browser.get("/opportunities").text
    assert browser.post("/searches/1/alerts", data=form | {"back": "//elsewhere"}).location == "/"
    assert "Alerts on" not in browser.get("/opportunities").text
