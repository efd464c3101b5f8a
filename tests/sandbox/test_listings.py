"""Single listings and their asynchronous operations over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Caller


def test_a_listing_is_created_in_two_steps(common: Caller, variant_id: str) -> None:
    started = common.post("/selling/listings", variantId=variant_id, amount="150", currencyCode="EUR")
    assert common.last is not None
    assert common.last.status_code == 201
    assert started["operationStatus"] == "PENDING"
    listing = common.get(f"/selling/listings/{started['listingId']}")
    assert (listing["status"], listing["ask"], listing["payout"]) == ("INACTIVE", None, None)
    common.step(seconds=3)
    path = started["operationUrl"].removeprefix(common.sandbox.api_url)
    assert common.get(path)["operationStatus"] == "SUCCEEDED"
    listing = common.get(f"/selling/listings/{started['listingId']}")
    assert (listing["status"], listing["amount"], listing["currencyCode"]) == ("ACTIVE", "150", "EUR")
    assert listing["lastOperation"]["operationId"] == started["operationId"]
    assert listing["payout"]["totalPayout"] == "127.5"


def test_an_inactive_listing_has_no_ask(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150, active=False)
    assert (listing["status"], listing["ask"]) == ("INACTIVE", None)


def test_what_is_left_out_is_dollars_and_999_days(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150, currencyCode="EUR")
    common.patch(f"/selling/listings/{listing['listingId']}", amount="140")
    common.step(seconds=3)
    after = common.get(f"/selling/listings/{listing['listingId']}")
    assert (after["amount"], after["currencyCode"]) == ("140", "USD")


def test_a_listing_goes_through_its_whole_life(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    path = f"/selling/listings/{listing['listingId']}"

    def done(change: Any) -> dict[str, Any]:
        assert change["operationStatus"] == "PENDING"
        common.step(seconds=3)
        found: dict[str, Any] = common.get(path)
        assert found["lastOperation"]["operationStatus"] == "SUCCEEDED"
        return found

    assert done(common.patch(path, amount="160", currencyCode="EUR"))["amount"] == "160"
    assert done(common.put(f"{path}/deactivate"))["status"] == "INACTIVE"
    again = done(common.put(f"{path}/activate", amount="170", currencyCode="EUR"))
    assert (again["status"], again["amount"]) == ("ACTIVE", "170")
    assert done(common.delete(path))["status"] == "DELETED"
    kinds = [entry["operationType"] for entry in common.get(f"{path}/operations")["operations"]]
    assert kinds == ["DELETE", "ACTIVATE", "DEACTIVATE", "UPDATE", "CREATE"]


def test_operations_come_in_cursor_pages(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    path = f"/selling/listings/{listing['listingId']}"
    for amount in ("151", "152"):
        common.patch(path, amount=amount, currencyCode="EUR")
        common.step(seconds=3)
    seen, cursor = [], None
    for _ in range(3):
        query = {"cursor": cursor} if cursor else {}
        page = common.get(f"{path}/operations", pageSize=1, **query)
        seen += [entry["operationId"] for entry in page["operations"]]
        cursor = page["nextCursor"]
    assert cursor is None
    assert len(set(seen)) == 3
    common.get(f"{path}/operations", expect=400, cursor="nonsense")


def test_states_are_enforced(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    path = f"/selling/listings/{listing['listingId']}"
    common.put(f"{path}/activate", expect=400)
    common.sandbox.control("purchase", listingId=listing["listingId"])
    for method, action in (("PATCH", ""), ("DELETE", ""), ("PUT", "/activate"), ("PUT", "/deactivate")):
        refused = common.call(method, path + action, expect=400, json={})
        assert "MATCHED" in refused["message"]


def test_a_second_write_waits_for_the_first(common: Caller, variant_id: str) -> None:
    started = common.post("/selling/listings", variantId=variant_id, amount="150", currencyCode="EUR")
    path = f"/selling/listings/{started['listingId']}"
    assert "pending" in common.delete(path, expect=400)["message"]
    common.step(seconds=3)
    common.delete(path)


def test_a_failed_activation_leaves_an_inactive_listing(caller: Caller) -> None:
    caller.sandbox.control("settings", activation_failure=1.0)
    listing = caller.list_one(caller.variants()[0]["variantId"], 150)
    assert (listing["status"], listing["ask"], listing["payout"]) == ("INACTIVE", None, None)
    last = listing["lastOperation"]
    assert (last["operationType"], last["operationStatus"]) == ("ACTIVATE", "FAILED")
    assert last["error"]


def test_a_sale_before_the_change_fails_the_change(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    change = common.patch(f"/selling/listings/{listing['listingId']}", amount="90", currencyCode="EUR")
    common.sandbox.control("purchase", listingId=listing["listingId"])
    common.step(seconds=3)
    path = f"/selling/listings/{listing['listingId']}/operations/{change['operationId']}"
    assert common.get(path)["operationStatus"] == "FAILED"
    assert common.get(f"/selling/listings/{listing['listingId']}")["amount"] == "150"


def test_an_expired_listing_hides_until_asked_for(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    common.sandbox.control(f"listings/{listing['listingId']}", action="expire")
    assert common.get("/selling/listings", variantIds=variant_id)["count"] == 0
    (found,) = common.get("/selling/listings", variantIds=variant_id, isExpired="true")["listings"]
    assert found["status"] == "INACTIVE"
    common.put(f"/selling/listings/{listing['listingId']}/activate", currencyCode="EUR")
    common.step(seconds=3)
    assert common.get("/selling/listings", variantIds=variant_id)["listings"][0]["status"] == "ACTIVE"


def test_an_ask_ends_at_its_time(caller: Caller) -> None:
    variant_id = caller.variants()[0]["variantId"]
    caller.quiet_market(variant_id, [], [])
    end = caller.sandbox.look("clock")["time"][:11] + "23:59:59.000Z"
    listing = caller.list_one(variant_id, 150, expiresAt=end)
    assert listing["ask"]["askExpiresAt"] == end
    caller.step(days=1)
    assert caller.get(f"/selling/listings/{listing['listingId']}")["status"] == "INACTIVE"


def test_lists_filter_and_page_newest_first(caller: Caller) -> None:
    one, other = (variant["variantId"] for variant in caller.variants()[:2])
    for variant_id in (one, other):
        caller.quiet_market(variant_id, [], [])
    made = [caller.list_one(variant_id, 150)["listingId"] for variant_id in (one, other, one)]
    caller.list_one(other, 150, active=False)
    page = caller.get("/selling/listings", pageSize=3)
    assert (page["count"], page["pageSize"], page["hasNextPage"]) == (4, 3, True)
    assert [entry["listingId"] for entry in caller.get("/selling/listings", variantIds=one)["listings"]] == [
        made[2],
        made[0],
    ]
    assert caller.get("/selling/listings", listingStatuses="INACTIVE")["count"] == 1
    assert caller.get("/selling/listings", listingStatuses="INACTIVE,ACTIVE")["count"] == 4
    today = caller.sandbox.look("clock")["time"][:10]
    assert caller.get("/selling/listings", fromDate=today, toDate=today)["count"] == 4
    assert caller.get("/selling/listings", toDate="2020-01-01")["count"] == 0
    assert caller.get("/selling/listings", inventoryTypes="DIRECT")["count"] == 0


def test_the_same_ask_twice_is_two_listings(common: Caller, variant_id: str) -> None:
    body = {"variantId": variant_id, "amount": "150", "currencyCode": "EUR"}
    ids = {common.post("/selling/listings", **body)["listingId"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "0"},
        {"amount": "-5"},
        {"amount": "99.5"},
        {"amount": 150},
        {"amount": "1e3"},
        {"currencyCode": "XXX"},
        {"currencyCode": "BRL"},
        {"expiresAt": "yesterday"},
        {"expiresAt": "2020-01-01T00:00:00.000Z"},
        {"active": "true"},
        {"inventoryType": "FLEX"},
        {"variantId": "none"},
        {"note": "what is this"},
    ],
    ids=str,
)
def test_a_wrong_create_makes_no_listing(common: Caller, variant_id: str, wrong: dict[str, Any]) -> None:
    body = {"variantId": variant_id, "amount": "150", "currencyCode": "EUR"} | wrong
    before = common.get("/selling/listings")["count"]
    refused = common.post("/selling/listings", expect=400, **body)
    assert refused["statusCode"] == 400
    assert common.get("/selling/listings")["count"] == before
