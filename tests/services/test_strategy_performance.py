"""Results per strategy come from the books, say how sure they are, and an experiment counts what it dealt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.models import PricingHistory
from soleflip.services import analytics, strategy_performance
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from soleflip.services.strategy_performance import begin_experiment, end_experiment
from tests.services.sales import entry, make_listing, payout

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOLD = "2026-02-20T10:00:00Z"


def pair(session: Session, books: Books, number: int, strategy: str, paid: str | None, arm: str | None = None) -> None:
    """A listing of a strategy, 10 days before its sale; cost 60."""
    key = f"L{number}"
    listing = make_listing(session, key, cost="60.00", style=f"ST{number:05d}")
    listing.strategy, listing.experiment_arm = strategy, arm
    listing.listed_at = listing.created_at = datetime.fromisoformat(SOLD) - timedelta(days=10)
    session.flush()
    if paid is None:
        return
    sale = entry(
        str(number), listing=key, amount="100", status="COMPLETED", created=SOLD, payout=payout("100", paid, [])
    )
    record(session, [sale], books, NOW, actor="test")
    history = PricingHistory(listing_id=listing.id, old_price=Decimal(101), new_price=Decimal(100), currency="EUR")
    history.change_reason, history.strategy, history.created_at = "algorithm", strategy, NOW - timedelta(days=11)
    session.add(history)
    session.flush()


def unpaid(session: Session, books: Books, number: int, strategy: str, arm: str) -> None:
    """The same, sold but not paid out yet."""
    pair(session, books, number, strategy, None, arm)
    sale = entry(str(number), listing=f"L{number}", amount="100", status="SHIPPED", created=SOLD)
    record(session, [sale], books, NOW, actor="test")


def test_results_come_from_the_books_with_sample_size_and_interval(session: Session, books: Books) -> None:
    for number in range(24):
        pair(session, books, number, "patient", str(90 + number % 3))
        pair(session, books, 100 + number, "hold", str(80 + number % 3))
    pair(session, books, 300, "patient", None)
    pair(session, books, 301, "competitive", "90")
    found = {each.strategy.name: each for each in strategy_performance.strategy_performance(session, books, NOW)}
    patient, hold, competitive = found["patient"], found["hold"], found["competitive"]
    assert (patient.listed, patient.live, patient.changes, patient.changes_per_sale) == (25, 1, 24, 1)
    assert patient.sell_through == 96
    assert patient.figures.profit == Decimal(24 * 31)
    assert patient.profit_per_sale is not None
    assert (patient.profit_per_sale.count, patient.profit_per_sale.value) == (24, patient.figures.average_profit)
    assert patient.profit_per_sale.low < 31 < patient.profit_per_sale.high
    assert patient.days_to_sell == 10
    assert patient.against_hold is not None
    assert (patient.against_hold.value, patient.verdict) == (10, "better")
    assert hold.verdict is None
    assert (competitive.verdict, competitive.profit_per_sale) == ("not enough data yet", None)
    whole = analytics.profit(session, analytics.Period(NOW.date() - timedelta(days=365), NOW.date()), books)
    assert sum(each.figures.profit for each in found.values()) == whole.profit


def test_an_experiment_counts_what_it_dealt_whatever_came_later(session: Session, books: Books) -> None:
    since = datetime.fromisoformat(SOLD) - timedelta(days=20)
    begun = begin_experiment(session, {"patient": 50, "hold": 50}, actor="test", now=since)
    for number in range(25):
        pair(session, books, number, "patient", "90", arm="patient")
        pair(session, books, 100 + number, "hold", "80" if number < 24 else None, arm="hold")
    pair(session, books, 300, "hold", "200")
    pair(session, books, 301, "competitive", "90", arm="patient")
    hold, patient = strategy_performance.arms(session, begun, books, NOW)
    assert (hold.strategy.name, hold.listed, hold.sold, hold.sell_through) == ("hold", 25, 24, 96)
    assert hold.per_pair is not None
    assert hold.per_pair.value == Decimal("19.2")
    assert (patient.listed, patient.sold, patient.verdict) == (26, 26, "better")
    assert patient.per_pair is not None
    assert patient.per_pair.value == 30


def test_both_tables_count_alike_and_a_sale_that_is_not_paid_yet_is_no_zero(session: Session, books: Books) -> None:
    begun = begin_experiment(session, {"patient": 50, "hold": 50}, actor="test", now=NOW - timedelta(days=60))
    for number in range(3):
        pair(session, books, number, "patient", "95", arm="patient")
        unpaid(session, books, 100 + number, "hold", arm="hold")
        pair(session, books, 200 + number, "hold", None, arm="hold")
    unpaid(session, books, 300, "patient", arm="patient")
    pair(session, books, 301, "patient", None, arm="patient")
    by_strategy = {each.strategy.name: each for each in strategy_performance.strategy_performance(session, books, NOW)}
    by_arm = {each.strategy.name: each for each in strategy_performance.arms(session, begun, books, NOW)}
    for name, expected in (("patient", (5, 4, 1)), ("hold", (6, 3, 3))):
        result, arm = by_strategy[name], by_arm[name]
        assert (result.listed, result.sold, result.unpaid) == (arm.listed, arm.sold, arm.unpaid) == expected
        assert result.sell_through == arm.sell_through
    assert by_arm["hold"].per_pair is None
    # Three pairs paid with 35 each, one unsold; what is not paid yet does not count.
    assert by_arm["patient"].per_pair is not None
    assert by_arm["patient"].per_pair.value == Decimal("26.25")


def test_with_few_sales_an_experiment_says_so(session: Session, books: Books) -> None:
    begun = begin_experiment(session, {"patient": 50, "hold": 50}, actor="test", now=NOW - timedelta(days=60))
    for number in range(3):
        pair(session, books, number, "patient", "95", arm="patient")
        pair(session, books, 100 + number, "hold", "80", arm="hold")
    assert [arm.verdict for arm in strategy_performance.arms(session, begun, books, NOW)] == [
        None,
        "not enough data yet",
    ]


def test_one_experiment_at_a_time(session: Session) -> None:
    with pytest.raises(InvalidInput):
        begin_experiment(session, {"magic": 50, "hold": 50}, actor="test", now=NOW)
    begin_experiment(session, {"patient": 50, "hold": 50}, actor="test", now=NOW)
    with pytest.raises(Conflict):
        begin_experiment(session, {"patient": 50, "hold": 50}, actor="test", now=NOW)
    end_experiment(session, actor="test")
    found = strategy_performance.experiment(session)
    assert found is not None
    assert not found.running
    with pytest.raises(Conflict):
        end_experiment(session, actor="test")
