"""The order book by itself: who takes whose ask, and that its life does not depend on how often one looks."""

from __future__ import annotations

from statistics import mean

import pytest

from soleflip.sandbox.clock import DAY
from soleflip.sandbox.market import Book, advance, happen, open_book, place_bid, take_cheapest
from soleflip.sandbox.records import Variant


def variant(**more: float) -> Variant:
    values = {"level": 150.0, "buyers_per_week": 7.0} | more
    return Variant("v", "p", "9", [], [], born=0, **values)  # type: ignore[arg-type]


def book(asks: list[int], bids: list[int]) -> Book:
    return Book("v", 1, 0, 0, 150.0, [[price, 10] for price in asks], [[price, 10] for price in bids])


def test_the_cheapest_ask_is_taken_ours_or_a_rivals() -> None:
    market = book([100, 110], [])
    ours = take_cheapest(market, [(99.0, 50, "ours")], 60)
    assert ours is not None
    assert (ours.listing_id, ours.price) == ("ours", 99.0)
    rival = take_cheapest(market, [(101.0, 5, "ours")], 60)
    assert rival is not None
    assert (rival.listing_id, rival.price) == (None, 100)
    assert market.asks == [[110, 10]]


@pytest.mark.parametrize(("since", "taken"), [(5, "ours"), (15, None)])
def test_of_two_equal_asks_the_older_one_goes(since: int, taken: str | None) -> None:
    sale = take_cheapest(book([100], []), [(100.0, since, "ours")], 60)
    assert sale is not None
    assert sale.listing_id == taken


def test_nobody_pays_more_than_his_limit() -> None:
    assert take_cheapest(book([100], []), [], 60, limit=99) is None


def test_a_bid_that_reaches_an_ask_pays_the_ask_and_any_other_waits() -> None:
    market = book([100], [80])
    sale = place_bid(market, [(95.0, 5, "ours")], 97, 60)
    assert sale is not None
    assert (sale.price, sale.listing_id) == (95.0, "ours")
    assert place_bid(market, [], 90, 60) is None
    assert market.highest() == 90


def test_a_book_is_the_same_however_often_one_looks() -> None:
    seldom, often = open_book(variant(), 1, 1.0), open_book(variant(), 1, 1.0)
    advance(seldom, variant(), 40 * DAY, 1.0)
    for hour in range(40 * 24 + 1):
        advance(often, variant(), hour * DAY // 24, 1.0)
    assert seldom == often
    assert open_book(variant(), 2, 1.0) != open_book(variant(), 1, 1.0)


def test_a_book_never_crosses_and_stays_near_its_level() -> None:
    market, fair = open_book(variant(), 3, 1.0), []
    for _ in range(3000):
        happen(market, variant(), [], 1.0)
        fair.append(market.fair)
        if market.asks and market.bids:
            assert market.bids[0][0] < market.asks[0][0]
        assert market.asks == sorted(market.asks)
    assert 100 < mean(fair) < 220


def test_as_many_buy_in_a_week_as_the_variant_says() -> None:
    market = open_book(variant(), 4, 1.0)
    advance(market, variant(), 7 * 200 * DAY, 1.0)
    assert market.sold / 200 == pytest.approx(7, rel=0.15)


def test_a_cheap_ask_of_ours_sells_and_a_dear_one_does_not() -> None:
    def days_until_sold(price: float) -> float:
        market = open_book(variant(), 5, 1.0)
        while market.at < 60 * DAY:
            sale = happen(market, variant(), [(price, 0, "ours")], 1.0)
            if sale is not None:
                return sale.at / DAY
        return 60.0

    assert days_until_sold(120.0) < 7
    assert days_until_sold(400.0) == 60.0


def test_rivals_undercut_our_ask() -> None:
    market = open_book(variant(buyers_per_week=1.0), 6, 1.0)
    market.asks = [[200, 0]]
    for _ in range(40):
        happen(market, variant(buyers_per_week=1.0), [(160.0, 0, "ours")], 1.0)
    lowest = market.lowest()
    assert lowest is not None
    assert lowest < 160
