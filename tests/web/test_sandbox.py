"""The sandbox's lever: skipping time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from soleflip.models import FeedImport, Run
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
