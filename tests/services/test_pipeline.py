"""The pipeline: every pair at the stage that its own rows say, once, with what comes next."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from soleflip.domain.pipeline import MOST_REOPENED
from soleflip.models import AutomatedPair, Item, StockxListing, StockxOrder
from soleflip.services import decisions, listings
from soleflip.services.pipeline import Place, pipeline
from tests.services.ruled import BOOKS, NOW, carry, decide, offer, rule


def only(session: Session) -> Place:
    session.flush()
    [place] = pipeline(session).places
    return place


def test_a_pair_goes_all_the_way(session: Session) -> None:
    offer(session)
    rule(session, "list", name="Bargains")
    decide(session)
    place = only(session)
    assert (place.stage, place.standing.waits_for, place.standing.needs_you) == ("detected", "Your approval", True)
    decisions.approve(session, None, actor="op", now=NOW)
    assert only(session).stage == "decided"
    carry(session)
    place = only(session)
    assert (place.stage, place.standing.next, place.rule_name) == ("item", "List", "Bargains")
    listing = session.scalars(select(StockxListing)).one()
    listings.move_to_live(session, listing, cause="listed", actor="test", now=NOW)
    assert only(session).stage == "listed"
    later = NOW + timedelta(hours=1)
    listings.record_price(
        session, listing, Decimal(118), reason="market_update", sentence=None, now=later, actor="test"
    )
    assert only(session).stage == "repriced"
    listings.mark_sold(session, listing.id, cause="sold", actor="test", now=later)
    order = StockxOrder(
        listing_id=listing.id,
        item_id=listing.item_id,
        stockx_order_number="1-1",
        currency="EUR",
        sale_price=Decimal(118),
        order_status="pending",
        stockx_status="CREATED",
        sold_at=later,
    )
    session.add(order)
    place = only(session)
    assert (place.stage, place.standing.next) == ("sold", "Buy at the shop, then ship")
    session.scalars(select(Item)).one().note = None
    assert only(session).standing.next == "Ship"
    order.order_status = "shipped"
    assert (only(session).stage, only(session).standing.waits_for) == ("shipped", "Authentication")
    order.order_status = "completed"
    assert only(session).standing.waits_for == "The payout"
    order.realised_at, order.net_profit = later, Decimal("40.00")
    place = only(session)
    assert (place.stage, place.profit, place.order_number) == ("booked", Decimal("40.00"), "1-1")


def test_a_sale_that_was_cancelled_takes_the_pair_back_on_the_way(session: Session) -> None:
    offer(session)
    rule(session, "list", autopilot=True)
    decide(session)
    carry(session)
    listing = session.scalars(select(StockxListing)).one()
    listings.move_to_live(session, listing, cause="listed", actor="test", now=NOW)
    listings.mark_sold(session, listing.id, cause="sold", actor="test", now=NOW)
    session.add(
        StockxOrder(
            listing_id=listing.id,
            item_id=listing.item_id,
            stockx_order_number="1-1",
            currency="EUR",
            sale_price=Decimal(118),
            order_status="cancelled",
            stockx_status="CANCELED",
            sold_at=NOW,
        )
    )
    session.flush()
    listings.undo_sale(session, listing.id, item_state="in_stock", cause="cancelled", actor="test", now=NOW)
    place = only(session)
    assert (place.stage, place.standing.next, place.standing.needs_you) == ("item", "List again", False)
    session.scalars(select(AutomatedPair)).one().tries = 6
    place = only(session)
    assert (place.stage, place.standing.needs_you) == ("review", True)


def test_pairs_bought_by_hand_are_on_the_way_too(session: Session) -> None:
    found = offer(session)
    session.add(
        Item(product_id=found.variant.product_id, variant_id=found.variant_id, cost=Decimal(50), currency="EUR")
    )
    place = only(session)
    assert (place.stage, place.standing.waits_for, place.rule_name) == ("item", "You", None)
    assert pipeline(session, by_rules=True).places == []


def test_pages_and_stages_show_every_pair_once_in_two_statements(session: Session) -> None:
    for _ in range(5):
        offer(session)
    rule(session, autopilot=True)
    decide(session)
    assert carry(session).done == 5
    statements: list[Any] = []
    event.listen(session.connection(), "before_cursor_execute", lambda *args: statements.append(args[2]))
    seen, cursor = [], None
    while True:
        page = pipeline(session, stage="item", after=cursor, limit=2)
        seen += [place.key for place in page.places]
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert len(statements) == 6
    assert page.counts["item"] == 5
    assert pipeline(session, words="gel").counts == page.counts
    assert pipeline(session, words="nothing like it").places == []
    assert BOOKS.currency == page.places[0].currency


def test_a_pair_whose_listing_run_failed_says_whose_turn_it_is(session: Session) -> None:
    offer(session)
    rule(session, "list", autopilot=True)
    decide(session)
    [run] = carry(session).runs
    run.state, run.error = "failed", "StockX did not answer."
    standing = only(session).standing
    assert (standing.waits_for, standing.needs_you) == ("The next automation run: StockX did not answer.", False)
    run.params = run.params | {"reopened": MOST_REOPENED}
    standing = only(session).standing
    assert (standing.next, standing.needs_you) == ("Let its listing run go on", True)
    assert standing.waits_for == "You: the run failed: StockX did not answer."
    run.params, run.actor = {}, "op"
    assert only(session).standing.needs_you, "what the operator ordered nobody else lets go on"
