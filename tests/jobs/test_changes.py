"""Changes of live listings on the sandbox: prices, states, undo, the stop, and what changes outside."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select

from soleflip.domain.errors import Conflict
from soleflip.models import Item, ListingChange, PricingHistory, Run, StockxListing, Variant
from soleflip.services import asks, changes, listings, placing, runs, stock, stop
from soleflip.services.changes import Wish
from tests.selling import Selling


def listed(selling: Selling, number: int) -> list[UUID]:
    run_id = selling.order(number)
    assert selling.perform(run_id).state == "done"
    with selling.runtime.transaction() as session:
        query = select(StockxListing.id).where(StockxListing.run_id == run_id).order_by(StockxListing.id)
        return list(session.scalars(query))


def wish(selling: Selling, wishes: Sequence[Wish]) -> tuple[UUID, changes.Asked]:
    now = selling.runtime.clock()
    with selling.runtime.transaction() as session:
        run = runs.start(session, "change", actor="test")
        return run.id, changes.ask(session, wishes, run_id=run.id, actor="test", now=now)


def change(selling: Selling, wishes: Sequence[Wish]) -> Run:
    run_id, _ = wish(selling, wishes)
    return selling.perform(run_id)


def amounts(selling: Selling, listing_ids: Sequence[UUID]) -> Counter[tuple[str, str, str]]:
    """Count our status, our price and StockX's price of listings."""
    seen = {selling.id_of(each): each for each in selling.sandbox.look("state")["listings"]}
    with selling.runtime.transaction() as session:
        rows = session.scalars(select(StockxListing).where(StockxListing.id.in_(listing_ids))).all()
        return Counter(
            (
                row.status,
                str(row.ask_price),
                str(Decimal(seen[row.stockx_listing_id or ""]["amount"]).quantize(Decimal(1))),
            )
            for row in rows
        )


def test_a_price_change_reaches_stockx_and_leaves_a_line_with_its_reason(selling: Selling) -> None:
    ids = listed(selling, 3)
    run = change(selling, [Wish(each, "price", Decimal(8000), "manual", "The operator wants it.") for each in ids])
    assert (run.state, run.message) == ("done", "3 changed.")
    assert amounts(selling, ids) == {("active", "8000.00", "8000"): 3}
    with selling.runtime.transaction() as session:
        lines = session.scalars(select(PricingHistory).where(PricingHistory.listing_id.in_(ids))).all()
    assert {(line.old_price, line.new_price, line.change_reason, line.sentence) for line in lines} == {
        (Decimal("9000.00"), Decimal("8000.00"), "manual", "The operator wants it.")
    }


@pytest.mark.parametrize("kind", ["price", "activate"])
def test_no_amount_below_the_floor_gets_out_by_hand(selling: Selling, kind: str) -> None:
    ids = listed(selling, 1)
    if kind == "activate":
        change(selling, [Wish(ids[0], "deactivate")])
    _, asked = wish(selling, [Wish(ids[0], kind, Decimal(40))])
    assert asked.waiting == 0
    assert "below the floor" in asked.refused[ids[0]]


def test_a_cost_that_rises_after_the_wish_stops_the_amount_at_the_gate(selling: Selling) -> None:
    ids = listed(selling, 1)
    run_id, asked = wish(selling, [Wish(ids[0], "price", Decimal(100))])
    assert asked.waiting == 1
    with selling.runtime.transaction() as session:
        listing = session.get_one(StockxListing, ids[0])
        session.get_one(Item, listing.item_id).cost = Decimal(500)
    assert selling.perform(run_id).message == "0 changed, 1 refused."
    assert amounts(selling, ids) == {("active", "9000.00", "9000"): 1}


def test_deactivate_activate_and_delist_keep_item_and_listing_in_step(selling: Selling) -> None:
    ids = listed(selling, 2)
    states = []
    for kind in ("deactivate", "activate", "delete"):
        change(selling, [Wish(each, kind) for each in ids])
        with selling.runtime.transaction() as session:
            rows = session.execute(
                select(StockxListing.status, Item.state)
                .join(Item, Item.id == StockxListing.item_id)
                .where(StockxListing.id.in_(ids))
            ).all()
        states.append(set(map(tuple, rows)))
    assert states == [{("inactive", "reserved")}, {("active", "listed")}, {("delisted", "in_stock")}]


def test_undo_brings_back_the_prices_a_run_replaced(selling: Selling) -> None:
    ids = listed(selling, 2)
    done = change(selling, [Wish(each, "price", Decimal(7000)) for each in ids])
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "change", actor="test").id
        changes.undo_prices(session, done.id, new_run_id=run_id, actor="test", now=selling.runtime.clock())
    selling.perform(run_id)
    assert amounts(selling, ids) == {("active", "9000.00", "9000"): 2}


