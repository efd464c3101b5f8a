"""A repricing run on the sandbox, counted in requests, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from soleflip.domain.errors import Conflict
from soleflip.domain.pricing import GuardSettings
from soleflip.models import ListingChange, PricingHistory, Product, Quote, Run, StockxListing, Variant
from soleflip.runtime import SandboxClock
from soleflip.services import listing_runs, proposals, runs
from tests.selling import Selling

AT_ONCE = dict.fromkeys(("operation_seconds", "batch_start_seconds", "batch_min_seconds", "batch_max_seconds"), 0.0)


def listed(selling: Selling, number: int, ask: int = 9000) -> UUID:
    run_id = selling.order(number, ask)
    assert selling.perform(run_id).state == "done"
    return run_id


def reprice(selling: Selling, **params: object) -> Run:
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "reprice", actor="test", params=params).id
    return selling.perform(run_id)


def freeze(selling: Selling) -> SandboxClock:
    """Stop the sandbox's time; the clock forgets at which speed it ran, and does so after each skip."""
    selling.sandbox.control("clock", frozen=True)
    clock = selling.runtime.clock
    assert isinstance(clock, SandboxClock)
    clock.skip(0)
    return clock


def stand_still(selling: Selling) -> SandboxClock:
    """Stop the time an hour on, with batches done at once: however slow the machine is, no quote grows old."""
    clock = freeze(selling)
    selling.sandbox.control("settings", **AT_ONCE)
    clock.skip(1)
    return clock


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
    freeze(selling)
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
        assert line.change_reason == "algorithm"
        assert line.sentence
        assert {"ask", "floor", "cost"} <= set(line.inputs)
        assert line.new_price == listings[line.listing_id].ask_price
        assert line.new_price >= (listings[line.listing_id].floor_price or 0)


def test_proposals_wait_until_they_are_approved(selling: Selling, requests_of: Callable[[str], int]) -> None:
    listed(selling, 4)
    stand_still(selling)
    proposed = reprice(selling, approve=True)
    assert "wait for your approval" in str(proposed.message)
    assert requests_of("UpdateListings") == 0
    done = approve(selling)
    assert done.total
    assert done.message == f"{done.total} changed."
    assert requests_of("UpdateListings") == 1


def approve(selling: Selling) -> Run:
    with selling.runtime.transaction() as session:
        run = proposals.approve(session, None, actor="test")
    return selling.perform(run.id)


def test_a_newer_run_ends_the_proposals_that_it_no_longer_makes(selling: Selling) -> None:
    listed(selling, 4)
    stand_still(selling)
    assert reprice(selling, approve=True).counts["to_change"] > 1
    with selling.runtime.transaction() as session:
        gone, *rest = proposals.waiting(session)
        gone.listing.strategy, gone.listing.strategy_from = "hold", "listing"
        key = gone.id
    reprice(selling, dry_run=True)
    with selling.runtime.transaction() as session:
        assert len(proposals.waiting(session)) == len(rest) + 1  # a trial decides nothing
    reprice(selling, approve=True)
    with selling.runtime.transaction() as session:
        assert len(proposals.waiting(session)) == len(rest)
        assert session.scalar(select(func.count()).where(ListingChange.state == "proposed")) == len(rest)
        old = session.get_one(ListingChange, key)
        assert (old.state, old.error) == ("cancelled", "A newer repricing looked at this listing.")
        with pytest.raises(Conflict):
            proposals.approve(session, [key], actor="test")
    reprice(selling)
    with selling.runtime.transaction() as session:
        assert proposals.waiting(session) == []


def test_what_is_approved_passes_todays_guards_and_floor_once_more(
    selling: Selling, requests_of: Callable[[str], int]
) -> None:
    listed(selling, 5)
    stand_still(selling)
    reprice(selling, approve=True)
    with selling.runtime.transaction() as session:
        dear, low, moved, *others = proposals.waiting(session)
        assert others
        assert low.new_price is not None
        dear.listing.guards = {"largest_step": "1"}
        low.listing.guards = {"min_ask": str(low.new_price + 1)}
        moved.listing.ask_price -= 1
        keys = dear.id, low.id, moved.id
    run = approve(selling)
    with selling.runtime.transaction() as session:
        found = [session.get_one(ListingChange, key) for key in keys]
        assert [(each.state, each.guard) for each in found] == [
            ("refused", "largest_step"),
            ("refused", found[1].guard),
            ("refused", "approval"),
        ]
        assert "floor" in str(found[1].error)
    assert (run.counts["changed"], run.counts["refused"]) == (len(others), 3)
    assert requests_of("UpdateListings") == 1


def test_quotes_that_aged_before_the_approval_are_asked_for_anew(
    selling: Selling, requests_of: Callable[[str], int]
) -> None:
    listed(selling, 3)
    clock = stand_still(selling)
    reprice(selling, approve=True)
    before = requests_of("GetProductMarketData")
    clock.skip(5)
    with selling.runtime.transaction() as session:
        found = proposals.waiting(session)
        products = len({each.listing.product_id for each in found})
        for each in found:
            each.listing.guards = {"max_age_minutes": "30"}
    run = approve(selling)
    assert requests_of("GetProductMarketData") - before == products
    assert run.counts["changed"] + run.counts["refused"] == len(found)
    assert "older than 30 minutes" not in str([line.error for line in changes_of(selling, run)])


def changes_of(selling: Selling, run: Run) -> list[ListingChange]:
    with selling.runtime.transaction() as session:
        return list(session.scalars(select(ListingChange).where(ListingChange.run_id == run.id)))


