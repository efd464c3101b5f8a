"""Rules in a browser: written as a sentence, previewed, kept, switched; decisions approved or rejected."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from soleflip.models import Decision, Item, Rule, Run, StockxListing
from soleflip.runtime import system_clock
from soleflip.services import decisions
from tests.services.ruled import rule
from tests.web.conftest import post
from tests.web.test_listings import FRAGMENT, RESTORE, book, make_opportunity, make_variant

__all__ = ["book"]

SENTENCE = {
    "subject": "opportunity",
    "name": "Bargains",
    "shop": "",
    "brand": "",
    "sizes": "",
    "min_profit": "25",
    "min_roi": "20",
    "match": "firm",
    "action": "list",
    "pairs": "1",
    "then_strategy": "",
    "money_per_day": "500",
    "pairs_per_product": "2",
    "actions_per_hour": "10",
    "autopilot": "0",
    "act": "save",
}


def offered(book: Any, number: int = 1) -> None:
    with book() as session:
        for _ in range(number):
            make_opportunity(session, make_variant(session))


def proposed(book: Any, action: str = "buy") -> list[str]:
    with book() as session:
        rule(session, action, name="Bargains")
        decisions.propose(session, system_clock())
        return [str(each) for each in session.scalars(select(Decision.id))]


def test_the_pages_open_in_three_ways(browser, book):
    offered(book)
    proposed(book)
    pages = {
        "/automation/rules": "automation-rules",
        "/automation/rules/new": "automation-rule",
        "/automation/rules/new?subject=listing": "automation-rule",
        "/automation/decisions": "automation-decisions",
        "/automation/decisions?state=all": "automation-decisions",
        "/automation/pipeline": "automation-pipeline",
        "/automation/pipeline?stage=booked": "automation-pipeline",
    }
    for address, root in pages.items():
        plain, part, restored = (browser.get(address, headers=head) for head in ({}, FRAGMENT, RESTORE))
        assert plain.status_code == 200
        assert plain.text.startswith("<!doctype html>")
        assert restored.text.startswith("<!doctype html>")
        assert part.text.lstrip().startswith(f'<div id="{root}">')


def test_a_rule_is_made_from_its_sentence_and_shown_as_one(browser, book):
    offered(book)
    assert post(browser, "/automation/rules", **SENTENCE).status_code == 303
    with book() as session:
        made = session.scalars(select(Rule)).one()
        assert (made.name, made.action, made.autopilot) == ("Bargains", "list", False)
        assert made.conditions["min_profit"] == "25"
        key = made.id
    page = browser.get("/automation/rules").text
    assert "has a profit of at least 25 EUR and an ROI of at least 20 %" in page
    assert "at most 500 EUR a day, 2 unsold pairs per product and 10 an hour" in page
    opened = browser.get(f"/automation/rules/{key}").text
    assert "Now it would do 1 of 1" in opened
    assert "No quotes of the last 30 days are kept" in opened


def test_a_preview_keeps_what_was_typed_and_stores_nothing(browser, book):
    offered(book, 3)
    shown = post(browser, "/automation/rules", **(SENTENCE | {"act": "preview", "money_per_day": "110"}))
    assert shown.status_code == 200
    assert "Now it would do 2 of 3" in shown.text
    assert "The day&#39;s money for this rule does not reach" in shown.text
    assert 'value="110"' in shown.text
    with book() as session:
        assert session.scalars(select(Rule)).all() == []
        assert session.scalars(select(Decision)).all() == []


def test_what_makes_no_sense_comes_back_with_what_was_typed(browser, book):
    wrong = post(browser, "/automation/rules", **(SENTENCE | {"min_profit": "much", "name": "My own"}))
    assert wrong.status_code == 422
    assert "must be a number" in wrong.text
    assert 'value="much"' in wrong.text
    assert 'value="My own"' in wrong.text
    nameless = post(browser, "/automation/rules", **(SENTENCE | {"name": " "}))
    assert nameless.status_code == 422
    assert "needs a name" in nameless.text


def test_a_rule_over_listings_is_made(browser, book):
    typed = {
        "subject": "listing",
        "name": "Old ones",
        "min_age_days": "30",
        "rank": "above",
        "no_bids": "True",
        "action": "strategy",
        "then_strategy": "patient",
        "actions_per_hour": "5",
        "autopilot": "1",
        "act": "save",
    }
    assert post(browser, "/automation/rules", **typed).status_code == 303
    page = browser.get("/automation/rules").text
    assert "that is up for at least 30 days, whose ask is above the lowest and on which nobody bids is found" in page
    assert "change its strategy to patient" in page


def test_a_rule_is_switched_changed_and_removed(browser, book):
    offered(book)
    proposed(book)
    with book() as session:
        key = session.scalars(select(Rule.id)).one()
    assert post(browser, f"/automation/rules/{key}/switch", autopilot="1").status_code == 303
    assert post(browser, f"/automation/rules/{key}", **(SENTENCE | {"name": "Better"})).status_code == 303
    with book() as session:
        assert [(each.name, each.autopilot) for each in session.scalars(select(Rule))] == [("Better", False)]
        assert session.scalars(select(Decision.state)).all() == ["expired"]
    assert post(browser, f"/automation/rules/{key}/switch", enabled="0").status_code == 303
    assert "Switch on" in browser.get("/automation/rules").text
    assert post(browser, f"/automation/rules/{key}/remove").status_code == 303
    assert "No rules yet" in browser.get("/automation/rules").text


def test_autopilot_says_what_waits_and_offers_to_approve_it(browser, book):
    offered(book, 2)
    proposed(book)
    with book() as session:
        key = session.scalars(select(Rule.id)).one()
        rule(session, "alert", name="Another")
    assert "2 decisions, keeps waiting for you" in browser.get("/automation/rules").text
    answer = post(browser, f"/automation/rules/{key}/switch", autopilot="1")
    assert answer.location.endswith(f"/automation/decisions?rule={key}")
    page = browser.get(answer.location).text
    assert "2 decisions from before wait for you all the same" in page
    with book() as session:
        assert set(session.scalars(select(Decision.state))) == {"waiting"}
    post(browser, "/automation/decisions", act="approve_all", rule=str(key))
    with book() as session:
        assert set(session.scalars(select(Decision.state))) == {"done"}


def test_a_rule_keeps_what_waits_when_only_its_name_or_its_autopilot_changes(browser, book):
    offered(book)
    assert post(browser, "/automation/rules", **(SENTENCE | {"action": "buy"})).status_code == 303
    with book() as session:
        decisions.propose(session, system_clock())
        key = session.scalars(select(Rule.id)).one()
    changed = SENTENCE | {"action": "buy", "name": "Better", "autopilot": "1"}
    assert post(browser, f"/automation/rules/{key}", **changed).location.endswith(f"?rule={key}")
    with book() as session:
        assert session.scalars(select(Decision.state)).all() == ["waiting"]


def test_a_rule_above_the_limit_of_the_house_is_told_so_at_once(browser, book):
    offered(book)
    above = SENTENCE | {"money_per_day": "1500"}
    assert post(browser, "/automation/rules", **above).status_code == 303
    assert "All rules together may spend €1,000.00 a day, less than this one." in browser.get("/automation/rules").text
    shown = post(browser, "/automation/rules", **(above | {"act": "preview"}))
    assert "All rules together may spend €1,000.00 a day, less than this rule alone" in shown.text


def test_approving_lists_the_pair_and_rejecting_leaves_it(browser, book):
    offered(book, 2)
    first, second = proposed(book, "list")
    assert "2 decisions wait for your word" in browser.get("/automation/decisions").text
    assert post(browser, "/automation/decisions", act="approve", ids=first).status_code == 303
    assert post(browser, "/automation/decisions", act="reject", ids=second).status_code == 303
    with book() as session:
        assert [each.status for each in session.scalars(select(StockxListing))] == ["pending"]
        assert session.scalars(select(Run.kind)).all() == ["list"]
        assert [item.state for item in session.scalars(select(Item))] == ["reserved"]
    again = post(browser, "/automation/decisions", act="approve", ids=first)
    assert again.status_code == 409
    assert "None of these decisions waits any more" in again.text
    done = browser.get("/automation/decisions?state=done").text
    assert "One pair bought, to be listed at" in done


def test_all_are_approved_at_once_inside_the_limits(browser, book):
    offered(book, 3)
    with book() as session:
        rule(session, money_per_day=120)
        decisions.propose(session, system_clock())
    post(browser, "/automation/decisions", act="approve_all")
    with book() as session:
        assert sorted(session.scalars(select(Decision.state))) == ["approved", "done", "done"]
    assert "The day&#39;s money for this rule" in browser.get("/automation/decisions?state=approved").text


def test_nothing_selected_is_said(browser, book):
    assert post(browser, "/automation/decisions", act="approve").status_code == 422
    assert post(browser, "/automation/decisions", act="approve", ids="nonsense").status_code == 422


def test_the_dashboard_leads_to_what_waits(browser, book):
    offered(book)
    proposed(book)
    page = browser.get("/").text
    assert "decision to approve" in page
    assert 'href="/automation/decisions"' in page


def test_a_viewer_decides_nothing(signed_in, book):
    offered(book)
    [key] = proposed(book)
    viewer = signed_in("viewer")
    assert post(viewer, "/automation/decisions", act="approve", ids=key).status_code == 403
    assert post(viewer, "/automation/rules", **SENTENCE).status_code == 403
    with book() as session:
        assert session.scalars(select(Decision.state)).one() == "waiting"


def test_the_pipeline_shows_where_each_pair_stands_and_leads_to_it(browser, book):
    offered(book, 2)
    first, _ = proposed(book, "list")
    post(browser, "/automation/decisions", act="approve", ids=first)
    page = browser.get("/automation/pipeline").text
    with book() as session:
        listing = session.scalars(select(StockxListing)).one()
        assert f'href="/listings/{listing.id}"' in page
    assert "Your approval" in page
    assert "The listing run" in page
    assert "The listing run" not in browser.get("/automation/pipeline?stage=detected").text
    assert "No pair stands here" in browser.get("/automation/pipeline?stage=sold").text


def test_the_resume_page_names_the_approved_decisions_and_leads_to_them(browser, book):
    offered(book, 2)
    proposed(book, "list")
    post(browser, "/automation/stop", reason="look")
    assert "approved decision" not in browser.get("/automation/resume").text
    post(browser, "/automation/decisions", act="approve_all")
    page = browser.get("/automation/resume").text
    assert '<a href="/automation/decisions?state=approved">2 approved decisions</a>' in page