def test_a_listing_takes_one_change_at_a_time(selling: Selling) -> None:
    ids = listed(selling, 1)
    wish(selling, [Wish(ids[0], "price", Decimal(8000))])
    _, second = wish(selling, [Wish(ids[0], "price", Decimal(7000))])
    assert second.refused == {ids[0]: "Another change of this listing is under way."}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_at_any_request_of_a_change_carries_it_out_once(selling: Selling, when: str) -> None:
    ids = listed(selling, 120)
    for boundary in range(1, 30):
        price = Decimal(9000 + boundary)
        run_id, asked = wish(selling, [Wish(each, "price", price) for each in ids])
        assert asked.waiting == 120
        with selling.worker(run_id, when, boundary) as worker:
            worker.communicate(timeout=120)
        assert selling.perform(run_id).state == "done"
        assert amounts(selling, ids) == {("active", f"{price}.00", str(price)): 120}
        if worker.returncode == 0:
            assert boundary > 4
            return
        assert worker.returncode == -signal.SIGKILL
    pytest.fail("the job never got through")


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after", "drop", "500", "html"])
@pytest.mark.parametrize("route", ["UpdateListings", "DeleteListings"])
def test_a_lost_answer_of_a_change_is_looked_up_not_repeated_blindly(selling: Selling, kind: str, route: str) -> None:
    ids = listed(selling, 5)
    selling.sandbox.control("faults", route=route, kind=kind, count=1, seconds=0.2)
    wishes = [Wish(each, "price", Decimal(8000)) if route == "UpdateListings" else Wish(each, "delete") for each in ids]
    assert change(selling, wishes).message == "5 changed."
    with selling.runtime.transaction() as session:
        states = Counter(session.scalars(select(StockxListing.status).where(StockxListing.id.in_(ids))))
    assert states == ({"active": 5} if route == "UpdateListings" else {"delisted": 5})


def test_a_lost_change_that_sold_into_a_bid_is_recorded_as_done(selling: Selling) -> None:
    (listing_id,) = listed(selling, 1)
    with selling.runtime.transaction() as session:
        listing = session.get_one(StockxListing, listing_id)
        variant_id, stockx_id, ask = listing.variant_id, listing.stockx_listing_id, listing.ask_price
    selling.sandbox.control(f"books/{variant_id}", asks=[], bids=[int(ask) - 1])
    selling.sandbox.control("faults", route="UpdateListings", kind="timeout_after", count=1, seconds=0.2)
    run = change(selling, [Wish(listing_id, "price", ask - 1)])
    seen = {selling.id_of(each): each["status"] for each in selling.sandbox.look("state")["listings"]}
    assert (seen[str(stockx_id)], run.message) == ("MATCHED", "1 changed.")
    with selling.runtime.transaction() as session:
        query = select(PricingHistory.new_price).where(PricingHistory.run_id == run.id)
        assert session.scalars(query).all() == [ask - 1]


def test_one_bad_row_does_not_stop_the_others(selling: Selling) -> None:
    ids = listed(selling, 6)
    with selling.runtime.transaction() as session:
        bad = session.get_one(StockxListing, ids[2]).stockx_listing_id
    requests_delete(selling, str(bad))
    run = change(selling, [Wish(each, "price", Decimal(8000)) for each in ids])
    assert run.message == "5 changed, 1 failed."


def requests_delete(selling: Selling, stockx_id: str) -> None:
    """Delete a listing behind our back, as the StockX app would."""
    selling.sandbox.control(f"listings/{stockx_id}", action="delete")


def test_twenty_workers_race_for_the_same_fifty_items(selling: Selling) -> None:
    with selling.runtime.transaction() as session:
        variants = session.scalars(select(Variant).order_by(Variant.id).limit(50)).all()
        items = [
            Item(product_id=each.product_id, variant_id=each.id, state="in_stock", cost=Decimal(50), currency="EUR")
            for each in variants
        ]
        session.add_all(items)
        session.flush()
        item_ids = [item.id for item in items]
    now = selling.runtime.clock()

    def race(_: int) -> UUID | None:
        with selling.app.app_context(), selling.runtime.transaction() as session:
            shown = asks.preview(
                session, now=now, local_hour=12, item_ids=item_ids, wanted=dict.fromkeys(item_ids, Decimal(9000))
            )
            try:
                return placing.order(session, shown, actor="test", now=now, created_from="bulk").id
            except Conflict:
                return None

    with ThreadPoolExecutor(20) as pool:
        won = [run_id for run_id in pool.map(race, range(20)) if run_id]
    for run_id in won:
        selling.perform(run_id)
    assert len(won) == 1
    selling.check_asks(won[0], 50)
    live = [each for each in selling.sandbox.look("state")["listings"] if each["status"] == "ACTIVE"]
    assert len(live) == 50


def test_the_stop_holds_every_write_and_resume_lets_them_go_on(selling: Selling) -> None:
    now = selling.runtime.clock()
    with selling.runtime.transaction() as session:
        stop.stop(session, actor="test", reason="a drill", now=now)
    run_id = selling.order(3)
    stopped = selling.perform(run_id)
    assert stopped.state == "failed"
    assert "a drill" in str(stopped.message)
    assert selling.sandbox.look("state")["listings"] == []
    with selling.runtime.transaction() as session:
        stop.resume(session, actor="test", now=now)
        rows = session.scalars(select(StockxListing).where(StockxListing.run_id == run_id)).all()
    assert {row.status for row in rows} == {"pending"}


