"""Decisions of rules: what is proposed, that it waits, when it goes stale, and who may say yes or no."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.halts import Fall, HaltSettings
from soleflip.models import (
    Alert,
    AuditEntry,
    Decision,
    Item,
    LatestQuote,
    MarketPrice,
    MarketPriceHistory,
    Opportunity,
)
from soleflip.services import automation_rules, decisions, halts, resumption, stop
from tests.services.ruled import NOW, carry, decide, offer, rule, states


def test_what_fits_waits_for_approval_with_its_reason_and_inputs(session: Session) -> None:
    found = offer(session)
    offer(session, profit="9")
    made = rule(session)
    assert len(decide(session)) == 1
    decision = session.scalars(select(Decision)).one()
    assert (decision.state, decision.subject_id, decision.rule_name) == ("waiting", found.id, made.name)
    assert decision.sentence.startswith("Profit 40")
    assert decision.detail["cost"] == "50.00"
    assert decision.amount == Decimal(50)
    assert session.scalars(select(Item)).all() == []
    assert session.scalars(select(Alert.kind)).all() == ["decision"]


def test_it_is_decided_once_at_one_price(session: Session) -> None:
    found = offer(session)
    rule(session)
    assert len(decide(session)) == 1
    assert decisions.propose(session, NOW) == 0
    decisions.reject(session, None, actor="op", now=NOW)
    assert decisions.propose(session, NOW) == 0
    found.offer.price = Decimal(45)
    session.flush()
    assert decisions.propose(session, NOW) == 1


def test_of_two_rules_the_older_one_decides(session: Session) -> None:
    offer(session)
    older = rule(session, name="A")
    rule(session, "list", name="B")
    rule(session, "alert", autopilot=True)
    decide(session)
    buying = session.scalars(select(Decision.rule_id).where(Decision.action != "alert")).all()
    assert buying == [older.id]
    assert len(states(session)) == 2


def test_what_waits_ends_when_its_quote_or_its_price_moves(session: Session) -> None:
    quote, price, gone, same = offer(session), offer(session), offer(session), offer(session)
    rule(session)
    assert len(decide(session)) == 4
    quote.net_profit, quote.ask = Decimal(35), Decimal(110)
    price.offer.price = Decimal(49)
    gone.is_current = False
    session.flush()
    assert decisions.drop_stale(session, NOW) == 3
    open_ = session.scalars(select(Decision).where(Decision.state == "waiting")).all()
    assert [each.subject_id for each in open_] == [same.id]
    whys = session.scalars(select(Decision.outcome).where(Decision.state == "expired")).all()
    assert {why.split()[0] for why in whys if why} == {"The", "It"}
    assert decisions.propose(session, NOW) == 2


def test_nobody_answers_for_a_week(session: Session) -> None:
    offer(session, now=NOW + timedelta(days=8))
    rule(session)
    decide(session)
    assert decisions.drop_stale(session, NOW + timedelta(days=8)) == 1
    assert states(session) == ["expired"]
    decisions.drop_stale(session, NOW + timedelta(days=40))
    assert states(session) == []


def test_some_are_approved_and_some_rejected_each_once(session: Session) -> None:
    for _ in range(3):
        offer(session)
    rule(session)
    first, second, third = decide(session)
    decisions.approve(session, [first], actor="op", now=NOW)
    decisions.reject(session, [second], actor="op", now=NOW)
    with pytest.raises(Conflict):
        decisions.approve(session, [first, second], actor="op", now=NOW)
    assert states(session) == ["approved", "rejected", "waiting"]
    assert decisions.approve(session, None, actor="op", now=NOW) == [third]
    acts = session.scalars(select(AuditEntry.act).where(AuditEntry.actor == "op")).all()
    assert acts == ["approve decisions", "reject decisions", "approve decisions"]


def test_an_approved_purchase_makes_pairs_to_order_at_the_offers_price(session: Session) -> None:
    found = offer(session, stock=2)
    rule(session, settings={"pairs": 3})
    decisions.approve(session, decide(session), actor="op", now=NOW)
    assert carry(session).done == 1
    items = session.scalars(select(Item)).all()
    assert [(item.state, item.cost, item.note, item.opportunity_id) for item in items] == [
        ("ordered", Decimal("50.00"), "to buy", found.id)
    ] * 2
    assert session.get_one(Opportunity, found.id).state == "acted"
    assert carry(session).done == 0
    assert len(session.scalars(select(Item)).all()) == 2


def test_an_opportunity_acted_on_by_hand_in_between_is_not_bought_again(session: Session) -> None:
    found = offer(session)
    rule(session)
    decisions.approve(session, decide(session), actor="op", now=NOW)
    found.state = "acted"
    session.flush()
    assert carry(session).expired == 1
    assert session.scalars(select(Item)).all() == []


def test_a_changed_or_switched_off_rule_takes_back_what_nobody_carried_out(session: Session) -> None:
    offer(session)
    made = rule(session)
    decide(session)
    automation_rules.switch(session, made.id, enabled=False, autopilot=False, actor="op")
    assert states(session) == ["expired"]
    assert decisions.propose(session, NOW) == 0
    automation_rules.switch(session, made.id, enabled=True, autopilot=True, actor="op")
    decide(session)
    assert states(session) == ["approved", "expired"]
    read = automation_rules.read(made)
    automation_rules.save(session, made.id, "Another name", read, autopilot=True, actor="op")
    assert states(session) == ["approved", "expired"], "another name changes nothing of what it wants"
    automation_rules.switch(session, made.id, enabled=True, autopilot=False, actor="op")
    assert states(session) == ["expired", "waiting"], "without its autopilot the rule asks"
    changed = replace(read, limits=replace(read.limits, actions_per_hour=3))
    automation_rules.save(session, made.id, "Another name", changed, autopilot=True, actor="op")
    assert states(session) == ["expired", "expired"]


def test_a_removed_rule_leaves_its_decisions(session: Session) -> None:
    offer(session)
    made = rule(session, name="Bargains", autopilot=True)
    decide(session)
    carry(session)
    automation_rules.remove(session, made.id, actor="op")
    session.expire_all()
    decision = session.scalars(select(Decision)).one()
    assert (decision.state, decision.rule_id, decision.rule_name) == ("done", None, "Bargains")
    found = decisions.queue(session, state=None)
    assert [(entry.title, entry.size) for entry in found.entries] == [("Gel One", "9")]


def test_two_rules_can_not_have_one_name(session: Session) -> None:
    rule(session, name="Bargains")
    with pytest.raises(InvalidInput, match="has this name") as caught:
        rule(session, name=" bargains ")
    assert caught.value.field == "name"


def test_the_queue_pages_without_losing_or_repeating_one(session: Session) -> None:
    for _ in range(7):
        offer(session)
    rule(session)
    wanted = set(decide(session))
    seen, cursor = [], None
    while True:
        page = decisions.queue(session, after=cursor, limit=3)
        seen += [entry.decision.id for entry in page.entries]
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == 7
    assert set(seen) == wanted
    assert page.counts == {"waiting": 7}


def test_an_offer_of_a_new_shop_far_below_the_market_waits_for_the_operator(session: Session) -> None:
    cheap, fair = offer(session, "50"), offer(session, "50")
    quote = session.scalars(select(LatestQuote).where(LatestQuote.variant_id == cheap.variant_id)).one()
    quote.highest_bid = Decimal(200)
    rule(session, autopilot=True, actions_per_hour=1)
    decide(session)
    carry(session)
    assert dict(session.execute(select(Decision.subject_id, Decision.state)).all()) == {
        cheap.id: "waiting",
        fair.id: "done",
    }
    waiting = session.scalars(select(Decision).where(Decision.state == "waiting")).one()
    assert "25.00 % of the market's 200.00" in str(waiting.outcome)
    decisions.approve(session, [waiting.id], actor="op", now=NOW)
    assert carry(session, now=NOW + timedelta(hours=2)).done == 1, "the operator's word counts"


def test_what_an_autopilot_approved_waits_when_the_market_shows_it_as_too_cheap(session: Session) -> None:
    cheap = offer(session, "50")
    rule(session, autopilot=True)
    decide(session)
    session.scalars(select(LatestQuote)).one().highest_bid = Decimal(200)
    session.flush()
    assert (carry(session).done, states(session)) == (0, ["waiting"])
    assert session.get_one(Opportunity, cheap.id).state == "open"


def test_after_a_mass_fall_of_a_feed_resuming_buys_nothing_by_itself(session: Session) -> None:
    before, fallen = offer(session, "50"), offer(session, "50")
    rule(session, autopilot=True)
    decide(session)
    halts.before_offers(session, Fall(40, 40, Decimal(60)), HaltSettings(), NOW)
    assert states(session) == ["waiting", "waiting"]
    assert "2 purchases of rules wait for your approval once more" in str(stop.switch(session).reason)  # type: ignore[union-attr]
    # What rests on a price that fell is decided anew at that price, and asks as well.
    offered = session.get_one(MarketPrice, fallen.market_price_id)
    session.add(MarketPriceHistory(market_price_id=offered.id, price=Decimal(50), currency="EUR", seen_at=NOW))
    offered.price = fallen.price = fallen.cost = Decimal(20)
    session.flush()
    assert resumption.outlook(session, rate=1).fallen == 1, "the cause still stands"
    stop.resume(session, actor="op", now=NOW)
    decisions.drop_stale(session, NOW)
    decide(session)
    assert carry(session).done == 0
    waiting = session.scalars(select(Decision).where(Decision.state == "waiting")).all()
    assert {each.subject_id for each in waiting} == {before.id, fallen.id}
    assert any("fell from 50.00 to 20.00" in str(each.outcome) for each in waiting)
