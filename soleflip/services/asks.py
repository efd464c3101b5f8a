"""The asks we are about to make: what listing each pair would mean, before anything is confirmed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput, Refused
from soleflip.domain.fees import FeeSchedule, estimate_payout
from soleflip.domain.listings import LIVE_STATES, check_ask
from soleflip.domain.money import percent
from soleflip.models import (
    Item,
    LatestQuote,
    MarketPrice,
    Opportunity,
    PastSale,
    Product,
    StockxListing,
    Variant,
)
from soleflip.services import settings
from soleflip.services.settings import FeeSettings, PricingSettings, Thresholds
from soleflip.services.stock import FREE_STATES

BATCH = 100
REQUESTS_PER_BATCH = 4
MOST = 1000
TYPED = "Typed by the operator."


@dataclass(frozen=True, slots=True)
class AskRow:
    """One pair as it would be listed: amounts in `currency`; `refused` says why it can't be.

    `source` is the id of the opportunity or item; `item_id` None means a pair that is yet to be ordered.
    """

    source: UUID
    item_id: UUID | None
    opportunity_id: UUID | None
    product: Product
    variant: Variant
    shop: str | None
    currency: str
    cost: Decimal | None
    ask: Decimal | None
    fees: Decimal | None
    payout: Decimal | None
    profit: Decimal | None
    margin: Decimal | None
    roi: Decimal | None
    floor: Decimal | None
    reason: str
    warnings: tuple[str, ...]
    refused: str | None
    lowest_ask: Decimal | None
    highest_bid: Decimal | None


@dataclass(frozen=True, slots=True)
class Preview:
    """All rows of a selection with what listing them takes; `rate` is the allowed requests a second."""

    rows: tuple[AskRow, ...]
    strategy: str
    rate: float

    @property
    def requests(self) -> int:
        """How many requests to StockX it takes: for each batch one that creates, polling, and one that reads."""
        return -(-len(self.listable) // BATCH) * REQUESTS_PER_BATCH

    @property
    def minutes(self) -> Decimal:
        """How long that takes at the allowed rate."""
        return (Decimal(self.requests) / Decimal(str(self.rate)) / 60).quantize(Decimal("0.1"))

    @property
    def listable(self) -> tuple[AskRow, ...]:
        """The rows that will be listed."""
        return tuple(row for row in self.rows if row.refused is None)

    @property
    def profit(self) -> Decimal:
        """The sum of expected profits of the rows that will be listed, unknown costs left out."""
        return sum((row.profit for row in self.listable if row.profit is not None), Decimal(0))

    @property
    def payout(self) -> Decimal:
        """The sum of payouts if every row that will be listed sells at its ask."""
        return sum((row.payout for row in self.listable if row.payout is not None), Decimal(0))

    @property
    def asks(self) -> Decimal:
        """The sum of the asks that will be put up."""
        return sum((row.ask for row in self.listable if row.ask is not None), Decimal(0))


@dataclass(frozen=True, slots=True)
class _Source:
    """A pair to be listed before it is priced."""

    id: UUID
    variant: Variant
    cost: Decimal | None
    opportunity: Opportunity | None
    item: Item | None
    shop: str | None
    blocked: str | None


def preview(
    session: Session,
    *,
    now: datetime,
    local_hour: int,
    opportunity_ids: Sequence[UUID] = (),
    item_ids: Sequence[UUID] = (),
    strategy: str | None = None,
    wanted: Mapping[UUID, Decimal] | None = None,
    rate: float = 1.0,
) -> Preview:
    """Show what listing these pairs would mean; `wanted` holds asks that the operator typed, by source id.

    `rate` is the allowed requests a second. Raises InvalidInput for nothing or too much at once.
    """
    if not opportunity_ids and not item_ids:
        raise InvalidInput("Select at least one row.")
    if len(opportunity_ids) + len(item_ids) > MOST:
        raise InvalidInput(f"At most {MOST} pairs at once; narrow the filter.")
    chosen = settings.load(session, PricingSettings)
    strategy = pricing.strategy_named(strategy or chosen.strategy).name
    sources = [*_from_opportunities(session, opportunity_ids), *_from_items(session, item_ids)]
    rows = _price(session, sources, strategy, now, local_hour, wanted or {})
    return Preview(tuple(rows), strategy, rate)


def _from_opportunities(session: Session, ids: Sequence[UUID]) -> list[_Source]:
    """Load opportunities, locked so that of two clicks only one lists them, with an item where one is free."""
    if not ids:
        return []
    found = session.scalars(
        select(Opportunity)
        .where(Opportunity.id.in_(ids))
        .options(
            joinedload(Opportunity.variant).joinedload(Variant.product),
            joinedload(Opportunity.offer).joinedload(MarketPrice.shop),
        )
        .order_by(Opportunity.net_profit.desc().nullslast(), Opportunity.id)
        .with_for_update(of=Opportunity)
    ).all()
    bought = session.scalars(
        select(Item)
        .where(Item.opportunity_id.in_(ids), Item.state.in_(FREE_STATES))
        .order_by(Item.created_at)
        .with_for_update(skip_locked=True)
    ).all()
    by_opportunity: dict[UUID | None, list[Item]] = defaultdict(list)
    for free in bought:
        by_opportunity[free.opportunity_id].append(free)
    sources = []
    for each in found:
        items: list[Item | None] = [*by_opportunity.get(each.id, [])] or [None]
        for item in items:
            cost = item.cost if item is not None else each.cost
            blocked = _blocked(each) if item is None else None
            sources.append(
                _Source(
                    id=item.id if item is not None and len(items) > 1 else each.id,
                    variant=each.variant,
                    cost=cost,
                    opportunity=each,
                    item=item,
                    shop=each.offer.shop.name,
                    blocked=blocked,
                )
            )
    return sources


def _blocked(opportunity: Opportunity) -> str | None:
    """Say why an opportunity that nothing was bought of can't be listed."""
    if opportunity.state == "acted":
        return "Already listed or bought from this opportunity."
    if opportunity.state != "open":
        return f"This opportunity is {opportunity.state}."
    if opportunity.match_state != "firm":
        return "The match with StockX is in doubt; decide it first."
    if not opportunity.offer.in_stock or opportunity.offer.gone_at is not None or opportunity.stock == 0:
        return "The shop has sold out."
    return None


