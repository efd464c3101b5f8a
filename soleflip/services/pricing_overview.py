"""What the Pricing page shows: strategies with their results, guard rails, proposals, and the last repricings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain import pricing
from soleflip.domain.analytics import Figures, Period
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.money import cents, percent
from soleflip.domain.pricing import GuardSettings, Strategy
from soleflip.models import Brand, ListingChange, PricingHistory, PricingRule, Run, StockxListing, StockxOrder
from soleflip.services import analytics, pricing_rules, proposals, runs, settings
from soleflip.services.pricing_rules import Rulebook
from soleflip.services.runs import Books
from soleflip.services.settings import PricingSettings

ENOUGH = 20
"""Fewer sales than this say little about a strategy."""


@dataclass(frozen=True, slots=True)
class StrategyResult:
    """What a strategy has done so far: counts of listings, the ledger's figures, and days from listing to sale."""

    strategy: Strategy
    live: int
    listed: int
    figures: Figures
    days_to_sell: Decimal | None
    changes: int

    @property
    def sell_through(self) -> Decimal | None:
        """Sales in percent of all that was listed with it."""
        return percent(Decimal(self.figures.sales), Decimal(self.listed))

    @property
    def changes_per_sale(self) -> Decimal | None:
        """How many price changes were made for each sale."""
        return cents(Decimal(self.changes) / self.figures.sales) if self.figures.sales else None

    @property
    def says_enough(self) -> bool:
        """Whether there are enough sales to compare it with others."""
        return self.figures.sales >= ENOUGH


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


def view(session: Session, books: Books, now: datetime) -> PricingView:
    """Return what the Pricing page shows."""
    results = _results(session, books, now)
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
    )


def _names(session: Session, live: Mapping[tuple[str, str], int]) -> list[str]:
    """Return the names that a rule can be made for: brands with live listings, and tags in use."""
    keys = [key for scope, key in live if scope == "brand"]
    brands = session.scalars(select(Brand.name).where(Brand.key.in_(keys)).order_by(Brand.name)).all()
    return [*brands, *sorted(key for scope, key in live if scope == "tag")]


def _results(session: Session, books: Books, now: datetime) -> list[StrategyResult]:
    today = now.astimezone(books.timezone).date()
    period = Period(today - timedelta(days=365), today)
    figures = {each.name: each.figures for each in analytics.by_group(session, period, "strategy", books)}
    counted = session.execute(
        select(
            StockxListing.strategy,
            func.count().filter(StockxListing.status.in_(sorted(LIVE_STATES))),
            func.count().filter(StockxListing.listed_at.is_not(None)),
        ).group_by(StockxListing.strategy)
    ).all()
    counts = {name: (live, listed) for name, live, listed in counted}
    held = func.extract("epoch", StockxOrder.sold_at - StockxListing.listed_at) / 86400
    days: dict[str, Any] = dict(
        session.execute(
            select(StockxListing.strategy, func.percentile_cont(0.5).within_group(held))
            .join(StockxOrder, StockxOrder.listing_id == StockxListing.id)
            .where(StockxOrder.order_status != "cancelled", StockxListing.listed_at.is_not(None))
            .group_by(StockxListing.strategy)
        ).all()
    )
    changed: dict[str | None, int] = dict(
        session.execute(
            select(PricingHistory.strategy, func.count())
            .where(PricingHistory.strategy.is_not(None))
            .group_by(PricingHistory.strategy)
        ).all()
    )
    return [
        StrategyResult(
            strategy=each,
            live=counts.get(each.name, (0, 0))[0],
            listed=counts.get(each.name, (0, 0))[1],
            figures=figures.get(each.name, Figures()),
            days_to_sell=cents(Decimal(str(days[each.name]))) if days.get(each.name) is not None else None,
            changes=changed.get(each.name, 0),
        )
        for each in pricing.STRATEGIES.values()
    ]
