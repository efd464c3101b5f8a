"""Orders: our sales as StockX tells them, with payouts and shipping papers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from soleflip.stockx.budget import Lane
from soleflip.stockx.paging import Calls
from soleflip.stockx.transport import Call, joined
from soleflip.stockx.wire import (
    Amount,
    Answer,
    AuthenticationDetails,
    Instant,
    ListedProduct,
    ListedVariant,
    Maybe,
    Opaque,
    Page,
    Payout,
    Status,
    Text,
    rows,
)


class OrderEntry(Answer):
    """A sale inside a list: amount in `currency_code`; any status text is possible."""

    order_number: str
    listing_id: Text = None
    ask_id: Text = None
    amount: Amount = None
    currency_code: Text = None
    status: Status = "UNKNOWN"
    created_at: Instant = None
    updated_at: Instant = None
    product: Maybe[ListedProduct] = None
    variant: Maybe[ListedVariant] = None
    authentication_details: Maybe[AuthenticationDetails] = None
    payout: Maybe[Payout] = None
    initiated_shipments: Opaque = Field(default_factory=dict)
    inventory_type: Text = None
    condition: Text = None
    condition_description: Text = None


class Shipment(Answer):
    """How a sale travels; links are signed and expire, so fetch them when needed."""

    ship_by_date: Instant = None
    tracking_number: Text = None
    tracking_url: Text = None
    carrier_code: Text = None
    shipping_label_url: Text = None
    shipping_document_url: Text = None

    @property
    def shipping_id(self) -> str | None:
        """The id that `shipping_document` takes: the last part of the document's address."""
        parts = (self.shipping_document_url or "").split("?")[0].rstrip("/").split("/")
        return parts[-1] or None


class OrderDetail(OrderEntry):
    """A single sale, with its shipment and payout."""

    shipment: Maybe[Shipment] = None


class OrdersPage(Page):
    """One page of sales."""

    orders: Annotated[tuple[OrderEntry, ...], BeforeValidator(rows(OrderEntry))]


class ShippingDocuments(Answer):
    """Links to the documents of a Direct order, as sent."""

    shipping_documents: Opaque = Field(default_factory=dict)


class OrderCalls(Calls):
    """The five calls on sales; they go first in the budget."""

    def active_orders(
        self,
        *,
        status: str | None = None,
        product_id: str | None = None,
        variant_id: str | None = None,
        sort: str | None = None,
        inventory_types: Iterable[str] = (),
        lane: Lane = Lane.SALES,
    ) -> Iterator[OrderEntry]:
        """Walk the running sales, each once; `sort` is CREATEDAT or SHIPBYDATE."""
        params = {
            "orderStatus": status,
            "productId": product_id,
            "variantId": variant_id,
            "sortOrder": sort,
            "inventoryTypes": joined(inventory_types),
        }
        return self._orders(Call("active_orders", "GET", "/selling/orders/active", lane, params=params))

    def historical_orders(
        self,
        *,
        from_date: date | None = None,
        to_date: date | None = None,
        status: str | None = None,
        product_id: str | None = None,
        variant_id: str | None = None,
        inventory_types: Iterable[str] = (),
        lane: Lane = Lane.SALES,
    ) -> Iterator[OrderEntry]:
        """Walk the ended sales by day of creation, each once; filter again, StockX may ignore the dates."""
        params = {
            "fromDate": from_date.isoformat() if from_date else None,
            "toDate": to_date.isoformat() if to_date else None,
            "orderStatus": status,
            "productId": product_id,
            "variantId": variant_id,
            "inventoryTypes": joined(inventory_types),
        }
        return self._orders(Call("historical_orders", "GET", "/selling/orders/history", lane, params=params))

    def order(self, order_number: str, *, lane: Lane = Lane.SALES) -> OrderDetail:
        """Fetch one sale with its shipment and payout."""
        call = Call("order", "GET", "/selling/orders/{order_number}", lane, subject={"order_number": order_number})
        return self._transport.read(call, OrderDetail.model_validate)

    def shipping_documents(self, order_number: str, *, lane: Lane = Lane.SALES) -> ShippingDocuments:
        """Fetch the document links of a Direct order."""
        path = "/selling/orders/{order_number}/shipping-document"
        call = Call("shipping_documents", "GET", path, lane, subject={"order_number": order_number})
        return self._transport.read(call, ShippingDocuments.model_validate)

    def shipping_document(self, order_number: str, shipping_id: str, *, lane: Lane = Lane.SALES) -> bytes:
        """Fetch one shipping document as the bytes of a PDF."""
        path = "/selling/orders/{order_number}/shipping-document/{shipping_id}"
        subject = {"order_number": order_number, "shipping_id": shipping_id}
        return self._transport.read_pdf(Call("shipping_document", "GET", path, lane, subject=subject))

    def _orders(self, call: Call) -> Iterator[OrderEntry]:
        return self._walk(call, OrdersPage.model_validate, lambda page: page.orders, lambda entry: entry.order_number)
