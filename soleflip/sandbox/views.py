"""Records as the wire shows them: every answer of the documented interface is made here."""

from __future__ import annotations

from typing import Any

from .clock import iso, iso_or_none
from .listings import is_direct_eligible, is_live
from .orders import HISTORICAL, PAID
from .payouts import payout
from .records import Batch, Listing, Operation, Order, Product, Variant
from .world import World

_SIZE_NAMES = {"us m": "US M", "us w": "US W", "uk": "UK", "eu": "EU", "cm": "CM"}


def product(record: Product) -> dict[str, Any]:
    """A product as the search shows it."""
    return {
        "productId": record.product_id,
        "urlKey": record.url_key,
        "styleId": record.style_id,
        "productType": record.product_type,
        "title": record.title,
        "brand": record.brand,
        "productAttributes": {
            "gender": record.gender,
            "season": None,
            "releaseDate": record.release_date,
            "retailPrice": record.retail_price,
            "colorway": record.colorway,
            "color": record.colorway.split("/")[0].lower() or None,
        },
    }


def product_details(world: World, record: Product) -> dict[str, Any]:
    """A single product, with its size chart."""
    first = world.variants[record.variant_ids[0]] if record.variant_ids else None
    conversions = [{"name": _SIZE_NAMES[kind], "type": kind} for kind, _ in first.sizes] if first else []
    return product(record) | {
        "sizeChart": {
            "availableConversions": conversions,
            "defaultConversion": conversions[0] if conversions else None,
        },
        "isFlexEligible": True,
        "isDirectEligible": any(is_direct_eligible(key) for key in record.variant_ids),
    }


def variant(world: World, record: Variant) -> dict[str, Any]:
    """A variant with its sizes and barcodes."""
    sizes = [{"size": size, "type": kind} for kind, size in record.sizes]
    return {
        "productId": record.product_id,
        "variantId": record.variant_id,
        "variantName": variant_name(world, record.variant_id),
        "variantValue": record.value,
        "sizeChart": {"availableConversions": sizes, "defaultConversion": sizes[0] if sizes else None},
        "gtins": [{"identifier": gtin, "type": kind} for gtin, kind in record.gtins],
        "isFlexEligible": True,
        "isDirectEligible": is_direct_eligible(record.variant_id),
    }


def variant_name(world: World, variant_id: str) -> str:
    """The name of a variant: the url key of its product and its place among the sizes."""
    owner = world.products[world.variants[variant_id].product_id]
    return f"{owner.url_key}:{owner.variant_ids.index(variant_id)}"


def _product_part(world: World, product_id: str) -> dict[str, Any]:
    record = world.products[product_id]
    return {"productId": product_id, "productName": record.title, "styleId": record.style_id}


def _variant_part(world: World, variant_id: str) -> dict[str, Any]:
    return {
        "variantId": variant_id,
        "variantName": variant_name(world, variant_id),
        "variantValue": world.variants[variant_id].value,
    }


def _authentication(order: Order | None) -> dict[str, Any] | None:
    if order is None or order.failure_notes is None:
        return None
    return {"status": "FAILED", "failureNotes": order.failure_notes}


def listing(world: World, record: Listing) -> dict[str, Any]:
    """A listing as a list shows it."""
    order = world.orders[record.order_number] if record.order_number else None
    ask = None
    if record.ask_id is not None:
        ask = {
            "askId": record.ask_id,
            "askCreatedAt": iso(record.ask_created),
            "askUpdatedAt": iso(record.ask_updated),
            "askExpiresAt": iso(record.expires),
        }
    sold = None
    if order is not None:
        sold = {"orderNumber": order.order_number, "orderCreatedAt": iso(order.created), "orderStatus": order.status}
    return {
        "listingId": record.listing_id,
        "status": record.status,
        "amount": str(record.amount),
        "currencyCode": record.currency,
        "inventoryType": record.inventory_type,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "batch": {"batchId": record.batch_id, "taskId": record.task_id} if record.batch_id else None,
        "ask": ask,
        "authenticationDetails": _authentication(order),
        "order": sold,
        "product": _product_part(world, record.product_id),
        "initiatedShipments": None,
        "variant": _variant_part(world, record.variant_id),
        "condition": None,
        "conditionDescription": None,
    }


