"""StockX's answers are read tolerantly, and every field of its document is read at all."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from soleflip.stockx import batches, catalog, listings, orders, wire

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "soleflip/sandbox/openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
KINDS: dict[str, type[wire.Answer]] = {
    "ListingAsyncOperationResponse": listings.Operation,
    "OperationApi": listings.Operation,
    "OperationsCursorResponse": listings.OperationsPage,
    "ListingsResponseBatch": listings.LastBatch,
    "ListingResponseAsk": listings.Ask,
    "ListingResponseOrder": listings.ListingOrder,
    "ListingResponseProduct": wire.ListedProduct,
    "ListingResponseVariant": wire.ListedVariant,
    "ListingResponseOperation": listings.LastOperation,
    "ListListings": listings.ListingEntry,
    "ListingResponse": listings.ListingDetail,
    "Listings": listings.ListingsPage,
    "BatchStatus": batches.BatchStatus,
    "BatchItemResult": batches.BatchResult,
    "GetListingCreateBatchItem": batches.CreateBatchItem,
    "GetListingCreateBatchItemsResponse": batches.CreateBatchItems,
    "GetListingUpdateBatchItem": batches.UpdateBatchItem,
    "GetListingUpdateBatchItemsResponse": batches.UpdateBatchItems,
    "GetListingDeleteBatchItem": batches.DeleteBatchItem,
    "GetListingDeleteBatchItemsResponse": batches.DeleteBatchItems,
    "Adjustment": wire.Adjustment,
    "Payout": wire.Payout,
    "AuthenticationDetails": wire.AuthenticationDetails,
    "ListOrders": orders.OrderEntry,
    "Orders": orders.OrdersPage,
    "Shipment": orders.Shipment,
    "DetailedOrder": orders.OrderDetail,
    "GetShipmentDetailsResponse": orders.ShippingDocuments,
    "ProductAttributes": catalog.ProductAttributes,
    "ProductSizeConversion": catalog.SizeConversion,
    "SearchProduct": catalog.Product,
    "Search": catalog.SearchPage,
    "Product": catalog.Product,
    "VariantSizeConversion": catalog.SizeConversion,
    "VariantSizeChart": catalog.SizeChart,
    "VariantGtinDetails": catalog.Gtin,
    "ProductVariantDetails": catalog.Variant,
    "ProductVariant": catalog.Variant,
    "ChannelMarketData": catalog.ChannelMarketData,
    "VariantMarketDataResponse": catalog.MarketData,
}


@pytest.mark.parametrize("schema", KINDS)
def test_every_field_of_the_document_is_read(schema: str):
    read = {field.alias for field in KINDS[schema].model_fields.values()}
    assert set(SCHEMAS[schema]["properties"]) - read == set()


@pytest.mark.parametrize("schema", [name for name in KINDS if "example" in SCHEMAS[name]])
def test_every_example_of_the_document_is_read_in_full(schema: str):
    example = SCHEMAS[schema]["example"]
    answer = KINDS[schema].model_validate(example).model_dump(by_alias=True)
    assert {name for name, value in example.items() if value} <= {name for name, value in answer.items() if value}


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ("150", "150"),
        ("48.94", "48.94"),
        ("76.0000", "76"),
        ("23500.0000", "23500"),
        ("-13.87", "-13.87"),
        ("0.00", "0"),
        (" 7 ", "7"),
        ("1,234.50", "1234.5"),
        (63, "63"),
        (0.085, "0.085"),
    ],
)
def test_money_of_any_form_becomes_a_plain_decimal(sent: object, amount: str):
    assert str(wire.read_money(sent)) == amount


@pytest.mark.parametrize("sent", [None, "", "free", "NaN", "Infinity", True, [], {"amount": "5"}])
def test_what_is_no_money_is_none(sent: object):
    assert wire.read_money(sent) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_money_keeps_its_value(amount: Decimal):
    assert wire.read_money(f"{amount:f}") == amount


@pytest.mark.parametrize(
    "sent", ["2026-03-02T11:44:31.000Z", "2026-03-02T12:44:31+01:00", "2026-03-02T11:44:31", "2026-03-02 11:44:31"]
)
def test_times_become_utc(sent: str):
    assert wire.read_instant(sent) == datetime(2026, 3, 2, 11, 44, 31, tzinfo=UTC)


@pytest.mark.parametrize("sent", [None, "", "soon", 17, []])
def test_what_is_no_time_is_none(sent: object):
    assert wire.read_instant(sent) is None


def test_unknown_fields_and_statuses_are_no_error():
    order = orders.OrderDetail.model_validate({"orderNumber": "1-1", "status": "TELEPORTED", "address": {"city": "?"}})
    assert order.status == "TELEPORTED"


def test_an_empty_list_for_an_object_is_read_as_nothing():
    sent = {"listingId": "l", "ask": [], "payout": [], "order": [], "batch": []}
    listing = listings.ListingDetail.model_validate(sent)
    assert (listing.ask, listing.payout, listing.order, listing.batch) == (None, None, None, None)
    operation = listings.Operation.model_validate({"listingId": "l", "operationId": "o", "changes": []})
    assert operation.changes == {}


def test_an_entry_without_its_id_is_left_out_and_the_rest_kept():
    page = orders.OrdersPage.model_validate(
        {"hasNextPage": False, "orders": [{"orderNumber": "1-1"}, {"status": "CREATED"}, None, 5]}
    )
    assert [order.order_number for order in page.orders] == ["1-1"]


def test_a_listing_without_its_id_is_an_error():
    with pytest.raises(ValueError, match="listingId"):
        listings.ListingDetail.model_validate({"status": "ACTIVE"})


def test_ids_sent_as_numbers_stay_exact_text():
    assert listings.Ask.model_validate({"askId": 13658831621304650018}).ask_id == "13658831621304650018"


def test_item_counts_may_be_numbers_or_text():
    sent = {"batchId": "b", "totalItems": 3.0, "itemStatuses": {"queued": "2", "FAILED": 1, "odd": None}}
    batch = batches.BatchStatus.model_validate(sent)
    assert (batch.total_items, batch.item_statuses) == (3, {"queued": 2, "failed": 1})


def test_a_payout_is_kept_verbatim_beside_its_decimals():
    sent: dict[str, Any] = {
        "totalPayout": "38.03",
        "salePrice": "48.9400",
        "totalAdjustments": "-10.97",
        "currencyCode": "EUR",
        "adjustments": [{"adjustmentType": "MinTransactionFee", "amount": "-5.00", "percentage": "0.090"}],
        "taxes": [],
    }
    payout = orders.OrderDetail.model_validate({"orderNumber": "1-1", "payout": sent}).payout
    assert payout is not None
    assert payout.raw == sent
    assert (payout.sale_price, payout.total_payout) == (Decimal("48.94"), Decimal("38.03"))
    [line] = payout.adjustments
    assert (line.name, line.amount, line.percentage) == ("MinTransactionFee", Decimal("-5"), Decimal("0.09"))
    assert (line.amount_text, line.percentage_text) == ("-5.00", "0.090")


def test_the_shipping_id_is_the_last_part_of_the_documents_address():
    url = "https://api.stockx.com/v2/selling/orders/1-1/shipping-document/S-657138089"
    assert orders.Shipment.model_validate({"shippingDocumentUrl": url}).shipping_id == "S-657138089"
    assert orders.Shipment.model_validate({"shippingDocumentUrl": None}).shipping_id is None


def test_answers_can_not_be_changed():
    entry = listings.ListingEntry.model_validate({"listingId": "l"})
    with pytest.raises(ValueError, match="frozen"):
        entry.status = "ACTIVE"  # type: ignore[misc]


def test_a_status_of_null_is_unknown():
    assert listings.ListingDetail.model_validate({"listingId": "l", "status": None}).status == "UNKNOWN"


@pytest.mark.parametrize("sent", [{}, {"hasNextPage": False}, {"orders": []}, {"orders": None, "hasNextPage": False}])
def test_a_page_that_can_not_be_read_is_not_an_empty_one(sent: dict[str, Any]):
    with pytest.raises(ValueError, match="OrdersPage"):
        orders.OrdersPage.model_validate(sent)
