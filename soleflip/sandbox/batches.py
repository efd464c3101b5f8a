"""Bulk changes: QUEUED, IN_PROGRESS, COMPLETED, with items that succeed or fail one by one."""

from __future__ import annotations

from typing import Any

from . import listings
from .clock import SECOND
from .errors import ApiError
from .records import Batch, Listing
from .world import World

MOST_ITEMS = 100
DONE = ("COMPLETED", "FAILED")


def start(world: World, kind: str, inputs: list[dict[str, Any]]) -> Batch:
    """Queue a create, update or delete batch; a create item of quantity n becomes n items."""
    settings, dice = world.settings, world.dice
    copies = [entry for entry in inputs for _ in range(int(entry.get("quantity", 1)))]
    length = int(dice.between(settings.batch_min_seconds, settings.batch_max_seconds) * SECOND)
    first = min(int(settings.batch_start_seconds * SECOND), length)
    items = [
        {
            "item_id": dice.uuid(),
            "status": "QUEUED",
            "due": world.at + first + (length - first) * (place + 1) // len(copies),
            "input": entry,
            "result": None,
            "error": None,
        }
        for place, entry in enumerate(copies)
    ]
    batch = Batch(dice.uuid(), kind, "QUEUED", world.at, world.at, None, world.at + first, items)
    world.add(batch)
    return batch


def work(world: World, batch_id: str) -> None:
    """Carry out what is due of a batch and plan the next look at it."""
    batch = world.batches[batch_id]
    if batch.status == "COMPLETED":
        return
    if batch.status == "QUEUED" and batch.starts <= world.at:
        batch.status = "IN_PROGRESS"
        batch.updated = world.at
        for item in batch.items:
            item["status"] = "IN_PROGRESS"
    for item in batch.items:
        if batch.status == "IN_PROGRESS" and item["status"] not in DONE and item["due"] <= world.at:
            _carry_out(world, batch, item)
            batch.updated = world.at
    waiting = [item["due"] for item in batch.items if item["status"] not in DONE]
    if not waiting:
        batch.status = "COMPLETED"
        batch.completed = world.at
    else:
        world.schedule(min(waiting) if batch.status == "IN_PROGRESS" else batch.starts, "batch", batch_id)
    world.touch(batch)


def _carry_out(world: World, batch: Batch, item: dict[str, Any]) -> None:
    try:
        if world.settings.batch_item_failure > world.dice.uniform():
            raise ApiError(400, "Item could not be processed")
        listing = _ACTIONS[batch.kind](world, item["input"])
    except ApiError as error:
        item["status"] = "FAILED"
        item["error"] = error.message
        return
    item["status"] = "COMPLETED"
    item["result"] = {"askId": listing.ask_id, "listingId": listing.listing_id}
    listing.batch_id = batch.batch_id
    listing.task_id = item["item_id"]
    world.touch(listing)


def _create(world: World, entry: dict[str, Any]) -> Listing:
    listing, wish = listings.new_listing(world, entry)
    world.add(listing)
    listings.record(world, listing, "CREATE", wish, status="SUCCEEDED")
    try:
        listings.apply(world, listing, "CREATE", wish)
    except ApiError as error:
        listings.record(world, listing, "ACTIVATE", wish, status="FAILED", error=error.message)
        raise
    return listing


def _update(world: World, entry: dict[str, Any]) -> Listing:
    listing = _find(world, entry)
    active = entry.get("active")
    kind = "UPDATE"
    if active is True and not listings.is_live(listing):
        kind = "ACTIVATE"
    elif active is False and listings.is_live(listing):
        kind = "DEACTIVATE"
    listings.check(world, listing, kind)
    wish = listings.parse_wish(world, entry, listing=listing, keep=True)
    listings.apply(world, listing, kind, wish)
    if kind == "DEACTIVATE" and wish:
        # After the ask is gone: the new terms never meet a buyer.
        listings.apply(world, listing, "UPDATE", wish)
    listings.record(world, listing, kind, wish, status="SUCCEEDED")
    return listing


def _delete(world: World, entry: dict[str, Any]) -> Listing:
    listing = _find(world, entry)
    listings.check(world, listing, "DELETE")
    listings.apply(world, listing, "DELETE", {})
    listings.record(world, listing, "DELETE", {}, status="SUCCEEDED")
    return listing


def _find(world: World, entry: dict[str, Any]) -> Listing:
    listing = world.listings.get(entry["listingId"])
    if listing is None:
        raise ApiError(404, "Listing not found")
    return listing


_ACTIONS = {"create": _create, "update": _update, "delete": _delete}
