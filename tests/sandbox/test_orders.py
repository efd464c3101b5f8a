"""Sales over HTTP: how they come about, how they walk, and what they pay."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from statistics import median, quantiles

import pytest

from tests.sandbox.conftest import Caller


def test_a_purchase_of_our_listing_makes_an_order(common: Caller, variant_id: str) -> None:
    order = common.sell_one(variant_id, 150)
    assert (order["status"], order["amount"], order["currencyCode"]) == ("CREATED", "150", "EUR")
    assert Decimal(order["payout"]["salePrice"]) == 150
    listing = common.get(f"/selling/listings/{order['listingId']}")
    assert listing["status"] == "MATCHED"
    assert listing["order"]["orderNumber"] == order["orderNumber"]
    assert listing["payout"] == order["payout"]
    assert order["shipment"]["shipByDate"].endswith("T23:59:59.000Z")


def test_a_bid_at_our_ask_buys_it_at_the_ask(common: Caller, variant_id: str) -> None:
    common.list_one(variant_id, 150)
    assert not common.sandbox.control("bid", variantId=variant_id, amount=149)["matched"]
    bought = common.sandbox.control("bid", variantId=variant_id, amount=152)
    assert common.get(f"/selling/orders/{bought['orderNumber']}")["amount"] == "150"


def test_an_ask_at_or_below_a_bid_sells_at_the_bid(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [200], [160])
    listing = common.list_one(variant_id, 150)
    assert listing["status"] == "MATCHED"
    assert common.get(f"/selling/orders/{listing['order']['orderNumber']}")["amount"] == "160"


def test_a_price_cut_onto_a_bid_sells(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [200], [140])
    listing = common.list_one(variant_id, 150)
    assert listing["status"] == "ACTIVE"
    common.patch(f"/selling/listings/{listing['listingId']}", amount="140", currencyCode="EUR")
    common.step(seconds=3)
    assert common.get(f"/selling/listings/{listing['listingId']}")["status"] == "MATCHED"


def test_a_dollar_ask_meets_a_euro_market(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [200], [])
    common.list_one(variant_id, 165, currencyCode="USD")
    bought = common.sandbox.control("purchase", variantId=variant_id)
    order = common.get(f"/selling/orders/{bought['orderNumber']}")
    assert (order["amount"], order["currencyCode"], order["payout"]["currencyCode"]) == ("165", "USD", "USD")


def test_a_purchase_of_the_variant_takes_a_cheaper_rival_first(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [100], [])
    common.list_one(variant_id, 150)
    assert common.sandbox.control("purchase", variantId=variant_id)["orderNumber"] is None
    assert common.sandbox.control("purchase", variantId=variant_id)["orderNumber"] is not None


def test_an_order_walks_from_created_to_completed(caller: Caller) -> None:
    failures = ("canceled", "did_not_ship", "card_failed", "auth_failed", "returned", "suspended", "payout_failed")
    caller.sandbox.control("settings", **dict.fromkeys(failures, 0.0))
    order = caller.sell_one(caller.variants()[0]["variantId"])
    path = f"/selling/orders/{order['orderNumber']}"
    caller.step(days=20)
    history = caller.sandbox.look("state")["orders"][0]["history"]
    assert [status for _, status in history] == [
        "CREATED",
        "SHIPPED",
        "RECEIVED",
        "AUTHENTICATING",
        "AUTHENTICATED",
        "PAYOUTPENDING",
        "PAYOUTCOMPLETED",
        "COMPLETED",
    ]
    assert sorted(history) == history
    assert caller.get("/selling/orders/active")["count"] == 0
    (past,) = caller.get("/selling/orders/history")["orders"]
    assert past["status"] == "COMPLETED"
    assert past["payout"] == order["payout"] == caller.get(path)["payout"]
    assert caller.get(f"/selling/listings/{order['listingId']}")["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("setting", "status"),
    [
        ("canceled", "CANCELED"),
        ("did_not_ship", "DIDNOTSHIP"),
        ("auth_failed", "AUTHFAILED"),
        ("returned", "RETURNED"),
    ],
)
def test_a_bad_end_goes_to_the_history(caller: Caller, setting: str, status: str) -> None:
    others = dict.fromkeys(("canceled", "did_not_ship", "card_failed", "auth_failed", "returned"), 0.0)
    caller.sandbox.control("settings", **others | {setting: 1.0})
    order = caller.sell_one(caller.variants()[0]["variantId"])
    caller.step(days=20)
    assert caller.get(f"/selling/orders/{order['orderNumber']}")["status"] == status
    (past,) = caller.get("/selling/orders/history", orderStatus=status)["orders"]
    assert (past["authenticationDetails"] is not None) is (status == "AUTHFAILED")
    assert caller.get(f"/selling/listings/{order['listingId']}")["status"] == "CANCELED"
    assert caller.get("/selling/orders/active")["count"] == 0


def test_without_a_seller_who_ships_the_date_passes(caller: Caller) -> None:
    caller.sandbox.control("settings", ship_after_hours=-1, canceled=0.0)
    order = caller.sell_one(caller.variants()[0]["variantId"])
    caller.step(days=2)
    assert caller.get(f"/selling/orders/{order['orderNumber']}")["status"] == "CREATED"
    caller.step(days=2)
    assert caller.get(f"/selling/orders/{order['orderNumber']}")["status"] == "DIDNOTSHIP"


def test_shipping_by_hand_starts_the_usual_way(caller: Caller) -> None:
    off = ("canceled", "auth_failed", "returned", "suspended", "payout_failed")
    caller.sandbox.control("settings", ship_after_hours=-1, **dict.fromkeys(off, 0.0))
    order = caller.sell_one(caller.variants()[0]["variantId"])
    caller.sandbox.control(f"orders/{order['orderNumber']}", status="SHIPPED")
    caller.step(days=20)
    assert caller.get(f"/selling/orders/{order['orderNumber']}")["status"] == "COMPLETED"


def test_half_of_the_payouts_come_within_four_days_and_most_within_seven(caller: Caller) -> None:
    off = ("canceled", "did_not_ship", "card_failed", "auth_failed", "returned", "suspended", "payout_failed")
    caller.sandbox.control("settings", batch_window_items=10_000, **dict.fromkeys(off, 0.0))
    variant_id = caller.variants()[0]["variantId"]
    caller.quiet_market(variant_id, [], [])
    item = {"variantId": variant_id, "amount": "150", "quantity": 100, "currencyCode": "EUR"}
    for _ in range(3):
        caller.post("/selling/batch/create-listing", items=[item])
    caller.step(minutes=1)
    for _ in range(300):
        caller.sandbox.control("purchase", variantId=variant_id)
    caller.step(days=30)
    waits = []
    for order in caller.sandbox.look("state")["orders"]:
        times = {status: at for at, status in order["history"]}
        waits.append((times["PAYOUTCOMPLETED"] - times["CREATED"]) / 86_400_000)
    assert median(waits) == pytest.approx(4.0, abs=0.5)
    assert quantiles(waits, n=10)[-1] == pytest.approx(7.2, abs=1.0)
    assert max(waits) <= 17.21


def test_lists_filter_sort_and_stay_apart(caller: Caller) -> None:
    one, other = (variant["variantId"] for variant in caller.variants()[:2])
    first, second = caller.sell_one(one), caller.sell_one(other)
    active = caller.get("/selling/orders/active")
    assert [order["orderNumber"] for order in active["orders"]] == [second["orderNumber"], first["orderNumber"]]
    assert active["orders"][0]["payout"] is None
    urgent = caller.get("/selling/orders/active", sortOrder="SHIPBYDATE")["orders"]
    assert urgent[0]["orderNumber"] == first["orderNumber"]
    assert caller.get("/selling/orders/active", variantId=one)["count"] == 1
    assert caller.get("/selling/orders/active", orderStatus="SHIPPED")["count"] == 0
    caller.get("/selling/orders/active", expect=400, orderStatus="COMPLETED")
    caller.get("/selling/orders/history", expect=400, orderStatus="CREATED")
    caller.sandbox.control(f"orders/{first['orderNumber']}", status="RETURNED")
    assert caller.get("/selling/orders/active")["count"] == 1
    day = datetime.fromisoformat(first["createdAt"]).date().isoformat()
    assert caller.get("/selling/orders/history", fromDate=day, toDate=day)["count"] == 1
    assert caller.get("/selling/orders/history", fromDate="2020-01-01", toDate="2020-01-02")["count"] == 0


def test_shipping_documents(caller: Caller) -> None:
    product = caller.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
    direct = [v for v in caller.get(f"/catalog/products/{product}/variants") if v["isDirectEligible"]]
    plain = caller.sell_one(caller.variants()[0]["variantId"])
    path = f"/selling/orders/{plain['orderNumber']}/shipping-document"
    caller.get(path, expect=400)
    address = plain["shipment"]["shippingDocumentUrl"].removeprefix(caller.sandbox.api_url)
    assert caller.get(address).startswith(b"%PDF")
    caller.get(f"{path}/none", expect=404)
    order = caller.sell_one(direct[0]["variantId"], inventoryType="DIRECT")
    assert order["orderNumber"].startswith("06-")
    assert caller.get(f"/selling/orders/{order['orderNumber']}/shipping-document")["shippingDocuments"]


def test_a_label_is_a_signed_link_that_ends(caller: Caller) -> None:
    label = caller.sell_one(caller.variants()[0]["variantId"])["shipment"]["shippingLabelUrl"]
    assert caller.session.get(label, timeout=60).content.startswith(b"%PDF")
    caller.step(hours=2)
    assert caller.session.get(label, timeout=60).status_code == 403
