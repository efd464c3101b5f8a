"""The Automation page: stop with a reason, resume, and the timetable."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from markupsafe import Markup
from sqlalchemy import select

from soleflip.models import AuditEntry, Decision, ListingChange, Run, StopSwitch, TimetableSetting
from soleflip.services import timetable
from soleflip.web import filters
from tests.web.conftest import post
from tests.web.test_listings import FRAGMENT, RESTORE, book, make_listing, make_variant

__all__ = ["book"]


def test_the_page_opens_in_three_ways(browser):
    plain, part, restored = (browser.get("/automation", headers=head) for head in ({}, FRAGMENT, RESTORE))
    assert plain.text.startswith("<!doctype html>")
    assert restored.text.startswith("<!doctype html>")
    assert part.text.lstrip().startswith('<div id="automation-board">')
    assert "Reprice live listings" in plain.text


def test_stop_says_who_and_why_and_resume_lets_writes_go_on(browser, book):
    stopped = post(browser, "/automation/stop", reason="Prices look wrong")
    assert stopped.status_code == 303
    page = browser.get("/automation").text
    assert "Stopped by operator@soleflip.test" in page
    assert "Prices look wrong" in page
    assert post(browser, "/automation/resume").status_code == 303
    with book() as session:
        assert session.get_one(StopSwitch, 1).is_stopped is False


def test_resuming_lets_halted_runs_go_on_when_asked(browser, book):
    with book() as session:
        listing = make_listing(session, make_variant(session))
        run = Run(kind="change", actor="t", params={}, counts={}, state="failed", attempts=3, error="stopped")
        session.add(run)
        session.flush()
        session.add(ListingChange(listing_id=listing.id, run_id=run.id, kind="deactivate", state="waiting", inputs={}))
        key = run.id
    post(browser, "/automation/stop", reason="look")
    assert "1 run stood still half-way" in browser.get("/automation").text
    preview = browser.get("/automation/resume").text
    assert "These runs stood still half-way" in preview
    assert "sks to pause" in preview
    assert "only if their runs go on" in preview
    post(browser, "/automation/resume")
    with book() as session:
        assert session.get_one(Run, key).state == "failed"
    post(browser, "/automation/stop", reason="look again")
    post(browser, "/automation/resume", go_on="1")
    with book() as session:
        run = session.get_one(Run, key)
        assert (run.state, run.attempts, run.error) == ("queued", 0, None)


def test_resuming_shows_what_rules_are_about_to_buy(browser, book):
    facts = {"action": "buy", "basis": "50.00 EUR", "state": "approved", "sentence": "Cheap.", "detail": {}}
    money = {"pairs": 2, "amount": Decimal(100), "currency": "EUR"}
    with book() as session:
        session.add_all(Decision(rule_name="Bargains", subject_id=uuid4(), **facts, **money) for _ in range(2))
    post(browser, "/automation/stop", reason="look")
    for path in ("/automation", "/automation/resume"):
        shown = " ".join(Markup(browser.get(path).text).striptags().split())
        assert re.search(r"Bargains: 2 (approved )?decisions, 4 pairs for \D{0,3}200", shown), path


def test_a_line_of_the_timetable_starts_now(browser, book):
    answer = post(browser, "/automation/run", kind="listing_sync")
    assert answer.status_code == 303
    with book() as session:
        assert session.scalars(select(Run.kind)).all() == ["listing_sync"]
    assert post(browser, "/automation/run", kind="listing_sync").status_code == 409, "a line runs once at a time"
    assert post(browser, "/automation/run", kind="list").status_code == 404


def test_a_line_of_the_timetable_is_changed_and_as_shipped_again(browser, book):
    form = {"every": "20", "every_unit": "minutes", "time_limit": "2", "time_limit_unit": "hours"}
    assert post(browser, "/automation/timetable/quotes", **form).status_code == 303
    with book() as session:
        stored = session.get_one(TimetableSetting, "quotes")
        assert (stored.every, stored.every_in_sandbox, stored.time_limit, stored.is_enabled) == (
            None,
            1200,
            7200,
            False,
        )
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "timetable")).one().after["every"] == 1200
    page = browser.get("/automation").text
    assert "never by itself" in page
    assert 'value="20"' in browser.get("/automation/timetable/quotes").text
    assert post(browser, "/automation/timetable/quotes", act="reset").status_code == 303
    with book() as session:
        assert session.get(TimetableSetting, "quotes") is None


def test_an_interval_no_scheduler_can_keep_is_refused_at_its_field(browser, book):
    good = {"every": "20", "every_unit": "minutes", "time_limit": "2", "time_limit_unit": "hours"}
    for wrong in (
        {"every": "1", "every_unit": "seconds"},
        {"every": "x"},
        {"time_limit": "400", "time_limit_unit": "days"},
    ):
        answer = post(browser, "/automation/timetable/quotes", **good | wrong)
        assert answer.status_code == 422
        assert "field-error" in answer.text
    assert post(browser, "/automation/timetable/dreams", **good).status_code == 404


def test_a_viewer_can_not_stop(signed_in):
    assert post(signed_in("viewer"), "/automation/stop", reason="x").status_code == 403


def test_what_is_due_says_so_and_a_missing_scheduler_is_named(browser, book, monkeypatch):
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    monkeypatch.setattr(filters, "system_clock", lambda: noon)
    with book() as session:
        for kind, ago in (("quotes", 70), ("monitor", 930)):
            run = Run(kind=kind, state="done", actor="timetable", params={}, counts={})
            run.created_at = noon - timedelta(seconds=ago)
            session.add(run)
        for entry in timetable.TIMETABLE:
            timetable.change(session, entry.kind, sandbox=True, actor="test", every=timedelta(seconds=30))
    page = browser.get("/automation").text
    assert "due now" in page
    assert "overdue by 15 minutes" in page
    assert "No scheduler is at work" in page
