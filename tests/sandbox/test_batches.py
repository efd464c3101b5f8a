"""Batches over HTTP: their states, their items one by one, and their limits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Caller


def run(caller: Caller, kind: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items of a batch when it is done."""
    batch = caller.post(f"/selling/batch/{kind}-listing", items=items)
    caller.step(seconds=30)
    found: list[dict[str, Any]] = caller.get(f"/selling/batch/{kind}-listing/{batch['batchId']}/items")["items"]
    return found


def entry(variant_id: str, amount: str = "150", **more: Any) -> dict[str, Any]:
    return {"variantId": variant_id, "amount": amount, "quantity": 1, "currencyCode": "EUR", **more}


def test_a_batch_is_queued_then_in_progress_then_completed(common: Caller, variant_id: str) -> None:
    batch = common.post("/selling/batch/create-listing", items=[entry(variant_id)] * 3)
    path = f"/selling/batch/create-listing/{batch['batchId']}"
    assert (batch["status"], batch["itemStatuses"], batch["completedAt"]) == ("QUEUED", {"queued": 3}, None)
    common.step(seconds=3)
    assert common.get(path)["status"] == "IN_PROGRESS"
    common.step(seconds=30)
    done = common.get(path)
    assert (done["status"], done["itemStatuses"], done["totalItems"]) == ("COMPLETED", {"completed": 3}, 3)
    assert done["completedAt"]
    assert common.get("/selling/listings", batchIds=batch["batchId"])["count"] == 3


def test_items_succeed_and_fail_one_by_one(common: Caller, variant_id: str) -> None:
    good, bad = run(common, "create", [entry(variant_id), entry("none")])
    assert good["status"] == "COMPLETED"
    assert good["result"]["listingId"]
    assert "error" not in good
    assert bad["status"] == "FAILED"
    assert "none" in bad["error"]
    assert "result" not in bad


def test_a_quantity_becomes_so_many_items(common: Caller, variant_id: str) -> None:
    items = run(common, "create", [entry(variant_id) | {"quantity": 3}])
    assert len({item["result"]["listingId"] for item in items}) == 3


def test_an_update_that_deactivates_never_offers_its_new_price(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [200], [120])
    listing = common.list_one(variant_id, 150)
    (item,) = run(common, "update", [{"listingId": listing["listingId"], "amount": "110", "active": False}])
    assert item["status"] == "COMPLETED"
    after = common.get(f"/selling/listings/{listing['listingId']}")
    assert (after["status"], after["amount"]) == ("INACTIVE", "110")


def test_updates_change_price_and_activity(common: Caller, variant_id: str) -> None:
    made = [item["result"]["listingId"] for item in run(common, "create", [entry(variant_id)] * 2)]
    wanted = [{"listingId": made[0], "amount": "155"}, {"listingId": made[1], "active": False}]
    items = run(common, "update", [*wanted, {"listingId": "none", "amount": "1"}])
    assert [item["status"] for item in items] == ["COMPLETED", "COMPLETED", "FAILED"]
    first, second = (common.get(f"/selling/listings/{key}") for key in made)
    assert (first["amount"], first["currencyCode"], first["status"]) == ("155", "EUR", "ACTIVE")
    assert second["status"] == "INACTIVE"
    (item,) = run(common, "update", [{"listingId": made[1], "active": True, "amount": "165"}])
    assert item["status"] == "COMPLETED"
    assert common.get(f"/selling/listings/{made[1]}")["amount"] == "165"


def test_deletes_echo_the_listing_id_and_fail_on_what_is_sold(common: Caller, variant_id: str) -> None:
    made = [item["result"]["listingId"] for item in run(common, "create", [entry(variant_id)] * 2)]
    common.sandbox.control("purchase", listingId=made[1])
    gone, sold = run(common, "delete", [{"listingId": key} for key in made])
    assert (gone["status"], gone["listingInput"]) == ("COMPLETED", {"id": made[0]})
    assert sold["status"] == "FAILED"
    assert "MATCHED" in sold["error"]
    assert common.get("/selling/listings", variantIds=variant_id, listingStatuses="ACTIVE")["count"] == 0


def test_items_are_filtered_by_status_and_kind(common: Caller, variant_id: str) -> None:
    batch = common.post("/selling/batch/create-listing", items=[entry(variant_id), entry("none")])
    common.step(seconds=30)
    path = f"/selling/batch/create-listing/{batch['batchId']}"
    assert len(common.get(f"{path}/items", status="FAILED")["items"]) == 1
    common.get(f"/selling/batch/update-listing/{batch['batchId']}", expect=404)


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{}],
        [entry("v")] * 101,
        [entry("v") | {"quantity": 101}],
        [entry("v") | {"quantity": 0}],
        [entry("v") | {"quantity": 1.5}],
        [entry("v", "1.5")],
        [entry("v", colour="red")],
    ],
    ids=("empty", "no fields", "101 items", "quantity 101", "quantity 0", "a half", "cents", "unknown field"),
)
def test_a_wrong_batch_is_refused_as_a_whole(common: Caller, items: list[dict[str, Any]]) -> None:
    common.post("/selling/batch/create-listing", expect=400, items=items)


def test_five_hundred_items_in_five_minutes_are_the_limit(caller: Caller) -> None:
    variant_id = caller.variants()[0]["variantId"]
    for _ in range(5):
        caller.post("/selling/batch/create-listing", items=[entry(variant_id, "900")] * 100)
    caller.post("/selling/batch/create-listing", expect=429, items=[entry(variant_id)])
    assert caller.last is not None
    assert int(caller.last.headers["Retry-After"]) >= 1
    caller.step(seconds=301)
    caller.post("/selling/batch/create-listing", items=[entry(variant_id)])