def test_what_changes_outside_is_found_and_shown(selling: Selling) -> None:
    ids = listed(selling, 4)
    with selling.runtime.transaction() as session:
        names = {each: str(session.get_one(StockxListing, each).stockx_listing_id) for each in ids}
    selling.sandbox.control(f"listings/{names[ids[0]]}", amount="8500")
    selling.sandbox.control(f"listings/{names[ids[1]]}", action="deactivate")
    selling.sandbox.control(f"listings/{names[ids[2]]}", action="delete")
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "listing_sync", actor="test").id
    selling.perform(run_id)
    with selling.runtime.transaction() as session:
        rows = {each: session.get_one(StockxListing, each) for each in ids}
    assert [(rows[each].status, str(rows[each].ask_price)) for each in ids] == [
        ("active", "8500.00"),
        ("inactive", "9000.00"),
        ("delisted", "9000.00"),
        ("active", "9000.00"),
    ]
    assert [bool(rows[each].outside_change) for each in ids] == [True, True, True, False]


def test_a_repeated_page_hides_no_listing(selling: Selling) -> None:
    ids = listed(selling, 130)
    selling.sandbox.control("faults", route="GetAllListings", kind="duplicate_page", count=1)
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "listing_sync", actor="test").id
    selling.perform(run_id)
    with selling.runtime.transaction() as session:
        states = Counter(session.scalars(select(StockxListing.status).where(StockxListing.id.in_(ids))))
        under_way = session.scalars(select(ListingChange)).all()
    assert states == {"active": 130}
    assert under_way == []


def test_a_dry_run_sends_no_write(selling: Selling, requests_of: Callable[[str], int]) -> None:
    listed(selling, 10)
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "reprice", actor="test", params={"dry_run": True}).id
    assert selling.perform(run_id).state == "done"
    assert requests_of("UpdateListings") == 0


def test_a_listing_run_cancelled_before_it_began_gives_its_pairs_back(selling: Selling) -> None:
    run_id = selling.order(2)
    with selling.runtime.transaction() as session:
        runs.request_cancel(session, run_id)
    assert selling.perform(run_id).state == "cancelled"
    with selling.runtime.transaction() as session:
        rows = session.execute(
            select(StockxListing.status, Item.state)
            .join(Item, Item.id == StockxListing.item_id)
            .where(StockxListing.run_id == run_id)
        ).all()
    assert Counter(map(tuple, rows)) == {("cancelled", "in_stock"): 2}


def test_changes_cancelled_before_they_began_leave_the_listing_free_for_others(selling: Selling) -> None:
    ids = listed(selling, 1)
    run_id, _ = wish(selling, [Wish(ids[0], "price", Decimal(8000))])
    with selling.runtime.transaction() as session:
        runs.request_cancel(session, run_id)
    assert selling.perform(run_id).state == "cancelled"
    assert change(selling, [Wish(ids[0], "price", Decimal(7000))]).message == "1 changed."


def expire(selling: Selling, listing_id: UUID) -> UUID:
    """Let a listing of ours run out; returns its item."""
    with selling.runtime.transaction() as session:
        listing = session.get_one(StockxListing, listing_id)
        listings.move(session, listing, "expired", cause="It ran out.", actor="test", now=selling.runtime.clock())
        assert listing.item_id is not None
        return listing.item_id


def test_an_expired_listing_stays_down_while_its_pair_is_listed_again(selling: Selling) -> None:
    ids = listed(selling, 1)
    item_id = expire(selling, ids[0])
    with selling.runtime.transaction() as session:
        assert stock.reserve(session, item_id), "as another listing does"
    _, asked = wish(selling, [Wish(ids[0], "activate")])
    assert asked.waiting == 0
    assert "not free" in asked.refused[ids[0]]


def test_an_expired_listing_that_goes_up_again_holds_its_pair_from_the_click_on(selling: Selling) -> None:
    ids = listed(selling, 1)
    item_id = expire(selling, ids[0])
    run_id, asked = wish(selling, [Wish(ids[0], "activate", Decimal(8500))])
    assert asked.waiting == 1
    with selling.runtime.transaction() as session:
        assert not stock.reserve(session, item_id), "it must not be listed a second time meanwhile"
    assert selling.perform(run_id).message == "1 changed."
    assert amounts(selling, ids) == {("active", "8500.00", "8500"): 1}
    with selling.runtime.transaction() as session:
        listing = session.get_one(StockxListing, ids[0])
        assert (listing.item_id, listing.review) == (item_id, None)
        assert session.get_one(Item, item_id).state == "listed"


def test_an_expired_listing_that_does_not_go_up_lets_its_pair_go(selling: Selling) -> None:
    ids = listed(selling, 1)
    item_id = expire(selling, ids[0])
    run_id, _ = wish(selling, [Wish(ids[0], "activate")])
    with selling.runtime.transaction() as session:
        runs.request_cancel(session, run_id)
    selling.perform(run_id)
    with selling.runtime.transaction() as session:
        assert session.get_one(StockxListing, ids[0]).status == "expired"
        assert session.get_one(Item, item_id).state == "in_stock"