def listing_details(world: World, record: Listing) -> dict[str, Any]:
    """A single listing, with the payout it promises and its last operation."""
    last = None
    if record.operation_ids:
        done = world.operations[record.operation_ids[-1]]
        last = {
            "operationId": done.operation_id,
            "operationType": done.type,
            "operationStatus": done.status,
            "operationInitiatedBy": done.by,
            "operationInitiatedVia": done.via,
            "operationCreatedAt": iso(done.created),
            "operationUpdatedAt": iso(done.updated),
            "changes": done.changes,
            "error": done.error,
        }
    promised = None
    if record.order_number:
        promised = world.orders[record.order_number].payout
    elif is_live(record):
        promised = payout(record.amount, record.currency, level=world.settings.seller_level, sold=False)
    return listing(world, record) | {"payout": promised, "lastOperation": last}


def operation(record: Operation) -> dict[str, Any]:
    """An operation as its polling address shows it."""
    return {
        "listingId": record.listing_id,
        "operationId": record.operation_id,
        "operationType": record.type,
        "operationStatus": record.status,
        "operationInitiatedBy": record.by,
        "operationInitiatedVia": record.via,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "changes": record.changes,
        "error": record.error,
    }


def accepted(record: Operation, base: str) -> dict[str, Any]:
    """An operation as the write that started it answers, with its polling address."""
    url = f"{base}/selling/listings/{record.listing_id}/operations/{record.operation_id}"
    return operation(record) | {"operationUrl": url}


def batch(record: Batch) -> dict[str, Any]:
    """The state of a batch."""
    counts: dict[str, int] = {}
    for item in record.items:
        counts[item["status"].lower()] = counts.get(item["status"].lower(), 0) + 1
    return {
        "batchId": record.batch_id,
        "status": record.status,
        "completedAt": iso_or_none(record.completed),
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "totalItems": len(record.items),
        "itemStatuses": counts,
    }


def batch_item(record: Batch, item: dict[str, Any]) -> dict[str, Any]:
    """One item of a batch: the echo of its input, and its result or its error."""
    given = item["input"]
    if record.kind == "delete":
        echo: dict[str, Any] = {"id": given["listingId"]}
    elif record.kind == "update":
        echo = {"active": given.get("active")} | given
    else:
        names = ("active", "currencyCode", "variantId", "expiresAt", "amount")
        echo = {name: given.get(name) for name in names}
    shown = {"itemId": item["item_id"], "status": item["status"], "listingInput": echo}
    if item["result"] is not None:
        shown["result"] = item["result"]
    if item["error"] is not None:
        shown["error"] = item["error"]
    return shown


def order(world: World, record: Order) -> dict[str, Any]:
    """An order as a list shows it."""
    mode = world.settings.list_payout
    shown = mode == "always" or (mode == "when_paid" and (record.status in PAID or record.status in HISTORICAL))
    return _order_part(world, record) | {
        "payout": record.payout if shown else None,
        "condition": None,
        "conditionDescription": None,
    }


def order_details(world: World, record: Order, base: str) -> dict[str, Any]:
    """A single order, with its shipment and its payout."""
    address = f"{base}/selling/orders/{record.order_number}/shipping-document/{record.shipping_id}"
    # Labels are signed links that end; asking again gives a new one.
    label = f"{address}?signature={record.tracking_number[-8:]}-{world.at // 1000 + 3600}"
    shipment = {
        "shipByDate": iso(record.ship_by),
        "trackingNumber": record.tracking_number,
        "trackingUrl": f"https://tracking.invalid/{record.tracking_number}",
        "carrierCode": "UPS",
        "shippingLabelUrl": label.replace("/v2/selling/orders/", "/labels/").replace("/shipping-document", ""),
        "shippingDocumentUrl": address,
    }
    return _order_part(world, record) | {"shipment": shipment, "payout": record.payout}


def _order_part(world: World, record: Order) -> dict[str, Any]:
    return {
        "orderNumber": record.order_number,
        "listingId": record.listing_id,
        "askId": record.ask_id,
        "amount": str(record.amount),
        "currencyCode": record.currency,
        "status": record.status,
        "createdAt": iso(record.created),
        "updatedAt": iso(record.updated),
        "product": _product_part(world, record.product_id),
        "variant": _variant_part(world, record.variant_id),
        "authenticationDetails": _authentication(record),
        "initiatedShipments": None,
        "inventoryType": record.inventory_type,
    }
