"""Selling: our listings, made from opportunities and pairs, changed, delisted; every change is a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    AskedAmount,
    Ids,
    Page,
    Paged,
    RefusedRow,
    RunShape,
    Shape,
    Started,
    seal,
    started,
    unseal,
)
from soleflip.api.listing_shapes import ListingDetail, ListingShape, PreviewRowShape
from soleflip.api.unit import actor, now, runtime, session, start_run, wake_after_commit
from soleflip.domain import pricing
from soleflip.models import StockxListing
from soleflip.services import asks, listing_detail, listing_pages, listings, opportunities, placing, wishes
from soleflip.services.asks import Preview
from soleflip.services.wishes import Ordered

bp = Blueprint("selling", __name__, url_prefix="/selling")

TAG = "Listings"
STRATEGY = f"^({'|'.join(pricing.STRATEGIES)})$"


class ListingQuery(Paged):
    """Which listings are wanted."""

    status: str = Field(
        default="live",
        pattern=f"^({'|'.join(listing_pages.STATES)})$",
        description="One state, live for all that hold a pair, or all.",
    )
    strategy: str | None = Field(default=None, pattern=STRATEGY)
    product: UUID | None = None
    run: UUID | None = Field(default=None, description="Listings that a run put up, or is to put up.")
    q: str = Field(default="", max_length=100, description="Words in title or style code.")


class ListingPage(Page[ListingShape]):
    """A page of listings, newest first."""


class CreateListing(Asked):
    """Which opportunity is to be listed, and how it is priced."""

    opportunity_id: UUID
    pricing_strategy: str | None = Field(default=None, pattern=STRATEGY, description="The default one without it.")
    ask: AskedAmount | None = Field(default=None, description="An ask of your own, in whole units.")


class CreateListings(Asked):
    """What is to be listed: opportunities, or pairs from the inventory, or both."""

    opportunity_ids: list[UUID] = Field(default=[], max_length=1000)
    item_ids: list[UUID] = Field(default=[], max_length=1000)
    pricing_strategy: str | None = Field(default=None, pattern=STRATEGY)
    asks: dict[UUID, AskedAmount] = Field(
        default={}, max_length=1000, description="Asks of your own, by the id of the opportunity or pair."
    )


class Placed(Shape):
    """Listings that were written down, the run that puts them up, and what was refused."""

    run: RunShape
    listing_ids: list[UUID]
    refused: list[RefusedRow]


class PreviewShape(Shape):
    """What listing a selection would mean: sums in `currency`."""

    currency: str
    strategy: str
    rows: list[PreviewRowShape]
    listable: int
    asks: Amount
    payout: Amount
    profit: Amount
    requests: int = Field(description="Requests to StockX that it takes.")


class NewPrice(Asked):
    """A new ask, in the listing's currency."""

    new_price: AskedAmount
    reason: str | None = Field(default=None, max_length=200, description="Why, in your words, for the history.")


class BulkPrice(Asked):
    """New asks, each worked out from the listing's own."""

    listing_ids: Ids
    mode: Literal["set", "raise", "lower", "raise_percent", "lower_percent"] = "set"
    value: AskedAmount


class BulkState(Asked):
    """What is to be done with some listings."""

    listing_ids: Ids
    action: Literal["activate", "deactivate", "delete"]


@bp.get("/listings")
@operation(TAG, "read", ListingPage)
def list_listings(query: ListingQuery) -> ListingPage:
    """List our listings, newest first."""
    found, cursor = listing_pages.search(
        session(),
        status=query.status,
        strategy=query.strategy,
        product_id=query.product,
        run_id=query.run,
        words=query.q,
        after=unseal(query.cursor),
        limit=query.limit,
    )
    return ListingPage(items=[ListingShape.of(row) for row in found], next_cursor=seal(cursor))


@bp.get("/listings/<uuid:listing_id>")
@operation(TAG, "read", ListingDetail)
def show_listing(listing_id: UUID) -> ListingDetail:
    """Show one listing with its market, what is wrong with it, and everything that was done to it."""
    return ListingDetail.of_detail(listing_detail.detail(session(), listing_id, now()))


@bp.post("/listings/preview")
@operation(TAG, "read", PreviewShape)
def preview_listings(json: CreateListings) -> PreviewShape:
    """Show what listing these pairs would mean; nothing is written."""
    shown = _preview(json.opportunity_ids, json.item_ids, json.pricing_strategy, json.asks)
    return PreviewShape(
        currency=runtime().books.currency,
        strategy=shown.strategy,
        rows=[PreviewRowShape.of(row) for row in shown.rows],
        listable=len(shown.listable),
        asks=shown.asks,
        payout=shown.payout,
        profit=shown.profit,
        requests=shown.requests,
    )


