"""Orders: what to ship first, every sale with its timeline and payout lines, labels through the app."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from uuid import UUID

from flask import Blueprint, Response, flash, g, make_response, request, url_for

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.money import plain_number
from soleflip.domain.orders import document_id, document_links
from soleflip.models import StockxOrder
from soleflip.services import costs, ledger, order_book
from soleflip.services.order_book import OrderFilter
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, start_run

bp = Blueprint("orders", __name__, url_prefix="/orders")


@bp.get("")
def index() -> Response:
    """Show the ship-by queue and all orders."""
    view = order_book.overview(g.session, OrderFilter.from_args(request.args), now())
    return page(
        "orders/page.html", "orders/_table.html", view=view, stages=order_book.STAGES, matches=order_book.MATCHES
    )


@bp.post("/sync")
def sync() -> Response:
    """Read our orders from StockX now."""
    start_run("order_sync")
    return go(url_for("orders.index"))


@bp.get("/<uuid:order_id>")
def show(order_id: UUID) -> Response:
    """Show one order."""
    view = order_book.show(g.session, order_id, now())
    return page("orders/show.html", "orders/_order.html", view=view, order=view.line.order)


@bp.post("/<uuid:order_id>/item")
def name_item(order_id: UUID) -> Response:
    """Take the operator's word which pair this sale was of."""
    chosen = request.form.get("item", "")
    item_id = None if chosen == "none" else _uuid(chosen)
    order_book.name_item(g.session, order_id, item_id, actor=actor(), books=runtime().books, now=now())
    flash("The order has its pair." if item_id else "The order counts as a sale outside your stock.", "success")
    return go(url_for("orders.show", order_id=order_id))


@bp.post("/<uuid:order_id>/cost")
def cost(order_id: UUID) -> Response:
    """Enter or correct what the pair cost, and where it was bought."""
    form = request.form
    costs.set_cost(
        g.session,
        order_id,
        _amount(form.get("cost", "")),
        bought=_day(form.get("bought", "")),
        supplier=form.get("supplier", "").strip()[:120],
        document=form.get("document", "").strip()[:120],
        actor=actor(),
        books=runtime().books,
        now=now(),
    )
    flash("The cost is in the books.", "success")
    return go(url_for("orders.show", order_id=order_id))


@bp.post("/<uuid:order_id>/penalty")
def penalty(order_id: UUID) -> Response:
    """Book what StockX charged beside the payout."""
    amount = _amount(request.form.get("amount", ""))
    reason = request.form.get("reason", "").strip() or "charged by StockX"
    ledger.book_penalty(g.session, order_id, amount, reason, actor=actor(), books=runtime().books, now=now())
    flash("The penalty is in the books.", "success")
    return go(url_for("orders.show", order_id=order_id))


@bp.post("/<uuid:order_id>/entries/<int:entry_id>/reverse")
def reverse(order_id: UUID, entry_id: int) -> Response:
    """Reverse a penalty that was booked by hand."""
    ledger.reverse(g.session, entry_id, actor=actor(), books=runtime().books, now=now())
    flash("The penalty is reversed.", "success")
    return go(url_for("orders.show", order_id=order_id))


@bp.get("/<uuid:order_id>/label.pdf")
def label(order_id: UUID) -> Response:
    """Hand the shipping document through from StockX; its own link expires, so nothing is stored."""
    order = order_book.show(g.session, order_id, now()).line.order
    if not order.shipping_id:
        raise NotFound("StockX has not made a shipping document for this order yet. Sync, then try again.")
    return _paper(order.stockx_order_number, order.shipping_id)


@bp.get("/<uuid:order_id>/documents/<key>.pdf")
def document(order_id: UUID, key: str) -> Response:
    """Hand one of a Direct order's documents through from StockX."""
    return _paper(order_book.show(g.session, order_id, now()).line.order.stockx_order_number, key)


def _paper(number: str, key: str) -> Response:
    response = make_response(runtime().stockx.shipping_document(number, key))
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="shipping-{key}.pdf"'
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/<uuid:order_id>/documents")
def documents(order_id: UUID) -> Response:
    """Show the links to a Direct order's documents as StockX gives them now; they expire, so none is kept."""
    order = order_book.show(g.session, order_id, now()).line.order
    if order.inventory_type != "DIRECT":
        raise NotFound("Only Direct orders have a set of documents; the others have their shipping document.")
    answer = runtime().stockx.shipping_documents(order.stockx_order_number)
    links = [(name, _reachable(order, link)) for name, link in document_links(answer.shipping_documents, _api())]
    return page("orders/documents.html", "orders/_documents.html", order=order, links=links)


def _api() -> str:
    return runtime().settings.stockx_api_url.rstrip("/")


def _reachable(order: StockxOrder, address: str) -> str:
    """A document behind StockX's API comes through the app, which has the token for it."""
    found = document_id(address, _api(), order.stockx_order_number)
    return address if found is None else url_for("orders.document", order_id=order.id, key=found)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("Choose the pair, or none.", field="item") from None


def _amount(text: str) -> Decimal:
    try:
        return plain_number(text.replace(",", "."))
    except InvalidOperation:
        raise InvalidInput(f"{text[:40]!r} is no amount: write it like 15.00", field="amount") from None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput(f"{text[:20]!r} is no day like 2025-03-31.", field="bought") from None
