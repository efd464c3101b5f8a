"""Several syncs at once, and one that is killed: each order, each line of the books, exactly once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from soleflip.domain.analytics import period_of
from soleflip.models import LedgerEntry, OrderEvent, PayoutLine, StockxListing, StockxOrder
from soleflip.services import analytics, orders, runs
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books, Work
from tests.services.sales import OrdersOfStockX, entry, make_listing, payout, snapshot

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVER = period_of("all", NOW.date())
COUNT = 12


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def transaction(engine: Engine) -> Any:
    @contextmanager
    def begin() -> Iterator[Session]:
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    with begin() as session:
        for number in range(COUNT):
            make_listing(session, f"L{number}", style=f"S{number}")
    return begin


def counts(session: Session) -> list[int]:
    tables: list[Any] = [StockxOrder, OrderEvent, PayoutLine, LedgerEntry]
    return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_four_syncs_at_once_record_each_sale_once(transaction: Any, books: Books) -> None:
    paid = payout("48.94", "38.03")
    page = [entry(f"{n}-{n}", "COMPLETED", listing=f"L{n}", payout=paid) for n in range(COUNT)]
    failures: list[BaseException] = []

    def sync(seed: int) -> None:
        dice = random.Random(seed)
        try:
            for _ in range(3):
                shuffled = dice.sample(page, len(page))
                with transaction() as session:
                    record(session, shuffled, books, NOW, actor="test")
        except BaseException as error:  # the test shows it
            failures.append(error)

    threads = [Thread(target=sync, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with transaction() as session:
        assert counts(session) == [COUNT, COUNT, 4 * COUNT, 6 * COUNT]
        figures = analytics.profit(session, EVER, books)
        assert figures.profit == COUNT * Decimal("18.03")
        assert analytics.full_sum(session, EVER, books) == figures
        assert set(session.scalars(select(StockxListing.status))) == {"sold"}


def test_a_sync_that_dies_between_two_steps_goes_on_where_it_was(
    transaction: Any, books: Books, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stockx = OrdersOfStockX()
    stockx.ended = [snapshot(f"{n}-{n}", "COMPLETED", listing=f"L{n}") for n in range(COUNT)]
    stockx.details = {
        order["orderNumber"]: order | {"payout": payout("48.94", "38.03"), "shipment": None} for order in stockx.ended
    }
    monkeypatch.setattr(orders, "CHUNK", 5)
    dice = random.Random(1)

    @contextmanager
    def dying() -> Iterator[Session]:
        with transaction() as session:
            yield session
            if dice.random() < 0.1:
                raise OperationalError("the server went away", None, Exception())
        if dice.random() < 0.1:
            raise OperationalError("the connection broke after the commit", None, Exception())

    with transaction() as session:
        run = runs.start(session, "order_sync", actor="test")
    work = Work(run.id, {}, "test", dying, stockx, clock, books)  # type: ignore[arg-type]
    deaths = 0
    while True:
        try:
            orders.sync(work)
            break
        except OperationalError:
            deaths += 1
            assert deaths < 500
    assert deaths > 3
    assert len(stockx.asked) < 2 * COUNT, "what was fetched is not fetched again"
    with transaction() as session:
        assert counts(session) == [COUNT, COUNT, 4 * COUNT, 6 * COUNT]
        assert analytics.profit(session, EVER, books).profit == COUNT * Decimal("18.03")
