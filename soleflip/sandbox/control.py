"""The control interface under /_sandbox/: a look behind the curtain, and hands on the levers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import faults, feed, listings, oauth, orders, simulation
from .clock import SECOND, iso, parse_iso
from .errors import ApiError
from .limits import requests_today
from .market import Sale, place_bid, take_cheapest
from .payouts import PER_EURO, in_euros
from .records import Batch, Listing, Operation, Order
from .seed import learn
from .world import World, as_dict

_FAR = 20 * 366 * 86_400
MOST_PRICE = 1_000_000_000
SPEEDS = (0.001, 1_000_000)


def answer(world: World, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes) -> Any:
    """Carry out a control request; the value is its JSON answer."""
    room, _, key = path.removeprefix("/_sandbox/").partition("/")
    if (method, room) == ("POST", "seed") and headers.get("content-type", "").partition(";")[0] != "application/json":
        return _seed(world, body)
    handler = _HANDLERS.get((method, room))
    if handler is None:
        raise ApiError(404, "Not found")
    return handler(world, key, query if method in ("GET", "DELETE") else _json(body))


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be an object")
    return value


def clock_state(world: World) -> dict[str, Any]:
    """Where the clock stands."""
    return {"time": iso(world.at), "speed": world.clock.speed, "frozen": world.clock.frozen}


def _get_clock(world: World, key: str, given: dict[str, Any]) -> Any:
    return clock_state(world)


def _set_clock(world: World, key: str, given: dict[str, Any]) -> Any:
    """Freeze or run (`frozen`), change the `speed`, `step` by seconds or `set` to a later time."""
    unknown = set(given) - {"frozen", "speed", "step", "set"}
    if unknown:
        raise ApiError(400, f"Unknown: {', '.join(sorted(unknown))}. Known: frozen, speed, step, set")
    if not isinstance(given.get("frozen", False), bool):
        raise ApiError(400, "frozen must be true or false")
    speed = _number(given, "speed", *SPEEDS) if "speed" in given else world.clock.speed
    target = _target(world, given)
    if "frozen" in given:
        world.clock.freeze(given["frozen"])
    world.clock.run_at(speed)
    if target > world.at:
        simulation.advance(world, target)
        world.clock.jump(world.at)
    return clock_state(world)


def _target(world: World, given: dict[str, Any]) -> int:
    if "set" not in given:
        return world.at + (int(_number(given, "step", 0, _FAR) * SECOND) if "step" in given else 0)
    try:
        target = parse_iso(str(given["set"]))
    except ValueError:
        raise ApiError(400, "set must be an ISO 8601 time") from None
    if not world.at <= target < world.at + _FAR * SECOND:
        raise ApiError(400, f"Time goes forward only, at most 20 years at once: it is {iso(world.at)}")
    return target


def _number(given: dict[str, Any], name: str, low: float, high: float) -> float:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ApiError(400, f"{name} must be a number between {low:g} and {high:g}")
    return float(value)


def _get_settings(world: World, key: str, given: dict[str, Any]) -> Any:
    return world.settings.as_dict()


def _set_settings(world: World, key: str, given: dict[str, Any]) -> Any:
    try:
        world.settings.change(given)
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    return world.settings.as_dict()


def _state(world: World, key: str, given: dict[str, Any]) -> Any:
    """Everything of ours, and the books in which we have an ask."""
    hot = sorted(variant_id for variant_id, live in world.live.items() if live)
    return {
        "clock": clock_state(world),
        "settings": world.settings.as_dict(),
        "catalog": {"products": len(world.products), "variants": len(world.variants)},
        "listings": _in_order(world.listings.values()),
        "operations": _in_order(world.operations.values()),
        "batches": _in_order(world.batches.values()),
        "orders": _in_order(world.orders.values()),
        "books": [as_dict(world.book(variant_id)) for variant_id in hot],
        "faults": [as_dict(record) for record in world.faults.values()],
        "requests_today": requests_today(world),
    }


def _in_order(records: Iterable[Listing | Operation | Batch | Order]) -> list[dict[str, Any]]:
    """Oldest first, and the same after a restart."""
    found = [as_dict(record) for record in records]
    return sorted(found, key=lambda entry: (entry["created"], entry.get("number", 0), next(iter(entry.values()))))


def _get_book(world: World, key: str, given: dict[str, Any]) -> Any:
    variant = _variant(world, key)
    own = [
        {"price": price, "since": since, "listing_id": listing} for price, since, listing in sorted(world.own_asks(key))
    ]
    return as_dict(world.book(key)) | {"own": own, "level": variant.level, "buyers_per_week": variant.buyers_per_week}


def _set_book(world: World, key: str, given: dict[str, Any]) -> Any:
    """Replace rival `asks` and `bids` (whole euros), the price `level` or the `buyers_per_week` of a variant."""
    variant, book = _variant(world, key), world.book(key)
    unknown = set(given) - {"asks", "bids", "level", "buyers_per_week"}
    if unknown:
        raise ApiError(400, f"Unknown: {', '.join(sorted(unknown))}. Known: asks, bids, level, buyers_per_week")
    for name in ("asks", "bids"):
        prices = given.get(name, [])
        if not isinstance(prices, list) or any(
            type(price) is not int or not 1 <= price <= MOST_PRICE for price in prices
        ):
            raise ApiError(400, f"{name} must be a list of whole euros")
    if "level" in given:
        variant.level = book.fair = _number(given, "level", 1, 1_000_000)
    if "buyers_per_week" in given:
        variant.buyers_per_week = _number(given, "buyers_per_week", 0, 10_000)
    if "asks" in given:
        book.asks = [[price, world.at] for price in sorted(given["asks"])]
    if "bids" in given:
        book.bids = [[price, world.at] for price in sorted(given["bids"], reverse=True)]
    world.touch(variant)
    world.touch(book)
    for _, _, listing_id in sorted(world.own_asks(key)):
        listings.meet_bids(world, world.listings[listing_id])
    return _get_book(world, key, {})


def _variant(world: World, key: Any) -> Any:
    if not isinstance(key, str) or key not in world.variants:
        raise ApiError(404, "Variant not found")
    return world.variants[key]


def _bid(world: World, key: str, given: dict[str, Any]) -> Any:
    """Place a bid on `variantId` of `amount` in `currencyCode` (EUR); it buys the cheapest ask that it reaches."""
    variant, currency = _variant(world, given.get("variantId")), _currency(given)
    euros = round(in_euros(int(_number(given, "amount", 1, MOST_PRICE)), currency))
    book = world.book(variant.variant_id)
    sale = place_bid(book, world.own_asks(variant.variant_id), max(1, euros), world.at)
    world.touch(book)
    return _sold(world, sale)


def _currency(given: dict[str, Any]) -> str:
    currency = given.get("currencyCode", "EUR")
    if not isinstance(currency, str) or currency not in PER_EURO:
        raise ApiError(400, f"currencyCode must be one of {', '.join(PER_EURO)}")
    return currency


def _purchase(world: World, key: str, given: dict[str, Any]) -> Any:
    """Buy one of our live listings (`listingId`), or the cheapest ask of a variant (`variantId`)."""
    if "listingId" in given:
        listing = _listing(world, given["listingId"])
        if not listings.is_live(listing):
            raise ApiError(409, f"The listing is {listing.status} and has no ask to buy")
        price = in_euros(listing.amount, listing.currency)
        return _sold(world, Sale(price, world.at, listing.listing_id))
    variant = _variant(world, given.get("variantId"))
    book = world.book(variant.variant_id)
    world.touch(book)
    return _sold(world, take_cheapest(book, world.own_asks(variant.variant_id), world.at))


def _sold(world: World, sale: Sale | None) -> Any:
    if sale is None:
        return {"matched": False, "orderNumber": None, "price": None}
    order = orders.sell(world, world.listings[sale.listing_id], sale) if sale.listing_id else None
    return {"matched": True, "orderNumber": order.order_number if order else None, "price": sale.price}


def _listing(world: World, key: Any) -> Listing:
    if not isinstance(key, str) or key not in world.listings:
        raise ApiError(404, "Listing not found")
    return world.listings[key]


def _change_listing(world: World, key: str, given: dict[str, Any]) -> Any:
    """Change a listing behind the client's back: `amount`, `action` deactivate, activate, delete, expire."""
    listing, action = _listing(world, key), given.get("action")
    _currency(given)
    if action == "expire":
        listing.expires = world.at
        listings.expire(world, key, world.at)
        return as_dict(listing)
    kinds = {None: "UPDATE", "deactivate": "DEACTIVATE", "activate": "ACTIVATE", "delete": "DELETE"}
    if not isinstance(action, str | None) or action not in kinds:
        raise ApiError(400, "action must be deactivate, activate, delete or expire")
    listings.check(world, listing, kinds[action])
    body: dict[str, Any] = {name: str(given[name]) for name in ("amount", "currencyCode", "expiresAt") if name in given}
    wish = listings.parse_wish(world, body, listing=listing, keep=True)
    listings.apply(world, listing, kinds[action], wish)
    listings.record(world, listing, kinds[action], wish, status="SUCCEEDED", via=str(given.get("via", "IOS")))
    return as_dict(listing)


