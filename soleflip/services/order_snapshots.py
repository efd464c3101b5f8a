"""Snapshots of orders, recorded so that any page may come late, twice or out of order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict
from soleflip.domain.fee_book import FeeBook
from soleflip.domain.money import ZERO, cents
from soleflip.domain.orders import Line, Stage, is_newer, kind_of, payout_lines, status_of
from soleflip.models import Item, OrderEvent, PayoutLine, Product, StockxListing, StockxOrder, Variant
from soleflip.services import alerts, fees, ledger, listings, profit_days, stock
from soleflip.services.alerts import Raised
from soleflip.services.runs import Books
from soleflip.stockx.orders import OrderDetail, OrderEntry
from soleflip.stockx.wire import Payout

NEWS = timedelta(days=2)
"""How old a sale may be to be told when it is first seen."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of some snapshots: how many were seen, and the orders that are new or not as they were."""

    seen: int
    made: Sequence[StockxOrder]
    moved: Sequence[StockxOrder]

    @property
    def new(self) -> int:
        """How many orders were not known before."""
        return len(self.made)

    @property
    def changed(self) -> int:
        """How many known orders changed."""
        return len(self.moved)


def record(session: Session, entries: Sequence[OrderEntry], books: Books, now: datetime, *, actor: str) -> Recorded:
    """Record snapshots of orders, whatever their order; an older snapshot than the known one adds at most an event."""
    made: list[StockxOrder] = []
    moved: list[StockxOrder] = []
    newest = _one_each(entries)
    inserted = _insert_missing(session, newest, books, now)
    orders = _lock(session, [entry.order_number for entry in newest])
    shelf = _Shelf.read(session, newest)
    days: set[date] = set()
    for entry in newest:
        order = orders[entry.order_number]
        is_new = order.id in inserted
        _add_event(session, order, entry, now)
        known = order.stockx_updated_at
        if not is_new and not is_newer(entry.status, entry.updated_at, order.stockx_status, known):
            continue
        before = _facts(order)
        _apply(session, order, entry, shelf, now)
        after = _facts(order)
        if is_new or before[:2] != after[:2]:
            sell(session, order, actor=actor, now=now)
        if is_new or before != after:
            days |= ledger.settle(session, order, books, now)
        if is_new:
            made.append(order)
        elif before != after:
            moved.append(order)
    session.flush()
    profit_days.refresh_days(session, days, books, now)
    _tell_sales(session, made, now)
    return Recorded(len(entries), made, moved)


def _tell_sales(session: Session, orders: Iterable[StockxOrder], now: datetime) -> None:
    """Raise an alert for each new sale of late; what a first sync brings of the past is no news."""
    alerts.raise_alerts(
        session,
        [
            Raised(
                "sale",
                order.stockx_order_number,
                f"Sold: {order.title or 'a pair'}" + (f", {order.size}" if order.size else ""),
                f"For {order.sale_price} {order.currency}. Order {order.stockx_order_number}.",
                f"/orders/{order.id}",
            )
            for order in orders
            if order.sold_at > now - NEWS and status_of(order.stockx_status).stage in (Stage.SHIP, Stage.TRANSIT)
        ],
        now,
    )


def record_detail(session: Session, detail: OrderDetail, books: Books, now: datetime, *, actor: str) -> StockxOrder:
    """Record a single order with its shipment and payout."""
    record(session, [detail], books, now, actor=actor)
    order = _lock(session, [detail.order_number])[detail.order_number]
    if detail.shipment is not None:
        shipment = detail.shipment
        order.ship_by = shipment.ship_by_date or order.ship_by
        order.tracking_number = shipment.tracking_number or order.tracking_number
        order.tracking_url = shipment.tracking_url or order.tracking_url
        order.carrier = shipment.carrier_code or order.carrier
        order.shipping_id = shipment.shipping_id or order.shipping_id
    order.detailed_at = now
    order.detailed_status = detail.status.upper()
    if detail.payout is not None and _record_payout(session, order, detail.payout, detail.status):
        ledger.settle_and_refresh(session, order, books, now)
    session.flush()
    return order


def sell(session: Session, order: StockxOrder, *, actor: str, now: datetime) -> None:
    """Take the order's listing and item off the market, or give the item back when the order has ended."""
    status = status_of(order.stockx_status)
    cause = f"Order {order.stockx_order_number}: {status.label}."
    if status.stage is not Stage.ENDED:
        if order.listing_id is not None:
            try:
                listings.mark_sold(session, order.listing_id, cause=cause, actor=actor, now=now)
            except Conflict as error:
                order.match_note = str(error)
        elif order.item_id is not None:
            stock.move(session, order.item_id, "sold")
    elif status.gives_back is not None and _was_sold_by(session, order):
        if order.listing_id is not None:
            undo = listings.undo_sale
            undo(session, order.listing_id, item_state=status.gives_back, cause=cause, actor=actor, now=now)
        elif order.item_id is not None:
            stock.move(session, order.item_id, status.gives_back)


