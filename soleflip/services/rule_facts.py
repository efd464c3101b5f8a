"""What rules of automation look at: SQL narrows to what may fit, the domain decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, exists, func, select
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.domain.automation import (
    ListingConditions,
    ListingFacts,
    OpportunityConditions,
    OpportunityFacts,
    Verdict,
    judge,
)
from soleflip.domain.bargains import too_cheap
from soleflip.domain.halts import HaltSettings
from soleflip.domain.money import cents
from soleflip.models import (
    Item,
    LatestQuote,
    ListingChange,
    MarketPrice,
    MarketPriceHistory,
    Opportunity,
    PastSale,
    Product,
    StockxListing,
    Variant,
)
from soleflip.services import opportunities, settings
from soleflip.services.opportunity_filter import OpportunityFilter
from soleflip.services.settings import AutomationSettings

MOST = 5000
"""More than so many things at once no rule looks at; the most profitable, or longest listed, come first."""
MEMORY_DAYS = 90
"""How far back sales tell how often a size sells."""
FALL_DAYS = 14
"""How long a price that fell far is held against what the shop asked before."""
KEPT = (
    *("cost", "profit", "margin", "roi", "quoted_at", "held", "days_to_sell", "stock"),
    *("ask", "lowest_ask", "highest_bid", "strategy"),
)
"""Facts that are kept with a decision."""
UNSOLD = ("ordered", "in_stock", "reserved", "listed", "returned")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing as a rule sees it: `basis` is the price it rests on, `cost` one pair's in the books' currency.

    `too_cheap` says why nobody should buy it unasked.
    """

    id: UUID
    product_id: UUID
    variant_id: UUID | None
    title: str
    size: str
    facts: OpportunityFacts | ListingFacts
    basis: str
    cost: Decimal | None
    stock: int | None
    too_cheap: str | None = None

    @property
    def inputs(self) -> dict[str, str | None]:
        """What the decision rests on, as plain texts, to be kept with it."""
        values = {name: getattr(self.facts, name, None) for name in KEPT}
        return {name: _text(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Match:
    """A thing that fits a rule, and why."""

    seen: Seen
    verdict: Verdict


def matches(session: Session, rule: automation.Rule, now: datetime, only: Set[UUID] | None = None) -> list[Match]:
    """Return what fits a rule now, the best first; `only` asks about these ids alone."""
    if isinstance(rule.conditions, OpportunityConditions):
        seen = _opportunities(session, rule.conditions, now, only)
    else:
        seen = _listings(session, rule.conditions, now, only)
    judged = [Match(each, judge(rule, each.facts, now)) for each in seen]
    return [match for match in judged if match.verdict.fits]


def _opportunities(
    session: Session, wanted: OpportunityConditions, now: datetime, only: Set[UUID] | None
) -> list[Seen]:
    narrowed = OpportunityFilter(
        shop=wanted.shop,
        brand=wanted.brand,
        match=wanted.match,
        min_profit=wanted.min_profit,
        min_roi=wanted.min_roi,
        min_margin=wanted.min_margin,
        max_age=wanted.max_age_hours,
    )
    ids = opportunities.matching_ids(session, narrowed, now=now, limit=MOST)
    if only is not None:
        ids = [each for each in ids if each in only]
    rows = {row[0].id: row for row in session.execute(_offers(now).where(Opportunity.id.in_(ids)))}
    variant_ids = {row[0].variant_id for row in rows.values()}
    held, pace = _held(session, variant_ids), _pace(session, variant_ids, now)
    least = settings.load(session, AutomationSettings).least_price_percent
    fall = settings.load(session, HaltSettings).fall_percent
    return [_offer(rows[each], held, pace, least, fall) for each in ids if each in rows]


def price_before(now: datetime) -> ScalarSelect[Decimal]:
    """Return the highest earlier price of an offer, in its currency, that was seen not long before `now`."""
    return (
        select(func.max(MarketPriceHistory.price))
        .where(
            MarketPriceHistory.market_price_id == MarketPrice.id,
            MarketPriceHistory.currency == MarketPrice.currency,
            MarketPriceHistory.seen_at >= now - timedelta(days=FALL_DAYS),
        )
        .correlate(MarketPrice)
        .scalar_subquery()
    )


def _offers(now: datetime) -> Select[Any]:
    columns: Sequence[Any] = (
        *(Opportunity, MarketPrice, Product.title, Product.id, Product.brand_id),
        *(Variant.size, Variant.sizes),
        *(func.coalesce(LatestQuote.highest_bid, LatestQuote.lowest_ask), price_before(now)),
    )
    return (
        select(*columns)
        .join(MarketPrice, MarketPrice.id == Opportunity.market_price_id)
        .join(Variant, Variant.id == Opportunity.variant_id)
        .join(Product, Product.id == Variant.product_id)
        .outerjoin(
            LatestQuote,
            (LatestQuote.variant_id == Opportunity.variant_id) & (LatestQuote.currency == Opportunity.currency),
        )
    )


def _offer(row: Any, held: Mapping[UUID, int], pace: Mapping[UUID, Decimal], least: Decimal, fall: Decimal) -> Seen:
    found, offer, title, product_id, brand, size, sizes, market, before = row
    facts = OpportunityFacts(
        shop=offer.shop_id,
        brand=brand,
        sizes=labels(size, sizes),
        cost=found.cost,
        profit=found.net_profit,
        margin=found.margin,
        roi=found.roi,
        match=found.match_state,
        quoted_at=found.quote_at,
        days_to_sell=pace.get(found.variant_id),
        held=held.get(found.variant_id, 0),
        stock=found.stock,
        currency=found.currency,
    )
    basis = f"{_text(offer.price)} {offer.currency}"
    why = too_cheap(cost=found.cost, market=market, least=least, price=offer.price, before=before, fall=fall)
    return Seen(found.id, product_id, found.variant_id, title, size, facts, basis, found.cost, found.stock, why)


def _listings(session: Session, wanted: ListingConditions, now: datetime, only: Set[UUID] | None) -> list[Seen]:
    listed_at = func.coalesce(StockxListing.listed_at, StockxListing.created_at)
    leaving = exists().where(
        ListingChange.listing_id == StockxListing.id,
        ListingChange.kind == "delete",
        ListingChange.state.in_(("waiting", "sending")),
    )
    query = (
        select(StockxListing, LatestQuote, Product.title, Product.brand_id, Variant.size, Variant.sizes)
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Variant, Variant.id == StockxListing.catalog_variant_id)
        .outerjoin(
            LatestQuote,
            (LatestQuote.variant_id == StockxListing.catalog_variant_id)
            & (LatestQuote.currency == StockxListing.currency),
        )
        .where(StockxListing.status == "active", ~leaving)
        .order_by(listed_at, StockxListing.id)
        .limit(MOST)
    )
    if wanted.brand is not None:
        query = query.where(Product.brand_id == wanted.brand)
    if wanted.strategy is not None:
        query = query.where(StockxListing.strategy == wanted.strategy)
    if wanted.min_age_days is not None:
        query = query.where(listed_at <= now - timedelta(days=wanted.min_age_days))
    if only is not None:
        query = query.where(StockxListing.id.in_(only))
    return [_ask(row) for row in session.execute(query)]


def _ask(row: Any) -> Seen:
    listing, quote, title, brand, size, sizes = row
    facts = ListingFacts(
        brand=brand,
        sizes=labels(size or "", sizes or {}),
        strategy=listing.strategy,
        ask=listing.ask_price,
        listed_at=listing.listed_at or listing.created_at,
        margin=listing.expected_margin,
        lowest_ask=quote.lowest_ask if quote else listing.current_lowest_ask,
        highest_bid=quote.highest_bid if quote else listing.current_highest_bid,
        currency=listing.currency,
    )
    basis = f"{_text(listing.ask_price)} {listing.currency}"
    variant_id = listing.catalog_variant_id
    return Seen(listing.id, listing.product_id, variant_id, title, size or "", facts, basis, None, None)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(cents(value) if isinstance(value, Decimal) else value)


def labels(size: str, sizes: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of a size as rules write them: StockX's label, and the EU size."""
    names = {size, str(sizes.get("eu") or "")}
    return frozenset(name.upper().removeprefix("EU").strip() for name in names if name.strip())


def _held(session: Session, variant_ids: Set[UUID]) -> dict[UUID, int]:
    """Count the unsold pairs of each size."""
    query = (
        select(Item.variant_id, func.count())
        .where(Item.variant_id.in_(variant_ids), Item.state.in_(UNSOLD))
        .group_by(Item.variant_id)
    )
    return dict(session.execute(query).all())


def _pace(session: Session, variant_ids: Set[UUID], now: datetime) -> dict[UUID, Decimal]:
    """Return how many days lie between two sales of each size, from the known sales of the last 90 days."""
    first = (now - timedelta(days=MEMORY_DAYS)).date()
    query = (
        select(PastSale.variant_id, func.count())
        .where(PastSale.variant_id.in_(variant_ids), PastSale.sold_on >= first)
        .group_by(PastSale.variant_id)
    )
    rows: Sequence[Any] = session.execute(query).all()
    return {variant_id: cents(Decimal(MEMORY_DAYS) / number) for variant_id, number in rows}
