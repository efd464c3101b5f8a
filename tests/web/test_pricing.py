"""The Pricing page: defaults, guard rails, three ways to reprice, and proposals."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.jobs import tasks
from soleflip.models import Brand, ListingChange, Run, StockxListing
from soleflip.runtime import system_clock
from soleflip.services import pricing_rules, settings
from soleflip.services.settings import PricingSettings
from tests.web.conftest import post
from tests.web.test_listings import FRAGMENT, RESTORE, book, make_listing, make_opportunity, make_variant

__all__ = ["book"]


def propose(session: Any, listing: Any, price: str, *, hours_ago: int = 0) -> ListingChange:
    """A proposal of a new price for a listing."""
    change = ListingChange(
        listing_id=listing.id,
        kind="price",
        state="proposed",
        old_price=listing.ask_price,
        new_price=Decimal(price),
        sentence=f"One under the lowest ask, so {price}.",
        inputs={},
        created_at=system_clock() - timedelta(hours=hours_ago),
    )
    session.add(change)
    session.flush()
    return change


def test_the_page_opens_in_three_ways(browser):
    plain, part, restored = (browser.get("/pricing", headers=head) for head in ({}, FRAGMENT, RESTORE))
    assert plain.text.startswith("<!doctype html>")
    assert restored.text.startswith("<!doctype html>")
    assert part.text.lstrip().startswith('<div id="pricing-board">')
    for words in ("Competitive", "Guard rails", "No repricing yet"):
        assert words in plain.text


@pytest.mark.parametrize(
    ("mode", "params"), [("now", {}), ("dry_run", {"dry_run": True}), ("approve", {"approve": True})]
)
def test_there_are_three_ways_to_reprice(browser, book, mode, params):
    assert post(browser, "/pricing/run", mode=mode).status_code == 303
    with book() as session:
        run = session.scalars(select(Run)).one()
        assert (run.kind, run.params) == ("reprice", params)


def test_guard_rails_are_stored_and_a_wrong_one_is_refused_at_its_field(browser, book):
    assert post(browser, "/pricing/guards", min_roi="7.5", max_age_minutes="30").status_code == 303
    with book() as session:
        guards = settings.load_guards(session)
        assert (guards.min_roi, guards.max_age_minutes) == (Decimal("7.5"), 30)
    wrong = post(browser, "/pricing/guards", min_roi="much", max_age_minutes="45")
    assert wrong.status_code == 422
    assert "Least ROI must be a number" in wrong.text
    assert 'value="45"' in wrong.text
    with book() as session:
        assert settings.load_guards(session).max_age_minutes == 30


def test_the_strategy_of_new_listings_is_chosen(browser, book):
    good = {"strategy": "hold", "expires_after_days": "14", "repricing": "propose"}
    assert post(browser, "/pricing/defaults", **good).status_code == 303
    with book() as session:
        assert settings.load(session, PricingSettings) == PricingSettings("hold", 14, "propose")
    for wrong in ({"strategy": "magic"}, {"expires_after_days": "0"}, {"repricing": "dream"}):
        assert post(browser, "/pricing/defaults", **good | wrong).status_code == 422


def test_the_timetable_only_proposes_where_the_operator_approves(browser, book, app):
    post(browser, "/pricing/defaults", strategy="hold", expires_after_days="14", repricing="propose")
    post(browser, "/automation/run", kind="reprice")
    with app.app_context():
        tasks.start_due()
    with book() as session:
        started = {run.kind: run.params for run in session.scalars(select(Run))}
        assert started.pop("reprice") == {"approve": True}
        assert not any(started.values())


def test_ticked_proposals_go_out_and_the_others_wait(browser, book):
    with book() as session:
        one, two = (propose(session, make_listing(session, make_variant(session)), "109").id for _ in range(2))
    assert "2 prices wait for your word" in browser.get("/pricing").text
    assert post(browser, "/pricing/proposals", act="approve", ids=str(one)).status_code == 303
    with book() as session:
        assert session.get_one(ListingChange, one).state == "waiting"
        assert session.get_one(ListingChange, two).state == "proposed"
        run = session.scalars(select(Run)).one()
        assert (run.kind, session.get_one(ListingChange, one).run_id) == ("change", run.id)


def test_of_two_proposals_for_a_listing_the_newer_counts(browser, book):
    with book() as session:
        listing = make_listing(session, make_variant(session))
        old, new = propose(session, listing, "105", hours_ago=5).id, propose(session, listing, "108").id
    page = browser.get("/pricing").text
    assert "so 108." in page
    assert "so 105." not in page
    assert post(browser, "/pricing/proposals", act="approve_all").status_code == 303
    with book() as session:
        assert session.get_one(ListingChange, new).state == "waiting"
        assert session.get_one(ListingChange, old).state == "cancelled"


def test_a_proposal_waits_while_its_listing_is_being_changed(browser, book):
    with book() as session:
        listing = make_listing(session, make_variant(session))
        key = propose(session, listing, "105").id
        session.add(ListingChange(listing_id=listing.id, kind="deactivate", state="sending", inputs={}))
    assert post(browser, "/pricing/proposals", act="approve", ids=str(key)).status_code == 409


def test_proposals_are_dropped(browser, book):
    with book() as session:
        key = propose(session, make_listing(session, make_variant(session)), "109").id
    assert post(browser, "/pricing/proposals", act="reject_all").status_code == 303
    with book() as session:
        assert session.get_one(ListingChange, key).state == "cancelled"
    assert post(browser, "/pricing/proposals", act="approve").status_code == 422


def test_an_experiment_deals_new_listings_by_lot_unless_a_strategy_is_chosen(browser, book):
    wrong = post(browser, "/pricing/experiment", **{"share-hold": "50", "share-patient": "49"})
    assert (wrong.status_code, "add up to 99 %" in wrong.text, 'value="49"' in wrong.text) == (422, True, True)
    assert post(browser, "/pricing/experiment", **{"share-hold": "50", "share-patient": "50"}).status_code == 303
    with book() as session:
        keys = [str(make_opportunity(session, make_variant(session)).id) for _ in range(12)]
        chosen = str(make_opportunity(session, make_variant(session)).id)
    assert post(browser, "/listings/order", opportunity_ids=keys, offered=keys, take=keys).status_code == 303
    post(browser, "/listings/order", opportunity_ids=chosen, offered=chosen, take=chosen, strategy="quick_sale")
    with book() as session:
        found = session.scalars(select(StockxListing)).all()
        dealt = [each for each in found if each.strategy_from == "experiment"]
        assert len(dealt) == 12
        assert all(each.strategy == each.experiment_arm for each in dealt)
        assert {each.strategy for each in dealt} == {"hold", "patient"}
        below = {"hold": 0, "patient": 1}
        assert all(each.ask_price == each.current_lowest_ask - below[each.strategy] for each in dealt)
        (own,) = [each for each in found if each.strategy_from == "listing"]
        assert (own.strategy, own.experiment_arm) == ("quick_sale", None)
        pricing_rules.refresh(session)
        assert [each.strategy for each in dealt] == [each.experiment_arm for each in dealt]
    assert "not enough data yet" in browser.get("/pricing").text
    assert post(browser, "/pricing/experiment", act="end").status_code == 303
    assert "Begin an experiment" in browser.get("/pricing").text


def test_an_experiment_leaves_out_what_a_rule_names_and_the_preview_says_whose_word_it_is(browser, book):
    post(browser, "/pricing/experiment", **{"share-hold": "50", "share-patient": "50"})
    assert "Where you, a tag or a brand's rule names a strategy, that one acts." in browser.get("/pricing").text
    with book() as session:
        dealt = str(make_opportunity(session, make_variant(session)).id)
        variant = make_variant(session)
        variant.product.brand = Brand(name="Ruled", key="ruled")
        session.flush()
        ruled = str(make_opportunity(session, variant).id)
        rule = pricing_rules.add(session, "brand", "Ruled", actor="test")
        pricing_rules.save_strategy(session, rule.id, acts="quick_sale", strategy="quick_sale", values={}, actor="test")
    both = [dealt, ruled]
    shown = post(browser, "/listings/preview", opportunity_ids=both).text
    assert (shown.count("by the experiment"), shown.count("Quick sale, by brand Ruled")) == (1, 1)
    assert "else the experiment" in shown
    chosen = post(browser, "/listings/preview", opportunity_ids=both, strategy="hold").text
    assert (chosen.count("Hold, by you"), chosen.count("by the experiment")) == (2, 0)
    assert post(browser, "/listings/order", opportunity_ids=both, offered=both, take=both).status_code == 303
    with book() as session:
        found = {str(each.source_opportunity_id): each for each in session.scalars(select(StockxListing))}
        assert (found[ruled].strategy, found[ruled].strategy_from) == ("quick_sale", "rules")
        assert found[ruled].experiment_arm is None
        assert found[dealt].strategy_from == "experiment"
        key, arm = found[dealt].id, found[dealt].experiment_arm
        # A tag's rule that names a strategy wins over the lot, which comes back when the tag goes.
        tag = pricing_rules.add(session, "tag", "outlet", actor="test")
        pricing_rules.save_strategy(session, tag.id, acts="time_decay", strategy="time_decay", values={}, actor="test")
        pricing_rules.tag(session, [key], "outlet", actor="test")
        assert session.get_one(StockxListing, key).strategy == "time_decay"
    assert "Now Time decay, by tag outlet." in browser.get(f"/listings/{key}").text
    with book() as session:
        pricing_rules.tag(session, [key], "outlet", remove=True, actor="test")
        assert session.get_one(StockxListing, key).strategy == arm
    assert "by the experiment." in browser.get(f"/listings/{key}").text


def test_a_run_says_what_became_of_each_listing_and_what_it_used_once(browser, book):
    counts = {"looked_at": 9, "to_change": 3, "kept": 2, "refused": 4, "refused_cool_down": 3, "refused_gate": 1}
    with book() as session:
        run = Run(
            kind="reprice", actor="op", state="done", params={"approve": True}, requests_used=7, message="9 looked"
        )
        run.counts = {**counts, "failed": 0}
        session.add(run)
        session.flush()
        for _ in range(3):
            propose(session, make_listing(session, make_variant(session)), "109").run_id = run.id
        key = run.id
    for url in (f"/listings/runs/{key}", f"/runs/{key}"):
        words = " ".join(re.sub("<[^>]+>", " ", browser.get(url).text).split())
        told = "Looked at 9 Proposed 3 Kept 2 Refused 4 by cool down 3 by gate 1 Failed 0 Requests used 7"
        assert words.count(told) == 1, words
        assert "9 looked" not in words
    shown = browser.get(f"/listings/runs/{key}").text
    assert "Decide on 3 proposals" in shown
    assert 'href="/pricing#proposals"' in shown
    board = " ".join(re.sub("<[^>]+>", " ", browser.get("/pricing").text).split())
    assert "For approval 9 3 2 4 cool down 3, gate 1 0 7" in board
