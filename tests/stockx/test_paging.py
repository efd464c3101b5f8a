"""Lists are walked whole even when they change on the way."""

from __future__ import annotations

from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest

NO_LISTINGS = {"count": 0, "pageSize": 0, "pageNumber": 1, "hasNextPage": False, "listings": []}


def page(*numbers: int, count: int, more: bool) -> dict[str, object]:
    found = [{"orderNumber": f"{number}-{number}", "status": "CREATED"} for number in numbers]
    return {"count": count, "pageSize": len(found), "pageNumber": 1, "hasNextPage": more, "orders": found}


def query(asked) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(asked.path).query).items()}


def numbers(orders) -> list[int]:
    return [int(order.order_number.split("-")[0]) for order in orders]


def test_pages_are_fetched_as_they_are_needed(script, stockx):
    script.then(page(1, 2, count=3, more=True))
    script.then(page(3, count=3, more=False))
    walk = stockx.active_orders(status="CREATED", sort="SHIPBYDATE")
    assert script.asked == []
    next(walk)
    assert len(script.asked) == 1
    assert numbers(walk) == [2, 3]
    assert query(script.asked[1]) == {
        "orderStatus": "CREATED",
        "sortOrder": "SHIPBYDATE",
        "pageNumber": "2",
        "pageSize": "100",
    }


def test_repeats_are_dropped(script, stockx):
    script.then(page(1, 2, count=5, more=True))
    script.then(page(2, 3, count=5, more=False))
    assert numbers(stockx.historical_orders()) == [1, 2, 3]


def test_a_page_that_repeats_the_one_before_is_fetched_again(script, stockx):
    script.then(page(1, 2, count=4, more=True))
    script.then(page(1, 2, count=4, more=True))
    script.then(page(3, 4, count=4, more=False))
    assert numbers(stockx.historical_orders()) == [1, 2, 3, 4]
    assert [query(asked)["pageNumber"] for asked in script.asked] == ["1", "2", "2"]


def test_entries_that_moved_up_past_us_are_fetched(script, stockx):
    """Order 1 disappears after the first page: order 101 moves to page 1 and must not be missed."""
    script.then(page(*range(1, 101), count=201, more=True))
    script.then(page(*range(102, 202), count=200, more=False))
    script.then(page(*range(2, 102), count=200, more=True))
    script.then(page(*range(102, 202), count=200, more=False))
    assert sorted(numbers(stockx.active_orders())) == list(range(1, 202))


def test_going_back_over_known_pages_is_not_the_end(script, stockx):
    """Order 250 goes before the fourth page: pages 1 and 2 are as they were, and the rest has moved up."""
    every = list(range(1, 401))
    left = [number for number in every if number != 250]
    for start in (0, 100, 200):
        script.then(page(*every[start : start + 100], count=700, more=True))
    script.then(page(*left[300:400], count=400, more=False))
    for start in (0, 100, 200, 300):
        script.then(page(*left[start : start + 100], count=400, more=start < 300))
    assert sorted(numbers(stockx.active_orders())) == every


def test_a_server_that_repeats_itself_does_not_keep_us_for_ever(script, stockx):
    for _ in range(10):
        script.then(page(1, count=1000, more=True))
    assert numbers(stockx.active_orders()) == [1]
    assert len(script.asked) == 5


def test_an_empty_list_is_one_call(script, stockx):
    script.then(NO_LISTINGS)
    assert list(stockx.listings()) == []
    assert len(script.asked) == 1


def test_filters_are_sent_as_stockx_takes_them(script, stockx):
    script.then(NO_LISTINGS)
    walk = stockx.listings(
        variant_ids=["a", "b"], statuses=["ACTIVE", "INACTIVE"], from_date=date(2026, 3, 1), include_expired=True
    )
    assert list(walk) == []
    assert query(script.asked[0]) == {
        "variantIds": "a,b",
        "listingStatuses": "ACTIVE,INACTIVE",
        "fromDate": "2026-03-01",
        "isExpired": "true",
        "pageNumber": "1",
        "pageSize": "100",
    }


@pytest.mark.parametrize("last", [None, "same"])
def test_operations_end_on_null_or_when_nothing_new_comes(script, stockx, last):
    def operations(*ids: str, cursor: str | None) -> dict[str, object]:
        found = [{"listingId": "l-1", "operationId": name} for name in ids]
        return {"nextCursor": cursor, "operations": found}

    script.then(operations("a", "b", cursor="same"))
    script.then(operations("b", "c", cursor=last))
    if last:
        script.then(operations("c", cursor="same"))
    assert [operation.operation_id for operation in stockx.operations("l-1")] == ["a", "b", "c"]
    assert query(script.asked[1])["cursor"] == "same"


def test_a_search_fetches_no_more_than_asked_for(script, stockx):
    products = [{"productId": str(number)} for number in range(10)]
    script.then({"count": 500, "hasNextPage": True, "products": products})
    assert len(stockx.search("nike", limit=10)) == 10
    assert len(script.asked) == 1
    assert query(script.asked[0]) == {"query": "nike", "pageNumber": "1", "pageSize": "10"}
