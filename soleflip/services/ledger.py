"""The books: entries of sales, write-offs and penalties; nothing in them is ever changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain import ledger as domain
from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.domain.ledger import Cost, Plan, Posting
from soleflip.domain.money import cents, percent
from soleflip.domain.orders import Line, Stage, status_of
from soleflip.models import (
    AuditEntry,
    Item,
    LedgerEntry,
    PayoutLine,
    Purchase,
    StockxListing,
    StockxOrder,
)
from soleflip.services import rates
from soleflip.services.profit_days import refresh_days
from soleflip.services.runs import Books

NOT_BOOKED = "Not in the books yet:"


def settle(session: Session, order: StockxOrder, books: Books, now: datetime, *, is_paid: bool = False) -> set[date]:
    """Make the books say what an order now says; returns the days whose sums changed. Doing it twice is doing it once.

    1. A final payout books the sale, its payout lines and the item's cost at the time of the sale.
    2. An ended order reverses all of it at the time it ended; a penalty that StockX reports with it is booked then.
    3. A payout that changed after it was booked is a correction: it counts from now on, so that no closed period moves.
    4. A cost belongs to its sale, whenever it becomes known. Anything else leaves the books alone.

    `is_paid`: we know of the payout otherwise, whatever StockX's status says. A sale without a rate stays out, with a
    note that says so.
    """
    status = status_of(order.stockx_status)
    realised = is_paid or order.source == "report" or order.realised_at is not None or status.realised
    ended = status.stage is Stage.ENDED
    if not ended and (not realised or order.net_proceeds is None):
        return set()
    session.execute(select(StockxOrder.id).where(StockxOrder.id == order.id).with_for_update())
    entries = session.scalars(select(LedgerEntry).where(LedgerEntry.order_id == order.id)).all()
    cost = None if ended else _cost(session, order)
    lines = _lines(session, order)
    if not ended:
        wanted = domain.postings_of_sale(order.sale_price, order.currency, lines, cost)
    else:  # what was paid out before the end says nothing of a penalty for it
        is_of_end = status_of(order.payout_status or "").stage is Stage.ENDED
        wanted = domain.penalties_of(order.currency, lines) if is_of_end else ()
    plan = domain.plan(wanted, entries)
    moments = _ended(order, plan, entries, now) if ended else _moments(order, plan, entries, books, now)
    by_id = {entry.id: entry for entry in entries}
    added = [_reversal(by_id[key], moments(by_id[key].kind, by_id[key].booked_at)) for key in plan.reverse]
    try:
        added += [_entry(session, order, posting, books, moments(posting.kind)) for posting in plan.post]
    except InvalidInput as error:  # no rate for its currency: one sale must not hold up all others
        order.match_note = f"{NOT_BOOKED} {error}"
        return set()
    if (order.match_note or "").startswith(NOT_BOOKED):
        order.match_note = None
    session.add_all(added)
    order.realised_at = None if ended else order.realised_at or order.stockx_updated_at or now
    session.flush()
    _write_profit(order, [*entries, *added])
    if not added:
        return set()
    # Whether a correction counts rests on the cost at the sale: a change of either is one of both days.
    return {entry.booked_at.astimezone(books.timezone).date() for entry in (*entries, *added)}


def _ended(order: StockxOrder, plan: Plan, entries: Sequence[LedgerEntry], now: datetime) -> Callable[..., datetime]:
    """When an order ended, by StockX's word; nothing is taken back before it was booked."""
    booked = [entry.booked_at for entry in entries if entry.id in plan.reverse]
    at = max([order.stockx_updated_at or now, *booked])
    return lambda kind, old=None: at


def _moments(
    order: StockxOrder, plan: Plan, entries: Sequence[LedgerEntry], books: Books, now: datetime
) -> Callable[..., datetime]:
    """Return the moment for which an entry of a kind is booked; `old` is that of the entry which it reverses."""
    sold = domain.sold_moment(entries)
    taken = [entry for entry in entries if entry.id in plan.reverse and entry.kind != "cost"]
    # Lines by other names bring the same, unless they stand elsewhere or are rounded into another currency.
    elsewhere = any(entry.booked_at != sold or entry.currency != books.currency for entry in taken)
    corrects = elsewhere or domain.is_correction(plan, entries)
    # A sale that had ended and lives again is news of now, its cost with it.
    first = sold or (now if any(entry.kind == "sale" for entry in entries) else order.sold_at)

    def moment(kind: str, old: datetime | None = None) -> datetime:
        return now if corrects and kind != "cost" else old or first

    return moment


