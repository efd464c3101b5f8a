"""Away mode against the sandbox: every ask is paused once, and none goes up before it was looked at."""

from __future__ import annotations

import contextvars
import re
import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from soleflip.domain.errors import Conflict, Refused
from soleflip.jobs import tasks
from soleflip.models import Away, AwayAsk, Item, ListingChange, Run, StockxListing, User
from soleflip.services import away, away_asks, changes, listings, runs, tokens
from soleflip.services.away import IsAway
from soleflip.services.changes import Wish
from tests.selling import Selling

NUMBER = 120
NO_WAIT = ("operation_seconds", "batch_start_seconds", "batch_min_seconds", "batch_max_seconds")


@pytest.fixture
def live(selling: Selling) -> UUID:
    """A run whose asks are all live, in a sandbox as slow as life: no look grows old while a slow machine works."""
    run_id = selling.order(NUMBER)
    selling.perform(run_id)
    selling.sandbox.control("settings", **dict.fromkeys(NO_WAIT, 0.0))
    selling.sandbox.control("clock", speed=1)
    selling.runtime.clock.skip(0)  # type: ignore[attr-defined]
    return run_id


def leave(selling: Selling) -> Run:
    with selling.runtime.transaction() as session:
        return away.begin(session, reason="Holidays", ends_at=None, actor="test", now=selling.runtime.clock())


def statuses(selling: Selling) -> Counter[str]:
    with selling.runtime.transaction() as session:
        return Counter(session.scalars(select(StockxListing.status)))


def on_stockx(selling: Selling) -> Counter[str]:
    return Counter(each["status"] for each in selling.sandbox.look("state")["listings"])


def look(selling: Selling) -> None:
    with selling.runtime.transaction() as session:
        run = away_asks.start_look(session, actor="test")
    assert selling.perform(run.id).state == "done"


def decide(selling: Selling, mode: str, ids: list[UUID] | None = None) -> Run | None:
    with selling.runtime.transaction() as session:
        chosen = away_asks.choose(session, mode, ids)
        run, asked = away_asks.decide(session, chosen, actor="test", now=selling.runtime.clock())
        assert asked.refused == {}
    if run is not None:
        assert selling.perform(run.id).state == "done"
    return run


def test_every_ask_is_paused_and_comes_back_after_a_look(selling: Selling, live: UUID) -> None:
    run = leave(selling)
    assert selling.perform(run.id).state == "done"
    assert statuses(selling) == {"inactive": NUMBER}
    assert on_stockx(selling) == {"INACTIVE": NUMBER}
    with selling.runtime.transaction() as session:
        ids = session.scalars(select(StockxListing.id)).all()
        with pytest.raises(Conflict, match="too old"):
            away_asks.decide(session, {ids[0]: ("old", None)}, actor="test", now=selling.runtime.clock())
        for mode in ("old", "proposed"):
            with pytest.raises(Conflict, match="look first, then decide"):
                away_asks.choose(session, mode, None)
        assert not away_asks.view(session).is_looked_at
    look(selling)
    with selling.runtime.transaction() as session:
        view = away_asks.view(session)
        assert (view.waiting_count, view.still_live) == (NUMBER, 0)
        assert all(each.row.looked_at for each in view.waiting)
        assert all(each.row.lowest_ask for each in view.waiting)
        # Asks of 9000 in a market of hundreds: the look says so.
        assert view.stale == len(view.waiting)
        with pytest.raises(Conflict, match="all have grown stale"):
            away_asks.choose(session, "old", None)
        with pytest.raises(Conflict, match="120 paused asks wait"):
            away.come_back(session, actor="test", now=selling.runtime.clock())
        # Where the market fell below a floor meanwhile there is no proposal: the old ask is put up again.
        priced = set(session.scalars(select(AwayAsk.listing_id).where(AwayAsk.proposed.is_not(None))))
        ids = sorted(ids, key=lambda each: each in priced)
    decide(selling, "old", list(ids[:5]))
    decide(selling, "keep", list(ids[5:10]))
    decide(selling, "proposed", list(ids[10:]))
    assert statuses(selling) == {"active": NUMBER - 5, "inactive": 5}
    assert on_stockx(selling) == {"ACTIVE": NUMBER - 5, "INACTIVE": 5}
    with selling.runtime.transaction() as session:
        away.come_back(session, actor="test", now=selling.runtime.clock())
        asks = {row.id: row for row in session.scalars(select(StockxListing))}
        paused = session.scalars(select(AwayAsk)).all()
    for row in paused:
        expected = row.proposed if row.listing_id in ids[10:] else Decimal(9000)
        assert asks[row.listing_id].ask_price == expected


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_while_it_pauses_leaves_each_ask_paused_once(selling: Selling, live: UUID, when: str) -> None:
    for boundary in (1, 2, 4):
        run = leave(selling)
        with selling.worker(run.id, when, boundary) as worker:
            assert worker.wait(400) == -signal.SIGKILL
        assert selling.perform(run.id).state == "done"
        assert on_stockx(selling) == {"INACTIVE": NUMBER}
        with selling.runtime.transaction() as session:
            done = session.scalars(select(ListingChange.listing_id).where(ListingChange.run_id == run.id)).all()
            assert len(done) == len(set(done)) == NUMBER
            # Put everything up again for the next boundary, as if it had been looked at.
            session.execute(update(Away).values(state="over"))
            ids = session.scalars(select(StockxListing.id)).all()
            up = runs.start(session, "change", actor="test")
            now = selling.runtime.clock()
            changes.ask(session, [Wish(key, "activate") for key in ids], run_id=up.id, actor="test", now=now)
        assert selling.perform(up.id).state == "done"


