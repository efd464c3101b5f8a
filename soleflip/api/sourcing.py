"""Where opportunities come from: feeds that are fetched by themselves, doubtful matches, and kept filters."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Count, Moment, Shape, Started, started
from soleflip.api.unit import actor, now, session, start_run
from soleflip.domain.errors import NotFound
from soleflip.services import doubts, feed_sources

bp = Blueprint("sourcing", __name__, url_prefix="/quickflip")

TAG = "QuickFlip"


class FeedShape(Shape):
    """A feed that comes by itself; its address may hold a secret and is not shown."""

    id: int
    name: str
    folder: str | None = Field(description="The watched folder below `feeds` in the data folder; else an address.")
    every_hours: int
    is_enabled: bool
    fetched_at: Moment | None
    error: str | None


class FeedList(Shape):
    """The feeds that are fetched by themselves."""

    items: list[FeedShape]


class NewFeed(Asked):
    """A feed to fetch from now on: from an address, or as files put into a folder."""

    name: str = Field(min_length=1, max_length=120)
    url: str | None = Field(default=None, min_length=8, max_length=2000, examples=["https://shop.example/feed.csv.gz"])
    folder: str | None = Field(default=None, min_length=1, max_length=200, examples=["kantstein"])
    every_hours: int = Field(default=24, ge=1, le=10_000)


class DoubtShape(Shape):
    """Offers of one shop with the same doubt about the same product."""

    shop_id: int
    shop: str
    product_id: UUID | None
    product: str | None
    style_code: str | None
    style_key: str
    kind: str
    title: str
    reason: str | None
    offers: int
    sizes: list[str]


class DoubtList(Shape):
    """The doubts that wait for a decision, the ones with the most offers first."""

    items: list[DoubtShape]


class Verdict(Asked):
    """What was decided about a doubt, for all offers like it."""

    shop_id: int = Field(ge=1, le=2**31 - 1)
    product_id: UUID
    style_key: str = Field(default="", max_length=100)
    kind: str = Field(default="", max_length=12)
    verdict: Literal["same", "other"]


@bp.get("/feeds")
@operation("Imports", "read", FeedList)
def list_feeds() -> FeedList:
    """List the feeds that are fetched by themselves."""
    return FeedList(items=[FeedShape.model_validate(each) for each in feed_sources.everything(session())])


@bp.post("/feeds")
@operation("Imports", "list", Started, status=202, acts=True)
def add_feed(json: NewFeed) -> Any:
    """Keep the address of a feed, or a folder to watch, and look there for the first time."""
    source = feed_sources.add(session(), **json.model_dump(), actor=actor())
    return started(start_run("feed_fetch", {"source_id": source.id}))


@bp.post("/feeds/<int(max=2147483647):feed_id>/fetch")
@operation("Imports", "list", Started, status=202, acts=True)
def fetch_feed(feed_id: int) -> Any:
    """Fetch one feed now."""
    if feed_id not in {source.id for source in feed_sources.everything(session())}:
        raise NotFound("There is no such feed.")
    return started(start_run("feed_fetch", {"source_id": feed_id}))


@bp.delete("/feeds/<int(max=2147483647):feed_id>")
@operation("Imports", "list", FeedList, acts=True)
def remove_feed(feed_id: int) -> FeedList:
    """Stop fetching a feed; answers with those that are left."""
    feed_sources.remove(session(), feed_id, actor=actor())
    return FeedList(items=[FeedShape.model_validate(each) for each in feed_sources.everything(session())])


@bp.get("/matches")
@operation(TAG, "read", DoubtList)
def list_doubts() -> DoubtList:
    """List the matches with StockX that are in doubt."""
    return DoubtList(items=[DoubtShape.model_validate(each) for each in doubts.waiting(session())])


@bp.post("/matches")
@operation(TAG, "list", Count, acts=True)
def decide_match(json: Verdict) -> Count:
    """Confirm or reject a doubtful match, once for all like it; what follows from it is computed by a run."""
    asked = json.model_dump(exclude={"verdict"})
    changed = doubts.decide(session(), is_same=json.verdict == "same", actor=actor(), now=now(), **asked)
    start_run("detect")
    return Count(changed=changed)
