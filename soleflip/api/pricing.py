"""Pricing: repricing now or as a trial, strategies and guard rails, results, and proposals to approve."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Amount, Asked, Count, Ids, Moment, Settings, Shape, Started, started
from soleflip.api.listing_shapes import ListingDetail
from soleflip.api.selling import STRATEGY
from soleflip.api.unit import actor, now, session, start_run, wake_after_commit
from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import STRATEGIES, GuardSettings, describe, written
from soleflip.models import ListingChange
from soleflip.services import listing_detail, listings, pricing_rules, proposals, settings, wishes
from soleflip.services.settings import PricingSettings

bp = Blueprint("pricing", __name__, url_prefix="/selling")

TAG = "Pricing"


class UpdateAll(Asked):
    """How live listings are to be repriced."""

    strategy: str | None = Field(
        default=None, pattern=STRATEGY, description="For this run, in place of each listing's own."
    )
    dry_run: bool = Field(default=False, description="Decide and say what would change; send nothing.")
    approve: bool = Field(default=False, description="Make proposals that wait for approval.")
    listing_ids: list[UUID] = Field(default=[], max_length=1000, description="All active listings without it.")


class SettingShape(Shape):
    """One setting: what it is, what it is when nobody says otherwise, and its value."""

    name: str
    label: str
    kind: str
    help: str
    default: str | int | bool | None
    value: str | int | bool | None
    choices: list[str]


class StrategyShape(Shape):
    """A strategy with the settings that a listing can have of its own."""

    name: str
    label: str
    summary: str
    settings: list[SettingShape]


class PricingShape(Shape):
    """Strategies, guard rails and what new listings get."""

    default_strategy: str
    expires_after_days: int
    guards: list[SettingShape]
    strategies: list[StrategyShape]


class GuardValues(Asked):
    """The guard rails, by name; missing ones get their default."""

    values: Settings


class StrategyChoice(Asked):
    """A strategy and its settings; missing ones get their default."""

    strategy: str = Field(pattern=STRATEGY)
    settings: Settings = Field(default={})


class BulkStrategy(Asked):
    """A strategy for some listings."""

    listing_ids: Ids
    strategy: str = Field(pattern=STRATEGY)


class ProposalShape(Shape):
    """A new price that waits for approval."""

    id: UUID
    listing_id: UUID
    run_id: UUID | None
    old_price: Amount | None
    new_price: Amount | None
    currency: str
    reason: str
    sentence: str | None
    created_at: Moment

    @classmethod
    def of(cls, change: ListingChange) -> ProposalShape:
        """Write a proposal."""
        names = [name for name in cls.model_fields if name != "currency"]
        return cls(currency=change.listing.currency, **{name: getattr(change, name) for name in names})


class ProposalList(Shape):
    """The proposals that wait, the largest price first."""

    items: list[ProposalShape]


class ProposalChoice(Asked):
    """Which proposals are meant; all of them without ids."""

    ids: Ids | None = None


class Review(Asked):
    """What became of a listing that could not be decided: it is there (adopt), or it is not (send it again)."""

    decision: str = Field(pattern="^(adopt|absent)$")
    stockx_listing_id: str | None = Field(default=None, max_length=100, description="For adopt: which one it is.")


@bp.get("/pricing")
@operation(TAG, "read", PricingShape)
def show_pricing() -> PricingShape:
    """Show strategies and guard rails with their settings."""
    return _pricing()


@bp.put("/pricing/guards")
@operation(TAG, "price", PricingShape, acts=True)
def save_guards(json: GuardValues) -> PricingShape:
    """Store the guard rails that every price passes."""
    pricing_rules.save_default_guards(session(), json.values, actor=actor())
    return _pricing()


@bp.post("/pricing/update-all")
@operation(TAG, "price", Started, status=202, acts=True)
def update_all_prices(json: UpdateAll) -> Any:
    """Reprice live listings now, as a trial, or as proposals: follow the run."""
    if json.dry_run and json.approve:
        raise InvalidInput("A trial makes no proposals: choose one of the two.", field="approve")
    return started(start_run("reprice", json.model_dump(mode="json", exclude_defaults=True)))


@bp.get("/pricing/proposals")
@operation(TAG, "read", ProposalList)
def list_proposals() -> ProposalList:
    """List the new prices that wait for approval."""
    return ProposalList(items=[ProposalShape.of(change) for change in proposals.waiting(session())])


@bp.post("/pricing/proposals/approve")
@operation(TAG, "price", Started, status=202, acts=True)
def approve_proposals(json: ProposalChoice) -> Any:
    """Let proposals go out."""
    return started(wake_after_commit(proposals.approve(session(), json.ids, actor=actor())))


@bp.post("/pricing/proposals/reject")
@operation(TAG, "price", Count, acts=True)
def reject_proposals(json: ProposalChoice) -> Count:
    """Drop proposals; those prices stay."""
    return Count(changed=proposals.reject(session(), json.ids))


@bp.put("/listings/<uuid:listing_id>/strategy")
@operation(TAG, "price", ListingDetail, acts=True)
def set_strategy(listing_id: UUID, json: StrategyChoice) -> ListingDetail:
    """Give a listing another strategy with settings of its own; it acts at the next repricing."""
    listings.get(session(), listing_id)
    listings.set_strategy(session(), [listing_id], json.strategy, dict(json.settings), actor=actor())
    return ListingDetail.of_detail(listing_detail.detail(session(), listing_id, now()))


@bp.post("/listings/bulk-strategy")
@operation(TAG, "price", Count, acts=True)
def bulk_strategy(json: BulkStrategy) -> Count:
    """Give many listings another strategy."""
    return Count(changed=listings.set_strategy(session(), json.listing_ids, json.strategy, {}, actor=actor()))


@bp.post("/listings/<uuid:listing_id>/accept-cost")
@operation(TAG, "price", ListingDetail, acts=True)
def accept_unknown_cost(listing_id: UUID) -> ListingDetail:
    """Let a listing be priced although its cost is unknown."""
    listings.accept_unknown_cost(session(), listing_id, actor=actor())
    return ListingDetail.of_detail(listing_detail.detail(session(), listing_id, now()))


@bp.post("/listings/<uuid:listing_id>/review")
@operation(TAG, "list", ListingDetail, acts=True)
def decide_review(listing_id: UUID, json: Review) -> ListingDetail:
    """Say what became of a listing in review; one that is absent is sent again."""
    decision = f"adopt:{json.stockx_listing_id or ''}" if json.decision == "adopt" else json.decision
    run = wishes.decide_review(session(), listing_id, decision, actor=actor(), now=now())
    if run is not None:
        wake_after_commit(run)
    return ListingDetail.of_detail(listing_detail.detail(session(), listing_id, now()))


def _pricing() -> PricingShape:
    defaults = settings.load(session(), PricingSettings)
    return PricingShape(
        default_strategy=defaults.strategy,
        expires_after_days=defaults.expires_after_days,
        guards=_settings(GuardSettings, written(settings.load_guards(session()))),
        strategies=[
            StrategyShape(
                name=each.name, label=each.label, summary=each.summary, settings=_settings(each.settings_type, {})
            )
            for each in STRATEGIES.values()
        ],
    )


def _settings(kind: type, values: dict[str, str | bool | None]) -> list[SettingShape]:
    return [
        SettingShape(
            **{name: getattr(each, name) for name in ("name", "label", "kind", "help")},
            default=_plain(each.default),
            value=values.get(each.name, _plain(each.default)),
            choices=list(each.choices),
        )
        for each in describe(kind)
    ]


def _plain(value: object) -> str | bool | None:
    return value if value is None or isinstance(value, bool) else str(value)
