"""A repricing run on the sandbox, counted in requests, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import func, select

from soleflip.models import ListingChange, PricingHistory, Run, StockxListing
from soleflip.services import proposals, runs
from tests.selling import Selling


def listed(selling: Selling, number: int) -> UUID:
    run_id = selling.order(number)
    assert selling.perform(run_id).state == "done"
    return run_id


def reprice(selling: Selling, **params: object) -> Run:
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "reprice", actor="test", params=params).id
    return selling.perform(run_id)


def test_a_run_takes_one_quote_call_per_product_and_one_write_per_hundred_changes(
    selling: Selling, requests_of: Callable[[str], int]
) -> None:
    listed(selling, 250)
    run = reprice(selling)
    with selling.runtime.transaction() as session:
        products = session.scalar(select(func.count(StockxListing.product_id.distinct())))
        changed = session.scalar(select(func.count()).where(ListingChange.state == "done"))
    assert run.counts["looked_at"] == 250
    assert changed
    assert products
    assert run.requests_used >= products + -(-changed // 100)
    assert requests_of("GetProductMarketData") == products
    assert requests_of("UpdateListings") == -(-changed // 100)


def test_with_fresh_quotes_nothing_is_asked_again(selling: Selling, requests_of: Callable[[str], int]) -> None:
    listed(selling, 20)
    selling.sandbox.control("clock", frozen=True)
    reprice(selling, dry_run=True)
    before = requests_of("GetProductMarketData")
    reprice(selling, dry_run=True)
    assert requests_of("GetProductMarketData") == before


def test_every_change_has_its_sentence_and_inputs_in_the_history(selling: Selling) -> None:
    listed(selling, 5)
    reprice(selling)
    with selling.runtime.transaction() as session:
        lines = session.scalars(select(PricingHistory)).all()
        listings = {row.id: row for row in session.scalars(select(StockxListing))}
    assert lines
    for line in lines:
        assert line.change_reason == "competition"
        assert line.sentence
        assert {"ask", "floor", "cost"} <= set(line.inputs)
        assert line.new_price == listings[line.listing_id].ask_price
        assert line.new_price >= (listings[line.listing_id].floor_price or 0)


def test_proposals_wait_until_they_are_approved(selling: Selling, requests_of: Callable[[str], int]) -> None:
    listed(selling, 4)
    proposed = reprice(selling, approve=True)
    assert "wait for your approval" in str(proposed.message)
    assert requests_of("UpdateListings") == 0
    with selling.runtime.transaction() as session:
        run = proposals.approve(session, None, actor="test")
    assert run.total
    done = selling.perform(run.id)
    assert done.message == f"{run.total} changed."
    assert requests_of("UpdateListings") == 1
