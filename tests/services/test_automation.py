"""The run that leads from opportunities to sales: what is due is done, once, and pairs that came back go up again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.models import AutomatedPair, Away, Decision, Item, Run, RunLine, StockxListing
from soleflip.services import automation, decisions, listings, resumption, runs, stop
from soleflip.services.runs import Work
from tests.services.ruled import BOOKS, NOW, offer, rule, states


def automate(session: Session, transaction: Any, now: Any = NOW) -> tuple[str, list[tuple[UUID, str]]]:
    """Perform one automation run; returns its message and what it woke."""
    woken: list[tuple[UUID, str]] = []
    run = runs.start(session, "automate", actor="test")
    work = Work(
        *(run.id, {}, "test", transaction, None, lambda: now, BOOKS),  # type: ignore[arg-type]
        wake=lambda run_id, kind: woken.append((run_id, kind)),
    )
    message = automation.process_quickflip_to_sale(work)
    session.expire_all()
    return message, woken


def test_a_run_decides_and_carries_out_and_a_second_one_finds_it_done(session: Session, transaction: Any) -> None:
    offer(session)
    offer(session)
    rule(session, "list", autopilot=True)
    message, woken = automate(session, transaction)
    assert message == "2 decided, 2 carried out, 0 wait for room, 0 listed again, 0 expired."
    assert [kind for _, kind in woken] == ["list"]
    lines = session.scalars(select(RunLine)).all()
    assert [line.outcome for line in lines] == ["done", "done"]
    assert "One pair bought, to be listed at" in lines[0].sentence
    message, woken = automate(session, transaction)
    assert message.startswith("0 decided, 0 carried out")
    assert woken == []
    assert len(session.scalars(select(StockxListing)).all()) == 2


def test_without_autopilot_everything_waits(session: Session, transaction: Any) -> None:
    offer(session)
    rule(session, "list")
    automate(session, transaction)
    assert states(session) == ["waiting"]
    assert session.scalars(select(Item)).all() == []


def _failed_once(session: Session, transaction: Any) -> StockxListing:
    offer(session)
    rule(session, "list", autopilot=True)
    automate(session, transaction)
    listing = session.scalars(select(StockxListing)).one()
    listings.move(session, listing, "failed", cause="refused", actor="test", now=NOW)
    return listing


def test_a_pair_whose_listing_failed_goes_up_again_and_rests_longer_each_time(
    session: Session, transaction: Any
) -> None:
    _failed_once(session, transaction)
    later, tried = NOW, []
    for _ in range(40):
        _, woken = automate(session, transaction, later)
        if woken:
            tried.append(later - NOW)
            newest = session.scalars(select(StockxListing).where(StockxListing.status == "pending")).one()
            listings.move(session, newest, "failed", cause="refused", actor="test", now=later)
        later += timedelta(minutes=20)
    assert [each // timedelta(minutes=20) for each in tried] == [0, 2, 10]
    pair = session.scalars(select(AutomatedPair)).one()
    assert pair.tries == 3
    assert session.scalars(select(Item.state)).one() == "ordered"


def test_a_pair_that_the_operator_took_off_the_market_stays_off(session: Session, transaction: Any) -> None:
    offer(session)
    rule(session, "list", autopilot=True)
    automate(session, transaction)
    listing = session.scalars(select(StockxListing)).one()
    listings.move_to_live(session, listing, cause="listed", actor="test", now=NOW)
    listings.move(session, listing, "delisted", cause="by hand", actor="op", now=NOW)
    _, woken = automate(session, transaction, NOW + timedelta(days=2))
    assert woken == []


def test_nothing_goes_up_again_while_stopped(session: Session, transaction: Any) -> None:
    _failed_once(session, transaction)
    stop.stop(session, actor="op", reason="look", now=NOW)
    assert automate(session, transaction)[1] == []
    stop.resume(session, actor="op", now=NOW)
    assert len(automate(session, transaction)[1]) == 1


def test_before_resuming_the_approved_decisions_that_would_be_carried_out_are_told(
    session: Session, transaction: Any
) -> None:
    offer(session)
    rule(session, "list")
    automate(session, transaction)
    assert resumption.outlook(session, rate=1).decisions == 0
    stop.stop(session, actor="op", reason="look", now=NOW)
    decisions.approve(session, None, actor="op", now=NOW)
    outlook = resumption.outlook(session, rate=1)
    assert outlook.decisions == 1
    [decided] = outlook.approved
    assert (decided.action, decided.count, decided.pairs) == ("list", 1, 1)
    assert (decided.amount, decided.currency) == (Decimal(50), "EUR")
    stop.resume(session, actor="op", now=NOW)
    automate(session, transaction)
    assert resumption.outlook(session, rate=1).decisions == 0


def failed_a_while_ago(session: Session, run_id: Any, error: str) -> None:
    """Let a run have ended as failed, five minutes before anybody looks."""
    runs.finish(session, run_id, "failed", error=error)
    run = session.get_one(Run, run_id)
    run.finished_at = run.created_at - timedelta(minutes=5)


def test_a_listing_run_of_a_rule_that_stood_still_goes_on(session: Session, transaction: Any) -> None:
    offer(session)
    rule(session, "list", autopilot=True)
    _, [(run_id, _)] = automate(session, transaction)
    failed_a_while_ago(session, run_id, "StockX did not answer.")
    session.flush()
    _, woken = automate(session, transaction)
    assert woken == [(run_id, "list")]
    assert session.get_one(Run, run_id).params["reopened"] == 1


def test_while_the_operator_is_away_rules_buy_and_list_nothing_and_go_on_after(
    session: Session, transaction: Any
) -> None:
    offer(session)
    rule(session, "list", autopilot=True)
    _, [(run_id, _)] = automate(session, transaction)
    failed_a_while_ago(session, run_id, "You are away.")
    time_away = Away(state="away", starts_at=NOW, began_at=NOW, actor="op")
    session.add(time_away)
    offer(session)
    session.flush()
    message, woken = automate(session, transaction)
    assert message.startswith("1 decided, 0 carried out, 1 wait for room")
    assert woken == []
    assert "reopened" not in session.get_one(Run, run_id).params, "no try is used up"
    waiting = session.scalars(select(Decision).where(Decision.state == "approved")).one()
    assert waiting.outcome == "You are away: it waits until you are back."
    time_away.state = "over"
    session.flush()
    _, woken = automate(session, transaction)
    assert (run_id, "list") in woken
    assert len(woken) == 2
