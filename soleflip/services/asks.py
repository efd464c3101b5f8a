"""The asks we are about to make: what listing each pair would mean, before anything is confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput, Refused
from soleflip.domain.fees import FeeSchedule, estimate_payout
from soleflip.domain.listings import check_ask
from soleflip.domain.money import percent
from soleflip.domain.pricing import Acting
from soleflip.domain.words import count_of
from soleflip.models import (
    LatestQuote,
    Product,
    Variant,
)
from soleflip.services import fees, pricing_rules, settings, strategy_performance
from soleflip.services.market_memory import as_quote, own_asks, recall
from soleflip.services.pairs import Pair, from_items, from_opportunities
from soleflip.services.settings import Thresholds

BATCH = 100
REQUESTS_PER_BATCH = 4
MOST = 1000
TYPED = "Typed by the operator."


@dataclass(frozen=True, slots=True)
class AskRow:
    """One pair as it would be listed: amounts in `currency`; `refused` says why it can't be.

    `source` is the id of the opportunity or item; `item_id` None means a pair that is yet to be ordered, of which
    `quantity` are, and `most` could be, listed; the amounts are those of one pair. `strategy_by` says whose word the
    strategy is, `guard` which guard refused where one did.
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
    quantity: int
    most: int
    strategy: str
    strategy_by: str
    guard: str | None = None

    @property
    def arm(self) -> str | None:
        """The strategy where the lot of an experiment chose it."""
        return self.strategy if self.strategy_by == pricing_rules.EXPERIMENT else None


