"""What is quick waits behind nothing that is long: a worker of its own takes it."""

from __future__ import annotations

from sqlalchemy import select

from soleflip.jobs.tasks import KINDS
from soleflip.models import FeedSource, Run
from soleflip.runtime import LONG, URGENT
from soleflip.services import feed_sources, runs
from tests.jobs.processes import process, wait_until
from tests.selling import Selling


def test_every_kind_that_has_a_queue_of_its_own_exists() -> None:
    assert set(KINDS) >= URGENT
    assert set(KINDS) >= LONG
    assert not URGENT & LONG
    assert {"reprice", "order_sync", "list", "change"}.isdisjoint(LONG)


def test_repricing_goes_on_where_feeds_have_no_worker(selling: Selling) -> None:
    with selling.runtime.transaction() as session:
        feed_sources.add(session, name="Shop", url="https://shop.invalid/feed", actor="test")
        feed, reprice = (runs.start(session, kind, actor="test").id for kind in ("feed_fetch", "reprice"))
    selling.runtime.queue.wake(feed, "feed_fetch")
    selling.runtime.queue.wake(reprice, "reprice")

    def state(run_id: object) -> str:
        with selling.runtime.transaction() as session:
            return session.scalars(select(Run.state).where(Run.id == run_id)).one()

    with process(selling, "worker", "--quick"):
        wait_until(lambda: state(reprice) == "done")
    assert state(feed) == "queued"
    with selling.runtime.transaction() as session:
        assert session.scalars(select(FeedSource.fetched_at)).one() is None