def post_new(session: Session, order: StockxOrder, postings: Iterable[Posting], books: Books) -> set[date]:
    """Book a sale that is known to have no entries yet; returns the days whose sums changed."""
    session.add_all([_entry(session, order, posting, books, order.sold_at) for posting in postings])
    return {order.sold_at.astimezone(books.timezone).date()}


def settle_and_refresh(session: Session, order: StockxOrder, books: Books, now: datetime) -> None:
    """Settle one order and refresh the stored sums of the days it touched."""
    refresh_days(session, settle(session, order, books, now), books, now)


def catch_up(session: Session, books: Books, now: datetime) -> int:
    """Book the costs that became known after their sale; returns how many sales got one."""
    query = (
        select(StockxOrder)
        .join(Item, Item.id == StockxOrder.item_id)
        .where(StockxOrder.realised_at.is_not(None), Item.cost.is_not(None), StockxOrder.net_profit.is_(None))
    )
    orders = session.scalars(query).all()
    days: set[date] = set()
    for order in orders:
        days |= settle(session, order, books, now)
    refresh_days(session, days, books, now)
    return len(orders)


def write_off(session: Session, item_id: UUID, reason: str, *, actor: str, books: Books, now: datetime) -> LedgerEntry:
    """Take an unsold item out of stock and book its cost as a loss; raises InvalidInput when its cost is unknown."""
    item = session.get(Item, item_id, with_for_update=True)
    if item is None:
        raise NotFound("There is no such item.")
    if item.state in ("sold", "written_off", "listed", "reserved"):
        raise Conflict(f"This pair is {item.state.replace('_', ' ')}, so it can't be written off.")
    if item.cost is None:
        raise InvalidInput("Enter what this pair cost first, then write it off.", field="cost")
    posting = Posting("write_off", f"Write-off: {reason}"[:200], -item.cost, item.currency)
    entry = _posted(posting, books, _cost_day(session, item), now)
    entry.item_id = item.id
    item.state = "written_off"
    session.add(entry)
    _audit(session, actor, "write off", str(item.id), {"amount": str(posting.amount), "reason": reason})
    refresh_days(session, {now.astimezone(books.timezone).date()}, books, now)
    return entry


def book_penalty(
    session: Session, order_id: UUID, amount: Decimal, reason: str, *, actor: str, books: Books, now: datetime
) -> LedgerEntry:
    """Book what StockX charged beside the payout, as a positive amount in the order's currency."""
    order = session.get(StockxOrder, order_id, with_for_update=True)
    if order is None:
        raise NotFound("There is no such order.")
    if not amount.is_finite() or amount <= 0:
        raise InvalidInput("A penalty is an amount above zero.", field="amount")
    posting = Posting("penalty", f"Penalty: {reason}"[:200], -cents(amount), order.currency)
    entry = _posted(posting, books, now.date(), now)
    entry.order_id, entry.item_id = order.id, order.item_id
    session.add(entry)
    session.flush()
    _write_profit(order, entries_of(session, order.id))
    _audit(session, actor, "penalty", order.stockx_order_number, {"amount": str(posting.amount), "reason": reason})
    refresh_days(session, {now.astimezone(books.timezone).date()}, books, now)
    return entry


def reverse(session: Session, entry_id: int, *, actor: str, books: Books, now: datetime) -> LedgerEntry:
    """Reverse a penalty or a write-off that was booked by hand; raises Conflict when it is reversed already."""
    entry = session.get(LedgerEntry, entry_id, with_for_update=True)
    if entry is None:
        raise NotFound("There is no such entry.")
    if domain.follows_order(entry) or entry.reverses_id is not None:
        raise Conflict("Only penalties and write-offs are reversed by hand; sales follow StockX.")
    if session.scalar(select(LedgerEntry.id).where(LedgerEntry.reverses_id == entry_id)):
        raise Conflict("This entry is reversed already.")
    reversal = _reversal(entry, now)
    session.add(reversal)
    session.flush()
    if entry.order_id is not None:
        _write_profit(session.get_one(StockxOrder, entry.order_id), entries_of(session, entry.order_id))
    if entry.kind == "write_off" and entry.item_id is not None:
        item = session.get_one(Item, entry.item_id)
        item.state = "in_stock"
    _audit(session, actor, "reverse entry", str(entry_id), {"amount": str(reversal.amount)})
    refresh_days(session, {now.astimezone(books.timezone).date()}, books, now)
    return reversal


