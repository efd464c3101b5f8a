"""Opportunities computed: SQL finds what changed, the domain decides, results are stored for filters and sorting."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput
from soleflip.domain.fee_tables import CATEGORIES, STANDARD, category_of
from soleflip.domain.opportunities import Evaluation, Terms, Vat, cost_of, days_between_sales, evaluate, has_moved
from soleflip.domain.pricing import Acting
from soleflip.domain.sizes import rank
from soleflip.models import Opportunity
from soleflip.services import fees, pricing_rules
from soleflip.services.market_memory import as_quote, days_to_sell, own_asks, recall
from soleflip.services.rates import rate
from soleflip.services.runs import Work
from soleflip.services.settings import Thresholds, VatSettings, load

CHUNK = 2000
Proposer = Callable[[pricing.PricingInput], pricing.Proposal]

_CHANGED = """
SELECT offers.id, offers.variant_id, offers.match_state, offers.price, offers.delivery, offers.currency,
    offers.in_stock, offers.stock, offers.gone_at, offers.changed_at,
    offers.style_code AS offer_style, GREATEST(offers.seen_at, shops.seen_at) AS seen_at,
    offers.shop_id, shops.name AS shop_name, variants.product_id, products.title, products.style_code,
    products.brand_id, COALESCE(brands.name, '') AS brand, brands.key AS brand_key, variants.size, variants.sizes,
    quotes.at, quotes.lowest_ask, quotes.highest_bid, quotes.sell_faster, quotes.earn_more, quotes.beat_us,
    known.state, known.dismissed_price, known.is_current AS was_current, known.restocked_at, products.product_type
FROM integration.market_prices AS offers
JOIN integration.shops AS shops ON shops.id = offers.shop_id
JOIN integration.latest_quotes AS quotes ON quotes.variant_id = offers.variant_id AND quotes.currency = :currency
JOIN products.variants AS variants ON variants.id = offers.variant_id
JOIN products.products AS products ON products.id = variants.product_id
LEFT JOIN products.brands AS brands ON brands.id = products.brand_id
LEFT JOIN integration.opportunities AS known ON known.market_price_id = offers.id
WHERE offers.id > :after AND offers.match_state IN ('firm', 'doubtful')
AND (known.id IS NULL OR known.offer_changed_at IS DISTINCT FROM offers.changed_at
    OR known.quote_at IS DISTINCT FROM quotes.at OR known.variant_id <> offers.variant_id
    OR known.match_state <> offers.match_state OR known.shop_name <> shops.name
    OR (known.title, known.brand, known.size)
        IS DISTINCT FROM (products.title, COALESCE(brands.name, ''), variants.size)
    OR known.terms IS DISTINCT FROM CASE WHEN offers.currency = :currency THEN :terms ELSE :day_terms END)
"""
_OF_PRODUCTS = "AND variants.product_id = ANY(:products)\n"
_IN_ORDER = "ORDER BY offers.id LIMIT :chunk"
_UNMATCHED = """
UPDATE integration.opportunities AS known SET state = 'gone', is_current = false, updated_at = :now
FROM integration.market_prices AS offers
WHERE offers.id = known.market_price_id AND known.state IN ('open', 'dismissed')
AND (offers.match_state NOT IN ('firm', 'doubtful') OR offers.variant_id IS NULL)
"""
# What the page shows without a filter. Ages pass without a change of any row, so this is looked through each time.
_WORTH = """
UPDATE integration.opportunities AS known SET is_worth = NOT known.is_worth
FROM integration.shops AS shops
WHERE shops.id = known.shop_id AND known.is_worth <> (
    known.is_current AND known.match_state = 'firm'
    AND COALESCE(known.expected_profit >= :min_profit AND known.roi >= :min_roi, false)
    AND COALESCE(known.quote_at >= :oldest_quote, false)
    AND (known.offer_seen_at >= :oldest_offer OR COALESCE(shops.seen_at >= :oldest_offer, false))
)
"""
_WORTH_OF_PRODUCTS = "AND known.product_id = ANY(:products)"


@dataclass(frozen=True, slots=True)
class _Rules:
    """Everything an evaluation rests on besides the two prices: terms by category, strategies by brand.

    `key` is the fingerprint of all.
    """

    terms: Mapping[str, Terms]
    proposers: Mapping[str | None, Proposer]
    reopen_percent: Decimal
    key: str

    def propose(self, brand: str | None, given: pricing.PricingInput) -> pricing.Proposal:
        """Ask the strategy that the rules name for a brand (its key), else the one by default."""
        return self.proposers.get(brand, self.proposers[None])(given)

    @property
    def currency(self) -> str:
        """The books' currency."""
        return self.terms[STANDARD].currency

    def terms_for(self, product_type: str | None) -> Terms:
        """Return the terms of StockX's type of a product."""
        return self.terms[category_of(product_type)]


