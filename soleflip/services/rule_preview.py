"""What a rule would do now, and would have done in the last 30 days as far as prices were kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from soleflip.domain import automation, pricing
from soleflip.domain.automation import (
    ListingConditions,
    ListingFacts,
    OpportunityConditions,
    OpportunityFacts,
    Spent,
    judge,
    room,
)
from soleflip.domain.fees import estimate_payout
from soleflip.domain.money import ZERO, percent
from soleflip.services import automation_rules, fees, settings
from soleflip.services.carrying_out import Used
from soleflip.services.evaluation import hindsight
from soleflip.services.rule_facts import labels, matches
from soleflip.services.runs import Books
from soleflip.services.settings import AutomationSettings

DAYS = 30
MOST = 10_000
"""So many kept prices are looked at."""
SHOWN = 20

# The last quote of a size on each day, with the offer's price as it was then. A history row keeps until when an
# earlier price was seen. A profit above the difference of ask and price there can't be.
_PAST_OFFERS = text("""
    SELECT offers.id AS subject, offers.shop_id, offers.delivery, offers.stock, offers.match_state, quotes.at,
        quotes.lowest_ask, quotes.highest_bid, quotes.sell_faster, quotes.earn_more, quotes.beat_us,
        products.id AS product_id, products.title, products.brand_id, products.product_type, brands.key AS brand_key,
        variants.size, variants.sizes, past.price
    FROM (
        SELECT DISTINCT ON (variant_id, date_trunc('day', at)) *
        FROM integration.quotes WHERE at > :start AND at <= :now AND currency = :currency
        ORDER BY variant_id, date_trunc('day', at), at DESC
    ) AS quotes
    JOIN integration.market_prices AS offers ON offers.variant_id = quotes.variant_id
        AND offers.currency = :currency AND offers.created_at <= quotes.at
        AND (offers.gone_at IS NULL OR offers.gone_at > quotes.at)
    JOIN products.variants AS variants ON variants.id = quotes.variant_id
    JOIN products.products AS products ON products.id = variants.product_id
    LEFT JOIN products.brands AS brands ON brands.id = products.brand_id
    CROSS JOIN LATERAL (SELECT COALESCE((
        SELECT history.price FROM integration.market_price_history AS history
        WHERE history.market_price_id = offers.id AND history.seen_at >= quotes.at
        ORDER BY history.seen_at LIMIT 1
    ), offers.price) AS price) AS past
    WHERE (CAST(:shop AS int) IS NULL OR offers.shop_id = :shop)
    AND (CAST(:brand AS int) IS NULL OR products.brand_id = :brand)
    AND quotes.lowest_ask - past.price >= :least
    ORDER BY quotes.at, offers.id LIMIT :most
""")
_PAST_ASKS = text("""
    SELECT listings.id AS subject, listings.strategy, listings.buy_price, listings.currency, quotes.at,
        COALESCE(listings.listed_at, listings.created_at) AS listed_at, quotes.lowest_ask, quotes.highest_bid,
        products.id AS product_id, products.title, products.brand_id, products.product_type,
        COALESCE(variants.size, '') AS size, COALESCE(variants.sizes, '{}') AS sizes, COALESCE((
            SELECT new_price FROM selling.pricing_history AS history
            WHERE history.listing_id = listings.id AND history.created_at <= quotes.at
            ORDER BY history.created_at DESC LIMIT 1
        ), listings.original_ask_price, listings.ask_price) AS ask
    FROM (
        SELECT DISTINCT ON (variant_id, date_trunc('day', at)) *
        FROM integration.quotes WHERE at > :start AND at <= :now AND currency = :currency
        ORDER BY variant_id, date_trunc('day', at), at DESC
    ) AS quotes
    JOIN selling.stockx_listings AS listings ON listings.catalog_variant_id = quotes.variant_id
        AND listings.currency = :currency AND COALESCE(listings.listed_at, listings.created_at) <= quotes.at
        AND (listings.delisted_at IS NULL OR listings.delisted_at > quotes.at)
    LEFT JOIN selling.stockx_orders AS orders ON orders.listing_id = listings.id
    JOIN products.variants AS variants ON variants.id = quotes.variant_id
    JOIN products.products AS products ON products.id = variants.product_id
    WHERE listings.listed_at IS NOT NULL AND (orders.id IS NULL OR orders.sold_at > quotes.at)
    AND (CAST(:brand AS int) IS NULL OR products.brand_id = :brand)
    ORDER BY quotes.at, listings.id LIMIT :most