def _from_items(session: Session, ids: Sequence[UUID]) -> list[_Source]:
    if not ids:
        return []
    found = session.scalars(
        select(Item)
        .where(Item.id.in_(ids))
        .options(joinedload(Item.variant).joinedload(Variant.product), joinedload(Item.purchase))
        .order_by(Item.created_at, Item.id)
        .with_for_update(of=Item)
    ).all()
    return [
        _Source(
            id=item.id,
            variant=item.variant,
            cost=item.cost,
            opportunity=None,
            item=item,
            shop=item.purchase.supplier if item.purchase else None,
            blocked=None if item.state in FREE_STATES else f"This item is {item.state.replace('_', ' ')}.",
        )
        for item in found
    ]


def _price(
    session: Session,
    sources: Sequence[_Source],
    strategy: str,
    now: datetime,
    local_hour: int,
    wanted: Mapping[UUID, Decimal],
) -> list[AskRow]:
    """Ask the strategy for each pair and work out what a sale at its ask earns."""
    fees = settings.load(session, FeeSettings).schedule()
    thresholds = settings.load(session, Thresholds)
    guards = settings.load_guards(session)
    # A first ask may rest on an older quote than a change of a live one: it can't undercut ourselves.
    guards = replace(guards, max_age_minutes=thresholds.max_quote_age_hours * 60)
    variant_ids = {source.variant.id for source in sources}
    quotes = {
        quote.variant_id: quote
        for quote in session.scalars(
            select(LatestQuote).where(LatestQuote.variant_id.in_(variant_ids), LatestQuote.currency == fees.currency)
        )
    }
    own: dict[UUID | None, list[Decimal]] = defaultdict(list)
    for variant_id, ask in session.execute(
        select(StockxListing.catalog_variant_id, StockxListing.ask_price).where(
            StockxListing.catalog_variant_id.in_(variant_ids), StockxListing.status.in_(LIVE_STATES)
        )
    ):
        own[variant_id].append(ask)
    sales = past_sales(session, variant_ids, fees.currency)
    rows = []
    for source in sources:
        quote = quotes.get(source.variant.id)
        given = pricing.PricingInput(
            fees=fees,
            now=now,
            cost=source.cost,
            quote=as_quote(quote) if quote else None,
            history=sales.get(source.variant.id, ()),
            own_asks=tuple(own[source.variant.id]),
            local_hour=local_hour,
        )
        decision = pricing.decide(strategy, {}, given, guards)
        rows.append(
            _row(source, quote, decision, fees, thresholds, now, wanted.get(source.id), tuple(own[source.variant.id]))
        )
    return rows


