"""The main job over the API alone, on the sandbox: a hundred opportunities listed, some sold, and the profit read."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from soleflip.models import StockxListing
from soleflip.services import accounts, feeds, runs, tokens
from tests.api.conftest import API, Caller
from tests.api.world import DEMO_FEED
from tests.selling import EMAIL, PASSWORD, Selling

SOLD = 5


def prepare(selling: Selling) -> Caller:
    """Read the demo feed as a worker would, and make a token that can read and list."""
    path = selling.runtime.settings.data / "feed.csv.gz"
    path.write_bytes(DEMO_FEED.read_bytes())
    with selling.runtime.transaction() as session:
        entry = feeds.register(session, filename=path.name)
        run = runs.start(session, "feed_import", actor="test", params={"import_id": str(entry.id), "path": str(path)})
        owner = accounts.ensure_first_operator(session, EMAIL, PASSWORD)
        assert owner is not None
        made = tokens.create(session, owner.id, "script", ["read", "list"], days=1, now=datetime.now(UTC))
    assert selling.perform(run.id).state == "done"
    return Caller(selling.app, made.secret)


def sell(selling: Selling, listing_ids: list[str]) -> None:
    """Let buyers take some of the listings, and StockX pay for them."""
    with selling.runtime.transaction() as session:
        found = [session.get_one(StockxListing, UUID(each)).stockx_listing_id for each in listing_ids]
    for key in found:
        number = selling.sandbox.control("purchase", listingId=key)["orderNumber"]
        for status in ("SHIPPED", "RECEIVED", "AUTHENTICATED", "PAYOUTPENDING", "PAYOUTCOMPLETED", "COMPLETED"):
            selling.sandbox.control(f"orders/{number}", status=status)


def test_a_hundred_opportunities_are_listed_and_the_profit_is_read_with_six_calls(selling: Selling) -> None:
    caller = prepare(selling)

    first = caller.get("/quickflip/opportunities?limit=100&min_profit=-100000&min_roi=-100000")
    found: list[dict[str, Any]] = first.json["items"]
    assert len(found) == 100
    asks = {each["id"]: str(math.ceil(Decimal(each["cost"]) * 2 + 20)) for each in found}

    body = {"opportunity_ids": list(asks), "asks": asks}
    placed = caller.post("/selling/listings/bulk-create", body, key="hundred")
    assert placed.status_code == 202
    assert placed.json["refused"] == []
    assert len(placed.json["listing_ids"]) == 100
    assert selling.perform(UUID(placed.json["run"]["id"])).state == "done"

    followed = caller.get(placed.headers["Location"].removeprefix(API)).json
    assert followed["state"] == "done"
    assert Counter(row["state"] for row in followed["rows"]) == {"active": 100}
    selling.sandbox.control("clock", frozen=True)
    sell(selling, placed.json["listing_ids"][:SOLD])

    synced = caller.post("/sync/orders", key="after-the-sale")
    assert synced.status_code == 202
    assert selling.perform(UUID(synced.json["run"]["id"])).state == "done"

    sales = caller.get("/orders/history").json["items"]
    assert len(sales) == SOLD

    profits = caller.get("/analytics/profits?period=7d").json
    assert profits["currency"] == "EUR"
    assert profits["realised"]["sales"] == SOLD
    assert profits["realised"]["unknown_sales"] == 0
    earned = sum(Decimal(sale["net_proceeds"]) - Decimal(sale["original_buy_price"]) for sale in sales)
    assert Decimal(profits["realised"]["profit"]) == earned
    assert earned > 0