def set_payout(session: Session, order: StockxOrder, lines: Iterable[Line], *, is_new: bool = False) -> None:
    """Write the payout's lines as they are, and their sums by kind beside the order."""
    kept = list(lines)
    if not is_new:
        session.execute(delete(PayoutLine).where(PayoutLine.order_id == order.id))
    session.add_all(
        PayoutLine(
            order_id=order.id,
            position=position,
            name=line.name[:200],
            kind=line.kind,
            amount=line.amount,
            percentage=line.percentage,
        )
        for position, line in enumerate(kept, start=1)
    )
    sums = {kind: [line.amount for line in kept if line.kind == kind] for kind in ("transaction", "processing")}
    order.seller_fee = sum(sums["transaction"], ZERO) if sums["transaction"] else None
    order.processing_fee = sum(sums["processing"], ZERO) if sums["processing"] else None


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What a page of orders refers to, read at once: listings, products and variants by StockX's ids, and our fees."""

    listings: dict[str, StockxListing]
    products: dict[str, tuple[UUID, str | None]]
    variants: dict[str, UUID]
    fees: FeeBook

    @classmethod
    def read(cls, session: Session, entries: Sequence[OrderEntry]) -> _Shelf:
        listing_ids = {entry.listing_id for entry in entries if entry.listing_id}
        product_ids = {entry.product.product_id for entry in entries if entry.product}
        variant_ids = {entry.variant.variant_id for entry in entries if entry.variant}
        found = session.scalars(select(StockxListing).where(StockxListing.stockx_listing_id.in_(listing_ids)))
        products = select(Product.stockx_product_id, Product.id, Product.product_type)
        products = products.where(Product.stockx_product_id.in_(product_ids))
        variants = select(Variant.stockx_variant_id, Variant.id).where(Variant.stockx_variant_id.in_(variant_ids))
        return cls(
            {listing.stockx_listing_id: listing for listing in found if listing.stockx_listing_id},
            {str(key): (product_id, kind) for key, product_id, kind in session.execute(products)},
            {str(key): value for key, value in session.execute(variants)},
            fees.book(session),
        )


def _one_each(entries: Sequence[OrderEntry]) -> list[OrderEntry]:
    """The newest snapshot of each order of a page, in a stable order so that two syncs lock alike."""
    newest: dict[str, OrderEntry] = {}
    for entry in entries:
        known = newest.get(entry.order_number)
        if known is None or is_newer(entry.status, entry.updated_at, known.status, known.updated_at):
            newest[entry.order_number] = entry
    return [newest[number] for number in sorted(newest)]


def _insert_missing(session: Session, entries: Sequence[OrderEntry], books: Books, now: datetime) -> set[UUID]:
    """Make a row for each order not yet known; the unique order number lets only one sync do it."""
    rows: list[dict[str, Any]] = [
        {
            "stockx_order_number": entry.order_number,
            "stockx_status": entry.status.upper()[:40],
            "currency": entry.currency_code or (entry.payout and entry.payout.currency_code) or books.currency,
            "sale_price": entry.amount or (entry.payout and entry.payout.sale_price) or ZERO,
            "sold_at": entry.created_at or now,
        }
        for entry in entries
    ]
    if not rows:
        return set()
    statement = insert(StockxOrder).values(rows).on_conflict_do_nothing(index_elements=["stockx_order_number"])
    return set(session.scalars(statement.returning(StockxOrder.id)))


def _lock(session: Session, numbers: Sequence[str]) -> dict[str, StockxOrder]:
    query = select(StockxOrder).where(StockxOrder.stockx_order_number.in_(numbers))
    locked = session.scalars(query.order_by(StockxOrder.stockx_order_number).with_for_update())
    return {order.stockx_order_number: order for order in locked}


def _add_event(session: Session, order: StockxOrder, entry: OrderEntry, now: datetime) -> None:
    if entry.status.upper() == order.stockx_status and entry.updated_at == order.stockx_updated_at is not None:
        return
    values = {"order_id": order.id, "stockx_status": entry.status.upper()[:40], "at": entry.updated_at or now}
    session.execute(insert(OrderEvent).values(values).on_conflict_do_nothing())


def _facts(order: StockxOrder) -> tuple[object, ...]:
    """What decides about listing and item (the first two) and about the books (all)."""
    return (order.stockx_status, order.listing_id, order.item_id, order.payout_raw)


def _apply(session: Session, order: StockxOrder, entry: OrderEntry, shelf: _Shelf, now: datetime) -> None:
    """Write a newer snapshot into the order."""
    status, kind = status_of(entry.status), None
    order.stockx_status = entry.status.upper()[:40]
    if status.stage is not Stage.UNKNOWN:
        order.order_status = status.ours
    order.stockx_updated_at = entry.updated_at or order.stockx_updated_at
    if entry.created_at is not None and order.realised_at is None and order.completed_at is None:
        order.sold_at = entry.created_at  # once a sale is booked, its moment stays
    order.stockx_listing_id = entry.listing_id or order.stockx_listing_id
    order.inventory_type = entry.inventory_type or order.inventory_type
    if entry.authentication_details is not None:
        order.authentication_note = entry.authentication_details.failure_notes or order.authentication_note
    if entry.product is not None:
        order.title = entry.product.product_name or order.title
        order.style_code = entry.product.style_id or order.style_code
        order.product_id, kind = shelf.products.get(entry.product.product_id, (order.product_id, None))
    if entry.variant is not None:
        order.size = entry.variant.variant_value or order.size
        order.catalog_variant_id = shelf.variants.get(entry.variant.variant_id, order.catalog_variant_id)
    _stamp(order, status.stage, entry.updated_at or now)
    order.estimated_payout = order.estimated_payout or fees.estimate(shelf.fees, order, kind)
    if entry.payout is not None:
        _record_payout(session, order, entry.payout, entry.status)
    _match(session, order, shelf)


