"""Letting time pass: the events of the agenda in the order of their times, up to a moment."""

from __future__ import annotations

import heapq

from . import batches, listings, orders
from .market import happen
from .world import World


def advance(world: World, until: int) -> None:
    """Carry out everything that is due by then, in order of time; time never goes back."""
    agenda = world.agenda
    while agenda and agenda[0][0] <= until:
        due, kind, key = heapq.heappop(agenda)
        world.at = max(world.at, due)
        match kind:
            case "book":
                _live(world, key, due)
            case "operation":
                listings.finish(world, key, due)
            case "expiry":
                listings.expire(world, key, due)
            case "batch":
                batches.work(world, key)
            case "order":
                orders.walk(world, key, due)
    world.at = max(world.at, until)


def _live(world: World, variant_id: str, due: int) -> None:
    """One market event of a variant in which we have an ask."""
    world.planned.discard(variant_id)
    if not world.live.get(variant_id):
        return
    book = world.books[variant_id]
    if book.next_at <= due:
        world.touch(book)
        sale = happen(book, world.variants[variant_id], world.own_asks(variant_id), world.settings.demand)
        if sale is not None and sale.listing_id is not None:
            orders.sell(world, world.listings[sale.listing_id], sale)
    world.plan_book(book)
