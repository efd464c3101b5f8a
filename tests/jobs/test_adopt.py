"""A listing that only the operator can name: StockX is asked about it before it becomes ours."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from soleflip.models import StockxListing
from soleflip.services import listings, wishes
from tests.selling import Selling


def _in_review(selling: Selling) -> tuple[Any, str]:
    """A listing that is up on StockX, and of which we have lost the id."""
    assert selling.perform(selling.order(1)).state == "done"
    with selling.runtime.transaction() as session:
        row = session.scalars(select(StockxListing)).one()
        listing_id = row.id
        named = str(row.stockx_listing_id)
        row.stockx_listing_id, row.status = None, "review"
        row.review = {"why": "StockX finished the batch but says nothing of this row.", "candidates": []}
    return listing_id, named


def _name(selling: Selling, listing_id: Any, named: str) -> Any:
    with selling.runtime.transaction() as session:
        run = wishes.decide_review(session, listing_id, f"adopt:{named}", actor="test", now=selling.runtime.clock())
        assert run is not None
        assert run.kind == "adopt"
        assert listings.get(session, listing_id).status == "review", "nothing is believed before StockX was asked"
        run_id = run.id
    return selling.perform(run_id)


def test_the_right_id_is_adopted_after_stockx_confirmed_it(selling: Selling) -> None:
    listing_id, named = _in_review(selling)
    assert _name(selling, listing_id, named).state == "done"
    with selling.runtime.transaction() as session:
        row = session.get_one(StockxListing, listing_id)
        assert (row.status, row.stockx_listing_id, row.review) == ("active", named, None)


@pytest.mark.parametrize("named", ["98e2e748-8000-45bf-a624-5531d6a68318", "nonsense", "../../orders"])
def test_an_id_that_stockx_does_not_know_is_refused(selling: Selling, named: str) -> None:
    listing_id, _ = _in_review(selling)
    run = _name(selling, listing_id, named)
    assert run.state == "failed"
    assert "Nothing was changed" in run.error
    with selling.runtime.transaction() as session:
        assert session.scalars(select(StockxListing.status).where(StockxListing.id == listing_id)).one() == "review"


def test_a_listing_of_another_size_is_refused(selling: Selling) -> None:
    listing_id, named = _in_review(selling)
    with selling.runtime.transaction() as session:
        session.get_one(StockxListing, listing_id).variant_id = "another"
    run = _name(selling, listing_id, named)
    assert (run.state, "another product or size" in run.error) == ("failed", True)