def terms_of(session: Session, day: date, product_type: str | None = None) -> Terms:
    """Return fees of a day and a product's type, VAT, delivery and expected failures as the operator has set them."""
    book = fees.book(session)
    vat, thresholds = load(session, VatSettings), load(session, Thresholds)
    return Terms(
        fees=book.schedule(product_type, day),
        vat=Vat(vat.treatment, vat.rate),
        default_delivery=thresholds.default_delivery,
        failure_rate=thresholds.failure_rate,
        failure_cost=thresholds.failure_cost,
        unshipped_rate=thresholds.unshipped_rate,
        penalty=book.penalty(day),
    )


def recompute(session: Session, now: datetime, product_ids: Sequence[UUID] | None = None) -> int:
    """Compute the opportunities whose offer, quote or settings changed, of these products or of all; returns how many.

    What did not change is not written. Offers in another currency count as changed on every day, with its rate.
    """
    count = 0
    after: int | None = begin(session, now)
    while after is not None:
        some, after = recompute_some(session, now, after, product_ids)
        count += some
    finish(session, now, product_ids)
    return count


def recompute_all(work: Work) -> int:
    """Compute everything that changed, some at a time, each in a transaction of its own; returns how many.

    Stopped in between, what was computed stays, and the next run goes on with the rest.
    """
    now = work.clock()
    with work.transaction() as session:
        after: int | None = begin(session, now)
    count, total = 0, None
    while after is not None:
        work.progress(done=count, total=total, message="Computing opportunities", computed=count)
        with work.transaction() as session:
            some, after = recompute_some(session, now, after)
            count += some
            # Counting looks through everything once more: only where there is more than one round.
            if after is not None and total is None:
                total = count + changed(session, now)
    work.progress(done=count, total=count, computed=count)
    with work.transaction() as session:
        finish(session, now)
    return count


def changed(session: Session, now: datetime) -> int:
    """Count the opportunities that would be computed now."""
    query = text(f"SELECT count(*) FROM ({_CHANGED}) AS changed")  # noqa: S608 - made of constants
    return session.scalar(query, {**_values(_rules(session, now), now), "after": 0}) or 0


def begin(session: Session, now: datetime) -> int:
    """Close the opportunities whose offers have no variant any more; returns the id behind which computing begins."""
    session.flush()
    session.execute(text(_UNMATCHED), {"now": now})
    return 0


def recompute_some(
    session: Session, now: datetime, after: int, product_ids: Sequence[UUID] | None = None
) -> tuple[int, int | None]:
    """Compute the first changed ones behind an offer's id; returns how many, and the id to go on behind, if any."""
    rules = _rules(session, now)
    values = _values(rules, now)
    query = _CHANGED
    if product_ids is not None:
        query += _OF_PRODUCTS
        values["products"] = list(product_ids)
    rows = session.execute(text(query + _IN_ORDER), {**values, "after": after, "chunk": CHUNK}).all()
    if rows:
        _store(session, rows, rules, values, now)
    return len(rows), rows[-1].id if len(rows) == CHUNK else None


def finish(session: Session, now: datetime, product_ids: Sequence[UUID] | None = None) -> None:
    """Mark what is worth to be shown by now."""
    _mark_worth(session, now, product_ids)
    session.expire_all()


def _values(rules: _Rules, now: datetime) -> dict[str, Any]:
    return {"currency": rules.currency, "terms": rules.key, "day_terms": _fingerprint(rules.key, now.date())}


def _mark_worth(session: Session, now: datetime, product_ids: Sequence[UUID] | None) -> None:
    thresholds = load(session, Thresholds)
    values: dict[str, Any] = {"min_profit": thresholds.min_profit, "min_roi": thresholds.min_roi}
    values["oldest_quote"] = now - timedelta(hours=thresholds.max_quote_age_hours)
    values["oldest_offer"] = now - timedelta(hours=thresholds.max_offer_age_hours)
    if product_ids is None:
        session.execute(text(_WORTH), values)
    else:
        session.execute(text(_WORTH + _WORTH_OF_PRODUCTS), {**values, "products": list(product_ids)})


def _rules(session: Session, now: datetime) -> _Rules:
    standard = terms_of(session, now.date())
    book = fees.book(session)
    terms = {name: replace(standard, fees=book.schedule(name, now.date())) for name in CATEGORIES}
    rulebook = pricing_rules.load(session)
    acting = {brand: rulebook.acting(brand) for brand in (None, *sorted(rulebook.brands))}
    said = [(brand, rule.strategy, sorted(rule.settings.values.items())) for brand, rule in acting.items()]
    return _Rules(
        terms,
        {brand: _proposer(rule) for brand, rule in acting.items()},
        load(session, Thresholds).reopen_percent,
        _fingerprint(terms, said),
    )


def _proposer(rule: Acting) -> Proposer:
    """Return a strategy with its settings read once for all rows, since reading takes longer than proposing."""
    chosen = pricing.strategy_named(rule.strategy)
    return partial(chosen.propose, pricing.read_settings(chosen.settings_type, rule.settings.values))


