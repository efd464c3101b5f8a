"""Orders: sales under way and over, each with its timeline, its payout lines and its lines in the books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, Response
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    AskedAmount,
    AskedDay,
    Moment,
    Number,
    Page,
    Paged,
    Percent,
    Shape,
    Started,
    seal,
    started,
    unseal,
)
from soleflip.api.unit import actor, now, runtime, session, start_run
from soleflip.domain.errors import NotFound
from soleflip.domain.money import ZERO
from soleflip.domain.orders import document_id, document_links, status_of
from soleflip.models import StockxOrder
from soleflip.services import costs, ledger, order_book, order_pages

bp = Blueprint("orders", __name__)

TAG = "Orders"
PDF = "application/pdf"


class HistoryQuery(Paged):
    """Which orders that are over are wanted: by the day of the sale, in the operator's time zone."""

    start_date: AskedDay | None = None
    end_date: AskedDay | None = Field(default=None, description="The last day, included.")


class OrderShape(Shape):
    """A sale on StockX: amounts in `currency`."""

    id: UUID
    order_number: str
    order_status: str = Field(description="pending, authenticated, shipped, completed or cancelled")
    stockx_status: str = Field(description="StockX's own word for it.")
    stage: str
    title: str | None
    style_code: str | None
    size: str | None
    currency: str
    sale_price: Amount
    net_proceeds: Amount | None = Field(description="What StockX pays; missing until it has said so.")
    estimated_payout: Amount | None
    original_buy_price: Amount | None
    net_profit: Amount | None = Field(description="Payout less cost and penalties; missing while the cost is unknown.")
    actual_margin: Percent | None
    roi: Percent | None
    match_state: str
    listing_id: UUID | None
    item_id: UUID | None
    sold_at: Moment
    ship_by: Moment | None
    shipped_at: Moment | None
    completed_at: Moment | None
    paid_at: Moment | None
    tracking_number: str | None
    tracking_url: str | None

    @classmethod
    def of(cls, order: StockxOrder) -> OrderShape:
        """Write an order."""
        return cls(**_facts(order))


class OrderPage(Page[OrderShape]):
    """A page of orders, the newest sale first."""


class EventShape(Shape):
    """A status that StockX showed, and when we first saw it."""

    stockx_status: str
    label: str
    at: Moment


class PayoutLineShape(Shape):
    """One adjustment of a payout as StockX named it; fees are negative."""

    name: str
    kind: str
    amount: Amount
    percentage: Number | None


class EntryShape(Shape):
    """One line of the books."""

    id: int
    kind: str
    name: str
    amount: Amount
    currency: str
    books_amount: Amount
    books_currency: str
    rate: Number
    booked_at: Moment
    reverses_id: int | None


class CandidateShape(Shape):
    """A pair that the sale may have been of."""

    id: UUID
    state: str
    cost: Amount | None
    currency: str


class OrderDetail(OrderShape):
    """An order in full."""

    off_by: Amount | None = Field(description="Payout less estimate.")
    penalties: Amount = Field(description="What was charged beside the payout, in the books' currency; negative.")
    profit_in_books: Amount | None = Field(description="In the books' currency: what analytics and tax report count.")
    books_currency: str | None
    events: list[EventShape]
    payout_lines: list[PayoutLineShape]
    entries: list[EntryShape]
    candidates: list[CandidateShape] = Field(description="Pairs it may have been of, while that is not known.")


class DocumentShape(Shape):
    """One document of a Direct order; its address expires."""

    name: str
    url: str


class DocumentList(Shape):
    """The documents of a Direct order."""

    items: list[DocumentShape]


class NamedItem(Asked):
    """Which pair was sold; null when it was none of the stock's."""

    item_id: UUID | None


class PairCost(Asked):
    """What the pair of an order cost, in the books' currency, and where it was bought."""

    cost: AskedAmount
    bought: AskedDay | None = None
    supplier: str | None = Field(default=None, max_length=120)
    document: str | None = Field(default=None, max_length=120)


class Penalty(Asked):
    """What StockX charged beside the payout, in the order's currency."""

    amount: AskedAmount = Field(gt=Decimal(0))
    reason: str = Field(default="charged by StockX", min_length=1, max_length=150)


@bp.get("/orders/active")
@operation(TAG, "read", OrderPage)
def list_active_orders(query: Paged) -> OrderPage:
    """List the sales under way."""
    found, cursor = order_pages.active(session(), after=unseal(query.cursor), limit=query.limit)
    return OrderPage(items=[OrderShape.of(order) for order in found], next_cursor=seal(cursor))


@bp.get("/orders/history")
@operation(TAG, "read", OrderPage)
def list_past_orders(query: HistoryQuery) -> OrderPage:
    """List the orders that are over."""
    found, cursor = order_pages.history(
        session(),
        runtime().books,
        first=query.start_date,
        last=query.end_date,
        after=unseal(query.cursor),
        limit=query.limit,
    )
    return OrderPage(items=[OrderShape.of(order) for order in found], next_cursor=seal(cursor))


