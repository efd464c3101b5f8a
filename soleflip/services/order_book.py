"""What the Orders pages show: what to ship, what is on its way, what StockX owes, and which pair a sale was of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, joinedload

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.domain.ledger import Earned, earned, follows_order
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.orders import STATUSES, Stage, Status, TimeLeft, status_of, time_left, usual_wait
from soleflip.models import (
    AuditEntry,
    Item,
    LedgerEntry,
    OrderEvent,
    PayoutLine,
    Run,
    StockxListing,
    StockxOrder,
)
from soleflip.services import ledger
from soleflip.services.order_snapshots import sell
from soleflip.services.runs import Books
from soleflip.services.stock import TO_BUY

PAGE = 50
QUEUE = 50
STAGES = {
    "ship": "To ship",
    "transit": "On the way",
    "payout": "Payout due",
    "overdue": "Payout overdue",
    "paid": "Paid",
    "ended": "Cancelled or returned",
    "unknown": "Unknown status",
}
MATCHES = {"review": "Pair not known yet", "matched": "Pair known", "past": "From the seller report"}
_STAGE = {
    "ship": Stage.SHIP,
    "transit": Stage.TRANSIT,
    "payout": Stage.PAYOUT_DUE,
    "paid": Stage.PAID,
    "ended": Stage.ENDED,
}
SORTS: dict[str, Any] = {
    "sold": StockxOrder.sold_at,
    "price": StockxOrder.sale_price,
    "payout": StockxOrder.net_proceeds,
    "profit": StockxOrder.net_profit,
    "roi": StockxOrder.roi,
}
NOWHERE = Decimal("-99999999")
"""Where an order without the sorted amount stands: below all others."""


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What the address says: stage, match, words, order and cursor."""

    stage: str | None = None
    match: str | None = None
    text: str = ""
    sort: str = "-sold"
    after: str | None = None

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> OrderFilter:
        """Read a query string; values that mean nothing are left out."""
        sort = args.get("sort", "")
        return cls(
            stage=args["stage"] if args.get("stage") in STAGES else None,
            match=args["match"] if args.get("match") in MATCHES else None,
            text=args.get("q", "").strip()[:100],
            sort=sort if sort.removeprefix("-") in SORTS else "-sold",
            after=args.get("after") or None,
        )


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One order in a list, with what its status means and how long there is to ship."""

    order: StockxOrder
    status: Status
    left: TimeLeft | None

    @property
    def is_to_buy(self) -> bool:
        """Whether the pair that was sold is not bought yet."""
        return self.order.item is not None and self.order.item.note == TO_BUY

    @property
    def payout(self) -> Decimal | None:
        """What StockX pays or paid; as estimated while it has not said."""
        return self.order.net_proceeds if self.order.net_proceeds is not None else self.order.estimated_payout

    @property
    def is_estimate(self) -> bool:
        """Whether the payout is our estimate."""
        return self.order.net_proceeds is None


@dataclass(frozen=True, slots=True)
class OrderOverview:
    """The Orders page: the ship-by queue, the table, counts by stage, and the last sync."""

    filter: OrderFilter
    queue: tuple[OrderLine, ...]
    lines: tuple[OrderLine, ...]
    next: str | None
    counts: dict[str, int]
    wait: timedelta
    run: Run | None


def overview(session: Session, wanted: OrderFilter, now: datetime) -> OrderOverview:
    """Read the Orders page in three statements: the usual wait with the last sync, the counts, and the orders."""
    wait, run = wait_and_sync(session)
    queue, rows = _orders(session, wanted, now - wait)
    lines = tuple(_line(order, now) for order in rows[:PAGE])
    return OrderOverview(
        filter=wanted,
        queue=tuple(_line(order, now) for order in queue),
        lines=lines,
        next=_cursor(lines[-1].order, wanted) if len(rows) > PAGE else None,
        counts=_counts(session, now - wait),
        wait=wait,
        run=run,
    )


def sales(
    session: Session, wanted: OrderFilter, now: datetime, *, limit: int = PAGE
) -> tuple[Sequence[StockxOrder], str | None]:
    """Return a page of the table alone and the cursor of the page behind it; raises InvalidInput."""
    # How long a payout usually takes is summed over many orders: only the overdue ones ask for it.
    wait = wait_and_sync(session)[0] if wanted.stage == "overdue" else timedelta(0)
    query = _behind(_filtered(select(StockxOrder), wanted, now - wait), wanted).order_by(*_ends(wanted))
    rows = session.scalars(query.limit(limit + 1)).all()
    return rows[:limit], _cursor(rows[limit - 1], wanted) if len(rows) > limit else None


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """Everything about one order; `off_by` is how much more StockX paid than was estimated."""

    line: OrderLine
    events: tuple[tuple[OrderEvent, Status], ...]
    payout_lines: Sequence[PayoutLine]
    entries: Sequence[LedgerEntry]
    candidates: Sequence[Item]
    reversed_ids: frozenset[int]

    def can_be_reversed(self, entry: LedgerEntry) -> bool:
        """Whether the operator may take a line of the books back: a penalty booked by hand that still stands."""
        stands = entry.reverses_id is None and entry.id not in self.reversed_ids
        return entry.kind == "penalty" and stands and not follows_order(entry)

    @property
    def books_currency(self) -> str | None:
        """The currency of the books, None while the order has no line in them."""
        return self.entries[-1].books_currency if self.entries else None

    @property
    def earned(self) -> Earned | None:
        """What the order's lines of the books come to, in the books' currency: what analytics and tax report count."""
        return earned(self.entries, self.books_currency) if self.books_currency else None

    @property
    def expected_profit(self) -> Decimal | None:
        """What a sale under way should earn, in the order's currency; None once it is booked or over, or not known."""
        order = self.line.order
        item, payout = order.item, self.line.payout
        if order.realised_at is not None or order.order_status == "cancelled" or item is None or payout is None:
            return None
        return payout - item.cost if item.cost is not None and item.currency == order.currency else None

    @property
    def off_by(self) -> Decimal | None:
        """Payout less estimate, in the order's currency."""
        order = self.line.order
        if order.net_proceeds is None or order.estimated_payout is None:
            return None
        return order.net_proceeds - order.estimated_payout