@dataclass(frozen=True, slots=True)
class Preview:
    """All rows of a selection with what listing them takes; `rate` is the allowed requests a second.

    `by_rules` says that nobody chose the strategy: each row has its brand's, else the default, which is `strategy`;
    `experiment` that one deals in the default's place.
    """

    rows: tuple[AskRow, ...]
    strategy: str
    rate: float
    by_rules: bool = False
    experiment: bool = False

    @property
    def requests(self) -> int:
        """How many requests to StockX it takes: for each batch one that creates, polling, and one that reads."""
        return -(-self.pairs // BATCH) * REQUESTS_PER_BATCH

    @property
    def minutes(self) -> Decimal:
        """How long that takes at the allowed rate."""
        return (Decimal(self.requests) / Decimal(str(self.rate)) / 60).quantize(Decimal("0.1"))

    @property
    def listable(self) -> tuple[AskRow, ...]:
        """The rows that will be listed."""
        return tuple(row for row in self.rows if row.refused is None)

    @property
    def pairs(self) -> int:
        """How many pairs will be listed."""
        return sum(row.quantity for row in self.listable)

    @property
    def profit(self) -> Decimal:
        """The sum of expected profits of the rows that will be listed, unknown costs left out."""
        return sum((row.profit * row.quantity for row in self.listable if row.profit is not None), Decimal(0))

    @property
    def payout(self) -> Decimal:
        """The sum of payouts if every row that will be listed sells at its ask."""
        return sum((row.payout * row.quantity for row in self.listable if row.payout is not None), Decimal(0))

    @property
    def asks(self) -> Decimal:
        """The sum of the asks that will be put up."""
        return sum((row.ask * row.quantity for row in self.listable if row.ask is not None), Decimal(0))


def preview(
    session: Session,
    *,
    now: datetime,
    local_hour: int,
    opportunity_ids: Sequence[UUID] = (),
    item_ids: Sequence[UUID] = (),
    strategy: str | None = None,
    wanted: Mapping[UUID, Decimal] | None = None,
    quantities: Mapping[UUID, int] | None = None,
    rate: float = 1.0,
) -> Preview:
    """Show what listing these pairs would mean; `wanted` and `quantities` are what the operator typed, by source id.

    `rate` is the allowed requests a second. Raises InvalidInput for nothing or too much at once.
    """
    if not opportunity_ids and not item_ids:
        raise InvalidInput("Select at least one row.")
    if len(opportunity_ids) + len(item_ids) > MOST:
        raise InvalidInput(f"At most {MOST} pairs at once; narrow the filter.")
    rulebook = pricing_rules.load(session)
    shown = pricing.strategy_named(strategy or str(rulebook.default.strategy)).name
    offered = from_opportunities(session, opportunity_ids)
    theirs = {pair.item.id for pair in offered if pair.item is not None}
    sources = [*offered, *from_items(session, [each for each in item_ids if each not in theirs])]
    brands = pricing_rules.brands_of(session, {source.variant.product_id for source in sources})
    trial = strategy_performance.running_experiment(session) if strategy is None else None
    dealt = {source.id: trial.draw(source.id) for source in sources} if trial is not None else {}
    rules = {
        source.id: rulebook.to_be_listed(
            brands.get(source.variant.product_id), chosen=strategy, dealt=dealt.get(source.id)
        )
        for source in sources
    }
    rows = _price(session, sources, rules, now, local_hour, wanted or {})
    rows = [_times(row, (quantities or {}).get(row.source, 1)) for row in rows]
    return Preview(tuple(rows), shown, rate, by_rules=strategy is None, experiment=trial is not None)


def _price(
    session: Session,
    sources: Sequence[Pair],
    rules: Mapping[UUID, Acting],
    now: datetime,
    local_hour: int,
    wanted: Mapping[UUID, Decimal],
) -> list[AskRow]:
    """Ask each pair's strategy, as the rules have it, and work out what a sale at its ask earns."""
    book = fees.book(session)
    currency = book.standard(now.date()).currency
    thresholds = settings.load(session, Thresholds)
    # A first ask may rest on an older quote than a change of a live one: it can't undercut ourselves.
    oldest = thresholds.max_quote_age_hours * 60
    variant_ids = {source.variant.id for source in sources}
    quotes = {
        quote.variant_id: quote
        for quote in session.scalars(
            select(LatestQuote).where(LatestQuote.variant_id.in_(variant_ids), LatestQuote.currency == currency)
        )
    }
    own = own_asks(session, variant_ids)
    sales = recall(session, variant_ids, currency)
    rows = []
    for source in sources:
        quote = quotes.get(source.variant.id)
        schedule = book.schedule(source.variant.product.product_type, now.date())
        given = pricing.PricingInput(
            fees=schedule,
            now=now,
            cost=source.cost,
            quote=as_quote(quote) if quote else None,
            history=sales[source.variant.id].history,
            others=sales[source.variant.id].others,
            own_asks=tuple(own[source.variant.id]),
            local_hour=local_hour,
        )
        rule = rules[source.id]
        guards = replace(rule.guards, max_age_minutes=oldest)
        decision = pricing.decide(rule.strategy, rule.settings.values, given, guards)
        typed, ours = wanted.get(source.id), tuple(own[source.variant.id])
        rows.append(_row(source, quote, decision, rule, schedule, thresholds, now, typed, ours))
    return rows


def _row(
    source: Pair,
    quote: LatestQuote | None,
    decision: pricing.Decision,
    rule: Acting,
    schedule: FeeSchedule,
    thresholds: Thresholds,
    now: datetime,
    wanted: Decimal | None,
    own: tuple[Decimal, ...],
) -> AskRow:
    refused, guard = source.blocked, None
    ask = wanted if wanted is not None else decision.ask
    if refused is None and source.variant.stockx_variant_id is None:
        refused = "StockX does not know this size."
    if refused is None and wanted is None and decision.kind == "refuse":
        refused, guard = decision.reason, decision.guard or None
    if refused is None and ask is None:
        refused = decision.reason
    if refused is None and ask is not None:
        try:
            ask = check_ask(ask, decision.floor, cost_unknown_accepted=False)
        except (Refused, InvalidInput) as error:
            refused, guard = str(error), error.guard if isinstance(error, Refused) else None
    estimate = estimate_payout(ask, schedule) if ask is not None else None
    profit = estimate.payout - source.cost if estimate and source.cost is not None else None
    return AskRow(
        source=source.id,
        item_id=source.item.id if source.item else None,
        opportunity_id=source.opportunity.id if source.opportunity else None,
        product=source.variant.product,
        variant=source.variant,
        shop=source.shop,
        currency=schedule.currency,
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
        quantity=1,
        most=source.most,
        strategy=rule.strategy,
        strategy_by=rule.strategy_layer,
        guard=guard,
    )


def _times(row: AskRow, quantity: int) -> AskRow:
    """Return the row for so many pairs; refused when the shop has not that many."""
    if quantity == 1:
        return row
    if not 1 <= quantity <= row.most:
        why = f"The quantity must be between 1 and {row.most}: more the shop does not have."
        return replace(row, refused=row.refused or why)
    return replace(row, quantity=quantity)


def _warnings(
    source: Pair,
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
        warnings.append(f"{count_of(len(own), 'own ask')} on this size.")
    if not source.is_bought:
        warnings.append("Not bought yet.")
    if profit is not None and profit < thresholds.min_profit:
        warnings.append("Earns less than your threshold.")
    return warnings
