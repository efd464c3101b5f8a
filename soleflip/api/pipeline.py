"""The pipeline: where every pair stands between an opportunity and a booked sale."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Amount, Moment, Page, Paged, Shape, seal, unseal
from soleflip.api.unit import session
from soleflip.services import pipeline
from soleflip.services.pipeline import Place

bp = Blueprint("pipeline", __name__, url_prefix="/automation")

TAG = "Automation"
Stage = Literal["detected", "decided", "item", "listed", "repriced", "sold", "shipped", "booked", "review"]


class PipelineQuery(Paged):
    """Which pairs are wanted."""

    stage: Stage | None = None
    by_rules: bool = Field(default=False, description="Only what rules decided.")
    q: str = Field(default="", max_length=100, description="Words in title or style code.")


class PlaceShape(Shape):
    """A pair at its stage: amounts in `currency`; the profit is expected until it is booked."""

    key: UUID
    stage: Stage
    since: Moment
    title: str | None
    size: str | None
    pairs: int
    cost: Amount | None
    price: Amount | None
    profit: Amount | None
    currency: str
    rule_name: str | None
    opportunity_id: UUID | None
    item_id: UUID | None
    listing_id: UUID | None
    order_number: str | None
    decision_id: UUID | None
    next: str
    waits_for: str
    needs_you: bool

    @classmethod
    def of(cls, place: Place) -> PlaceShape:
        """Write one."""
        own = ("next", "waits_for", "needs_you")
        values = {name: getattr(place.standing if name in own else place, name) for name in cls.model_fields}
        return cls.model_validate(values)


class PipelinePage(Page[PlaceShape]):
    """A page of pairs, newest first, with how many stand at each stage."""

    counts: dict[str, int]


@bp.get("/pipeline")
@operation(TAG, "read", PipelinePage)
def show_pipeline(query: PipelineQuery) -> PipelinePage:
    """Show where every pair stands, what comes next, and what that waits for."""
    found = pipeline.pipeline(
        session(),
        stage=query.stage,
        by_rules=query.by_rules,
        words=query.q,
        after=unseal(query.cursor),
        limit=query.limit,
    )
    items = [PlaceShape.of(place) for place in found.places]
    return PipelinePage(items=items, next_cursor=seal(found.next), counts=dict(found.counts))