""")
_KEPT = text("""
    SELECT count(DISTINCT date_trunc('day', at)), min(at) FROM integration.quotes
    WHERE at > :start AND at <= :now AND currency = :currency
""")


@dataclass(frozen=True, slots=True)
class Would:
    """One thing a rule would do: pairs and amount (books' currency) inside the limits; `why_not` what stops it."""

    subject_id: UUID | int
    title: str
    size: str
    day: date
    sentence: str
    pairs: int
    amount: Decimal | None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What a rule would do: how many fit, how many the limits let through, what they commit, and the first of them."""

    fitting: int
    allowed: int
    amount: Decimal
    rows: Sequence[Would]


@dataclass(frozen=True, slots=True)
class Past:
    """The same for the last 30 days, with the days of which quotes were kept, and what was not."""

    round: Round
    days_kept: int
    since: datetime | None
    is_cut: bool
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RulePreview:
    """Both, in the books' currency; `house_limit` is the day's money of all rules where it is below this rule's own."""

    now: Round
    past: Past
    currency: str
    house_limit: Decimal | None


def preview(
    session: Session, rule: automation.Rule, *, books: Books, now: datetime, rule_id: UUID | None = None
) -> RulePreview:
    """Show what a rule would do now, beside what it has used of its limits, and would have done before."""
    most = settings.load(session, AutomationSettings).money_per_day
    used = Used.of(session, books, now)
    found: list[Would] = []
    for match in matches(session, rule, now):
        seen = match.seen
        pairs = min(rule.settings.pairs, max(seen.stock or 1, 1)) if rule.spends else 1
        free = room(rule, used.spent(rule_id, seen.product_id), cost=seen.cost, pairs=pairs, money_per_day=most)
        cost = seen.cost if rule.spends else None
        if free.pairs:
            used.take(rule_id, seen.product_id, free.pairs, cost)
        amount = cost * (free.pairs or pairs) if cost is not None else None
        found.append(
            Would(
                *(seen.id, seen.title, seen.size, now.date(), match.verdict.sentence, free.pairs or pairs, amount),
                free.why,
            )
        )
    past = _past(session, rule, most, books, now)
    return RulePreview(_round(found), past, books.currency, automation_rules.lower_limit(session, rule))


def _round(found: list[Would]) -> Round:
    allowed = [each for each in found if each.why_not is None]
    amount = sum((each.amount for each in allowed if each.amount is not None), ZERO)
    return Round(len(found), len(allowed), amount, [*allowed, *(each for each in found if each.why_not)][:SHOWN])


def _past(session: Session, rule: automation.Rule, most: Decimal, books: Books, now: datetime) -> Past:
    """Go through the kept prices in their order; a thing counts once at one price, as it would be decided once."""
    values = {"start": now - timedelta(days=DAYS), "now": now, "currency": books.currency}
    days, since = session.execute(_KEPT, values).one()
    # Of one day the best goes first, as it does live (rule_facts.matches).
    seen = sorted(_past_facts(session, rule, values | {"most": MOST}, now), key=lambda row: _place(row, books))
    found: list[Would] = []
    spent: dict[Any, Any] = {}
    decided: set[Any] = set()
    for subject, basis, product_id, title, size, at, facts, cost in seen:
        if (subject, basis) in decided:
            continue
        verdict = judge(rule, facts, at)
        if not verdict.fits:
            continue
        day = at.astimezone(books.timezone).date()
        hour = (day, at.hour)
        so_far = Spent(spent.get(day, ZERO), spent.get(day, ZERO), spent.get(hour, 0), spent.get(product_id, 0))
        free = room(rule, so_far, cost=cost, pairs=rule.settings.pairs, money_per_day=most)
        if not free.pairs:
            found.append(Would(subject, title, size, day, verdict.sentence, rule.settings.pairs, None, free.why))
            continue
        decided.add((subject, basis))
        spent[hour] = spent.get(hour, 0) + 1
        amount = None
        if rule.spends and cost is not None:
            amount = cost * free.pairs
            spent[day] = spent.get(day, ZERO) + amount
            spent[product_id] = spent.get(product_id, 0) + free.pairs
        found.append(Would(subject, title, size, day, verdict.sentence, free.pairs, amount))
    return Past(_round(found), days, since, len(seen) == MOST, _caveats(rule))


def _place(row: Any, books: Books) -> tuple[Any, ...]:
    """Return where a row of the past stands among the others: by day, then profit or age, as rules take them live."""
    subject, _basis, _product, _title, _size, at, facts, _cost = row
    best = -(facts.profit or ZERO) if isinstance(facts, OpportunityFacts) else facts.listed_at
    return at.astimezone(books.timezone).date(), best, str(subject)


def _past_facts(session: Session, rule: automation.Rule, values: dict[str, Any], now: datetime) -> Iterator[Any]:
    if isinstance(rule.conditions, OpportunityConditions):
        return _past_offers(session, rule.conditions, values, now)
    return _past_asks(session, rule.conditions, values, now)


def _past_offers(
    session: Session, wanted: OpportunityConditions, values: dict[str, Any], now: datetime
) -> Iterator[Any]:
    look = hindsight(session, now)
    least = wanted.min_profit if wanted.min_profit is not None else ZERO
    rows = session.execute(_PAST_OFFERS, values | {"shop": wanted.shop, "brand": wanted.brand, "least": least})
    for row in rows:
        quote = pricing.Quote(row.at, row.lowest_ask, row.highest_bid, row.sell_faster, row.earn_more, row.beat_us)
        result = look(row.price, row.delivery, row.product_type, row.brand_key, quote, row.at)
        if result.listed is None:
            continue
        facts = OpportunityFacts(
            shop=row.shop_id,
            brand=row.brand_id,
            sizes=labels(row.size, row.sizes),
            cost=result.cost.total,
            profit=result.listed.profit,
            margin=result.listed.margin,
            roi=result.listed.roi,
            match=row.match_state,
            quoted_at=row.at,
            days_to_sell=None,
            held=0,
            stock=None,
            currency=values["currency"],
        )
        # How fast sizes sold and what was held on those days was not kept: these conditions count as met.
        if wanted.max_days_to_sell is not None:
            facts = replace(facts, days_to_sell=ZERO)
        cost = result.cost.total
        yield row.subject, row.price, row.product_id, row.title, row.size, row.at, facts, cost


def _past_asks(session: Session, wanted: ListingConditions, values: dict[str, Any], now: datetime) -> Iterator[Any]:
    book = fees.book(session)
    for row in session.execute(_PAST_ASKS, values | {"brand": wanted.brand}):
        payout = estimate_payout(row.ask, book.schedule(row.product_type, row.at.date())).payout
        facts = ListingFacts(
            brand=row.brand_id,
            sizes=labels(row.size, row.sizes),
            strategy=row.strategy,
            ask=row.ask,
            listed_at=row.listed_at,
            margin=percent(payout - row.buy_price, row.ask) if row.buy_price is not None else None,
            lowest_ask=row.lowest_ask,
            highest_bid=row.highest_bid,
            currency=row.currency,
        )
        yield row.subject, row.ask, row.product_id, row.title, row.size, row.at, facts, None


def _caveats(rule: automation.Rule) -> tuple[str, ...]:
    """Say what of those days was not kept, so that nobody takes the result for more than it is."""
    if isinstance(rule.conditions, ListingConditions):
        return (
            "One quote a day is looked at, the day's last.",
            "Which strategy a listing had then is not kept: today's counts.",
        )
    notes = [
        "One quote a day is looked at, the day's last, with today's fees, VAT and pricing rules.",
        "What shops had in stock then is not kept: every offer counts as available.",
    ]
    if rule.conditions.max_days_to_sell is not None or rule.conditions.max_held is not None:
        notes.append("How fast a size sold and how many pairs were held then is not kept: these two count as met.")
    return tuple(notes)
