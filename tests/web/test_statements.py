"""How often a page asks the database: at most four times, the frame included, whatever the filter or sort.

What a page asks is counted on pages with rows, so that a row which asks for itself shows. Pages of one thing may ask
for its history, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from soleflip.db import db
from soleflip.services import listing_filter, opportunity_filter, order_book, stock_overview

MOST = 4


@contextmanager
def counted(app: Any) -> Iterator[list[str]]:
    """Collect the statements that leave inside the block."""
    sent: list[str] = []

    def listen(*call: Any) -> None:
        sent.append(call[2])

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", listen)


def sorts(address: str, names: Any) -> list[str]:
    """Every order of a list, both ways."""
    return [f"{address}?sort={way}{name}" for name in names for way in ("", "-")]


PAGES = {
    "dashboard": ["/"],
    "opportunities": [
        *sorts("/opportunities", opportunity_filter.SORTS),
        *(f"/opportunities?state={state}&match=any" for state in opportunity_filter.STATES),
        "/opportunities?all=1",
        "/opportunities?q=nike+air&shop=1&brand=1&size=42&stock=any&min_price=1&max_price=500&min_profit=1&min_roi=1"
        "&min_margin=1&max_age=3",
        "/opportunities/by-shop",
    ],
    "listings": [
        *sorts("/listings", listing_filter.SORTS),
        *(f"/listings?state={state}" for state in listing_filter.STATES),
        *(f"/listings?warning={name}" for name in ("any", *listing_filter.WARNINGS)),
        *(f"/listings?place={name}" for name in listing_filter.PLACES),
        "/listings?q=shoe&brand=1&strategy=competitive",
    ],
    "orders": [
        *sorts("/orders", order_book.SORTS),
        *(f"/orders?stage={stage}" for stage in order_book.STAGES),
        *(f"/orders?match={match}&q=gel" for match in order_book.MATCHES),
    ],
    "inventory": [
        *sorts("/inventory", stock_overview.SORTS),
        *(f"/inventory?state={state}&q=shoe&brand=1" for state in stock_overview.SHOWN),
    ],
    "imports": ["/imports"],
    "runs": ["/runs", "/runs?kind=list&state=queued"],
    "audit": ["/settings/audit", "/settings/audit?actor=test&act=one"],
}


@pytest.mark.parametrize("room", PAGES)
def test_a_page_asks_the_database_four_times_at_most(house: Any, browser: Any, room: str) -> None:
    asked: dict[str, list[str]] = {}
    for address in PAGES[room]:
        with counted(house) as sent:
            assert browser.get(address).status_code == 200, address
        asked[address] = sent
    worst = max(asked, key=lambda address: len(asked[address]))
    assert len(asked[worst]) <= MOST, f"{worst}: {len(asked[worst])}\n" + "\n".join(sql[:300] for sql in asked[worst])


@pytest.mark.parametrize(
    "address", ["/opportunities", "/listings", "/orders", "/inventory", "/imports", "/runs", "/settings/audit"]
)
def test_the_rows_are_there_that_are_counted_on(house: Any, browser: Any, address: str) -> None:
    assert browser.get(address).text.count("<tr") > 2, address
