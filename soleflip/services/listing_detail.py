"""One listing in full: its facts, what was done to it, and its ask against the market over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.domain.errors import NotFound
from soleflip.domain.fees import PayoutEstimate, estimate_payout
from soleflip.domain.pricing import Acting
from soleflip.models import (
    Item,
    ListingChange,
    ListingMove,
    MarketPrice,
    Opportunity,
    PricingHistory,
    Product,
    Quote,
    RunLine,
    StockxListing,
    StockxOrder,
)
from soleflip.services import listing_overview, listings, pricing_rules, settings
from soleflip.services.listing_overview import Line
from soleflip.services.pricing_rules import Rulebook
from soleflip.services.settings import Thresholds

MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Point:
    """The market and our ask at one time, in the listing's currency."""

    at: datetime
    ask: Decimal | None
    lowest: Decimal | None
    bid: Decimal | None


@dataclass(frozen=True, slots=True)
class Detail:
    """A listing with everything its page shows; amounts in the listing's currency."""

    listing: StockxListing
    line: Line
    estimate: PayoutEstimate
    cost: Decimal | None
    moves: Sequence[ListingMove]
    prices: Sequence[PricingHistory]
    points: Sequence[Point]
    changes: Sequence[ListingChange]
    refusals: Sequence[RunLine]
    order: StockxOrder | None
    rulebook: Rulebook

    def acting(self, strategy: str | None = None) -> Acting:
        """Return the settings and guard rails that act on this listing, by its strategy or by another."""
        brand = self.listing.product.brand
        return self.rulebook.acting(brand.key if brand else None, self.listing, strategy=strategy)

    @property
    def cost_is_open(self) -> bool:
        """Whether nothing can be sent for want of a cost or the operator's word."""
        return self.cost is None and not self.listing.cost_unknown_accepted


def detail(session: Session, listing_id: UUID, now: datetime) -> Detail:
    """Return a listing's page; raises NotFound."""
    listing = session.scalar(
        select(StockxListing)
        .where(StockxListing.id == listing_id)
        .options(
            joinedload(StockxListing.product).joinedload(Product.brand),
            joinedload(StockxListing.variant),
            joinedload(StockxListing.item).joinedload(Item.purchase),
            joinedload(StockxListing.item)
            .joinedload(Item.opportunity)
            .joinedload(Opportunity.offer)
            .joinedload(MarketPrice.shop),
        )
    )
    if listing is None:
        raise NotFound("There is no such listing.")
    moves, prices = listings.history(session, listing_id)
    max_age = timedelta(hours=settings.load(session, Thresholds).max_quote_age_hours)
    return Detail(
        listing=listing,
        line=listing_overview.line(session, listing_id, now, max_age),
        estimate=estimate_payout(listing.ask_price, listings.fees_of(session, listing, now)),
        cost=listing.item.cost if listing.item else listing.buy_price,
        moves=moves,
        prices=prices,
        points=_points(session, listing, prices, now),
        changes=_under_way(session, listing_id),
        refusals=_refusals(session, listing_id),
        order=_order(session, listing_id),
        rulebook=pricing_rules.load(session),
    )


def _order(session: Session, listing_id: UUID) -> StockxOrder | None:
    query = select(StockxOrder).where(StockxOrder.listing_id == listing_id)
    return session.scalar(query.order_by(StockxOrder.sold_at.desc()).limit(1))


def _under_way(session: Session, listing_id: UUID) -> Sequence[ListingChange]:
    """Return the changes that are not over, and those that went wrong, newest first."""
    return session.scalars(
        select(ListingChange)
        .where(
            ListingChange.listing_id == listing_id,
            ListingChange.state.in_(("proposed", "waiting", "sending", "failed", "refused")),
        )
        .order_by(ListingChange.created_at.desc())
        .limit(10)
    ).all()


def _refusals(session: Session, listing_id: UUID) -> Sequence[RunLine]:
    """Return why the last repricings left it alone, newest first."""
    return session.scalars(
        select(RunLine).where(RunLine.subject_id == listing_id).order_by(RunLine.id.desc()).limit(10)
    ).all()


def _points(
    session: Session, listing: StockxListing, prices: Sequence[PricingHistory], now: datetime
) -> Sequence[Point]:
    """Put the market's quotes and our own changes into one line of time, thinned to what a chart can show."""
    began = listing.listed_at or listing.created_at
    ended = listing.delisted_at or now
    quotes = session.scalars(
        select(Quote)
        .where(
            Quote.variant_id == listing.catalog_variant_id,
            Quote.currency == listing.currency,
            Quote.at >= began - timedelta(days=2),
            Quote.at <= ended,
        )
        .order_by(Quote.at)
    ).all()
    step = max(len(quotes) // MOST_POINTS, 1)
    market = [(quote.at, quote.lowest_ask, quote.highest_bid) for quote in quotes[::step]]
    changed = [(change.created_at, change.market_lowest_ask, change.market_highest_bid) for change in prices]
    moments = sorted([*market, *changed, (began, None, None), (ended, None, None)], key=lambda point: point[0])
    return [Point(at, _ask_at(listing, prices, began, at), lowest, bid) for at, lowest, bid in moments]


def _ask_at(listing: StockxListing, prices: Sequence[PricingHistory], began: datetime, at: datetime) -> Decimal | None:
    """Return our ask at a time; None before there was one."""
    if at < began:
        return None
    ask = listing.original_ask_price or listing.ask_price
    for change in prices:
        if change.created_at > at:
            break
        ask = change.new_price
    return ask
