"""State survives a killed process, and the same seed and calls give the same world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from soleflip.sandbox import StoreUnusable, seed_world, serve
from tests.conftest import Sandbox, free_port
from tests.sandbox.conftest import FEED, Caller, kill, start, teach

START = "2030-01-01T00:00:00Z"


def live(caller: Caller, day: int) -> None:
    """A day of a small seller."""
    for variant in caller.variants()[day * 3 : day * 3 + 3]:
        item = {"variantId": variant["variantId"], "amount": "125", "quantity": 1, "currencyCode": "EUR"}
        caller.post("/selling/batch/create-listing", items=[item])
        caller.post("/selling/listings", variantId=variant["variantId"], amount="130", currencyCode="EUR")
    caller.step(days=2)


def state(caller: Caller) -> dict[str, Any]:
    found: dict[str, Any] = caller.sandbox.look("state")
    return found


def test_a_killed_sandbox_goes_on_where_it_was_and_as_if_nothing_happened(tmp_path: Path) -> None:
    port, other_port = free_port(), free_port()
    process, other = start(tmp_path / "one.sqlite", port), start(tmp_path / "two.sqlite", other_port)
    try:
        sandbox = Sandbox(f"http://127.0.0.1:{port}/v2", f"http://127.0.0.1:{port}", tmp_path)
        twin = Sandbox(f"http://127.0.0.1:{other_port}/v2", f"http://127.0.0.1:{other_port}", tmp_path)
        for box in (sandbox, twin):
            box.control("clock", frozen=True)
            box.control("clock", set=START)
            teach(box, FEED)
        caller, undisturbed = Caller(sandbox).connect(), Caller(twin).connect()
        for day in range(3):
            live(caller, day)
            live(undisturbed, day)
            before = state(caller)
            kill(process)
            process = start(tmp_path / "one.sqlite", port)
            caller.session.close()
            assert state(caller) == before
            caller.get("/selling/listings")
            undisturbed.get("/selling/listings")
        assert len(before["orders"]) > 0
        assert len(before["listings"]) == 18
        assert state(caller) == state(undisturbed)
    finally:
        for one in (process, other):
            kill(one)


def test_no_answered_write_is_lost(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path / "world.sqlite", port)
    try:
        sandbox = Sandbox(f"http://127.0.0.1:{port}/v2", f"http://127.0.0.1:{port}", tmp_path)
        teach(sandbox, FEED)
        caller = Caller(sandbox).connect()
        variant_id = caller.variants()[0]["variantId"]
        made = [caller.post("/selling/listings", variantId=variant_id, amount="500")["listingId"] for _ in range(20)]
        kill(process)
        process = start(tmp_path / "world.sqlite", port)
        caller.session.close()
        for listing_id in made:
            caller.get(f"/selling/listings/{listing_id}")
    finally:
        kill(process)


def test_it_stops_cleanly_when_told_to(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path / "world.sqlite", port)
    requests.post(f"http://127.0.0.1:{port}/_sandbox/faults", json={"kind": "slow", "route": "x"}, timeout=60)
    process.terminate()
    assert process.wait(5) == 0
    assert (tmp_path / "world.log").read_text().count("Traceback") == 0


def test_a_second_owner_of_the_file_is_told_so(tmp_path: Path) -> None:
    process = start(tmp_path / "world.sqlite", free_port())
    (tmp_path / "feed.csv").write_text(FEED, "utf-8")
    try:
        with pytest.raises(StoreUnusable, match="running"):
            seed_world(tmp_path / "feed.csv", tmp_path / "world.sqlite")
        with pytest.raises(StoreUnusable, match="running"):
            serve(port=free_port(), database=tmp_path / "world.sqlite")
    finally:
        kill(process)
