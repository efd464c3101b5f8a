"""Orders exactly once: which pages and single orders are read from StockX, and from when on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.orders import needs_detail, status_of
from soleflip.domain.words import count_of
from soleflip.models import RunLine, Setting, StockxOrder
from soleflip.models.orders import UNSETTLED
from soleflip.services import ledger, market_memory, runs
from soleflip.services.order_snapshots import Recorded, record, record_detail
from soleflip.services.runs import Work
from soleflip.stockx import StockXNotFound
from soleflip.stockx.orders import OrderEntry

CHUNK = 100
WATERMARK = "orders_sync"
OVERLAP = timedelta(days=2)
DEEP_EVERY = timedelta(days=1)
DEEP_WINDOW = timedelta(days=90)
MISSING_AT_ONCE = 20
MISSING_AGAIN = timedelta(hours=6)


def sync(work: Work) -> str:
    """Bring orders and books in line with StockX: active orders, then ended ones, then single calls where due.

    1. Each hundred orders are recorded in one transaction, books included, so a killed run loses nothing.
    2. Ended orders are read from the watermark back by an overlap, once a day from further back, at first all of them.
    3. A single-order call is made only where its payout or shipment is due (`needs_detail`).
    """
    tally = Tally()
    began = work.clock()
    _read(work, work.stockx.active_orders(), tally)
    _read(work, work.stockx.historical_orders(from_date=_history_start(work, began)), tally)
    with work.transaction() as session:
        _save_watermark(session, began)
    _fetch_details(work, tally)
    with work.transaction() as session:
        late_costs = ledger.catch_up(session, work.books, work.clock())
        market_memory.learn_own_sales(session)
        waiting = review_count(session)
    sentence = f"{count_of(tally.seen, 'order')} seen, {tally.new} new, {tally.changed} changed"
    sentence += f", {count_of(tally.details, 'detail')} fetched"
    if late_costs:
        sentence += f", {count_of(late_costs, 'cost')} booked"
    return sentence + (f"; {count_of(waiting, 'order waits', 'orders wait')} for your decision." if waiting else ".")


@dataclass(slots=True)
class Tally:
    """What one sync did, in counts."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    details: int = 0
    numbers: set[str] = field(default_factory=set)


def review_count(session: Session) -> int:
    """Return how many orders wait for the operator to name their item."""
    return session.scalar(select(func.count(StockxOrder.id)).where(StockxOrder.match_state == "review")) or 0


def _read(work: Work, entries: Iterator[OrderEntry], tally: Tally) -> None:
    while chunk := list(islice(entries, CHUNK)):
        with work.transaction() as session:
            done = record(session, chunk, work.books, work.clock(), actor=work.actor)
            _note(session, work, done, tally)
        tally.seen += done.seen
        tally.new += done.new
        tally.changed += done.changed
        tally.numbers |= {entry.order_number for entry in chunk}
        work.progress(done=tally.seen, seen=tally.seen, new=tally.new, changed=tally.changed)


def _note(session: Session, work: Work, done: Recorded, tally: Tally) -> None:
    """Write each new or changed order into the run's log, as far as anybody reads it."""
    touched = [("new", order) for order in done.made] + [("changed", order) for order in done.moved]
    shown = touched[: max(runs.LINES - tally.new - tally.changed, 0)]
    session.add_all(
        RunLine(
            run_id=work.run_id,
            outcome=outcome,
            subject_id=order.id,
            sentence=f"Order {order.stockx_order_number}, {order.title or 'a pair'}: "
            f"{status_of(order.stockx_status).label}, {order.sale_price} {order.currency}.",
        )
        for outcome, order in shown
    )


def _fetch_details(work: Work, tally: Tally) -> None:
    with work.transaction() as session:
        due = _due_details(session, tally.numbers, work.clock())
    for number in due:
        try:
            detail = work.stockx.order(number)
        except StockXNotFound:
            work.note("missing", f"StockX does not know order {number}.")
            continue
        with work.transaction() as session:
            record_detail(session, detail, work.books, work.clock(), actor=work.actor)
        tally.details += 1
        work.progress(details=tally.details)


def _due_details(session: Session, seen: set[str], now: datetime) -> list[str]:
    """Numbers of orders that need a single call: what to ship first, then the oldest; a few that left both lists."""
    query = select(StockxOrder).where(text(UNSETTLED)).order_by(StockxOrder.ship_by.nulls_first(), StockxOrder.sold_at)
    due, missing = [], []
    for order in session.scalars(query):
        if needs_detail(
            order.stockx_status,
            detailed=order.detailed_status,
            has_ship_by=order.ship_by is not None,
            has_tracking=order.tracking_number is not None,
            payout_from=order.payout_status,
        ):
            due.append(order.stockx_order_number)
        elif order.stockx_order_number not in seen and (
            order.detailed_at is None or order.detailed_at < now - MISSING_AGAIN
        ):
            missing.append(order.stockx_order_number)
    return due + missing[:MISSING_AT_ONCE]


def _history_start(work: Work, now: datetime) -> date | None:
    """The creation day from which ended orders are read; None the first time."""
    with work.transaction() as session:
        mark = session.scalar(select(Setting.value).where(Setting.key == WATERMARK))
        oldest = session.scalar(
            select(StockxOrder.sold_at).where(text(UNSETTLED)).order_by(StockxOrder.sold_at).limit(1)
        )
    if not mark:
        return None
    until = datetime.fromisoformat(mark["until"])
    start = min(until - OVERLAP, max((oldest or until) - timedelta(days=1), now - DEEP_WINDOW))
    if now - datetime.fromisoformat(mark["deep_at"]) >= DEEP_EVERY:
        start = min(start, now - DEEP_WINDOW)
    return start.date()


def _save_watermark(session: Session, began: datetime) -> None:
    mark = session.scalar(select(Setting.value).where(Setting.key == WATERMARK)) or {}
    deep = datetime.fromisoformat(mark["deep_at"]) if mark else None
    is_deep = deep is None or began - deep >= DEEP_EVERY
    value = {"until": began.isoformat(), "deep_at": began.isoformat() if is_deep else mark["deep_at"]}
    statement = insert(Setting).values(key=WATERMARK, value=value)
    session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
