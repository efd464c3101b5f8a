"""Each fault that the sandbox knows, crossed with each kind of call of the real client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from soleflip.sandbox import faults as known
from soleflip.stockx import (
    Ambiguous,
    CreateItem,
    CreateListing,
    RateLimited,
    ReconnectNeeded,
    StockX,
    StockXUnavailable,
    UpdateListing,
)

BEFORE: dict[str, dict[str, Any]] = {
    "time-out before": {"kind": "timeout_before", "seconds": 3},
    "dropped before": {"kind": "drop_before"},
    "500": {"kind": "500"},
    "503": {"kind": "503"},
    "html": {"kind": "html"},
    "html as success": {"kind": "html", "status": 200},
}
AFTER: dict[str, dict[str, Any]] = {
    "time-out after": {"kind": "timeout_after", "seconds": 3},
    "dropped in the middle": {"kind": "drop"},
}
LOST = BEFORE | AFTER
LIMITED: dict[str, dict[str, Any]] = {
    "429 in seconds": {"kind": "429", "retry_after": 600},
    "429 as a date": {"kind": "429", "retry_after": "date+600"},
}
HARMLESS: dict[str, dict[str, Any]] = {
    "unknown enum values": {"kind": "unknown_enum"},
    "additional fields": {"kind": "extra_fields"},
    "slow": {"kind": "slow", "seconds": 0.2},
}


@dataclass
class World:
    """A signed-in client, the sandbox it talks to, and a way to see what really happened there."""

    stockx: StockX
    market: Any
    variant_id: str
    listing_id: str

    def __post_init__(self) -> None:
        self._log = self.last_line()

    def last_line(self) -> int:
        lines = self.market.look("requests", limit=100_000)
        return lines[-1]["n"] if lines else 0

    def sent(self, route: str) -> int:
        lines = self.market.look("requests", after=self._log, limit=100_000)
        return sum(line["route"] == route for line in lines)

    def ask(self) -> CreateListing:
        return CreateListing(variant_id=self.variant_id, amount=self.price, currency_code="EUR", expires_at=self.expiry)

    def items(self) -> list[CreateItem]:
        return [CreateItem(**self.ask().model_dump())] * 2

    @property
    def price(self) -> Decimal:
        return Decimal(500)

    @property
    def expiry(self) -> Any:
        return self.stockx.budget.clock() + timedelta(days=30)

    def listings(self) -> int:
        return len(self.market.look("state")["listings"])

    def batches(self) -> int:
        return len(self.market.look("state")["batches"])


@pytest.fixture
def world(market, seller) -> Any:
    clear_faults(market)
    [product, *_] = seller.search("DD1391-100")
    variant = seller.variants(product.product_id)[0]
    made = seller.create_listing(
        CreateListing(
            variant_id=variant.variant_id,
            amount=Decimal(400),
            currency_code="EUR",
            expires_at=seller.budget.clock() + timedelta(days=30),
        )
    )
    market.control("clock", step=60)
    yield World(seller, market, variant.variant_id, made.listing_id)
    clear_faults(market)


def clear_faults(market: Any) -> None:
    requests.delete(f"{market.auth_url}/_sandbox/faults", timeout=60).raise_for_status()


@dataclass(frozen=True)
class Kind:
    """A kind of call: the operation it meets, how to make it, and how to see how often it happened."""

    route: str
    make: Callable[[World], Any]
    happened: Callable[[World], int] = lambda world: 0


READS = {
    "one listing": Kind("FindById", lambda world: world.stockx.listing(world.listing_id)),
    "walk of listings": Kind("GetAllListings", lambda world: list(world.stockx.listings())),
    "walk of orders": Kind("GetOrders", lambda world: list(world.stockx.active_orders())),
    "market data": Kind("GetProductMarketData", lambda world: market_data(world)),
}
WRITES = {
    "single create": Kind("Create", lambda world: world.stockx.create_listing(world.ask()), World.listings),
    "batch create": Kind("CreateListings", lambda world: world.stockx.create_listings(world.items()), World.batches),
    "single update": Kind(
        "Update",
        lambda world: world.stockx.update_listing(world.listing_id, update(world)),
        lambda world: updates(world),
    ),
}


def market_data(world: World) -> Any:
    listing = world.stockx.listing(world.listing_id)
    return world.stockx.market_data(listing.product.product_id, "EUR")


def update(world: World) -> UpdateListing:
    return UpdateListing(amount=Decimal(401), currency_code="EUR", expires_at=world.expiry)


def updates(world: World) -> int:
    operations = world.market.look("state")["operations"]
    return sum(one["listing_id"] == world.listing_id and one["type"] == "UPDATE" for one in operations)


def cross(*kinds: dict[str, Kind]) -> Any:
    every = {name: kind for group in kinds for name, kind in group.items()}
    return pytest.mark.parametrize("kind", every.values(), ids=every.keys())


def faults(*groups: dict[str, dict[str, Any]]) -> Any:
    every = {name: fault for group in groups for name, fault in group.items()}
    return pytest.mark.parametrize("fault", every.values(), ids=every.keys())


@cross(READS)
@faults(LOST)
def test_a_read_gets_over_a_fault_that_passes(world, kind, fault):
    world.market.control("faults", route=kind.route, **fault)
    kind.make(world)
    assert world.sent(kind.route) == 2


@faults(BEFORE)
def test_a_read_gives_up_on_a_fault_that_stays(world, fault):
    world.market.control("faults", route="FindById", count=-1, **fault)
    with pytest.raises(StockXUnavailable):
        world.stockx.listing(world.listing_id)
    assert world.sent("FindById") == 4


@cross(READS, WRITES)
@faults(LIMITED)
def test_a_429_ends_any_call_and_blocks_the_next(world, kind, fault):
    before = kind.happened(world)
    world.market.control("faults", route=kind.route, **fault)
    with pytest.raises(RateLimited) as limited:
        kind.make(world)
    pause = limited.value.until - world.stockx.budget.clock()
    assert timedelta(seconds=590 * 60) < pause <= timedelta(seconds=601 * 60)
    assert world.sent(kind.route) == 1
    assert kind.happened(world) == before
    assert world.stockx.budget.state().blocked_until == limited.value.until


@cross(READS, WRITES)
@faults(HARMLESS)
def test_oddities_of_an_answer_change_nothing(world, kind, fault):
    before = kind.happened(world)
    world.market.control("faults", route=kind.route, **fault)
    kind.make(world)
    assert world.sent(kind.route) == 1
    assert kind.happened(world) == before + (kind in WRITES.values())


@cross(READS, WRITES)
def test_an_expired_token_is_refreshed_and_the_call_goes_through_once(world, kind):
    before = kind.happened(world)
    world.market.control("faults", route=kind.route, kind="expired_token")
    kind.make(world)
    assert (world.sent(kind.route), world.sent("Token")) == (2, 1)
    assert kind.happened(world) == before + (kind in WRITES.values())


@cross(WRITES)
@faults(LOST)
def test_a_lost_write_is_ambiguous_and_sent_once(world, kind, fault):
    before, sent_after = kind.happened(world), world.stockx.budget.clock()
    world.market.control("faults", route=kind.route, **fault)
    with pytest.raises(Ambiguous) as lost:
        kind.make(world)
    assert world.sent(kind.route) == 1
    assert kind.happened(world) == before + (fault in AFTER.values())
    assert sent_after <= lost.value.sent_at <= lost.value.finished_at <= world.stockx.budget.clock()


def test_an_ambiguous_create_has_all_that_finding_it_needs(world):
    world.market.control("faults", route="Create", **AFTER["time-out after"])
    ask = world.ask()
    with pytest.raises(Ambiguous) as lost:
        world.stockx.create_listing(ask)
    error = lost.value
    assert error.payload == ask.payload()
    found = [
        entry
        for entry in world.stockx.listings(variant_ids=[error.payload["variantId"]])
        if entry.amount == Decimal(error.payload["amount"]) and error.sent_at <= entry.created_at <= error.finished_at
    ]
    assert len(found) == 1


@faults(LOST)
def test_a_sign_in_that_fails_now_is_no_reason_to_send_or_to_disconnect(world, fault):
    world.stockx.auth.forget()
    world.market.control("faults", route="Token", **fault)
    with pytest.raises(StockXUnavailable):
        world.stockx.create_listing(world.ask())
    assert (world.sent("Token"), world.sent("Create")) == (1, 0)
    assert world.stockx.create_listing(world.ask()).listing_id


@faults(LOST)
def test_a_read_gets_over_a_sign_in_that_fails_now(world, fault):
    world.stockx.auth.forget()
    world.market.control("faults", route="Token", **fault)
    world.stockx.listing(world.listing_id)
    assert world.sent("Token") == 2


@faults(LIMITED)
def test_a_sign_in_over_its_limit_says_when(world, fault):
    world.stockx.auth.forget()
    world.market.control("faults", route="Token", **fault)
    with pytest.raises(RateLimited):
        world.stockx.create_listing(world.ask())
    assert (world.sent("Token"), world.sent("Create")) == (1, 0)


def test_a_revoked_connection_asks_the_operator(world):
    world.market.control("tokens", revoke="all")
    try:
        for call in (lambda: world.stockx.listing(world.listing_id), lambda: world.stockx.create_listing(world.ask())):
            with pytest.raises(ReconnectNeeded):
                call()
    finally:
        world.market.control("tokens", restore=True)
    assert (world.sent("Token"), world.sent("Create")) == (1, 0)


def test_a_duplicated_page_hides_nothing(world):
    for _ in range(2):
        world.stockx.create_listings([CreateItem(**world.ask().model_dump())] * 60)
    world.market.control("clock", step=600)
    everything = {one["listing_id"] for one in world.market.look("state")["listings"]}
    world.market.control("faults", route="GetAllListings", kind="duplicate_page")
    walked = [entry.listing_id for entry in world.stockx.listings()]
    assert len(walked) == len(set(walked))
    assert set(walked) == everything


def test_every_fault_of_the_sandbox_is_crossed():
    used = {fault["kind"] for group in (LOST, LIMITED, HARMLESS) for fault in group.values()}
    assert used | {"expired_token", "duplicate_page"} == set(known.KINDS)
