"""The sandbox's lever: skipping time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from soleflip.models import FeedImport, Item, Product, Run, StockxListing, StockxOrder
from soleflip.services import runs
from tests.selling import Selling


def test_a_day_passes_and_the_orders_are_synced(selling: Selling) -> None:
    selling.sandbox.control("clock", frozen=True)
    before = datetime.fromisoformat(selling.sandbox.look("clock")["time"])
    answer = selling.browse(lambda client: client.post("/sandbox/skip", data={"hours": "24", "next": "/orders"}))
    assert (answer.status_code, answer.location) == (303, "/orders")
    after = datetime.fromisoformat(selling.sandbox.look("clock")["time"])
    assert (after - before).total_seconds() == 86_400
    with selling.runtime.transaction() as session:
        assert session.scalars(select(Run.kind)).all() == ["order_sync"]


def test_another_time_than_a_day_or_a_week_is_refused(selling: Selling) -> None:
    assert selling.browse(lambda client: client.post("/sandbox/skip", data={"hours": "100000"})).status_code == 422


def test_the_sample_feed_is_read_like_an_upload(selling: Selling) -> None:
    answer = selling.browse(lambda client: client.post("/sandbox/sample-feed"))
    assert answer.status_code == 303
    with selling.runtime.transaction() as session:
        run = session.scalars(select(Run.id)).one()
    selling.perform(run)
    with selling.runtime.transaction() as session:
        entry = session.scalars(select(FeedImport)).one()
    assert (entry.filename, entry.state, entry.imported) == ("sample-feed.csv.gz", "done", 300)


def test_sample_data_are_removed_at_once_here_and_in_the_sandbox(selling: Selling) -> None:
    run_id = selling.order(3)
    selling.perform(run_id)
    with selling.runtime.transaction() as session:
        sold = session.scalars(select(StockxListing.stockx_listing_id)).first()
    selling.sandbox.control("purchase", listingId=sold)
    answer = selling.browse(lambda client: client.post("/sandbox/start-anew"))
    assert (answer.status_code, answer.location) == (303, "/")
    world = selling.sandbox.look("state")
    assert [world[name] for name in ("listings", "operations", "batches", "orders", "books")] == [[], [], [], [], []]
    with selling.runtime.transaction() as session:
        assert session.query(StockxListing).count() == session.query(Item).count() == session.query(Run).count() == 0
        assert session.query(Product).count() > 0
        sync = runs.start(session, "order_sync", actor="t")
        listing_sync = runs.start(session, "listing_sync", actor="t")
    assert [selling.perform(each.id).state for each in (sync, listing_sync)] == ["done", "done"]
    with selling.runtime.transaction() as session:
        assert session.query(StockxListing).count() == session.query(StockxOrder).count() == 0
    again = selling.order(3)
    selling.perform(again)
    selling.check_asks(again, 3)
