"""Away mode: leave, see what became of the paused asks, and bring them back."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import AwareDatetime, Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    Count,
    Ids,
    Moment,
    Percent,
    Plain,
    RefusedRow,
    RunShape,
    Shape,
    Started,
    started,
)
from soleflip.api.unit import actor, now, session, wake_after_commit
from soleflip.models import Away
from soleflip.services import away, away_asks
from soleflip.services.away_asks import Return

bp = Blueprint("away", __name__, url_prefix="/automation/away")

TAG = "Automation"
Price = Annotated[Decimal, Field(gt=0, lt=10_000_000, decimal_places=2, examples=["95"]), Plain]


class AwayShape(Shape):
    """A time away: planned, in force (away), or over."""

    id: UUID
    state: str
    reason: str | None
    starts_at: Moment
    ends_at: Moment | None
    began_at: Moment | None
    over_at: Moment | None
    actor: str


class PausedShape(Shape):
    """A paused ask and what its return would mean: amounts in `currency`, `change` in percent of the old ask."""

    listing_id: UUID
    title: str
    size: str
    currency: str
    ask: Amount
    lowest_ask: Amount | None
    highest_bid: Amount | None
    floor: Amount | None
    proposed: Amount | None
    change: Percent | None
    is_stale: bool
    looked_at: Moment | None
    sentence: str | None

    @classmethod
    def of(cls, each: Return) -> PausedShape:
        """Write a paused ask."""
        listing, row = each.listing, each.row
        return cls(
            listing_id=listing.id,
            title=listing.product.title,
            size=listing.variant.size if listing.variant else "",
            currency=row.currency,
            ask=row.ask,
            lowest_ask=row.lowest_ask,
            highest_bid=row.highest_bid,
            floor=listing.floor_price,
            proposed=row.proposed,
            change=each.change,
            is_stale=each.is_stale,
            looked_at=row.looked_at,
            sentence=row.sentence,
        )


class AwayBoard(Shape):
    """Whether the operator is away, what waits for a word, and what is planned."""

    now: AwayShape | None
    run: RunShape | None
    still_live: int
    waiting_count: int
    waiting: list[PausedShape] = Field(description="At most 200, those with most at stake first.")
    sold: int
    back: int
    planned: list[AwayShape]


class LeaveWanted(Asked):
    """Why and until when; with `starts_at` it is a plan. Times with their zone; coming back is always by hand."""

    reason: str = Field(default="", max_length=300)
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


class ReturnWanted(Asked):
    """At which ask paused ones go up; without ids every one that the mode fits. `price` goes with `typed`."""

    mode: Literal["old", "proposed", "typed"]
    listing_ids: Ids | None = None
    price: Price | None = None


class KeepWanted(Asked):
    """Which paused asks stay down; without ids all of them."""

    listing_ids: Ids | None = None


@bp.get("")
@operation(TAG, "read", AwayBoard)
def show_away() -> AwayBoard:
    """Show whether you are away and what became of the paused asks."""
    return _board()


@bp.post("")
@operation(TAG, "list", AwayBoard, acts=True)
def leave(json: LeaveWanted) -> AwayBoard:
    """Pause every ask, now or from a planned moment on."""
    if json.starts_at is not None:
        away.plan(
            session(), reason=json.reason, starts_at=json.starts_at, ends_at=json.ends_at, actor=actor(), now=now()
        )
    else:
        wake_after_commit(away.begin(session(), reason=json.reason, ends_at=json.ends_at, actor=actor(), now=now()))
    return _board()


@bp.post("/<uuid:away_id>/call-off")
@operation(TAG, "list", AwayBoard, acts=True)
def call_off_away(away_id: UUID) -> AwayBoard:
    """Take back a plan."""
    away.call_off(session(), away_id, actor=actor())
    return _board()


@bp.post("/pause")
@operation(TAG, "list", Started, status=202, acts=True)
def pause_again() -> Any:
    """Pause what came up since."""
    return started(wake_after_commit(away.pause_again(session(), actor=actor())))


@bp.post("/look")
@operation(TAG, "list", Started, status=202, acts=True)
def look_at_paused() -> Any:
    """Ask the market what the paused asks would now be worth."""
    return started(wake_after_commit(away_asks.start_look(session(), actor=actor())))


@bp.post("/return")
@operation(TAG, "list", Started, status=202, acts=True)
def bring_back(json: ReturnWanted) -> Any:
    """Bring paused asks back up."""
    chosen = away_asks.choose(session(), json.mode, json.listing_ids)
    if json.mode == "typed":
        chosen = dict.fromkeys(chosen, (json.mode, json.price))
    run, asked = away_asks.decide(session(), chosen, actor=actor(), now=now())
    assert run is not None  # noqa: S101 - every mode that is taken here sends something
    wake_after_commit(run)
    return started(run, [RefusedRow(id=key, reason=why) for key, why in asked.refused.items()])


@bp.post("/keep")
@operation(TAG, "list", Count, acts=True)
def keep_paused(json: KeepWanted) -> Count:
    """Leave paused asks down for good, so that the time away can end."""
    chosen = away_asks.choose(session(), "keep", json.listing_ids)
    away_asks.decide(session(), chosen, actor=actor(), now=now())
    return Count(changed=len(chosen))


@bp.post("/over")
@operation(TAG, "list", AwayBoard, acts=True)
def come_back() -> AwayBoard:
    """End the time away, once no paused ask waits for your word."""
    away.come_back(session(), actor=actor(), now=now())
    return _board()


def _board() -> AwayBoard:
    view = away_asks.view(session())
    return AwayBoard(
        now=_shape(view.now) if view.now else None,
        run=RunShape.of(view.run) if view.run else None,
        still_live=view.still_live,
        waiting_count=view.waiting_count,
        waiting=[PausedShape.of(each) for each in view.waiting],
        sold=view.sold,
        back=view.back,
        planned=[_shape(each) for each in view.planned],
    )


def _shape(found: Away) -> AwayShape:
    return AwayShape.model_validate(found)
