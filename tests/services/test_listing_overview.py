"""What the Listings page says of a listing: its place in the market, and what is wrong with it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.models import LatestQuote, Quote, StockxListing
from soleflip.services import listing_overview
from soleflip.services.listing_filter import ListingFilter
from soleflip.services.market import keep_quotes
from soleflip.services.stock import TO_BUY
from soleflip.stockx.catalog import MarketData
from tests.services.sales import make_listing


@pytest.fixture
def listing(session: Session, clock: Any) -> StockxListing:
    """A listing at 100 with a floor of 70, put up a day ago."""
    made = make_listing(session, uuid4().hex, ask="100")
    made.listed_at = clock() - timedelta(days=1)
    made.expires_at = clock() + timedelta(days=20)
    made.floor_price, made.expected_profit = Decimal(70), Decimal(30)
    session.flush()
    return made


def quote(session: Session, listing: StockxListing, lowest: str | None, at: datetime, *, latest: bool = True) -> None:
    """What the market says, now or in the past."""
    amount = Decimal(lowest) if lowest else None
    values = {"variant_id": listing.catalog_variant_id, "currency": "EUR", "lowest_ask": amount, "at": at}
    session.add(Quote(**values))
    if latest:
        session.merge(LatestQuote(**values))
    session.flush()


def only_line(session: Session, clock: Any, **wanted: Any) -> Any:
    lines = listing_overview.overview(session, ListingFilter(**wanted), clock()).lines
    return lines[0] if lines else None


@pytest.mark.parametrize(
    ("before", "lowest", "place", "gap"),
    [
        (None, None, "alone", None),
        (None, "101", "lowest", -1),
        ("99", "100", "lowest", 0),
        ("100", "100", "tied", 0),
        ("100", "97", "above", 3),
    ],
)
def test_our_place_is_told_from_the_market_before_we_came(session, clock, listing, before, lowest, place, gap):
    if before:
        quote(session, listing, before, clock() - timedelta(days=2), latest=False)
    if lowest:
        quote(session, listing, lowest, clock())
    line = only_line(session, clock)
    assert (line.place, line.gap) == (place, gap)


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        ({"outside_change": "Price changed outside."}, "outside"),
        ({"floor_price": Decimal(101)}, "below_floor"),
        ({"expected_profit": Decimal(-1)}, "loss"),
        ({"ask_price": Decimal(80)}, "below_market"),
        ({"floor_price": Decimal(99), "ask_price": Decimal(101)}, "market_below_floor"),
        ({"error": "StockX refused it."}, "failed"),
    ],
)
def test_what_is_wrong_is_named_and_can_be_filtered_for(session, clock, listing, change, warning):
    quote(session, listing, "98", clock())
    assert only_line(session, clock, warning=warning) is None
    for name, value in change.items():
        setattr(listing, name, value)
    session.flush()
    assert warning in only_line(session, clock).warnings
    assert only_line(session, clock, warning=warning).first_id == listing.id
    assert only_line(session, clock, warning="any") is not None


def test_a_listing_without_fault_has_no_warning(session, clock, listing):
    quote(session, listing, "98", clock())
    assert only_line(session, clock).warnings == ()
    assert only_line(session, clock, warning="any") is None


def test_age_of_quote_expiry_cost_and_purchase_are_watched(session, clock, listing):
    quote(session, listing, "98", clock() - timedelta(hours=30))
    listing.expires_at = clock() + timedelta(days=1)
    listing.item.cost = listing.buy_price = None
    listing.item.note = TO_BUY
    session.flush()
    assert set(only_line(session, clock).warnings) == {"stale", "expiring", "cost_unknown", "not_bought"}


def test_the_brand_and_words_narrow(session, clock, listing):
    view = listing_overview.overview(session, ListingFilter(), clock())
    assert [name for _, name in view.brands] == ["Asics"]
    assert only_line(session, clock, brand=view.brands[0][0], text="shoe ab1234") is not None
    assert only_line(session, clock, text="shoe unknown") is None
    assert only_line(session, clock, brand=-1) is None


@pytest.mark.parametrize("args", [{"sort": "nonsense"}, {"state": "x", "brand": "y", "place": "z", "warning": "w"}, {}])
def test_a_broken_address_is_read_as_the_plain_page(args):
    assert ListingFilter.from_args(args) == ListingFilter()


def test_a_broken_cursor_is_refused(session, clock):
    with pytest.raises(InvalidInput):
        listing_overview.overview(session, ListingFilter(sort="ask", after="x~y"), clock())


def test_new_quotes_stand_on_our_asks_so_that_an_index_can_sort_them(session, clock, listing):
    answer = {
        "productId": "P",
        "variantId": listing.variant_id,
        "currencyCode": "EUR",
        "lowestAskAmount": "91",
        "highestBidAmount": "70",
    }
    keep_quotes(session, listing.product_id, [MarketData.model_validate(answer)], clock())
    session.refresh(listing)
    assert (listing.current_lowest_ask, listing.current_highest_bid) == (91, 70)
    assert only_line(session, clock, sort="lowest").lowest == 91


def test_equal_units_are_one_line_where_its_lowest_unit_stands(session, clock, listing):
    twin = make_listing(session, uuid4().hex, ask="100", style="ZZ1")
    twin.product_id, twin.catalog_variant_id, twin.expected_profit = listing.product_id, listing.catalog_variant_id, -5
    other = make_listing(session, uuid4().hex, ask="100", style="ZZ2")
    other.expected_profit = Decimal(10)
    session.flush()
    up, down = (listing_overview.overview(session, ListingFilter(sort=sort), clock()) for sort in ("profit", "-profit"))
    assert [line.quantity for line in up.lines] == [2, 1]
    assert [line.quantity for line in down.lines] == [1, 2]
    assert (up.total, up.units, up.lines[0].profit) == (2, 3, -5)