def test_a_double_click_leaves_once(selling: Selling, live: UUID) -> None:
    run = leave(selling)
    with pytest.raises(Conflict, match="away already"):
        leave(selling)
    selling.perform(run.id)
    with selling.runtime.transaction() as session:
        assert session.scalars(select(Run.kind).where(Run.kind == away.PAUSE)).all() == ["away"]


def test_while_away_nothing_goes_up_by_another_way(selling: Selling, live: UUID) -> None:
    selling.perform(leave(selling).id)
    with selling.runtime.transaction() as session:
        key = session.scalars(select(StockxListing.id).limit(1)).one()
        run = runs.start(session, "change", actor="test")
        now = selling.runtime.clock()
        asked = changes.ask(session, [Wish(key, "activate")], run_id=run.id, actor="test", now=now)
        assert "You are away" in asked.refused[key]
    order = selling.order(3)
    run_ = selling.perform(order)
    assert run_.state == "failed"
    assert "You are away" in (run_.error or "")
    assert on_stockx(selling) == {"INACTIVE": NUMBER}
    with selling.runtime.transaction() as session, pytest.raises(IsAway):
        away.ensure_home(session)


def wait_for_nobody(selling: Selling, listing_id: UUID, kind: str, price: Decimal | None = None) -> UUID:
    """Ask for a change under a run that stands still, as after a stop."""
    with selling.runtime.transaction() as session:
        run = runs.start(session, "change", actor="test")
        now = selling.runtime.clock()
        asked = changes.ask(session, [Wish(listing_id, kind, price)], run_id=run.id, actor="test", now=now)
        assert asked.waiting == 1, asked.refused
        runs.finish(session, run.id, "failed", error="Writes are stopped.")
        return run.id


def test_changes_that_wait_on_going_away_leave_no_ask_live(selling: Selling, live: UUID) -> None:
    with selling.runtime.transaction() as session:
        first, second, third = session.scalars(select(StockxListing.id).order_by(StockxListing.id).limit(3)).all()
        run = runs.start(session, "change", actor="test")
        now = selling.runtime.clock()
        changes.ask(session, [Wish(third, "deactivate")], run_id=run.id, actor="test", now=now)
    assert selling.perform(run.id).state == "done"
    wait_for_nobody(selling, first, "price", Decimal(8000))
    wait_for_nobody(selling, second, "delete")
    up = wait_for_nobody(selling, third, "activate")
    assert selling.perform(leave(selling).id).state == "done"
    assert on_stockx(selling) == {"INACTIVE": NUMBER}
    with selling.runtime.transaction() as session:
        runs.reopen(session, up)
    assert selling.perform(up).counts["refused_on_the_way"] == 1, "nothing goes up unseen, whenever it was asked for"
    assert on_stockx(selling) == {"INACTIVE": NUMBER}
    with selling.runtime.transaction() as session:
        dropped = select(ListingChange.listing_id).where(ListingChange.error == "Dropped on going away.")
        assert set(session.scalars(dropped)) == {first, second}


def test_what_comes_up_while_away_is_paused_by_itself(selling: Selling, live: UUID) -> None:
    selling.perform(leave(selling).id)
    with selling.runtime.transaction() as session:
        assert away.pause_late(session) is None
        session.execute(update(Away).values(state="over"))
        key = session.scalars(select(StockxListing.id).limit(1)).one()
        run = runs.start(session, "change", actor="test")
        now = selling.runtime.clock()
        changes.ask(session, [Wish(key, "activate")], run_id=run.id, actor="test", now=now)
    selling.perform(run.id)
    with selling.runtime.transaction() as session:
        session.execute(update(Away).values(state="away"))
        again = away.pause_late(session)
        assert again is not None
    assert selling.perform(again.id).state == "done"
    assert on_stockx(selling) == {"INACTIVE": NUMBER}


