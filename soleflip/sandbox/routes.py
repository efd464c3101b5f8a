"""The thirty documented operations: each takes what was asked and answers with a status and a JSON value."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Any

from . import batches, limits, listings, orders, paper, showroom, views
from .calls import Answer, Call, among, days, page
from .errors import ApiError
from .records import Batch, Listing, Order

LONG_HISTORY = 200  # operations of a listing come on one page until there are more


def listing_of(call: Call) -> Listing:
    """The listing of the path."""
    found = call.world.listings.get(call.path["listingId"])
    if found is None:
        raise ApiError(call.operation.missing(), "Listing not found")
    return found


def order_of(call: Call) -> Order:
    """The order of the path."""
    found = call.world.orders.get(call.path["orderNumber"])
    if found is None:
        raise ApiError(call.operation.missing(), "Order not found")
    return found


def create(call: Call) -> Answer:
    """POST /selling/listings."""
    return 201, views.accepted(listings.create(call.world, call.body), call.base)


def all_listings(call: Call) -> Answer:
    """GET /selling/listings."""
    world, query = call.world, call.query
    hidden = () if world.settings.deleted_in_lists else ("DELETED",)
    first, last = days(query)
    found = [
        record
        for record in world.listings.values()
        if record.status not in hidden
        and (query.get("isExpired") or not record.expired)
        and first <= record.created < last
        and among(query, "productIds", record.product_id)
        and among(query, "variantIds", record.variant_id)
        and among(query, "batchIds", record.batch_id)
        and among(query, "listingStatuses", record.status)
        and among(query, "inventoryTypes", record.inventory_type)
        and not query.get("initiatedShipmentDisplayIds")
    ]
    found.sort(key=lambda record: (record.created, record.number), reverse=True)
    return page(call, "listings", found, lambda record: views.listing(world, record), 10)


def find_listing(call: Call) -> Answer:
    """GET /selling/listings/{listingId}."""
    return 200, views.listing_details(call.world, listing_of(call))


def change_listing(kind: str) -> Callable[[Call], Answer]:
    """PATCH, DELETE, activate and deactivate of a listing."""

    def change(call: Call) -> Answer:
        return 200, views.accepted(listings.change(call.world, listing_of(call), kind, call.body), call.base)

    return change


def listing_operations(call: Call) -> Answer:
    """GET /selling/listings/{listingId}/operations, newest first; the cursor names a place."""
    done = [call.world.operations[key] for key in reversed(listing_of(call).operation_ids)]
    start, size = 0, call.query.get("pageSize", LONG_HISTORY if len(done) > LONG_HISTORY else len(done))
    if "cursor" in call.query:
        try:
            start = int(urlsafe_b64decode(call.query["cursor"].encode()).decode().removeprefix("after:"))
        except ValueError:
            raise ApiError(400, "cursor is not one that was given out") from None
        if not 0 <= start <= len(done):
            raise ApiError(400, "cursor is not one that was given out")
    after = start + size
    following = urlsafe_b64encode(f"after:{after}".encode()).decode() if after < len(done) else None
    return 200, {"nextCursor": following, "operations": [views.operation(entry) for entry in done[start:after]]}


def one_operation(call: Call) -> Answer:
    """GET /selling/listings/{listingId}/operations/{operationId}."""
    found = call.world.operations.get(call.path["operationId"])
    if found is None or found.listing_id != listing_of(call).listing_id:
        raise ApiError(call.operation.missing(), "Operation not found")
    return 200, views.operation(found)


def start_batch(kind: str) -> Callable[[Call], Answer]:
    """POST of a create, update or delete batch."""

    def start(call: Call) -> Answer:
        items = call.body["items"]
        if not 1 <= len(items) <= batches.MOST_ITEMS:
            raise ApiError(400, f"items must hold 1 to {batches.MOST_ITEMS} entries")
        count = sum(_quantity(item) for item in items)
        if count > batches.MOST_ITEMS:
            raise ApiError(400, f"quantities must add up to at most {batches.MOST_ITEMS}")
        for item in items:
            listings.parse_wish(call.world, item, keep=True)
        limits.spend_batch_items(call.world, count)
        return 200, views.batch(batches.start(call.world, kind, items))

    return start


def _quantity(item: dict[str, Any]) -> int:
    quantity = item.get("quantity", 1)
    if not float(quantity).is_integer() or quantity < 1:
        raise ApiError(400, "quantity must be a whole number above 0")
    return int(quantity)


def batch_of(call: Call, kind: str) -> Batch:
    """The batch of the path, if it is of that kind."""
    found = call.world.batches.get(call.path["batchId"])
    if found is None or found.kind != kind:
        raise ApiError(call.operation.missing(), "Batch not found")
    return found


def batch_state(kind: str) -> Callable[[Call], Answer]:
    """GET of the state of a batch."""
    return lambda call: (200, views.batch(batch_of(call, kind)))


def batch_items(kind: str) -> Callable[[Call], Answer]:
    """GET of the items of a batch."""

    def items(call: Call) -> Answer:
        found = batch_of(call, kind)
        wanted = call.query.get("status")
        return 200, {
            "items": [views.batch_item(found, item) for item in found.items if wanted in (None, item["status"])]
        }

    return items


def active_orders(call: Call) -> Answer:
    """GET /selling/orders/active: newest first, or the most urgent first."""
    found = _orders(call, orders.ACTIVE)
    if call.query.get("sortOrder") == "SHIPBYDATE":
        found.sort(key=lambda record: (record.ship_by, record.number))
    return page(call, "orders", found, lambda record: views.order(call.world, record), 10)


def past_orders(call: Call) -> Answer:
    """GET /selling/orders/history."""
    found = _orders(call, orders.HISTORICAL)
    return page(call, "orders", found, lambda record: views.order(call.world, record), 10)


def _orders(call: Call, statuses: Iterable[str]) -> list[Order]:
    query = call.query
    first, last = days(query)
    found = [
        record
        for record in call.world.orders.values()
        if record.status in statuses
        and query.get("orderStatus") in (None, record.status)
        and query.get("productId") in (None, record.product_id)
        and query.get("variantId") in (None, record.variant_id)
        and among(query, "inventoryTypes", record.inventory_type)
        and not query.get("initiatedShipmentDisplayIds")
        and first <= record.created < last
    ]
    found.sort(key=lambda record: (record.created, record.number), reverse=True)
    return found


def one_order(call: Call) -> Answer:
    """GET /selling/orders/{orderNumber}."""
    return 200, views.order_details(call.world, order_of(call), call.base)


def order_documents(call: Call) -> Answer:
    """GET /selling/orders/{orderNumber}/shipping-document, for Direct orders."""
    record = order_of(call)
    if record.inventory_type != "DIRECT":
        raise ApiError(400, "Shipping documents as JSON exist for Direct orders only")
    address = f"{call.base}/selling/orders/{record.order_number}/shipping-document/{record.shipping_id}"
    return 200, {
        "shippingDocuments": {
            "requiredDocuments": {"packingSlip": address},
            "additionalDocumentsRequired": False,
            "thermalLabelOnly": None,
            "sellerShippingInstructions": {"normalLabel": {"en": address}, "thermalLabel": {"en": address}},
        }
    }


def order_paper(call: Call) -> Answer:
    """GET /selling/orders/{orderNumber}/shipping-document/{shippingId}, a PDF."""
    record = order_of(call)
    if record.shipping_id != call.path["shippingId"]:
        raise ApiError(call.operation.missing(), "Shipping document not found")
    return 200, paper.pdf([f"Order {record.order_number}", f"Tracking {record.tracking_number}", record.shipping_id])


ROUTES: dict[str, Callable[[Call], Answer]] = {
    "Create": create,
    "GetAllListings": all_listings,
    "FindById": find_listing,
    "Update": change_listing("UPDATE"),
    "DeleteListing": change_listing("DELETE"),
    "ActivateListing": change_listing("ACTIVATE"),
    "DeactivateListing": change_listing("DEACTIVATE"),
    "GetListingOperations": listing_operations,
    "FindOperationById": one_operation,
    "CreateListings": start_batch("create"),
    "GetListingCreateBatch": batch_state("create"),
    "GetListingCreateBatchItems": batch_items("create"),
    "UpdateListings": start_batch("update"),
    "GetListingUpdateBatch": batch_state("update"),
    "GetListingUpdateBatchItems": batch_items("update"),
    "DeleteListings": start_batch("delete"),
    "GetListingDeleteBatch": batch_state("delete"),
    "GetListingDeleteBatchItems": batch_items("delete"),
    "GetOrders": active_orders,
    "GetHistoricalOrders": past_orders,
    "GetOrder": one_order,
    "GetOrderShipmentDocuments": order_documents,
    "GetOrderShipment": order_paper,
    "Search": showroom.search,
    "GetProduct": showroom.one_product,
    "GetVariants": showroom.all_variants,
    "GetVariant": showroom.one_variant,
    "GetVariantMarketData": showroom.variant_market,
    "GetProductMarketData": showroom.product_market,
    "GetVariantsByGtin": showroom.variant_by_gtin,
}
