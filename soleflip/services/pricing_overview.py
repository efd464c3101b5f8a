"""What the Pricing page shows: strategies with their results, guard rails, proposals, and the last repricings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.pricing import GuardSettings
from soleflip.models import Brand, ListingChange, PricingRule, Run, StockxListing
from soleflip.services import pricing_rules, proposals, runs, settings, strategy_performance
from soleflip.services.pricing_rules import Rulebook
from soleflip.services.runs import Books
from soleflip.services.settings import PricingSettings
from soleflip.services.strategy_performance import Arm, Experiment, StrategyResult


@dataclass(frozen=True, slots=True)
class PricingView:
    """Everything the Pricing page shows; amounts in the books' currency."""

    results: Sequence[StrategyResult]
    defaults: PricingSettings
    guards: GuardSettings
    proposals: Sequence[ListingChange]
    runs: Sequence[Run]
    active: int
    rules: Sequence[PricingRule]
    live_by_rule: Mapping[tuple[str, str], int]
    names: Sequence[str]
    rulebook: Rulebook
    experiment: Experiment | None
    arms: Sequence[Arm]


def view(session: Session, books: Books, now: datetime) -> PricingView:
    """Return what the Pricing page shows."""
    results = strategy_performance.strategy_performance(session, books, now)
    found = strategy_performance.experiment(session)
    live = pricing_rules.counts(session)
    return PricingView(
        results=results,
        defaults=settings.load(session, PricingSettings),
        guards=settings.load_guards(session),
        proposals=proposals.waiting(session),
        runs=runs.latest(session, kind="reprice"),
        active=session.scalar(select(func.count()).where(StockxListing.status == "active")) or 0,
        rules=pricing_rules.stored(session),
        live_by_rule=live,
        names=_names(session, live),
        rulebook=pricing_rules.load(session),
        experiment=found,
        arms=strategy_performance.arms(session, found, books, now) if found else (),
    )


def _names(session: Session, live: Mapping[tuple[str, str], int]) -> list[str]:
    """Return the names that a rule can be made for: brands with live listings, and tags in use."""
    keys = [key for scope, key in live if scope == "brand"]
    brands = session.scalars(select(Brand.name).where(Brand.key.in_(keys)).order_by(Brand.name)).all()
    return [*brands, *sorted(key for scope, key in live if scope == "tag")]
