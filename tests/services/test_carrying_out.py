"""Approved decisions carried out: inside every limit, each once, whoever else tries at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.models import (
    Alert,
    AuditEntry,
    AutomatedPair,
    Decision,
    Item,
    ListingChange,
    Product,
    StockxListing,
)
from soleflip.services import decisions, settings, stop
from soleflip.services.settings import AutomationSettings
from tests.services import sales
from tests.services.ruled import NOW, carry, decide, offer, rule, states


def spent(session: Session) -> Decimal:
    """What all items together cost."""
    return session.scalar(select(func.coalesce(func.sum(Item.cost), 0))) or Decimal(0)


def test_money_a_day_is_never_passed_and_the_rest_waits_for_tomorrow(session: Session) -> None:
    for _ in range(5):
        offer(session, "50")
    rule(session, autopilot=True, money_per_day=120)
    decide(session)
    carried = carry(session)
    assert (carried.done, carried.waiting, spent(session)) == (2, 3, Decimal(100))
    waiting = session.scalars(select(Decision.outcome).where(Decision.state == "approved")).all()
    assert set(waiting) == {"The day's money for this rule does not reach for 50.00."}
    # The operator's midnight: 23:00 UTC in Berlin's winter.
    assert carry(session, now=NOW.replace(hour=22, minute=59)).done == 0
    assert carry(session, now=NOW.replace(hour=23, minute=1)).done == 2
    assert spent(session) == Decimal(200)


def test_all_rules_together_have_a_limit_too(session: Session) -> None:
    settings.save(session, AutomationSettings, {"money_per_day": "120"}, actor="op")
    for name in ("A", "B"):
        for _ in range(2):
            offer(session, "50", profit="40" if name == "A" else "20")
    rule(session, autopilot=True, conditions={"min_profit": 30})
    rule(session, autopilot=True, conditions={"min_profit": 10})
    decide(session)
    assert carry(session).done == 2
    assert spent(session) == Decimal(100)
    assert "all rules together" in str(
        session.scalars(select(Decision.outcome).where(Decision.state == "approved").limit(1)).one()
    )


def test_pairs_of_a_product_are_counted_until_they_are_sold(session: Session) -> None:
    first = offer(session)
    product = session.get_one(Product, first.variant.product_id)
    for _ in range(3):
        offer(session, product=product)
    rule(session, autopilot=True, pairs_per_product=2)
    decide(session)
    assert carry(session).done == 2
    session.scalars(select(Item)).first().state = "sold"
    session.flush()
    assert carry(session).done == 1
    assert len(session.scalars(select(Item)).all()) == 3


def test_actions_of_the_last_hour_are_counted(session: Session) -> None:
    for _ in range(4):
        offer(session)
    made = rule(session, actions_per_hour=2)
    decide(session)
    decisions.approve(session, None, actor="op", now=NOW)
    assert carry(session).done == 2
    assert carry(session, now=NOW + timedelta(minutes=59)).done == 0
    assert carry(session, now=NOW + timedelta(minutes=61)).done == 2
    assert made.limits["actions_per_hour"] == "2"


def test_fewer_pairs_are_bought_where_the_limit_leaves_room_for_fewer(session: Session) -> None:
    offer(session, "50", stock=5)
    rule(session, autopilot=True, settings={"pairs": 4}, money_per_day=120, pairs_per_product=10)
    decide(session)
    carry(session)
    decision = session.scalars(select(Decision)).one()
    assert (decision.pairs, decision.amount, len(session.scalars(select(Item)).all())) == (2, Decimal(100), 2)


def test_nothing_is_carried_out_while_writes_are_stopped(session: Session) -> None:
    offer(session)
    rule(session, "list", autopilot=True)
    decide(session)
    stop.stop(session, actor="op", reason="a look", now=NOW)
    assert carry(session).done == 0
    assert states(session) == ["approved"]
    stop.resume(session, actor="op", now=NOW)
    assert carry(session).done == 1


def test_listing_goes_the_way_of_every_listing_with_the_rules_strategy(session: Session) -> None:
    found, plain = offer(session, stock=2), offer(session, stock=None)
    rule(session, "list", autopilot=True, settings={"pairs": 3, "strategy": "hold"}, pairs_per_product=5)
    decide(session)
    carried = carry(session)
    assert (carried.done, len(carried.runs), carried.runs[0].kind) == (2, 1, "list")
    listings = session.scalars(select(StockxListing)).all()
    assert {listing.source_opportunity_id for listing in listings} == {found.id, plain.id}
    assert [(row.status, row.strategy, row.created_from) for row in listings] == [("pending", "hold", "quickflip")] * 3
    assert all(listing.ask_price >= listing.floor_price for listing in listings if listing.floor_price)
    assert {item.state for item in session.scalars(select(Item))} == {"reserved"}
    pairs = session.scalars(select(AutomatedPair)).all()
    assert len(pairs) == 3
    assert all(pair.is_kept_listed and pair.strategy == "hold" for pair in pairs)


def test_an_ask_below_the_floor_is_refused_and_nothing_is_bought(session: Session) -> None:
    found = offer(session)
    settings.save_guards(session, {"min_ask": "900"}, actor="op")
    rule(session, "list", autopilot=True)
    decide(session)
    carried = carry(session)
    assert (carried.failed, carried.runs) == (1, [])
    assert session.scalars(select(Item)).all() == []
    assert found.state == "open"
    assert session.scalars(select(Decision.outcome)).one()


def test_listings_change_their_strategy_or_go_off_the_market(session: Session) -> None:
    old, new = sales.make_listing(session, "A"), sales.make_listing(session, "B")
    for listing, days in ((old, 40), (new, 20)):
        listing.status, listing.listed_at, listing.strategy = "active", NOW - timedelta(days=days), "competitive"
    session.flush()
    rule(session, "delist", subject="listing", autopilot=True, conditions={"min_age_days": 30})
    rule(session, "strategy", subject="listing", autopilot=True, settings={"strategy": "hold"}, name="Z")
    decide(session)
    carried = carry(session)
    assert carried.done == 2
    session.expire_all()
    assert (new.strategy, new.strategy_from) == ("hold", "listing")
    change = session.scalars(select(ListingChange)).one()
    assert (change.listing_id, change.kind, change.state) == (old.id, "delete", "waiting")
    assert decisions.propose(session, NOW) == 0


def test_an_alert_is_raised_once(session: Session) -> None:
    found = offer(session)
    rule(session, "alert", name="Look")
    decide(session)
    carry(session)
    assert decisions.propose(session, NOW) == 0
    alert = session.scalars(select(Alert)).one()
    assert (alert.kind, alert.title, alert.url) == (
        "opportunity",
        "Look: Gel One, size 9",
        f"/opportunities/{found.id}",
    )
    assert session.scalars(select(AuditEntry.act).where(AuditEntry.act == "rule: alert")).all() == ["rule: alert"]


@pytest.fixture
def book(app: Any) -> Any:
    """Opens transactions that are really committed."""
    with app.app_context():
        yield app.extensions["soleflip"].transaction


def together(app: Any, number: int, act: Callable[[Session], Any]) -> list[Any]:
    """Do something in so many sessions at the same moment, each committed."""
    gate = threading.Barrier(number)

    def one(_: int) -> Any:
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            gate.wait(30)
            return act(session)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


@pytest.mark.parametrize("action", ["buy", "list"])
def test_two_workers_with_one_rule_stay_inside_its_limits(app: Any, book: Any, action: str) -> None:
    with book() as session:
        for _ in range(8):
            offer(session, "50", stock=1)
        rule(session, action, autopilot=True, money_per_day=170, actions_per_hour=9)
        assert len(decide(session)) == 8
    carried = together(app, 4, lambda session: carry(session).done)
    assert sum(carried) == 3
    with book() as session:
        assert spent(session) == Decimal(150)
        assert sum(session.scalars(select(Decision.amount).where(Decision.state == "done"))) == Decimal(150)
        units = session.execute(select(AutomatedPair.decision_id, AutomatedPair.unit)).all()
        assert len(units) == len(set(units)) == 3


def test_two_workers_propose_each_thing_once(app: Any, book: Any) -> None:
    with book() as session:
        for _ in range(5):
            offer(session)
        rule(session)
    assert sum(together(app, 4, lambda session: decisions.propose(session, NOW))) == 5
    with book() as session:
        assert states(session) == ["waiting"] * 5


def test_a_worker_that_dies_before_its_commit_did_nothing(app: Any, book: Any) -> None:
    with book() as session:
        offer(session)
        rule(session, "list", autopilot=True)
        decide(session)

    def die() -> None:
        with book() as session:
            assert carry(session).done == 1
            raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        die()
    with book() as session:
        assert states(session) == ["approved"]
        assert spent(session) == 0
        assert carry(session).done == 1
    with book() as session:
        assert carry(session).done == 0
        assert len(session.scalars(select(StockxListing)).all()) == 1
