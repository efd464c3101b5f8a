"""The operations of StockX's document, called by the client and answered by the sandbox."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from soleflip.stockx import (
    ActivateListing,
    CreateItem,
    CreateListing,
    StockXNotFound,
    StockXRefused,
    UpdateItem,
    UpdateListing,
)


@pytest.fixture
def expiry(seller):
    return seller.budget.clock() + timedelta(days=30)


@pytest.fixture
def variant(seller):
    [product, *_] = seller.search("DD1391-100")
    return seller.variants(product.product_id)[0]


@pytest.fixture
def listing_id(market, seller, variant, expiry) -> str:
    ask = CreateListing(variant_id=variant.variant_id, amount=Decimal(400), currency_code="EUR", expires_at=expiry)
    operation = seller.create_listing(ask)
    market.control("clock", step=60)
    return operation.listing_id


@pytest.fixture
def order_number(market, listing_id) -> str:
    return market.control("purchase", listingId=listing_id)["orderNumber"]


def test_catalog_calls_agree_with_each_other(seller):
    [found, *_] = seller.search("DD1391-100", limit=3)
    product = seller.product(found.product_id)
    assert (product.style_id, product.brand) == ("DD1391-100", "Nike")
    variants = seller.variants(product.product_id)
    one = seller.variant(product.product_id, variants[0].variant_id)
    assert one == seller.variant_by_gtin(one.gtins[0].identifier)
    assert one.variant_value == variants[0].variant_value


def test_market_data_of_a_product_has_that_of_its_variants(seller, variant):
    quotes = {quote.variant_id: quote for quote in seller.market_data(variant.product_id, "EUR")}
    quote = seller.variant_market_data(variant.product_id, variant.variant_id, "EUR")
    assert quote.lowest_ask_amount == quotes[variant.variant_id].lowest_ask_amount
    assert quote.currency_code == "EUR"


def test_a_listing_is_changed_taken_down_put_up_and_deleted(market, seller, listing_id, expiry):
    def settle() -> None:
        market.control("clock", step=60)

    assert seller.listing(listing_id).status == "ACTIVE"
    change = UpdateListing(amount=Decimal(390), currency_code="EUR", expires_at=expiry)
    operation = seller.update_listing(listing_id, change)
    assert operation.operation_status == "PENDING"
    settle()
    assert seller.operation(listing_id, operation.operation_id).has_succeeded
    seller.deactivate_listing(listing_id)
    settle()
    assert seller.listing(listing_id).status == "INACTIVE"
    seller.activate_listing(listing_id, ActivateListing(amount=Decimal(380), currency_code="EUR", expires_at=expiry))
    settle()
    listing = seller.listing(listing_id)
    assert (listing.status, listing.amount, listing.currency_code) == ("ACTIVE", Decimal(380), "EUR")
    assert listing.payout.total_payout == listing.payout.sale_price + listing.payout.total_adjustments
    assert listing_id in {entry.listing_id for entry in seller.listings(statuses=["ACTIVE"])}
    seller.delete_listing(listing_id)
    settle()
    kinds = {operation.operation_type for operation in seller.operations(listing_id)}
    assert kinds == {"CREATE", "UPDATE", "DEACTIVATE", "ACTIVATE", "DELETE"}


def test_batches_create_change_and_delete(market, seller, variant, expiry):
    item = CreateItem(variant_id=variant.variant_id, amount=Decimal(410), currency_code="EUR", expires_at=expiry)
    batch = seller.create_listings([item, item])
    assert not batch.is_finished
    market.control("clock", step=600)
    assert seller.create_batch(batch.batch_id).is_finished
    created = seller.create_batch_items(batch.batch_id)
    assert all(one.has_succeeded and one.listing_input.amount == Decimal(410) for one in created)
    ids = [one.result.listing_id for one in created]
    assert sorted(entry.listing_id for entry in seller.listings(batch_ids=[batch.batch_id])) == sorted(ids)

    change = [UpdateItem(listing_id=one, amount=Decimal(405), currency_code="EUR", expires_at=expiry) for one in ids]
    batch = seller.update_listings(change)
    market.control("clock", step=600)
    assert seller.update_batch(batch.batch_id).item_statuses == {"completed": 2}
    assert {one.listing_input.listing_id for one in seller.update_batch_items(batch.batch_id)} == set(ids)

    batch = seller.delete_listings(ids)
    market.control("clock", step=600)
    assert seller.delete_batch(batch.batch_id).is_finished
    deleted = seller.delete_batch_items(batch.batch_id, status="COMPLETED")
    assert {one.listing_input.listing_id for one in deleted} == set(ids)


def test_a_sale_is_seen_with_its_payout_and_papers(market, seller, listing_id, order_number):
    assert order_number in {entry.order_number for entry in seller.active_orders(sort="SHIPBYDATE")}
    order = seller.order(order_number)
    assert (order.listing_id, order.status) == (listing_id, "CREATED")
    lines = sum((line.amount for line in order.payout.adjustments), Decimal(0))
    assert order.payout.total_payout == order.payout.sale_price + lines
    assert order.shipment.ship_by_date > order.created_at
    assert seller.shipping_document(order_number, order.shipment.shipping_id).startswith(b"%PDF")
    market.control(f"orders/{order_number}", status="CANCELED")
    market.control("clock", step=86_400)
    today = order.created_at.date()
    assert order_number in {entry.order_number for entry in seller.historical_orders(from_date=today)}


def test_documents_of_a_standard_order_are_refused_with_a_reason(seller, order_number):
    with pytest.raises((StockXRefused, StockXNotFound), match="shipping_documents"):
        seller.shipping_documents(order_number)


def test_what_is_not_there_is_not_found(seller, expiry):
    for call in (seller.listing, seller.order, seller.product, seller.variants, seller.variant_by_gtin):
        with pytest.raises((StockXNotFound, StockXRefused)):
            call("4006381333931")


def test_a_wrong_variant_is_refused_at_once(seller, expiry):
    ask = CreateListing(variant_id="nothing", amount=Decimal(400), currency_code="EUR", expires_at=expiry)
    with pytest.raises(StockXRefused):
        seller.create_listing(ask)
