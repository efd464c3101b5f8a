"""Sales for tests: catalog, item and listing in the database, and order snapshots as StockX words them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from soleflip.models import Brand, Item, Product, Purchase, StockxListing, Variant
from soleflip.stockx.errors import StockXNotFound
from soleflip.stockx.orders import OrderDetail, OrderEntry

LINES = [
    {"adjustmentType": "MinTransactionFee", "amount": "-5.00", "percentage": "0.09"},
    {"adjustmentType": "Payment Proc. (3%)", "amount": "-1.47", "percentage": "0.03"},
    {"adjustmentType": "Shipping", "amount": "-4.50", "percentage": "0"},
]


def make_listing(
    session: Session,
    stockx_id: str = "L1",
    *,
    cost: str | None = "20.00",
    ask: str = "49",
    style: str = "AB1234-100",
    size: str = "9",
    currency: str = "EUR",
    bought: date = date(2026, 1, 5),
) -> StockxListing:
    """Put an item with its cost into stock and an active listing of it onto StockX."""
    product = Product(
        title=f"Shoe {style}",
        style_code=style,
        style_key=style.replace("-", ""),
        stockx_product_id=f"P-{stockx_id}",
        brand=session.query(Brand).filter_by(key="asics").one_or_none() or Brand(name="Asics", key="asics"),
    )
    variant = Variant(product=product, size=size, sizes={}, stockx_variant_id=f"V-{stockx_id}")
    purchase = Purchase(supplier="Sole Shop", document=f"R-{stockx_id}", purchased_on=bought)
    session.add_all([product, variant, purchase])
    session.flush()
    item = Item(
        product_id=product.id,
        variant_id=variant.id,
        state="listed",
        cost=Decimal(cost) if cost is not None else None,
        currency=currency,
        purchase_id=purchase.id,
    )
    session.add(item)
    session.flush()
    listing = StockxListing(
        product_id=product.id,
        catalog_variant_id=variant.id,
        item_id=item.id,
        stockx_listing_id=stockx_id,
        stockx_product_id=f"P-{stockx_id}",
        variant_id=f"V-{stockx_id}",
        currency=currency,
        ask_price=Decimal(ask),
        buy_price=item.cost,
        status="active",
        strategy_settings={},
    )
    session.add(listing)
    session.flush()
    return listing


def payout(
    price: str, total: str, lines: list[dict[str, str]] | None = None, *, currency: str = "EUR", adjustments: str = ""
) -> dict[str, Any]:
    """A payout as StockX words it."""
    return {
        "salePrice": price,
        "totalPayout": total,
        "totalAdjustments": adjustments or str(Decimal(total) - Decimal(price)),
        "currencyCode": currency,
        "adjustments": LINES if lines is None else lines,
    }


def snapshot(
    number: str = "1-1",
    status: str = "CREATED",
    *,
    listing: str | None = "L1",
    amount: str = "48.94",
    created: str = "2026-02-20T10:00:00.000Z",
    updated: str = "2026-02-20T10:00:00.000Z",
    currency: str = "EUR",
    **more: Any,
) -> dict[str, Any]:
    """An order as StockX words it."""
    return {
        "orderNumber": number,
        "listingId": listing,
        "askId": "13658831621304650018",
        "amount": amount,
        "currencyCode": currency,
        "status": status,
        "createdAt": created,
        "updatedAt": updated,
        "product": {"productId": f"P-{listing}", "productName": "Gel One", "styleId": "AB1234-100"},
        "variant": {"variantId": f"V-{listing}", "variantName": "x", "variantValue": "9"},
        "inventoryType": "STANDARD",
        "payout": None,
        **more,
    }


def entry(*args: Any, **kwargs: Any) -> OrderEntry:
    """The same, as the client reads it in a list."""
    return OrderEntry.model_validate(snapshot(*args, **kwargs))


def shipment(ship_by: str = "2026-02-25T23:59:59.000Z", tracking: str | None = None) -> dict[str, Any]:
    """A shipment as StockX words it."""
    return {
        "shipByDate": ship_by,
        "trackingNumber": tracking,
        "trackingUrl": None,
        "carrierCode": "UPS",
        "shippingLabelUrl": None,
        "shippingDocumentUrl": "https://api.example/v2/selling/orders/1-1/shipping-document/S-123",
    }


class OrdersOfStockX:
    """A StockX that knows only orders, and counts the single calls."""

    def __init__(self) -> None:
        self.active: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []
        self.details: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.from_dates: list[date | None] = []

    def active_orders(self) -> Iterator[OrderEntry]:
        return iter([OrderEntry.model_validate(order) for order in self.active])

    def historical_orders(self, *, from_date: date | None = None) -> Iterator[OrderEntry]:
        self.from_dates.append(from_date)
        return iter([OrderEntry.model_validate(order) for order in self.ended])

    def order(self, number: str) -> OrderDetail:
        self.asked.append(number)
        if number not in self.details:
            raise StockXNotFound(f"no order {number}")
        return OrderDetail.model_validate(self.details[number])


def when(text: str) -> datetime:
    """Read a time."""
    return datetime.fromisoformat(text)


def unique() -> str:
    """A name nobody has."""
    return uuid4().hex[:8]