def hindsight(session: Session, now: datetime) -> Callable[..., Evaluation]:
    """Return how an offer's price and a quote of some day are evaluated by today's settings and rules.

    Takes price and delivery in the books' currency, the product's type, its brand's key, the quote and its moment; what
    was sold and asked then is not looked at.
    """
    rules = _rules(session, now)

    def look(
        price: Decimal,
        delivery: Decimal | None,
        product_type: str | None,
        brand: str | None,
        quote: pricing.Quote,
        at: datetime,
    ) -> Evaluation:
        terms = rules.terms_for(product_type)
        ask = rules.propose(brand, pricing.PricingInput(fees=terms.fees, now=at, quote=quote)).ask
        return evaluate(cost_of(price, delivery, terms), ask, quote.highest_bid, terms)

    return look


def _fingerprint(*what: object) -> str:
    return hashlib.blake2b(repr(what).encode(), digest_size=20).hexdigest()


def _store(session: Session, rows: Sequence[Row[Any]], rules: _Rules, values: dict[str, Any], now: datetime) -> None:
    variant_ids = {row.variant_id for row in rows}
    own = own_asks(session, variant_ids)
    sales = recall(session, variant_ids, rules.currency)
    own_days = days_to_sell(session, {row.product_id for row in rows})
    results = []
    for row in rows:
        given = pricing.PricingInput(
            fees=rules.terms_for(row.product_type).fees,
            now=now,
            quote=as_quote(row),
            own_asks=tuple(own[row.variant_id]),
            history=sales[row.variant_id].history,
            others=sales[row.variant_id].others,
        )
        ask = rules.propose(row.brand_key, given).ask
        is_home = row.currency == rules.currency
        key = values["terms"] if is_home else values["day_terms"]
        days = own_days.get(row.product_id)
        if days is None:
            days = days_between_sales([sale.on for sale in sales[row.variant_id].history])
        results.append(_result(row, ask, rules, now) | _copies(row) | {"terms": key, "days_to_sell": days})
    statement = insert(Opportunity)
    news = {name: statement.excluded[name] for name in results[0] if name not in ("market_price_id", "created_at")}
    session.execute(statement.on_conflict_do_update(index_elements=["market_price_id"], set_=news), results)


def _result(row: Row[Any], ask: Decimal | None, rules: _Rules, now: datetime) -> dict[str, Any]:
    """Return one opportunity's columns. An offer whose currency has no rate is kept, but not current."""
    terms = rules.terms_for(row.product_type)
    try:
        exchange = rate(row.currency, terms.currency, now.date())
    except InvalidInput:
        exchange = None
    cost = cost_of(row.price, row.delivery, terms, rate=exchange.value if exchange else Decimal(1))
    found = evaluate(cost, ask, row.highest_bid, terms)
    arithmetic = found.arithmetic()
    if exchange is not None and row.currency != terms.currency:
        arithmetic["rate"] = [row.currency, terms.currency, str(exchange.value), exchange.day.isoformat()]
    listed, at_once = found.listed, found.now
    is_current = bool(row.in_stock) and row.gone_at is None and exchange is not None
    return {
        "market_price_id": row.id,
        "variant_id": row.variant_id,
        "state": _state(row, rules),
        "dismissed_price": row.dismissed_price if _stays_dismissed(row, rules) else None,
        "is_current": is_current,
        "restocked_at": now if is_current and row.was_current is False else row.restocked_at,
        "match_state": row.match_state,
        "currency": terms.currency,
        "cost": cost.total,
        "ask": listed.price if listed else None,
        "payout": listed.payout if listed else None,
        "net_profit": listed.profit if listed else None,
        "expected_profit": listed.expected if listed else None,
        "margin": listed.margin if listed else None,
        "roi": listed.roi if listed else None,
        "bid": at_once.price if at_once else None,
        "payout_now": at_once.payout if at_once else None,
        "net_profit_now": at_once.profit if at_once else None,
        "stock": row.stock,
        "quote_at": row.at,
        "offer_seen_at": row.seen_at,
        "offer_changed_at": row.changed_at,
        "arithmetic": arithmetic,
        "computed_at": now,
        "updated_at": now,
    }


def _copies(row: Row[Any]) -> dict[str, Any]:
    """Return what an opportunity repeats of other tables, to be filtered and put in order by."""
    names = ("shop_id", "shop_name", "product_id", "title", "brand_id", "brand", "size", "price")
    words = (row.title, row.style_code, row.offer_style)
    return {name: getattr(row, name) for name in names} | {
        "size_eu": row.sizes.get("eu"),
        "size_rank": rank(row.sizes, row.size),
        "words": " ".join(word for word in words if word).lower(),
    }


def _stays_dismissed(row: Row[Any], rules: _Rules) -> bool:
    return row.state == "dismissed" and not has_moved(row.dismissed_price, row.price, by_percent=rules.reopen_percent)


def _state(row: Row[Any], rules: _Rules) -> str:
    """Return where the opportunity stands: what was acted on stays so, what was dismissed until the price moves."""
    if row.state == "acted":
        return "acted"
    if _stays_dismissed(row, rules):
        return "dismissed"
    return "open" if row.gone_at is None else "gone"