@bp.get("/orders/<number>")
@operation(TAG, "read", OrderDetail)
def show_order(number: str) -> OrderDetail:
    """Show one order with its timeline, payout lines and lines in the books."""
    return _detail(number)


@bp.get("/orders/<number>/label")
@operation(TAG, "read", files={PDF: "The shipping document."})
def show_label(number: str) -> Response:
    """Hand the shipping document through from StockX."""
    order = order_pages.by_number(session(), number)
    if not order.shipping_id:
        raise NotFound("StockX has not made a shipping document for this order yet. Sync, then try again.")
    content = runtime().stockx.shipping_document(order.stockx_order_number, order.shipping_id)
    return Response(content, mimetype=PDF, headers={"Cache-Control": "no-store"})


@bp.get("/orders/<number>/documents/<key>")
@operation(TAG, "read", files={PDF: "A document of a Direct order."})
def show_document(number: str, key: str) -> Response:
    """Hand one of a Direct order's documents through from StockX."""
    order = order_pages.by_number(session(), number)
    content = runtime().stockx.shipping_document(order.stockx_order_number, key)
    return Response(content, mimetype=PDF, headers={"Cache-Control": "no-store"})


@bp.get("/orders/<number>/documents")
@operation(TAG, "read", DocumentList)
def list_documents(number: str) -> DocumentList:
    """List the documents of a Direct order as StockX gives them now."""
    order = order_pages.by_number(session(), number)
    if order.inventory_type != "DIRECT":
        raise NotFound("Only Direct orders have a set of documents; the others have their shipping document.")
    answer = runtime().stockx.shipping_documents(order.stockx_order_number)
    api = runtime().settings.stockx_api_url.rstrip("/")
    found = document_links(answer.shipping_documents, api)
    links = [(name, url, document_id(url, api, order.stockx_order_number)) for name, url in found]
    own = f"/api/v1/orders/{order.stockx_order_number}/documents"
    return DocumentList(
        items=[DocumentShape(name=name, url=f"{own}/{key}" if key else url) for name, url, key in links]
    )


@bp.post("/orders/<number>/item")
@operation(TAG, "admin", OrderDetail, acts=True)
def name_item(number: str, json: NamedItem) -> OrderDetail:
    """Say which pair an order was of; the books follow."""
    order = order_pages.by_number(session(), number)
    order_book.name_item(session(), order.id, json.item_id, actor=actor(), books=runtime().books, now=now())
    return _detail(number)


@bp.put("/orders/<number>/cost")
@operation(TAG, "admin", OrderDetail, acts=True)
def set_cost(number: str, json: PairCost) -> OrderDetail:
    """Enter or correct what the pair of an order cost; the books follow."""
    order = order_pages.by_number(session(), number)
    costs.set_cost(session(), order.id, actor=actor(), books=runtime().books, now=now(), **json.model_dump())
    return _detail(number)


@bp.post("/orders/<number>/penalties")
@operation(TAG, "admin", OrderDetail, acts=True)
def book_penalty(number: str, json: Penalty) -> OrderDetail:
    """Book what StockX charged beside the payout."""
    order = order_pages.by_number(session(), number)
    ledger.book_penalty(session(), order.id, json.amount, json.reason, actor=actor(), books=runtime().books, now=now())
    return _detail(number)


@bp.post("/orders/<number>/entries/<int(max=9223372036854775807):entry_id>/reverse")
@operation(TAG, "admin", OrderDetail, acts=True)
def reverse_entry(number: str, entry_id: int) -> OrderDetail:
    """Reverse a penalty that was booked by hand."""
    order = order_pages.by_number(session(), number)
    if entry_id not in {entry.id for entry in ledger.entries_of(session(), order.id)}:
        raise NotFound("This order has no such entry.")
    ledger.reverse(session(), entry_id, actor=actor(), books=runtime().books, now=now())
    return _detail(number)


@bp.post("/sync/orders")
@operation(TAG, "list", Started, status=202, acts=True)
def sync_orders() -> Any:
    """Read our orders from StockX now: follow the run."""
    return started(start_run("order_sync"))


def _detail(number: str) -> OrderDetail:
    found = order_book.show(session(), order_pages.by_number(session(), number).id, now())
    return OrderDetail(
        **_facts(found.line.order),
        off_by=found.off_by,
        penalties=found.earned.other if found.earned else ZERO,
        profit_in_books=found.earned.profit if found.earned else None,
        books_currency=found.books_currency,
        events=[
            EventShape(stockx_status=event.stockx_status, label=status.label, at=event.at)
            for event, status in found.events
        ],
        payout_lines=[PayoutLineShape.model_validate(line) for line in found.payout_lines],
        entries=[EntryShape.model_validate(entry) for entry in found.entries],
        candidates=[CandidateShape.model_validate(item) for item in found.candidates],
    )


def _facts(order: StockxOrder) -> dict[str, Any]:
    """Return the values of everything that an OrderShape has."""
    facts = {name: getattr(order, name) for name in OrderShape.model_fields if name not in ("order_number", "stage")}
    return facts | {"order_number": order.stockx_order_number, "stage": status_of(order.stockx_status).stage.value}
