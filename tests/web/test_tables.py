"""What all big tables can do: each browser keeps its own columns, and every list goes out as CSV."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from urllib.parse import quote

import pytest

from soleflip.services import downloads
from soleflip.services.downloads import TABLES
from soleflip.web.tables import COLUMNS, COOKIE
from tests.e2e.furniture import EMAIL, PASSWORD, furnish
from tests.web.conftest import post


def _heads(page: str) -> dict[int, str]:
    """The heads of the page's last table by their place, from 1, without marks of sorting."""
    head = page[page.rindex("<thead>") : page.rindex("</thead>")]
    cells = re.findall(r"<th\b.*?</th>", head, re.DOTALL)
    return {place: re.sub(r"<[^>]*>|[↑↓]", "", cell).strip() for place, cell in enumerate(cells, start=1)}


@pytest.mark.parametrize("table", COLUMNS)
def test_what_can_be_left_out_stands_where_it_is_said_to(app: Any, table: str) -> None:
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        furnish(session, app.extensions["soleflip"].clock())
    browser = app.test_client()
    post(browser, "/sign-in", email=EMAIL, password=PASSWORD)
    heads = _heads(browser.get(f"/{table}").text)
    assert {place: heads.get(place) for place in COLUMNS[table]} == COLUMNS[table]


def test_columns_are_left_out_and_come_back(browser: Any) -> None:
    every = [str(place) for place in COLUMNS["orders"]]
    answer = post(browser, "/tables/orders", show=every[1:], next="/orders?stage=all")
    assert (answer.status_code, answer.location) == (303, "/orders?stage=all")
    assert post(browser, "/tables/listings", show=["3"]).status_code == 303
    page = browser.get("/orders").text
    assert page.count(" checked>") == len(every) - 1
    assert "(1 hidden)" in page
    post(browser, "/tables/orders", show=every)
    assert "hidden)" not in browser.get("/orders").text
    assert "hidden)" in browser.get("/listings").text


def test_a_viewer_may_choose(signed_in: Any) -> None:
    assert post(signed_in("viewer"), "/tables/orders", show=["2"]).status_code == 303


def test_a_table_that_is_none_is_refused(browser: Any) -> None:
    assert post(browser, "/tables/users", show=["2"]).status_code == 422


@pytest.mark.parametrize("cookie", ["orders-999", "nothing-1", "....", "orders", "orders--2-x", "\x7f"])
def test_a_cookie_written_by_anybody_does_no_harm(browser: Any, cookie: str) -> None:
    browser.set_cookie(COOKIE, cookie)
    assert browser.get("/orders").status_code == 200


@pytest.mark.parametrize("table", TABLES)
def test_a_list_goes_out_whole_behind_its_filter(app: Any, monkeypatch: Any, table: str) -> None:
    monkeypatch.setattr(downloads, "PAGE", 3)  # several pages of few rows
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        furnish(session, app.extensions["soleflip"].clock())
    browser = app.test_client()
    post(browser, "/sign-in", email=EMAIL, password=PASSWORD)
    answer = browser.get(f"/tables/{table}.csv?after=nonsense")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) > 3
    assert len({tuple(row.items()) for row in rows}) == len(rows)
    assert all(None not in row and None not in row.values() for row in rows), "a head for every cell"
    wanted = f"min_profit={rows[0]['net_profit']}" if table == "opportunities" else f"q={quote(rows[0]['title'])}"
    some = browser.get(f"/tables/{table}.csv?{wanted}").text
    assert 0 < some.count("\n") - 1 < len(rows)


def test_a_list_that_is_none_is_refused(browser: Any) -> None:
    assert browser.get("/tables/users.csv").status_code == 422
