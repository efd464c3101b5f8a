"""What StockX has and we don't: taken in as it says, nothing made up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.models import StockxListing
from soleflip.services import fees, listing_sync, runs
from soleflip.services.runs import Books, Work
from soleflip.stockx import ListingEntry
from tests.services.sales import make_listing


class ListingsOfStockX:
    """A StockX that has these listings."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def listings(self, **_: Any) -> Iterator[ListingEntry]:
        return iter([ListingEntry.model_validate(each) for each in self.found])


@pytest.fixture
def stockx() -> ListingsOfStockX:
    return ListingsOfStockX()


@pytest.fixture
def work(transaction: Any, stockx: ListingsOfStockX, clock: Any, books: Books) -> Work:
    with transaction() as session:
        run = runs.start(session, "listing_sync", actor="test")
    return Work(run.id, {}, "test", transaction, stockx, clock, books)  # type: ignore[arg-type]


def listing(name: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "listingId": name,
        "status": "ACTIVE",
        "amount": amount,
        "createdAt": "2026-02-01T10:00:00Z",
        "product": {"productId": f"P-{name}", "productName": "Gel One", "styleId": "AB1234-100"},
        "variant": {"variantId": f"V-{name}", "variantName": "x", "variantValue": "9"},
        **more,
    }


def test_a_listing_made_elsewhere_is_in_stockxs_currency_else_in_that_of_the_account(
    work: Work, stockx: ListingsOfStockX, transaction: Any, clock: Any
) -> None:
    with transaction() as session:
        fees.enter(session, "figures", {"currency": "GBP"}, actor="test", now=clock())
    stockx.found = [listing("L1", "95", currencyCode="USD"), listing("L2", "96")]
    listing_sync.sync(work)
    with transaction() as session:
        rows = session.execute(
            select(StockxListing.stockx_listing_id, StockxListing.currency).order_by(StockxListing.stockx_listing_id)
        ).all()
    assert [tuple(row) for row in rows] == [("L1", "USD"), ("L2", "GBP")]


def test_a_currency_changed_outside_is_taken_over_and_shown(
    work: Work, stockx: ListingsOfStockX, transaction: Any
) -> None:
    with transaction() as session:
        known = make_listing(session, ask="95").id
    stockx.found = [listing("L1", "95", currencyCode="USD")]
    listing_sync.sync(work)
    with transaction() as session:
        row = session.get_one(StockxListing, known)
    assert (row.currency, row.outside_change) == ("USD", "Its currency is USD on StockX, we thought EUR.")