def _row(
    source: _Source,
    quote: LatestQuote | None,
    decision: pricing.Decision,
    fees: FeeSchedule,
    thresholds: Thresholds,
    now: datetime,
    wanted: Decimal | None,
    own: tuple[Decimal, ...],
) -> AskRow:
    refused = source.blocked
    ask = wanted if wanted is not None else decision.ask
    if refused is None and source.variant.stockx_variant_id is None:
        refused = "StockX does not know this size."
    if refused is None and wanted is None and decision.kind == "refuse":
        refused = decision.reason
    if refused is None and ask is not None:
        try:
            ask = check_ask(ask, decision.floor, cost_unknown_accepted=False)
        except (Refused, InvalidInput) as error:
            refused = str(error)
    estimate = estimate_payout(ask, fees) if ask is not None else None
    profit = estimate.payout - source.cost if estimate and source.cost is not None else None
    return AskRow(
        source=source.id,
        item_id=source.item.id if source.item else None,
        opportunity_id=source.opportunity.id if source.opportunity else None,
        product=source.variant.product,
        variant=source.variant,
        shop=source.shop,
        currency=fees.currency,
        cost=source.cost,
        ask=ask,
        fees=estimate.fees if estimate else None,
        payout=estimate.payout if estimate else None,
        profit=profit,
        margin=percent(profit, ask) if profit is not None and ask else None,
        roi=percent(profit, source.cost) if profit is not None and source.cost else None,
        floor=decision.floor,
        reason=decision.reason if wanted is None else TYPED,
        warnings=tuple(_warnings(source, quote, profit, thresholds, now, own)),
        refused=refused,
        lowest_ask=quote.lowest_ask if quote else None,
        highest_bid=quote.highest_bid if quote else None,
    )


def _warnings(
    source: _Source,
    quote: LatestQuote | None,
    profit: Decimal | None,
    thresholds: Thresholds,
    now: datetime,
    own: tuple[Decimal, ...],
) -> list[str]:
    """List what the operator should know before confirming."""
    warnings = []
    if quote is None:
        warnings.append("No quote yet.")
    elif now - quote.at > timedelta(hours=1):
        warnings.append(f"The quote is {(now - quote.at) // timedelta(hours=1)} h old.")
    if own:
        warnings.append(f"{len(own)} own ask{'s' if len(own) > 1 else ''} on this size.")
    if source.item is None:
        warnings.append("Not bought yet.")
    if profit is not None and profit < thresholds.min_profit:
        warnings.append("Earns less than your threshold.")
    return warnings


def past_sales(session: Session, variant_ids: set[UUID], currency: str) -> dict[UUID, list[pricing.PastSale]]:
    """Return the known sales of variants in a currency, old to new."""
    sales: dict[UUID, list[pricing.PastSale]] = defaultdict(list)
    query = select(PastSale.variant_id, PastSale.sold_on, PastSale.price).where(
        PastSale.variant_id.in_(variant_ids), PastSale.currency == currency
    )
    for variant_id, sold_on, price in session.execute(query.order_by(PastSale.sold_on, PastSale.id)):
        sales[variant_id].append(pricing.PastSale(sold_on, price))
    return sales


def as_quote(quote: LatestQuote) -> pricing.Quote:
    """Return a stored quote as the pricing rules take it."""
    return pricing.Quote(
        quote.at, quote.lowest_ask, quote.highest_bid, quote.sell_faster, quote.earn_more, quote.beat_us
    )
