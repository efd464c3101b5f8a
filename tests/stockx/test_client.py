"""The client has one method for each operation of StockX's document."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import yaml

from soleflip.domain.errors import SoleFlipError
from soleflip.stockx import ActivateListing, CreateItem, CreateListing, UpdateItem, UpdateListing
from soleflip.stockx.batches import BatchCalls
from soleflip.stockx.catalog import CatalogCalls
from soleflip.stockx.listings import ListingCalls
from soleflip.stockx.orders import OrderCalls

PATHS = yaml.safe_load((Path(__file__).parents[2] / "soleflip/sandbox/openapi.yaml").read_text())["paths"]
OPERATIONS = {
    (method.upper(), "/v2" + path)
    for path, methods in PATHS.items()
    for method in methods
    if method in ("get", "post", "put", "patch", "delete")
}
TERMS = {"currency_code": "EUR", "expires_at": datetime(2026, 6, 1, tzinfo=UTC)}
ASK = {"variant_id": "{variantId}", "amount": Decimal(9)} | TERMS
ARGUMENTS = {
    "create_listing": (CreateListing(**ASK),),
    "update_listing": ("{listingId}", UpdateListing(**TERMS)),
    "activate_listing": ("{listingId}", ActivateListing(**TERMS)),
    "create_listings": ([CreateItem(**ASK)],),
    "update_listings": ([UpdateItem(listing_id="{listingId}", **TERMS)],),
    "delete_listings": (["{listingId}"],),
    "listings": (),
    "active_orders": (),
    "historical_orders": (),
    "search": ("nike",),
    "operation": ("{listingId}", "{operationId}"),
    "shipping_document": ("{orderNumber}", "{shippingId}"),
    "variant": ("{productId}", "{variantId}"),
    "market_data": ("{productId}", "EUR"),
    "variant_market_data": ("{productId}", "{variantId}", "EUR"),
}
ONE_ID = {
    ListingCalls: ("{listingId}",),
    BatchCalls: ("{batchId}",),
    OrderCalls: ("{orderNumber}",),
    CatalogCalls: ("{productId}",),
}


def test_each_operation_has_its_method_and_each_method_its_operation(script, stockx):
    methods = [
        (name, ARGUMENTS.get(name, ("{gtin}",) if name == "variant_by_gtin" else one))
        for room, one in ONE_ID.items()
        for name in vars(room)
        if not name.startswith("_")
    ]
    called = set()
    for name, arguments in methods:
        del script.asked[:]
        with suppress(SoleFlipError):  # the scripted server answers {}, which most of them can't read
            answer = getattr(stockx, name)(*arguments)
            if name in ("listings", "operations", "active_orders", "historical_orders"):
                list(answer)
        first = script.asked[0]
        called.add((first.method, first.path.partition("?")[0].replace("%7B", "{").replace("%7D", "}")))
    assert called == OPERATIONS
    assert len(methods) == len(OPERATIONS) == 30