def test_a_pair_sold_while_away_is_not_asked_about(selling: Selling, live: UUID) -> None:
    selling.perform(leave(selling).id)
    with selling.runtime.transaction() as session:
        key = session.scalars(select(StockxListing.id).limit(1)).one()
        listings.mark_sold(session, key, cause="test", actor="test", now=selling.runtime.clock())
        view = away_asks.view(session)
        assert (view.waiting_count, view.sold) == (NUMBER - 1, 1)
    look(selling)
    decide(selling, "keep")
    with selling.runtime.transaction() as session:
        assert away.come_back(session, actor="test", now=selling.runtime.clock()).state == "over"
        assert session.get_one(StockxListing, key).status == "sold"


def test_a_plan_begins_when_its_time_comes(selling: Selling, live: UUID) -> None:
    now = selling.runtime.clock()
    with selling.runtime.transaction() as session:
        away.plan(session, reason="", starts_at=now + timedelta(days=2), ends_at=None, actor="owner", now=now)
    tasks.start_due()
    assert statuses(selling) == {"active": NUMBER}
    selling.sandbox.control("clock", step=3 * 86_400)
    selling.runtime.clock.skip(0)  # type: ignore[attr-defined]
    tasks.start_due()
    tasks.start_due()
    with selling.runtime.transaction() as session:
        (run_id,) = session.scalars(select(Run.id).where(Run.kind == away.PAUSE))
    selling.perform(run_id)
    assert statuses(selling)["active"] == 0


def test_a_cost_that_rose_while_away_keeps_its_ask_down(selling: Selling, live: UUID) -> None:
    selling.perform(leave(selling).id)
    look(selling)
    with selling.runtime.transaction() as session:
        listing = session.scalars(select(StockxListing).limit(1)).one()
        session.execute(update(Item).where(Item.id == listing.item_id).values(cost=Decimal(50_000)))
        with pytest.raises(Refused, match="below the floor"):
            away_asks.decide(session, {listing.id: ("old", None)}, actor="test", now=selling.runtime.clock())


def test_the_pages_and_the_api_do_it_all(selling: Selling, live: UUID) -> None:
    client = selling.browse(lambda client: client)

    def page() -> str:
        return str(alone(client.get, "/automation/away").text)

    def post(path: str, **form: str) -> int:
        return int(alone(client.post, f"/automation/away{path}", data=form).status_code)

    assert f"{NUMBER} live asks would be paused" in page()
    assert post("", starts_at="2020-01-01T10:00") == 422
    assert post("", starts_at="2099-01-01T10:00") == 303
    plan = re.search(r"/automation/away/([0-9a-f-]{36})/call-off", page())
    assert plan
    assert post(f"/{plan[1]}/call-off") == 303
    assert post(f"/{plan[1]}/call-off") == 409
    assert post("", reason="Beach") == 303
    with selling.runtime.transaction() as session:
        (run_id,) = session.scalars(select(Run.id).where(Run.kind == away.PAUSE))
    selling.perform(run_id)
    send = api(selling)
    assert send("POST", "", {}).status_code == 409, "a second click"
    started = send("POST", "/look", {})
    assert started.status_code == 202
    selling.perform(UUID(started.json["run"]["id"]))
    board = send("GET", "").json
    assert board["waiting_count"] == NUMBER
    first, second, third = (each["listing_id"] for each in board["waiting"][:3])
    back = send("POST", "/return", {"mode": "typed", "listing_ids": [first, second], "price": "8000"})
    assert back.status_code == 202
    selling.perform(UUID(back.json["run"]["id"]))
    assert send("POST", "/return", {"mode": "old", "listing_ids": [first]}).status_code == 409, "it went up"

    assert "have grown stale" in page()
    one = {"which": "ticked", "mode": "typed", "ids": third}
    assert post("/return", **one) == 422
    assert post("/return", **one, **{f"price-{third}": "7000"}) == 303
    assert post("/pause") == 303
    assert send("POST", "/keep", {}).json == {"changed": NUMBER - 3}
    with selling.runtime.transaction() as session:
        open_runs = session.scalars(select(Run.id).where(Run.state == "queued").order_by(Run.created_at)).all()
    for run_id in open_runs:
        selling.perform(run_id)
    assert send("POST", "/keep", {}).status_code in (200, 409)
    over = send("POST", "/over", {})
    assert over.status_code == 200
    assert over.json["now"] is None


def alone(call: Any, *arguments: Any, **options: Any) -> Any:
    """Call without the application context that tests run in."""
    return contextvars.Context().run(call, *arguments, **options)


def api(selling: Selling) -> Any:
    """Return a function that calls the away operations with a token."""
    with selling.runtime.transaction() as session:
        owner = session.scalars(select(User)).one()
        made = tokens.create(session, owner.id, "script", ("admin",), days=None, now=datetime.now(UTC))

    def send(method: str, path: str, json: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {made.secret}"}
        options = {"method": method, "headers": headers, "json": json, "buffered": True}
        return alone(selling.app.test_client().open, f"/api/v1/automation/away{path}", **options)

    return send