@bp.post("/listings/create-from-opportunity")
@operation(TAG, "list", Placed, status=202, acts=True)
def create_from_opportunity(json: CreateListing) -> Any:
    """List one opportunity: it is written down at once, and a run puts it up."""
    found = opportunities.get(session(), json.opportunity_id)
    wanted = {found.id: json.ask} if json.ask is not None else {}
    return _place(_preview([found.id], [], json.pricing_strategy, wanted), "quickflip")


@bp.post("/listings/bulk-create")
@operation(TAG, "list", Placed, status=202, acts=True)
def bulk_create(json: CreateListings) -> Any:
    """List many opportunities or pairs at once: follow the run."""
    return _place(_preview(json.opportunity_ids, json.item_ids, json.pricing_strategy, json.asks), "bulk")


@bp.put("/listings/<uuid:listing_id>/price")
@operation(TAG, "price", Started, status=202, acts=True)
def set_price(listing_id: UUID, json: NewPrice) -> Any:
    """Ask another price; never below the floor."""
    listings.get(session(), listing_id)
    changed = wishes.change_prices(
        session(), [listing_id], "set", json.new_price, actor=actor(), now=now(), sentence=json.reason
    )
    return _under_way(changed)


@bp.post("/listings/<uuid:listing_id>/activate")
@operation(TAG, "list", Started, status=202, acts=True)
def activate_listing(listing_id: UUID) -> Any:
    """Put an inactive or expired listing back up."""
    return _change(listing_id, "activate")


@bp.post("/listings/<uuid:listing_id>/deactivate")
@operation(TAG, "list", Started, status=202, acts=True)
def deactivate_listing(listing_id: UUID) -> Any:
    """Take a listing off the market for now."""
    return _change(listing_id, "deactivate")


@bp.delete("/listings/<uuid:listing_id>")
@operation(TAG, "list", Started, status=202, acts=True)
def delete_listing(listing_id: UUID) -> Any:
    """Delist: the ask ends and its pair is free again."""
    return _change(listing_id, "delete")


@bp.post("/listings/bulk-price")
@operation(TAG, "price", Started, status=202, acts=True)
def bulk_price(json: BulkPrice) -> Any:
    """Change the asks of many listings."""
    return _under_way(
        wishes.change_prices(session(), json.listing_ids, json.mode, json.value, actor=actor(), now=now())
    )


@bp.post("/listings/bulk-state")
@operation(TAG, "list", Started, status=202, acts=True)
def bulk_state(json: BulkState) -> Any:
    """Activate, deactivate or delist many listings."""
    return _under_way(wishes.change_state(session(), json.listing_ids, json.action, actor=actor(), now=now()))


@bp.post("/listings/relist-expired")
@operation(TAG, "list", Started, status=202, acts=True)
def relist_expired() -> Any:
    """Put every expired listing up again at its ask."""
    return _under_way(wishes.relist_expired(session(), actor=actor(), now=now()))


@bp.post("/sync")
@operation(TAG, "list", Started, status=202, acts=True)
def sync_listings() -> Any:
    """Compare our listings with StockX."""
    return started(start_run("listing_sync"))


def _preview(
    opportunity_ids: Sequence[UUID], item_ids: Sequence[UUID], strategy: str | None, wanted: Mapping[UUID, Decimal]
) -> Preview:
    settings = runtime().settings
    return asks.preview(
        session(),
        now=now(),
        local_hour=now().astimezone(settings.zone).hour,
        opportunity_ids=list(dict.fromkeys(opportunity_ids)),
        item_ids=list(dict.fromkeys(item_ids)),
        strategy=strategy,
        wanted=wanted,
        rate=settings.stockx_rate,
    )


def _place(shown: Preview, created_from: str) -> Any:
    run = wake_after_commit(placing.order(session(), shown, actor=actor(), now=now(), created_from=created_from))
    placed: Sequence[StockxListing] = listings.of_run(session(), run.id)
    answer = Placed(
        run=RunShape.of(run),
        listing_ids=[listing.id for listing in placed],
        refused=[RefusedRow(id=row.source, reason=row.refused) for row in shown.rows if row.refused],
    )
    return answer, 202, {"Location": f"/api/v1/automation/runs/{run.id}"}


def _change(listing_id: UUID, kind: str) -> Any:
    listings.get(session(), listing_id)
    return _under_way(wishes.change_state(session(), [listing_id], kind, actor=actor(), now=now()))


def _under_way(ordered: Ordered) -> Any:
    refused = [RefusedRow(id=listing_id, reason=why) for listing_id, why in ordered.asked.refused.items()]
    return started(wake_after_commit(ordered.run), refused)