def entries_of(session: Session, order_id: UUID) -> list[LedgerEntry]:
    """Return an order's lines of the books, oldest first."""
    query = select(LedgerEntry).where(LedgerEntry.order_id == order_id).order_by(LedgerEntry.id)
    return list(session.scalars(query))


def _lines(session: Session, order: StockxOrder) -> list[Line]:
    rows = session.scalars(
        select(PayoutLine).where(PayoutLine.order_id == order.id).order_by(PayoutLine.position)
    ).all()
    return [Line(row.name, row.kind, row.amount, row.percentage) for row in rows]


def _cost(session: Session, order: StockxOrder) -> Cost | None:
    """The cost of the order's item; that of its listing where there is no item; None when nobody knows."""
    if order.item_id is not None:
        item = session.get_one(Item, order.item_id)
        return Cost(item.cost, item.currency) if item.cost is not None else None
    if order.listing_id is not None:
        listing = session.get_one(StockxListing, order.listing_id)
        return Cost(listing.buy_price, listing.currency) if listing.buy_price is not None else None
    return None


def _cost_day(session: Session, item: Item) -> date:
    """The day whose rate a cost takes: that of its purchase document, else when we first knew the item."""
    purchase = session.get(Purchase, item.purchase_id) if item.purchase_id else None
    return (purchase and purchase.purchased_on) or item.created_at.date()


def _entry(session: Session, order: StockxOrder, posting: Posting, books: Books, booked_at: datetime) -> LedgerEntry:
    day = order.sold_at.astimezone(books.timezone).date()
    if posting.kind == "cost" and order.item_id is not None:
        day = _cost_day(session, session.get_one(Item, order.item_id))
    entry = _posted(posting, books, day, booked_at)
    entry.order_id, entry.item_id = order.id, order.item_id
    return entry


def _posted(posting: Posting, books: Books, rate_day: date, booked_at: datetime) -> LedgerEntry:
    rate = rates.rate(posting.currency, books.currency, rate_day)
    return LedgerEntry(
        kind=posting.kind,
        name=posting.name,
        amount=posting.amount,
        currency=posting.currency,
        books_amount=cents(posting.amount * rate.value),
        books_currency=books.currency,
        rate=rate.value,
        rate_source=rate.source,
        rate_date=rate.day,
        booked_at=booked_at,
    )


def _reversal(entry: LedgerEntry, booked_at: datetime) -> LedgerEntry:
    return LedgerEntry(
        order_id=entry.order_id,
        item_id=entry.item_id,
        kind=entry.kind,
        name=entry.name,
        amount=-entry.amount,
        currency=entry.currency,
        books_amount=-entry.books_amount,
        books_currency=entry.books_currency,
        rate=entry.rate,
        rate_source=entry.rate_source,
        rate_date=entry.rate_date,
        booked_at=booked_at,
        reverses_id=entry.id,
    )


def _write_profit(order: StockxOrder, entries: Iterable[LedgerEntry]) -> None:
    """Keep what the ledger says of an order beside it, in its currency, for lists that sort by it."""
    found = domain.earned(entries, order.currency)
    profit = found.profit if found else None
    cost = found.cost if found and order.realised_at is not None else None
    order.original_buy_price = cost
    order.gross_profit = order.sale_price - cost if cost is not None else None
    order.net_profit = profit
    order.actual_margin = percent(profit, order.sale_price) if profit is not None and cost is not None else None
    order.roi = percent(profit, cost) if profit is not None and cost is not None else None


def _audit(session: Session, actor: str, act: str, subject: str, after: dict[str, Any]) -> None:
    session.add(AuditEntry(actor=actor, act=act, subject=subject, after=after))
    session.flush()