def _move_order(world: World, key: str, given: dict[str, Any]) -> Any:
    order = world.orders.get(key)
    if order is None:
        raise ApiError(404, "Order not found")
    orders.force(world, order, str(given.get("status")))
    return as_dict(order)


def _inject(world: World, key: str, given: dict[str, Any]) -> Any:
    return as_dict(faults.inject(world, given))


def _list_faults(world: World, key: str, given: dict[str, Any]) -> Any:
    return [as_dict(record) for record in world.faults.values()]


def _clear_faults(world: World, key: str, given: dict[str, Any]) -> Any:
    for fault_id in [key] if key else list(world.faults):
        world.remove_fault(fault_id)
    return _list_faults(world, "", {})


def _requests(world: World, key: str, given: dict[str, Any]) -> Any:
    """The request log after line `after`, at most `limit` lines."""
    try:
        after, limit = int(given.get("after", 0)), int(given.get("limit", 1000))
    except ValueError:
        raise ApiError(400, "after and limit are whole numbers") from None
    if not (0 <= after < 1 << 63 and limit >= 0):
        raise ApiError(400, "after and limit are whole numbers from 0 on")
    lines = world.store.requests(after, min(limit, 100_000))
    return [line | {"time": iso(line["at"])} for line in lines]


def _tokens(world: World, key: str, given: dict[str, Any]) -> Any:
    """`revoke`: access, refresh, all or one token; `restore`: true gives the pre-authorised refresh token back."""
    revoked = oauth.revoke(world, str(given["revoke"])) if "revoke" in given else 0
    if given.get("restore"):
        oauth.restore(world)
    return {"revoked": revoked}