@pytest.mark.parametrize("params", [{"dry_run": True}, {"approve": True}])
def test_a_trial_and_a_run_for_approval_send_no_write(selling: Selling, params: dict[str, bool]) -> None:
    listed(selling, 30)
    stand_still(selling)
    known = len(selling.sandbox.look("requests", limit=100_000))
    run = reprice(selling, **params)
    sent = selling.sandbox.look("requests", limit=100_000)[known:]
    assert run.counts["to_change"] > 0
    assert {line["route"] for line in sent} == {"GetProductMarketData"}
    assert {line["method"] for line in sent} == {"GET"}
    with selling.runtime.transaction() as session:
        assert session.scalars(select(PricingHistory)).all() == []


def test_quotes_from_the_future_are_asked_for_anew(selling: Selling, requests_of: Callable[[str], int]) -> None:
    listed(selling, 5)
    reprice(selling, dry_run=True)
    with selling.runtime.transaction() as session:
        session.execute(update(Product).values(quoted_at=selling.runtime.clock() + timedelta(days=3)))
        products = session.scalar(select(func.count(StockxListing.product_id.distinct())))
    before = requests_of("GetProductMarketData")
    reprice(selling, dry_run=True)
    assert requests_of("GetProductMarketData") - before == products


def test_what_is_most_at_stake_for_longest_is_asked_about_first(selling: Selling) -> None:
    listed(selling, 60)
    with selling.runtime.transaction() as session:
        first, *others = session.scalars(select(Product).join(StockxListing, StockxListing.product_id == Product.id))
        products = {each.id: each for each in [first, *others]}
        old, dear, unknown = list(products.values())[:3]
        now = selling.runtime.clock()
        session.execute(update(Product).values(quoted_at=now - timedelta(hours=2)))
        session.execute(update(StockxListing).values(ask_price=Decimal(100)))
        session.execute(update(StockxListing).where(StockxListing.product_id == dear.id).values(ask_price=90_000))
        old.quoted_at, unknown.quoted_at = now - timedelta(days=20), None
        wanted = [unknown.id, dear.id, old.id]
    reprice(selling, dry_run=True)
    with selling.runtime.transaction() as session:
        kept = session.scalars(
            select(Variant.product_id).join(Quote, Quote.variant_id == Variant.id).order_by(Quote.id)
        )
        assert list(dict.fromkeys(kept))[:3] == wanted


def test_a_listing_that_cannot_be_priced_is_counted_and_the_others_go_on(selling: Selling) -> None:
    listed(selling, 6)
    with selling.runtime.transaction() as session:
        broken, asleep, foreign, *_ = session.scalars(select(StockxListing).order_by(StockxListing.id)).all()
        broken.guards = {"ceiling": "as high as it goes", "max_age_minutes": "soon"}
        asleep.guards = {"min_age_minutes": "1000000"}
        foreign.currency = "USD"
        keys = broken.id, asleep.id
    for params in ({"dry_run": True}, {}):
        run = reprice(selling, **params)
        assert (run.state, run.counts["looked_at"], run.counts["failed"]) == ("done", 6, 1)
        assert (run.counts["refused"], run.counts["refused_min_age"], run.counts["refused_currency"]) == (2, 1, 1)
        assert run.counts["looked_at"] == run.counts["to_change"] + run.counts["kept"] + 3
        assert str(run.message).endswith("2 refused, 1 failed.")
        with selling.runtime.transaction() as session:
            noted = {line.subject_id: line for line in runs.lines(session, run.id)}
            assert (noted[keys[0]].outcome, noted[keys[1]].outcome) == ("failed", "refused")
            assert "Never above must be a number" in noted[keys[0]].sentence
            shown = listing_runs.view(session, run.id)
            assert {row.state for row in shown.rows if row.listing_id in keys} == {"failed", "refused"}


def test_an_unexpected_error_has_a_reference_in_the_log(selling: Selling, caplog: pytest.LogCaptureFixture) -> None:
    listed(selling, 2)
    with selling.runtime.transaction() as session:
        broken = session.scalars(select(StockxListing).order_by(StockxListing.id)).first()
        assert broken is not None
        broken.guards = ["not", "a", "mapping"]
    run = reprice(selling, dry_run=True)
    assert (run.state, run.counts["failed"]) == ("done", 1)
    with selling.runtime.transaction() as session:
        (line,) = [each for each in runs.lines(session, run.id) if each.outcome == "failed"]
    reference = line.sentence.removesuffix(".").split()[-1]
    assert len(reference) == 8
    assert reference in caplog.text


def test_a_rival_that_beats_us_by_one_is_left_alone_and_a_raise_is_tried_after_quiet(selling: Selling) -> None:
    listed(selling, 1, ask=2000)
    # Time passes between the runs only, a batch is done at once.
    sandbox, clock = selling.sandbox, freeze(selling)
    sandbox.control("settings", **AT_ONCE)
    for _ in range(22):
        clock.skip(1)
        with selling.runtime.transaction() as session:
            listing = session.scalars(select(StockxListing)).one()
            variant, ask = listing.variant_id, int(listing.ask_price)
        sandbox.control(f"books/{variant}", asks=[ask - 1], bids=[])
        assert reprice(selling).counts["failed"] == 0
    with selling.runtime.transaction() as session:
        changes = session.scalars(select(PricingHistory).order_by(PricingHistory.created_at)).all()
        floor = session.scalars(select(StockxListing.floor_price)).one()
    asks = [change.new_price for change in changes]
    raised = next(place for place, change in enumerate(changes) if change.new_price > (change.old_price or 0))
    assert raised == GuardSettings().war_cuts
    assert changes[raised].created_at - changes[raised - 1].created_at >= timedelta(hours=12)
    assert asks[raised] <= (asks[raised - 1] - 1) * Decimal("1.05")
    assert min(asks) >= floor
