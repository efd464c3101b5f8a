"""The catalog's operations: search, products, variants, market data."""

from __future__ import annotations

from . import catalog, views
from .calls import Answer, Call, page
from .errors import ApiError


def search(call: Call) -> Answer:
    """GET /catalog/search."""
    return page(call, "products", catalog.search(call.world, call.query["query"]), views.product, 10)


def one_product(call: Call) -> Answer:
    """GET /catalog/products/{productId}."""
    found = catalog.product(call.world, call.path["productId"], call.operation.missing())
    return 200, views.product_details(call.world, found)


def all_variants(call: Call) -> Answer:
    """GET /catalog/products/{productId}/variants."""
    owner = catalog.product(call.world, call.path["productId"], call.operation.missing())
    return 200, [views.variant(call.world, call.world.variants[key]) for key in owner.variant_ids]


def one_variant(call: Call) -> Answer:
    """GET /catalog/products/{productId}/variants/{variantId}."""
    found = catalog.variant(call.world, call.path["productId"], call.path["variantId"], call.operation.missing())
    return 200, views.variant(call.world, found)


def variant_market(call: Call) -> Answer:
    """GET .../variants/{variantId}/market-data: suggestions take our own asks into account."""
    if "country" in call.query:
        raise ApiError(400, "country is no longer accepted")
    found = catalog.variant(call.world, call.path["productId"], call.path["variantId"], call.operation.missing())
    return 200, catalog.market_data(call.world, found, call.query.get("currencyCode", "USD"), spare_own=True)


def product_market(call: Call) -> Answer:
    """GET .../products/{productId}/market-data: suggestions ignore whose asks they undercut."""
    owner = catalog.product(call.world, call.path["productId"], call.operation.missing())
    currency = call.query.get("currencyCode", "USD")
    variants = [call.world.variants[key] for key in owner.variant_ids]
    return 200, [catalog.market_data(call.world, found, currency, spare_own=False) for found in variants]


def variant_by_gtin(call: Call) -> Answer:
    """GET /catalog/products/variants/gtins/{gtin}."""
    gtin = call.path["gtin"]
    if not catalog.is_gtin(gtin):
        raise ApiError(400, "Invalid GTIN")
    found = catalog.by_gtin(call.world, gtin)
    if found is None:
        raise ApiError(call.operation.missing(), "No variant has this GTIN")
    return 200, views.variant(call.world, found)