def _stamp(order: StockxOrder, stage: Stage, at: datetime) -> None:
    """Keep when the order was first seen on its way, paid, and over."""
    if stage is Stage.TRANSIT:
        order.shipped_at = order.shipped_at or at
        order.shipping_status = "shipped"
    if stage is Stage.PAYOUT_DUE:
        order.shipping_status = "received"
    if stage is Stage.PAID:
        order.shipping_status = "received"
        order.paid_at = order.paid_at or at
    if stage in (Stage.PAID, Stage.ENDED):
        order.completed_at = order.completed_at or at


def _record_payout(session: Session, order: StockxOrder, payout: Payout, raw_status: str) -> bool:
    """Write StockX's payout as it is; its total is the truth. Returns whether anything changed."""
    if payout.total_payout is None:
        return False
    order.payout_status = raw_status.upper()[:40]
    if order.payout_raw == payout.raw or _says_less(order, payout):
        return False
    order.payout_raw = payout.raw
    order.currency = payout.currency_code or order.currency
    order.sale_price = cents(payout.sale_price if payout.sale_price is not None else order.sale_price)
    order.total_adjustments = payout.total_adjustments
    order.net_proceeds = cents(payout.total_payout)
    # Line by line, as they are stored: what rounding leaves over becomes a line of its own.
    adjustments = [
        Line(line.name or "Unnamed", kind_of(line.name or ""), cents(line.amount), line.percentage)
        for line in payout.adjustments
        if line.amount is not None
    ]
    set_payout(session, order, payout_lines(order.sale_price, order.net_proceeds, adjustments))
    return True


def _says_less(order: StockxOrder, payout: Payout) -> bool:
    """Whether a payout must not replace what we have: the seller report's, or the same total with its lines."""
    if order.report.get("fingerprint") and order.net_proceeds is not None:
        return True
    return (
        not payout.adjustments
        and order.net_proceeds == payout.total_payout
        and payout.sale_price in (None, order.sale_price)
        and payout.currency_code in (None, order.currency)
    )


def _match(session: Session, order: StockxOrder, shelf: _Shelf) -> None:
    """Find the order's listing by StockX's listing id; without one, by a rule that leaves no choice; else review."""
    if order.match_state == "matched":
        return
    listing = shelf.listings.get(order.stockx_listing_id or "")
    if listing is None and order.stockx_listing_id is None:
        listing = _only_candidate(session, order)
        if listing is not None:
            order.match_note = "StockX named no listing: this is the only live one of this size at this price."
    if listing is None:
        order.match_note = "StockX named no listing that we know."
        return
    order.listing_id = listing.id
    order.item_id = listing.item_id
    order.product_id = order.product_id or listing.product_id
    order.catalog_variant_id = order.catalog_variant_id or listing.catalog_variant_id
    order.match_state = "matched"


def _only_candidate(session: Session, order: StockxOrder) -> StockxListing | None:
    """The one listing that can be meant: live when the sale was made, of this size, at this price; None unless one."""
    if order.catalog_variant_id is None:
        return None
    query = select(StockxListing).where(
        StockxListing.catalog_variant_id == order.catalog_variant_id,
        StockxListing.ask_price == order.sale_price,
        StockxListing.currency == order.currency,
        StockxListing.status.in_(("active", "sold")),
        StockxListing.id.not_in(select(StockxOrder.listing_id).where(StockxOrder.listing_id.is_not(None))),
    )
    found = session.scalars(query.limit(2)).all()
    return found[0] if len(found) == 1 else None


def _was_sold_by(session: Session, order: StockxOrder) -> bool:
    """Whether the pair is off the market because of this order, and of no other that is not over."""
    same = []
    if order.listing_id is not None:
        same.append(StockxOrder.listing_id == order.listing_id)
        # A sale that was over before we first saw it has ended its ask all the same.
        is_sold = session.get_one(StockxListing, order.listing_id).status in ("sold", "active", "inactive", "expired")
    elif order.item_id is not None:
        is_sold = session.get_one(Item, order.item_id).state == "sold"
    else:
        return False
    if order.item_id is not None:
        same.append(StockxOrder.item_id == order.item_id)
    others = select(StockxOrder.id).where(
        StockxOrder.id != order.id, or_(*same), StockxOrder.order_status != "cancelled"
    )
    return is_sold and session.scalar(others.limit(1)) is None
