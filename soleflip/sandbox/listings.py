"""Listings and their asynchronous operations: what may be asked in which state, and what happens when it is due."""

from __future__ import annotations

import re
from typing import Any

from . import orders
from .clock import DAY, SECOND, iso, parse_iso
from .errors import ApiError
from .market import Sale
from .payouts import in_euros
from .records import Listing, Operation
from .world import World

DEFAULT_DAYS = 999
CHANGEABLE = ("ACTIVE", "INACTIVE")
_VERB = {"UPDATE": "updated", "DELETE": "deleted", "ACTIVATE": "activated", "DEACTIVATE": "deactivated"}


def parse_amount(text: str) -> int:
    """An ask in whole units of its currency; refuses decimals, zero and signs."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ApiError(400, f"amount must be a whole number of currency units above 0, not '{text[:40]}'")
    return int(text)


def parse_expiry(world: World, text: str | None) -> int:
    """When an ask ends: an ISO 8601 time in the future, 999 days from now when it is not given."""
    if text is None:
        return world.at + DEFAULT_DAYS * DAY
    try:
        expires = parse_iso(text)
    except ValueError:
        raise ApiError(400, f"expiresAt must be an ISO 8601 time, not '{text[:40]}'") from None
    if not world.at < expires < world.at + 36_500 * DAY:
        raise ApiError(400, "expiresAt must lie in the future, at most 100 years from now")
    return expires


def parse_wish(
    world: World, body: dict[str, Any], *, listing: Listing | None = None, keep: bool = False
) -> dict[str, Any]:
    """Amount, currency and expiry of a request; `keep` leaves what is not given as it is in the listing."""
    keep = listing is not None and (keep or world.settings.omitted_on_update == "keep")
    wish: dict[str, Any] = {}
    if "amount" in body:
        wish["amount"] = parse_amount(body["amount"])
    if "currencyCode" in body or not keep:
        wish["currency"] = body.get("currencyCode", "USD")
    if "expiresAt" in body or not keep:
        wish["expires"] = parse_expiry(world, body.get("expiresAt"))
    return wish


def new_listing(world: World, body: dict[str, Any]) -> tuple[Listing, dict[str, Any]]:
    """A listing without an ask from the body of a create call, and what its operation will wish for."""
    variant = world.variants.get(body["variantId"])
    if variant is None:
        raise ApiError(400, f"Variant {body['variantId'][:60]} does not exist")
    wish = parse_wish(world, body)
    inventory_type = body.get("inventoryType", "STANDARD")
    if inventory_type == "DIRECT" and not is_direct_eligible(variant.variant_id):
        raise ApiError(400, "Variant is not eligible for inventoryType DIRECT")
    listing = Listing(
        listing_id=world.dice.uuid(),
        product_id=variant.product_id,
        variant_id=variant.variant_id,
        status="INACTIVE",
        amount=wish["amount"],
        currency=wish["currency"],
        inventory_type=inventory_type,
        created=world.at,
        updated=world.at,
        expires=wish["expires"],
        number=world.next_number(),
    )
    return listing, wish | {"active": body.get("active", True)}


def is_direct_eligible(variant_id: str) -> bool:
    """Whether a variant may be listed for Direct: a fixed quarter of all."""
    return int(variant_id[-1], 16) < 4


def create(world: World, body: dict[str, Any]) -> Operation:
    """Start a CREATE operation; the listing exists at once, its ask when the operation succeeds."""
    listing, wish = new_listing(world, body)
    world.add(listing)
    return _begin(world, listing, "CREATE", wish)


def change(world: World, listing: Listing, kind: str, body: dict[str, Any]) -> Operation:
    """Start an UPDATE, DELETE, ACTIVATE or DEACTIVATE operation of a listing, where its state allows it."""
    check(world, listing, kind)
    wish = parse_wish(world, body, listing=listing) if kind in ("UPDATE", "ACTIVATE") else {}
    return _begin(world, listing, kind, wish)


def check(world: World, listing: Listing, kind: str) -> None:
    """Refuse what the state of the listing does not allow."""
    if listing.status not in CHANGEABLE:
        raise ApiError(400, f"A listing in status {listing.status} cannot be {_VERB[kind]}")
    if kind == "ACTIVATE" and is_live(listing):
        raise ApiError(400, "Listing is already active")
    if kind == "DEACTIVATE" and not is_live(listing):
        raise ApiError(400, "Listing is already inactive")
    if world.settings.parallel_operations != "allow" and _pending(world, listing):
        raise ApiError(400, "Listing has a pending operation, try again when it has finished")


def is_live(listing: Listing) -> bool:
    """Whether the listing has an ask that a buyer can take."""
    return listing.status == "ACTIVE" and listing.ask_id is not None and not listing.expired


def _pending(world: World, listing: Listing) -> bool:
    return any(world.operations[key].status == "PENDING" for key in listing.operation_ids[-3:])


def _begin(world: World, listing: Listing, kind: str, wish: dict[str, Any]) -> Operation:
    due = world.at + int(world.settings.operation_seconds * SECOND)
    return record(world, listing, kind, wish, status="PENDING", due=due)


def record(
    world: World,
    listing: Listing,
    kind: str,
    wish: dict[str, Any],
    *,
    status: str,
    due: int = 0,
    error: str | None = None,
    via: str = "PUBLIC-API",
) -> Operation:
    """Write an operation into the history of a listing, pending or already decided."""
    ask = {name: wish[key] for name, key in (("amount", "amount"), ("currency", "currency")) if key in wish}
    ask = {name: str(value) for name, value in ask.items()}
    if "expires" in wish:
        ask["expiresAt"] = iso(wish["expires"])
    live = {"CREATE": wish.get("active", True), "ACTIVATE": True, "DEACTIVATE": False}.get(kind)
    additions: dict[str, Any] = {} if live is None else {"active": live}
    if ask:
        additions["askData"] = ask
    changes = {"additions": additions, "updates": {"updatedAt": iso(world.at)}, "removals": {}}
    operation = Operation(
        world.dice.uuid(),
        listing.listing_id,
        kind,
        status,
        world.at,
        world.at,
        due,
        changes,
        wish,
        via=via,
        error=error,
    )
    listing.operation_ids.append(operation.operation_id)
    world.add(operation)
    world.touch(listing)
    return operation


def finish(world: World, operation_id: str, due: int) -> None:
    """Carry out a pending operation that is due: it succeeds, or it fails with a reason and changes nothing."""
    operation = world.operations[operation_id]
    if operation.status != "PENDING" or operation.due > due:
        return
    listing = world.listings[operation.listing_id]
    operation.updated = due
    world.touch(operation)
    operation.status = "SUCCEEDED"
    try:
        if operation.type != "CREATE" and listing.status not in CHANGEABLE:
            raise ApiError(400, f"Listing is {listing.status}")
        apply(world, listing, operation.type, operation.wish)
    except ApiError as error:
        if operation.type == "CREATE":
            record(world, listing, "ACTIVATE", operation.wish, status="FAILED", error=error.message)
        else:
            operation.status = "FAILED"
            operation.error = error.message


def apply(world: World, listing: Listing, kind: str, wish: dict[str, Any]) -> None:
    """Make a change true in the marketplace; an activation may fail and leave an inactive listing."""
    if kind == "DELETE":
        take_down(world, listing, "DELETED")
        return
    if kind == "DEACTIVATE":
        take_down(world, listing, "INACTIVE")
        return
    activates = kind == "ACTIVATE" or (kind == "CREATE" and wish["active"])
    failed = activates and world.settings.activation_failure > world.dice.uniform()
    if wish.get("expires", listing.expires) <= world.at and (activates or "expires" in wish):
        raise ApiError(400, "The listing has expired, give a new expiresAt")
    if failed:
        raise ApiError(400, "The ask could not be placed")
    _set_terms(world, listing, wish)
    if activates:
        _go_live(world, listing)
    elif is_live(listing):
        listing.ask_updated = world.at
        meet_bids(world, listing)


def _set_terms(world: World, listing: Listing, wish: dict[str, Any]) -> None:
    listing.amount = wish.get("amount", listing.amount)
    listing.currency = wish.get("currency", listing.currency)
    listing.updated = world.at
    if "expires" in wish:
        listing.expires = wish["expires"]
        if is_live(listing):
            world.schedule(listing.expires, "expiry", listing.listing_id)
    world.touch(listing)


def _go_live(world: World, listing: Listing) -> None:
    book = world.book(listing.variant_id)
    listing.status = "ACTIVE"
    listing.expired = False
    listing.ask_id = "1" + world.dice.digits(19)
    listing.ask_created = listing.ask_updated = listing.updated = world.at
    world.touch(listing)
    world.live[listing.variant_id].add(listing.listing_id)
    world.schedule(listing.expires, "expiry", listing.listing_id)
    world.touch(book)
    world.plan_book(book)
    meet_bids(world, listing)


def meet_bids(world: World, listing: Listing) -> None:
    """An ask at or below the highest bid sells at once, at the price of the bid that waited."""
    book = world.books[listing.variant_id]
    if book.bids and book.bids[0][0] >= in_euros(listing.amount, listing.currency):
        price = book.bids.pop(0)[0]
        book.sold += 1
        book.last_sale = price
        world.touch(book)
        orders.sell(world, listing, Sale(price, world.at, listing.listing_id))


def take_down(world: World, listing: Listing, status: str) -> None:
    """Take the ask off the market and leave the listing in that status."""
    world.live[listing.variant_id].discard(listing.listing_id)
    listing.status = status
    listing.updated = world.at
    listing.expired = False
    listing.ask_id = None
    world.touch(listing)


def expire(world: World, listing_id: str, due: int) -> None:
    """An ask whose time is up stays with its listing, which counts as inactive and expired."""
    listing = world.listings[listing_id]
    if is_live(listing) and listing.expires <= due:
        world.live[listing.variant_id].discard(listing_id)
        listing.status = "INACTIVE"
        listing.expired = True
        listing.updated = due
        world.touch(listing)