def show(session: Session, order_id: UUID, now: datetime) -> OrderDetail:
    """Return one order with its timeline, payout lines and lines in the books; raises NotFound."""
    query = select(StockxOrder).where(StockxOrder.id == order_id)
    order = session.scalar(query.options(joinedload(StockxOrder.item).joinedload(Item.purchase)))
    if order is None:
        raise NotFound("There is no such order.")
    events = session.scalars(select(OrderEvent).where(OrderEvent.order_id == order_id).order_by(OrderEvent.at)).all()
    lines = session.scalars(
        select(PayoutLine).where(PayoutLine.order_id == order_id).order_by(PayoutLine.position)
    ).all()
    entries = ledger.entries_of(session, order_id)
    return OrderDetail(
        line=_line(order, now),
        events=tuple((event, status_of(event.stockx_status)) for event in events),
        payout_lines=lines,
        entries=entries,
        candidates=_candidates(session, order),
        reversed_ids=frozenset(entry.reverses_id for entry in entries if entry.reverses_id),
    )


def name_item(
    session: Session, order_id: UUID, item_id: UUID | None, *, actor: str, books: Books, now: datetime
) -> StockxOrder:
    """Take the operator's word which pair an order was of, or that it was none of the stock's; books follow."""
    order = session.get(StockxOrder, order_id, with_for_update=True)
    if order is None:
        raise NotFound("There is no such order.")
    if order.match_state != "review":
        raise Conflict("This order has its pair already.")
    if item_id is None:
        order.match_state, order.match_note = "past", "None of our stock, says the operator."
    else:
        item = session.get(Item, item_id, with_for_update=True)
        if item is None or (order.catalog_variant_id is not None and item.variant_id != order.catalog_variant_id):
            raise InvalidInput("This pair is of another size than the order.", field="item")
        if item.state in ("sold", "written_off"):
            raise Conflict("This pair is no longer in stock.")
        listing = session.scalar(
            select(StockxListing).where(StockxListing.item_id == item.id, StockxListing.status.in_(_LIVE_STATES))
        )
        order.item_id, order.listing_id = item.id, listing.id if listing else None
        order.product_id, order.catalog_variant_id = item.product_id, item.variant_id
        order.match_state, order.match_note = "matched", f"Named by {actor}."
        session.flush()
        sell(session, order, actor=actor, now=now)
    session.add(
        AuditEntry(actor=actor, act="name item", subject=order.stockx_order_number, after={"item": str(item_id)})
    )
    ledger.settle_and_refresh(session, order, books, now)
    return order


_LIVE_STATES = tuple(LIVE_STATES)


def _line(order: StockxOrder, now: datetime) -> OrderLine:
    status = status_of(order.stockx_status)
    left = time_left(order.ship_by, now) if order.ship_by and status.stage is Stage.SHIP else None
    return OrderLine(order, status, left)


def _orders(
    session: Session, wanted: OrderFilter, overdue_before: datetime
) -> tuple[list[StockxOrder], list[StockxOrder]]:
    """Read the ship-by queue and a page of the table, both in their order, in one statement."""
    names = [name for name, status in STATUSES.items() if status.stage is Stage.SHIP]
    by_time = (StockxOrder.ship_by.nulls_last(), StockxOrder.sold_at, StockxOrder.id)
    queue = (
        select(StockxOrder.id, literal("queue").label("part"), func.row_number().over(order_by=by_time).label("place"))
        .where(StockxOrder.order_status == "pending", StockxOrder.stockx_status.in_(names))
        .order_by(*by_time)
        .limit(QUEUE)
    )
    ends = _ends(wanted)
    table = select(StockxOrder.id, literal("table"), func.row_number().over(order_by=ends))
    table = _behind(_filtered(table, wanted, overdue_before), wanted).order_by(*ends).limit(PAGE + 1)
    parts = queue.union_all(table).subquery()
    query = (
        select(StockxOrder, parts.c.part)
        .join(parts, parts.c.id == StockxOrder.id)
        .options(joinedload(StockxOrder.item))
        .order_by(parts.c.place)
    )
    found: dict[str, list[StockxOrder]] = {"queue": [], "table": []}
    for order, part in session.execute(query):
        found[part].append(order)
    return found["queue"], found["table"]


