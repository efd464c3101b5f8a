"""Sales of ours: from the match through shipping and authentication to the payout, or to one of the bad ends."""

from __future__ import annotations

import math
from typing import Any

from .chance import Chance
from .clock import DAY, HOUR, end_of_day
from .errors import ApiError
from .market import Sale
from .payouts import bid_from_euros, in_euros, nothing, payout
from .records import Listing, Order
from .world import World

ACTIVE = (
    "CREATED",
    "CCAUTHORIZATIONFAILED",
    "SHIPPED",
    "RECEIVED",
    "AUTHENTICATING",
    "AUTHENTICATED",
    "PAYOUTPENDING",
    "PAYOUTCOMPLETED",
    "SYSTEMFULFILLED",
    "PAYOUTFAILED",
    "SUSPENDED",
    "PENDING",
    "DONOTSHIP",
)
HISTORICAL = ("AUTHFAILED", "DIDNOTSHIP", "CANCELED", "COMPLETED", "RETURNED")
PAID = ("PAYOUTCOMPLETED", "COMPLETED")
# How far between shipping and payout an order gets where, as shares of that time.
_STAGES = (("RECEIVED", 0.5), ("AUTHENTICATING", 0.62), ("AUTHENTICATED", 0.8), ("PAYOUTPENDING", 0.85))


def sell(world: World, listing: Listing, sale: Sale) -> Order:
    """Turn the match of our live ask into an order; a bid in euros pays at least the ask."""
    settings, dice = world.settings, world.dice
    amount = listing.amount
    if sale.price > in_euros(listing.amount, listing.currency):
        amount = max(amount, bid_from_euros(sale.price, listing.currency))
    order = Order(
        order_number=_number(listing, dice),
        listing_id=listing.listing_id,
        ask_id=listing.ask_id or "",
        product_id=listing.product_id,
        variant_id=listing.variant_id,
        amount=amount,
        currency=listing.currency,
        inventory_type=listing.inventory_type,
        status="CREATED",
        created=sale.at,
        updated=sale.at,
        ship_by=end_of_day(sale.at + int(settings.ship_within_days * DAY)),
        tracking_number="1Z" + dice.digits(16),
        shipping_id="S-" + dice.digits(9),
        payout=payout(
            amount,
            listing.currency,
            level=settings.seller_level,
            sold=True,
            drop_off=dice.uniform() < settings.drop_off,
        ),
        plan=[],
        number=world.next_number(),
        history=[[sale.at, "CREATED"]],
    )
    _plan_shipping(world, order)
    world.live[listing.variant_id].discard(listing.listing_id)
    listing.status = "MATCHED"
    listing.order_number = order.order_number
    listing.updated = sale.at
    world.touch(listing)
    world.add(order)
    return order


def _number(listing: Listing, dice: Chance) -> str:
    if listing.inventory_type == "DIRECT":
        letters = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
        return "06-" + "".join(letters[dice.below(len(letters))] for _ in range(10))
    return f"{dice.digits(9)}-{dice.digits(9)}"


def _plan_shipping(world: World, order: Order) -> None:
    """What happens before the pair is on its way; without a seller who ships, the ship-by date ends the order."""
    settings, dice, now = world.settings, world.dice, order.created
    fate = dice.uniform()
    hours = dice.between(0.5, 1.5) * settings.ship_after_hours
    if fate < settings.canceled:
        order.plan = [[now + int(dice.between(0.2, 1.0) * max(hours, 1) * HOUR), "CANCELED"]]
    elif fate < settings.canceled + settings.did_not_ship or settings.ship_after_hours < 0:
        order.plan = [[order.ship_by + HOUR, "DIDNOTSHIP"]]
    else:
        ships = now + int(hours * HOUR)
        if fate > 1 - settings.card_failed:
            order.plan = [[now + HOUR // 4, "CCAUTHORIZATIONFAILED"], [now + 2 * HOUR, "CREATED"]]
            ships = max(ships, now + 3 * HOUR)
        order.plan.append([ships, "SHIPPED"])


def _plan_payout(world: World, order: Order) -> None:
    """The way from SHIPPED to the end; sale to payout is lognormal, at least a day after shipping."""
    settings, dice, shipped = world.settings, world.dice, order.updated
    days = settings.payout_median_days * math.exp(settings.payout_spread * dice.normal())
    paid = max(order.created + int(min(days, settings.payout_longest_days) * DAY), shipped + DAY)
    way: list[list[Any]] = [[shipped + int((paid - shipped) * share), status] for status, share in _STAGES]
    way += [[paid, "PAYOUTCOMPLETED"], [paid + int(settings.history_after_hours * HOUR), "COMPLETED"]]
    fate = dice.uniform()
    if fate < settings.auth_failed:
        way[2:] = [[way[2][0], "AUTHFAILED"]]
    elif fate < settings.auth_failed + settings.returned:
        way[3:] = [[paid, "RETURNED"]]
    elif fate < settings.auth_failed + settings.returned + settings.suspended:
        way[2:2] = [[(way[1][0] + way[2][0]) // 2, "SUSPENDED"]]
    elif fate > 1 - settings.payout_failed:
        way[4:4] = [[(way[3][0] + paid) // 2, "PAYOUTFAILED"]]
    order.plan = way


def walk(world: World, order_number: str, due: int) -> None:
    """Take the next planned steps of an order that are due."""
    order = world.orders[order_number]
    while order.plan and order.plan[0][0] <= due:
        at, status = order.plan.pop(0)
        enter(world, order, status, at)
    if order.plan:
        world.schedule(order.plan[0][0], "order", order_number)


def enter(world: World, order: Order, status: str, at: int) -> None:
    """Put an order into a status, with what that means for its listing and its payout."""
    order.status = status
    order.updated = at
    order.history.append([at, status])
    world.touch(order)
    if status == "SHIPPED":
        _plan_payout(world, order)
    if status in HISTORICAL:
        order.plan = []
        listing = world.listings[order.listing_id]
        listing.status = "COMPLETED" if status == "COMPLETED" else "CANCELED"
        listing.updated = at
        world.touch(listing)
        if status == "AUTHFAILED":
            order.failure_notes = "Signs of wear on the outsole"
        if status != "COMPLETED" and world.settings.payout_of_failed_orders == "zero":
            order.payout = nothing(order.amount, order.currency)


def force(world: World, order: Order, status: str) -> None:
    """Move an order to any status by hand; it goes on from there by its usual plan where there is one."""
    if status not in ACTIVE and status not in HISTORICAL:
        raise ApiError(400, f"Unknown order status {status}. Known: {', '.join([*ACTIVE, *HISTORICAL])}")
    planned = [step for step, (_, name) in enumerate(order.plan) if name == status]
    if planned:
        order.plan = order.plan[planned[0] + 1 :]
    enter(world, order, status, world.at)
    if order.plan and order.plan[0][0] <= world.at:
        shift = world.at - order.plan[0][0] + HOUR
        order.plan = [[at + shift, name] for at, name in order.plan]
    if order.plan:
        world.schedule(order.plan[0][0], "order", order.order_number)
