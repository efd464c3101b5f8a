"""Runs: listed, followed while they go on, cancelled, never lost."""

from __future__ import annotations

import re

import pytest
from flask import g
from sqlalchemy import select

from soleflip.jobs import tasks
from soleflip.models import FeedImport, Run, StockxOrder
from soleflip.services import runs
from soleflip.services.order_snapshots import record
from soleflip.web.runs import PLACES
from soleflip.web.unit import start_run
from tests.services.sales import entry, make_listing
from tests.web.conftest import EMAIL, post

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def transaction(app):
    with app.app_context():
        yield app.extensions["soleflip"].transaction


def test_progress_polls_itself_and_stops_when_the_run_is_over(browser, transaction):
    with transaction() as session:
        run = runs.start(session, "list", actor="x", total=10)
    going = browser.get(f"/runs/{run.id}/progress", headers=PARTIAL)
    assert 'hx-trigger="every 1s"' in going.text
    assert "HX-Trigger" not in going.headers
    with transaction() as session:
        runs.finish(session, run.id, "done", message="Listed 10.")
    over = browser.get(f"/runs/{run.id}/progress", headers=PARTIAL)
    assert "hx-trigger" not in over.text
    assert "run-over" in over.headers["HX-Trigger"]
    assert "Listed 10." in over.text


def test_a_run_can_be_cancelled(browser, transaction):
    with transaction() as session:
        run = runs.start(session, "quotes", actor="x")
    assert post(browser, f"/runs/{run.id}/cancel").status_code == 303
    with transaction() as session:
        assert session.get(Run, run.id).state == "cancelled"
    assert post(browser, f"/runs/{run.id}/cancel").status_code == 409


def test_a_cancelled_run_that_holds_rows_waits_for_a_worker_to_take_them_back(browser, transaction):
    with transaction() as session:
        run = runs.start(session, "list", actor="x")
    assert post(browser, f"/runs/{run.id}/cancel").status_code == 303
    with transaction() as session:
        left = session.get(Run, run.id)
        assert (left.state, left.cancel_requested) == ("queued", True)


def test_the_log_of_a_run_is_shown_and_escaped(browser, transaction):
    from soleflip.models import RunLine

    with transaction() as session:
        run = runs.start(session, "reprice", actor="x")
        session.add(RunLine(run_id=run.id, outcome="refused", sentence="<b>below</b> the floor"))
    page = browser.get(f"/runs/{run.id}").text
    assert "&lt;b&gt;below&lt;/b&gt; the floor" in page


def test_every_kind_of_run_leads_to_what_it_changed(browser, transaction):
    by_count = {"list", "change", "reprice", "feed_import"}
    takes_away_what_is_old = {"thin_quotes", "tidy_exports"}
    assert PLACES.keys() == tasks.KINDS.keys() - by_count - takes_away_what_is_old
    places = set()
    for kind in PLACES:
        with transaction() as session:
            run = runs.start(session, kind, actor="x", params={"channel_id": 1})
            runs.finish(session, run.id, "done", message="Done.")
        link = re.search(r'What it touched">.*?href="([^"]+)"', browser.get(f"/runs/{run.id}").text, re.DOTALL)
        assert link, kind
        places.add(link[1])
    assert {browser.get(place).status_code for place in places} == {200}


def test_a_line_of_the_log_leads_to_its_order(app, browser, transaction):
    from soleflip.models import RunLine

    with transaction() as session:
        make_listing(session)
        parts, day = app.extensions["soleflip"], "2026-02-20T00:00:01Z"
        record(session, [entry("1-1", "COMPLETED", created=day)], parts.books, parts.clock(), actor="test")
        order = session.scalars(select(StockxOrder)).one()
        run = runs.start(session, "order_sync", actor="x")
        session.add(RunLine(run_id=run.id, outcome="new", sentence="Order A", subject_id=order.id))
        session.add(RunLine(run_id=run.id, outcome="new", sentence="Order B", subject_id=run.id))
    page = browser.get(f"/runs/{run.id}").text
    assert page.count("The order</a>") == 1
    assert f'href="/orders/{order.id}"' in page


def test_the_list_filters_and_pages_by_key(browser, transaction):
    with transaction() as session:
        for number in range(55):
            runs.start(session, "quotes" if number % 2 else "list", actor=f"actor {number:02}")
    first = browser.get("/runs").text
    assert first.count("actor ") == 50
    after = first.split("after=")[1].split('"')[0]
    second = browser.get(f"/runs?after={after}").text
    assert second.count("actor ") == 5
    assert "First page" in second
    assert browser.get("/runs?kind=list").text.count("actor ") == 28
    assert browser.get("/runs?after=nonsense").status_code == 422


def test_a_run_that_is_not_there_is_404(browser):
    assert browser.get("/runs/00000000-0000-4000-8000-000000000000").status_code == 404


def test_a_view_starts_a_run_that_a_dead_queue_does_not_lose(app, signed_in, transaction):
    @app.post("/start")
    def start():
        return str(start_run("reprice", params={"dry": True}).id)

    @app.post("/start-and-fail")
    def fail():
        start_run("reprice")
        g.session.flush()
        return "no", 409

    browser = signed_in()
    app.extensions["soleflip"].redis.connection_pool.disconnect()
    app.extensions["soleflip"].redis.connection_pool.connection_kwargs["path"] = "/nowhere.sock"
    answer = post(browser, "/start")
    assert answer.status_code == 200
    post(browser, "/start-and-fail")
    with transaction() as session:
        found = session.query(Run).all()
    assert [(str(run.id), run.state, run.actor) for run in found] == [(answer.text, "queued", EMAIL["operator"])]


def test_a_failed_run_stands_on_the_dashboard_until_it_is_seen(browser, transaction):
    with transaction() as session:
        for number in range(3):
            runs.finish(session, runs.start(session, "quotes", actor=f"actor {number}").id, "failed", error="no")
        chosen = runs.latest(session, 1)[0].id
    assert "failed runs that nobody has seen" in browser.get("/").text
    assert browser.get("/runs?state=unseen").text.count("actor ") == 3
    assert post(browser, f"/runs/{chosen}/seen").status_code == 303
    assert post(browser, f"/runs/{chosen}/seen").status_code == 409
    assert browser.get("/runs?state=unseen").text.count("actor ") == 2
    assert post(browser, "/runs/seen").status_code == 303
    assert "nobody has seen" not in browser.get("/").text
    with transaction() as session:
        assert {run.seen_by for run in runs.latest(session)} == {EMAIL["operator"]}


def test_a_run_shows_what_it_touched(browser, transaction):
    with transaction() as session:
        run = runs.start(session, "feed_import", actor="x")
        entry = FeedImport(filename="feed.csv", state="done", run_id=run.id)
        session.add(entry)
        session.flush()
        quiet = runs.start(session, "quotes", actor="x")
    page = browser.get(f"/runs/{run.id}").text
    assert f'href="/imports/{entry.id}"' in page
    assert "What it touched" not in browser.get(f"/runs/{quiet.id}").text
