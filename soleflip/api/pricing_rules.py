"""Rules of pricing by brand, tag and listing: what is missing in one comes from the next."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Count, Ids, Moment, Settings, Shape
from soleflip.api.listing_shapes import ListingDetail
from soleflip.api.selling import STRATEGY
from soleflip.api.unit import actor, now, session
from soleflip.services import listing_detail, listings, pricing_rules

bp = Blueprint("pricing_rules", __name__, url_prefix="/selling")

TAG = "Pricing"


class RuleShape(Shape):
    """What prices of a brand or a tag are made by; what is missing comes from the next layer."""

    id: UUID
    scope: str = Field(description="brand or tag")
    key: str
    name: str
    strategy: str | None
    strategy_settings: dict[str, Any] = Field(description="By strategy.")
    guards: dict[str, Any]
    updated_at: Moment


class RuleList(Shape):
    """The rules of brands and tags by name."""

    items: list[RuleShape]


class NewRule(Asked):
    """A brand or a tag to make a rule for."""

    scope: Literal["brand", "tag"]
    name: str = Field(min_length=1, max_length=120)


class RuleStrategy(Asked):
    """The strategy that acts (null for the next layer's), and a rule's settings of one strategy."""

    acts: str | None = Field(default=None, pattern=STRATEGY)
    strategy: str = Field(pattern=STRATEGY)
    settings: Settings = Field(default={})


class DefaultSettings(Asked):
    """A strategy's settings where no rule says otherwise."""

    strategy: str = Field(pattern=STRATEGY)
    settings: Settings


class OwnGuards(Asked):
    """Guard rails by name; blank ones come from the next layer, "off" switches an optional one off."""

    values: Settings


class Tagging(Asked):
    """A tag to put on listings, or to take off."""

    listing_ids: Ids
    tag: str = Field(min_length=1, max_length=60)
    remove: bool = False


@bp.get("/pricing/rules")
@operation(TAG, "read", RuleList)
def list_rules() -> RuleList:
    """List the rules of brands and tags."""
    return _rules()


@bp.post("/pricing/rules")
@operation(TAG, "price", RuleShape, status=201, acts=True)
def add_rule(json: NewRule) -> Any:
    """Make an empty rule for a brand or a tag; one that is there already stays as it is."""
    return RuleShape.model_validate(pricing_rules.add(session(), json.scope, json.name, actor=actor())), 201


@bp.get("/pricing/rules/<uuid:rule_id>")
@operation(TAG, "read", RuleShape)
def show_rule(rule_id: UUID) -> RuleShape:
    """Show one rule."""
    return _rule(rule_id)


@bp.put("/pricing/rules/<uuid:rule_id>/strategy")
@operation(TAG, "price", RuleShape, acts=True)
def save_rule_strategy(rule_id: UUID, json: RuleStrategy) -> RuleShape:
    """Store a rule's strategy and its settings; they act at the next repricing."""
    pricing_rules.save_strategy(
        session(), rule_id, acts=json.acts, strategy=json.strategy, values=json.settings, actor=actor()
    )
    return _rule(rule_id)


@bp.put("/pricing/rules/<uuid:rule_id>/guards")
@operation(TAG, "price", RuleShape, acts=True)
def save_rule_guards(rule_id: UUID, json: OwnGuards) -> RuleShape:
    """Store a rule's guard rails; its floors act at once."""
    pricing_rules.save_guards(session(), rule_id, json.values, actor=actor())
    return _rule(rule_id)


@bp.delete("/pricing/rules/<uuid:rule_id>")
@operation(TAG, "price", RuleList, acts=True)
def remove_rule(rule_id: UUID) -> RuleList:
    """Take a rule away; answers with those that are left."""
    pricing_rules.remove(session(), rule_id, actor=actor())
    return _rules()


@bp.put("/pricing/default-settings")
@operation(TAG, "price", Count, acts=True)
def save_default_settings(json: DefaultSettings) -> Count:
    """Store the settings that a strategy has where no rule says otherwise."""
    pricing_rules.save_default_settings(session(), json.strategy, json.settings, actor=actor())
    return Count(changed=1)


@bp.post("/listings/bulk-tag")
@operation(TAG, "price", Count, acts=True)
def tag_listings(json: Tagging) -> Count:
    """Put a tag on listings, or take it off."""
    return Count(changed=pricing_rules.tag(session(), json.listing_ids, json.tag, remove=json.remove, actor=actor()))


@bp.put("/listings/<uuid:listing_id>/guards")
@operation(TAG, "price", ListingDetail, acts=True)
def save_listing_guards(listing_id: UUID, json: OwnGuards) -> ListingDetail:
    """Store a listing's own guard rails."""
    listing = listings.get(session(), listing_id, lock=True)
    pricing_rules.save_listing_guards(session(), listing, json.values, actor=actor(), now=now())
    return ListingDetail.of_detail(listing_detail.detail(session(), listing_id, now()))


@bp.post("/listings/<uuid:listing_id>/follow-rules")
@operation(TAG, "price", ListingDetail, acts=True)
def follow_rules(listing_id: UUID) -> ListingDetail:
    """Give up a listing's own strategy: tag, brand or default decide again."""
    pricing_rules.follow_rules(session(), listings.get(session(), listing_id, lock=True), actor=actor())
    return ListingDetail.of_detail(listing_detail.detail(session(), listing_id, now()))


def _rule(rule_id: UUID) -> RuleShape:
    rule = pricing_rules.get(session(), rule_id)
    session().refresh(rule)
    return RuleShape.model_validate(rule)


def _rules() -> RuleList:
    return RuleList(items=[RuleShape.model_validate(rule) for rule in pricing_rules.stored(session())])