def stage_is(stage: str, overdue_before: datetime) -> ColumnElement[bool]:
    """Say in SQL whether an order is in a stage of STAGES."""
    if stage == "overdue":
        return and_(
            StockxOrder.order_status.in_(("shipped", "authenticated")),
            StockxOrder.paid_at.is_(None),
            StockxOrder.sold_at < overdue_before,
        )
    if stage == "unknown":
        return StockxOrder.stockx_status.not_in(list(STATUSES))
    return StockxOrder.stockx_status.in_([name for name, found in STATUSES.items() if found.stage is _STAGE[stage]])


def _counts(session: Session, overdue_before: datetime) -> dict[str, int]:
    stages = ("ship", "transit", "payout", "overdue", "unknown")
    columns = [func.count().filter(stage_is(stage, overdue_before)) for stage in stages]
    query = select(*columns, func.count().filter(StockxOrder.match_state == "review"))
    is_open = or_(
        StockxOrder.order_status.in_(("pending", "shipped", "authenticated")), StockxOrder.match_state == "review"
    )
    *counts, review = session.execute(query.where(is_open)).one()
    return dict(zip(stages, counts, strict=True)) | {"review": review}


def wait_and_sync(session: Session) -> tuple[timedelta, Run | None]:
    """How long the seller's own payouts usually take, from the newest thousand, and the last sync beside it."""
    waits = (
        select((StockxOrder.paid_at - StockxOrder.sold_at).label("wait"))
        .where(StockxOrder.paid_at.is_not(None), StockxOrder.order_status == "completed")
        .order_by(StockxOrder.sold_at.desc())
        .limit(1000)
        .subquery()
    )
    last = select(Run.id).where(Run.kind == "order_sync").order_by(Run.created_at.desc()).limit(1).scalar_subquery()
    one = select(func.array_agg(waits.c.wait).label("waits")).subquery()
    found, run = session.execute(select(one.c.waits, Run).outerjoin(Run, Run.id == last)).one()
    return usual_wait(found or []), run


def _filtered(query: Select[Any], wanted: OrderFilter, overdue_before: datetime) -> Select[Any]:
    if wanted.stage:
        query = query.where(stage_is(wanted.stage, overdue_before))
    if wanted.match:
        query = query.where(StockxOrder.match_state == wanted.match)
    if wanted.text:
        words = f"%{wanted.text.replace('%', '').replace('_', '')}%"
        columns = (StockxOrder.title, StockxOrder.style_code, StockxOrder.stockx_order_number, StockxOrder.payout_id)
        query = query.where(or_(*(column.ilike(words) for column in columns)))
    return query


def _key(wanted: OrderFilter) -> tuple[Any, bool]:
    name = wanted.sort.removeprefix("-")
    column = SORTS[name]
    return (column if name in ("sold", "price") else func.coalesce(column, NOWHERE)), wanted.sort.startswith("-")


def _behind(query: Select[Any], wanted: OrderFilter) -> Select[Any]:
    """Begin behind the cursor."""
    if not wanted.after:
        return query
    key, down = _key(wanted)
    here, there = tuple_(key, StockxOrder.id), tuple_(*_read_cursor(wanted))
    return query.where(here < there if down else here > there)


def _ends(wanted: OrderFilter) -> tuple[Any, Any]:
    """The order of the table."""
    key, down = _key(wanted)
    return (key.desc(), StockxOrder.id.desc()) if down else (key, StockxOrder.id)


def _cursor(order: StockxOrder, wanted: OrderFilter) -> str:
    value = getattr(order, SORTS[wanted.sort.removeprefix("-")].key)
    text = value.isoformat() if isinstance(value, datetime) else str(NOWHERE if value is None else value)
    return f"{text}~{order.id}"


def _read_cursor(wanted: OrderFilter) -> tuple[Any, UUID]:
    try:
        text, _, key = (wanted.after or "").partition("~")
        value = datetime.fromisoformat(text) if wanted.sort.endswith("sold") else Decimal(text)
        return value, UUID(key)
    except (ValueError, ArithmeticError):
        raise InvalidInput("This page's address is damaged. Go back to the first page.", field="after") from None


def _candidates(session: Session, order: StockxOrder) -> Sequence[Item]:
    """Pairs that can be meant: unsold, of the order's size; of the same product when the size is not known."""
    if order.match_state != "review" or (order.catalog_variant_id is None and order.product_id is None):
        return []
    same = (
        Item.variant_id == order.catalog_variant_id if order.catalog_variant_id else Item.product_id == order.product_id
    )
    query = select(Item).where(same, Item.state.not_in(("sold", "written_off")))
    return session.scalars(query.options(joinedload(Item.purchase)).order_by(Item.created_at).limit(50)).all()
