"""The control interface over HTTP: closed unless opened, and what it can do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import PROJECT, end, free_port, wait_for
from tests.sandbox.conftest import FEED, Caller, teach


def test_it_is_closed_unless_switched_on_but_for_health_and_clock(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "soleflip.sandbox", "--database", str(tmp_path / "w.sqlite"), "run"]
    with log.open("wb") as out, subprocess.Popen([*command, "--port", str(port)], cwd=PROJECT, stdout=out) as process:
        try:
            base = f"http://127.0.0.1:{port}/_sandbox"
            wait_for(f"{base}/healthz", process, log)
            assert set(requests.get(f"{base}/clock", timeout=60).json()) == {"time", "speed", "frozen"}
            for method, path in (
                ("POST", "clock"),
                ("GET", "state"),
                ("POST", "seed"),
                ("POST", "faults"),
                ("GET", "x"),
            ):
                assert requests.request(method, f"{base}/{path}", timeout=60).status_code == 404
        finally:
            end(process)


def test_every_answer_tells_the_time_and_the_speed(common: Caller) -> None:
    common.get("/selling/listings")
    assert common.last is not None
    assert common.last.headers["X-Sandbox-Time"] == common.sandbox.look("clock")["time"]
    assert common.last.headers["X-Sandbox-Speed"] == "60"
    assert "X-Sandbox-Time" in requests.get(f"{common.sandbox.auth_url}/nowhere", timeout=60).headers


def test_the_clock_stands_steps_is_set_and_runs(caller: Caller) -> None:
    control, look = caller.sandbox.control, caller.sandbox.look
    before = look("clock")["time"]
    assert look("clock")["time"] == before
    assert control("clock", step=0.5)["time"] > before
    assert control("clock", set="2040-01-01T00:00:00Z")["time"] == "2040-01-01T00:00:00.000Z"
    assert control("clock", frozen=False, speed=10_000) | {"time": ""} == {"time": "", "speed": 10_000, "frozen": False}
    assert look("clock")["time"] > "2040-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "wrong",
    [{"set": "2001-01-01"}, {"set": "soon"}, {"step": -1}, {"speed": 0}, {"speed": "fast"}, {"pause": True}],
    ids=str,
)
def test_time_goes_forward_only(common: Caller, wrong: dict[str, Any]) -> None:
    assert requests.post(f"{common.sandbox.auth_url}/_sandbox/clock", json=wrong, timeout=60).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": 1},
        {"limits": "no"},
        {"demand": True},
        {"seller_level": 9},
        {"daily_requests": 1.5},
        {"list_payout": "x"},
        {"demand": -1},
    ],
    ids=str,
)
def test_settings_are_checked_all_or_none(common: Caller, wrong: dict[str, Any]) -> None:
    before = common.sandbox.look("settings")
    answer = requests.post(f"{common.sandbox.auth_url}/_sandbox/settings", json={"canceled": 0.5} | wrong, timeout=60)
    assert answer.status_code == 400
    assert common.sandbox.look("settings") == before


def test_a_listing_changes_behind_the_clients_back(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    path, room = f"/selling/listings/{listing['listingId']}", f"listings/{listing['listingId']}"
    common.sandbox.control(room, amount=130)
    changed = common.get(path)
    assert (changed["amount"], changed["currencyCode"], changed["lastOperation"]["operationInitiatedVia"]) == (
        "130",
        "EUR",
        "IOS",
    )
    common.sandbox.control(room, action="deactivate")
    assert common.get(path)["status"] == "INACTIVE"
    common.sandbox.control(room, action="activate")
    assert common.get(path)["status"] == "ACTIVE"
    common.sandbox.control(room, action="delete")
    assert common.get(path)["status"] == "DELETED"


def test_the_state_shows_listings_orders_and_books(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [200], [100])
    listing = common.list_one(variant_id, 150)
    state = common.sandbox.look("state")
    assert any(entry["listing_id"] == listing["listingId"] for entry in state["listings"])
    (book,) = [entry for entry in state["books"] if entry["variant_id"] == variant_id]
    assert [ask[0] for ask in book["asks"]] == [200]
    own = common.sandbox.look(f"books/{variant_id}")["own"]
    assert [entry["price"] for entry in own] == [150.0]


def test_a_running_sandbox_learns_a_feed_once(caller: Caller) -> None:
    more = FEED + "Delta Low,Puma,4006381333979,42,80,EUR,Neu | 396463-01,Men's Footwear\n"
    report = teach(caller.sandbox, more)
    assert (report["products"], report["new_products"]) == (4, 1)
    assert teach(caller.sandbox, more)["new_variants"] == 0
    assert caller.get("/catalog/search", query="396463-01")["products"][0]["brand"] == "Puma"


def test_it_learns_a_feed_from_a_path(caller: Caller, tmp_path: Path) -> None:
    url = f"{caller.sandbox.auth_url}/_sandbox/seed"
    (tmp_path / "feed.csv").write_text(FEED, "utf-8")
    assert requests.post(url, json={"path": str(tmp_path / "feed.csv")}, timeout=60).json()["variants"] == 4
    assert requests.post(url, json={"path": str(tmp_path / "none")}, timeout=60).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("bid", {"variantId": "none", "amount": 5}, 404),
        ("purchase", {"listingId": "none"}, 404),
        ("orders/none", {"status": "SHIPPED"}, 404),
        ("listings/none", {"amount": 5}, 404),
        ("nothing", {}, 404),
        ("bid", {}, 404),
        ("purchase", {}, 404),
        ("orders", {}, 404),
    ],
)
def test_what_does_not_exist_is_told(common: Caller, path: str, body: dict[str, Any], status: int) -> None:
    assert requests.post(f"{common.sandbox.auth_url}/_sandbox/{path}", json=body, timeout=60).status_code == status


def test_an_unknown_status_is_refused_with_the_known_ones(common: Caller, variant_id: str) -> None:
    order = common.sell_one(variant_id)
    url = f"{common.sandbox.auth_url}/_sandbox/orders/{order['orderNumber']}"
    answer = requests.post(url, json={"status": "LOST"}, timeout=60)
    assert answer.status_code == 400
    assert "SUSPENDED" in answer.json()["message"]


@pytest.mark.parametrize(
    "wrong",
    [{"amount": "much"}, {"amount": 0}, {}, {"amount": 5, "currencyCode": "XXX"}, {"amount": 5, "currencyCode": []}],
    ids=str,
)
def test_a_wrong_bid_is_refused(common: Caller, variant_id: str, wrong: dict[str, Any]) -> None:
    url = f"{common.sandbox.auth_url}/_sandbox/bid"
    assert requests.post(url, json={"variantId": variant_id} | wrong, timeout=60).status_code == 400


@pytest.mark.parametrize(
    "wrong", [{"amount": "1.5"}, {"currencyCode": "XXX"}, {"action": "burn"}, {"action": ["delete"]}], ids=str
)
def test_a_wrong_change_leaves_the_listing_alone(common: Caller, variant_id: str, wrong: dict[str, Any]) -> None:
    listing = common.list_one(variant_id, 150)
    url = f"{common.sandbox.auth_url}/_sandbox/listings/{listing['listingId']}"
    assert requests.post(url, json=wrong, timeout=60).status_code == 400
    assert common.get(f"/selling/listings/{listing['listingId']}") == listing


def test_bids_that_are_put_into_a_book_meet_our_asks(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    common.quiet_market(variant_id, [200], [160])
    assert common.get(f"/selling/listings/{listing['listingId']}")["status"] == "MATCHED"


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("clock", {"frozen": False, "speed": "fast"}),
        ("clock", {"frozen": False, "step": -1}),
        ("clock", {"frozen": "false"}),
        ("clock", {"speed": 7, "set": "2001-01-01"}),
        ("settings", {"canceled": 1.5}),
        ("settings", {"drop_off": 2}),
    ],
    ids=str,
)
def test_a_refused_setting_changes_nothing(common: Caller, path: str, wrong: dict[str, Any]) -> None:
    common.sandbox.control("clock", frozen=True)
    before = common.sandbox.look("clock"), common.sandbox.look("settings")
    assert requests.post(f"{common.sandbox.auth_url}/_sandbox/{path}", json=wrong, timeout=60).status_code == 400
    assert (common.sandbox.look("clock"), common.sandbox.look("settings")) == before


@pytest.mark.parametrize("query", [{"after": 10**30}, {"after": -1}, {"limit": -1}, {"limit": "all"}], ids=str)
def test_lines_of_the_log_that_can_not_be_are_refused(common: Caller, query: dict[str, Any]) -> None:
    answer = requests.get(f"{common.sandbox.auth_url}/_sandbox/requests", params=query, timeout=60)
    assert answer.status_code == 400


def test_a_refused_activation_in_the_app_leaves_the_price_alone(common: Caller, variant_id: str) -> None:
    listing = common.list_one(variant_id, 150)
    url = f"{common.sandbox.auth_url}/_sandbox/listings/{listing['listingId']}"
    assert requests.post(url, json={"action": "expire"}, timeout=60).status_code == 200
    assert requests.post(url, json={"action": "activate", "amount": 170}, timeout=60).status_code == 400
    assert common.get(f"/selling/listings/{listing['listingId']}")["amount"] == "150"


@pytest.mark.parametrize("body", [b"\x00\xff no feed", b"a,b\n1,2\n", b""], ids=repr)
def test_what_is_no_feed_is_told(common: Caller, body: bytes) -> None:
    answer = requests.post(
        f"{common.sandbox.auth_url}/_sandbox/seed", data=body, headers={"Content-Type": "text/csv"}, timeout=60
    )
    assert answer.status_code == 400
    assert "product_name" in answer.json()["message"]