def _forget(world: World, key: str, given: dict[str, Any]) -> Any:
    """Forget every listing, operation, batch and order of ours."""
    return {"forgotten": world.forget_trades()}


def _seed_path(world: World, key: str, given: dict[str, Any]) -> Any:
    try:
        return _seed(world, Path(str(given.get("path"))).read_bytes(), str(given.get("currency", "EUR")))
    except (OSError, ValueError) as error:
        raise ApiError(400, f"The feed cannot be read: {error}") from None


def _seed(world: World, body: bytes, currency: str = "EUR") -> Any:
    report = learn(world, feed.read(body, currency))
    if not report.products:
        raise ApiError(400, feed.NOTHING_USABLE)
    return {name: getattr(report, name) for name in ("products", "variants", "new_products", "new_variants")}


_HANDLERS: dict[tuple[str, str], Callable[[World, str, dict[str, Any]], Any]] = {
    ("GET", "clock"): _get_clock,
    ("POST", "clock"): _set_clock,
    ("GET", "settings"): _get_settings,
    ("POST", "settings"): _set_settings,
    ("GET", "state"): _state,
    ("GET", "books"): _get_book,
    ("POST", "books"): _set_book,
    ("POST", "bid"): _bid,
    ("POST", "purchase"): _purchase,
    ("POST", "listings"): _change_listing,
    ("POST", "orders"): _move_order,
    ("POST", "faults"): _inject,
    ("GET", "faults"): _list_faults,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "requests"): _requests,
    ("POST", "tokens"): _tokens,
    ("POST", "seed"): _seed_path,
    ("POST", "forget"): _forget,
}
