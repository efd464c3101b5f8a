"""Quotes: what StockX's market says of our variants, fetched by stake and age, kept with their time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import NotFound
from soleflip.domain.words import count_of
from soleflip.models import LatestQuote, Product, Quote, Variant
from soleflip.services import fees
from soleflip.services.runs import Work
from soleflip.services.settings import Thresholds, load
from soleflip.stockx import BudgetExhausted, Lane
from soleflip.stockx.catalog import MarketData

HOT_FRESH_MINUTES = 15
"""A product with live asks of ours is asked about again after this time."""
COLD_SHARE = 4
"""Every other product is asked about again after this part of the greatest age that a quote may have."""

_NEXT = """
SELECT products.id, products.stockx_product_id, stakes.is_live
FROM products.products AS products
JOIN (
    SELECT product_id, bool_or(is_live) AS is_live, max(profit) AS profit FROM (
        SELECT variants.product_id, false AS is_live, opportunities.net_profit AS profit
        FROM integration.market_prices AS offers
        JOIN products.variants AS variants ON variants.id = offers.variant_id
        LEFT JOIN integration.opportunities AS opportunities ON opportunities.market_price_id = offers.id
        WHERE offers.match_state = 'firm' AND offers.in_stock AND offers.gone_at IS NULL
        UNION ALL
        SELECT product_id, true, expected_profit FROM selling.stockx_listings
        WHERE status IN ('pending', 'submitting', 'review', 'active', 'inactive')
        UNION ALL
        SELECT product_id, false, NULL FROM inventory.items WHERE state IN ('ordered', 'in_stock', 'returned')
    ) AS reasons GROUP BY product_id
) AS stakes ON stakes.product_id = products.id
WHERE products.stockx_product_id IS NOT NULL
AND (products.quoted_at IS NULL
     OR products.quoted_at > CAST(:now AS timestamptz) + interval '5 minutes'  -- left over from a clock that jumped
     OR products.quoted_at <= CASE WHEN stakes.is_live THEN :hot_before ELSE :cold_before END :: timestamptz)
ORDER BY stakes.is_live DESC, products.quoted_at IS NULL DESC,
    GREATEST(COALESCE(stakes.profit, 1), 1) * EXTRACT(EPOCH FROM :now - products.quoted_at) DESC, products.id
LIMIT :most
"""
_ON_OUR_ASKS = """
UPDATE selling.stockx_listings AS asks
SET current_lowest_ask = quotes.lowest_ask, current_highest_bid = quotes.highest_bid
FROM integration.latest_quotes AS quotes
WHERE asks.catalog_variant_id = ANY(:variants)
AND asks.status IN ('pending', 'submitting', 'review', 'active', 'inactive')
AND quotes.variant_id = asks.catalog_variant_id AND quotes.currency = asks.currency
AND (asks.current_lowest_ask, asks.current_highest_bid) IS DISTINCT FROM (quotes.lowest_ask, quotes.highest_bid)
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A product whose quotes are due; `is_live` when asks of ours stand on it."""

    product_id: UUID
    stockx_product_id: str
    is_live: bool


def due(session: Session, now: datetime, *, most: int = 100_000, everything: bool = False) -> list[Due]:
    """Return the products to ask about next: live asks first, then by expected profit times age; fresh ones never.

    `everything` leaves freshness out of account.
    """
    cold = timedelta(hours=load(session, Thresholds).max_quote_age_hours) / COLD_SHARE
    before = {
        "hot_before": now if everything else now - timedelta(minutes=HOT_FRESH_MINUTES),
        "cold_before": now if everything else now - cold,
    }
    return [Due(*row) for row in session.execute(text(_NEXT), {"now": now, "most": most, **before})]


def fetch_due(work: Work) -> str:
    """Fetch the quotes that are due; returns what was done in one sentence, empty when nothing was."""
    with work.transaction() as session:
        waiting = due(session, work.clock(), everything=bool(work.params.get("everything")))
    quotes = 0
    for done, each in enumerate(waiting):
        work.progress(
            done=done, total=len(waiting), message=f"Quotes of {count_of(len(waiting), 'product')}", quotes=quotes
        )
        try:
            quotes += fetch_quotes(
                work, each.product_id, each.stockx_product_id, Lane.HOT if each.is_live else Lane.COLD
            )
        except BudgetExhausted as error:
            if error.reason != "day":
                raise
            left = count_of(len(waiting) - done, "product")
            return f"{count_of(quotes, 'quote')} taken; {left} left for tomorrow's requests."
    if waiting:
        work.progress(done=len(waiting), total=len(waiting), quotes=quotes)
    return f"{count_of(quotes, 'quote')} of {count_of(len(waiting), 'product')} taken." if waiting else ""


def quote_products(work: Work, product_ids: Sequence[UUID], lane: Lane = Lane.HOT) -> int:
    """Fetch the quotes of these products now, in this order, one call each; returns how many quotes there were."""
    with work.transaction() as session:
        query = select(Product.id, Product.stockx_product_id).where(
            Product.id.in_(product_ids), Product.stockx_product_id.is_not(None)
        )
        known = {row.id: row.stockx_product_id for row in session.execute(query)}
    quotes = 0
    for done, product_id in enumerate(product_ids):
        work.progress(message=f"Quotes of {count_of(len(product_ids), 'product')}, {done} done")
        stockx_id = known.get(product_id)
        if stockx_id is not None:
            quotes += fetch_quotes(work, product_id, stockx_id, lane)
    return quotes


def fetch_quotes(work: Work, product_id: UUID, stockx_product_id: str, lane: Lane) -> int:
    """Fetch the market of all sizes of one product by one call and keep it; returns how many quotes there were."""
    with work.transaction() as session:
        currency = fees.currency(session, work.clock())
    # A quote is as old as its question: what we change while the answer travels is not in it.
    asked_at = work.clock()
    try:
        market = work.stockx.market_data(stockx_product_id, currency, lane=lane)
    except NotFound:
        market = []
        work.note("skipped", f"StockX no longer knows the product {stockx_product_id}.", product_id)
    with work.transaction() as session:
        return keep_quotes(session, product_id, market, asked_at)


def keep_quotes(session: Session, product_id: UUID, market: Iterable[MarketData], now: datetime) -> int:
    """Append quotes and make them the latest ones; those of variants we don't know are left out."""
    query = select(Variant.stockx_variant_id, Variant.id).where(Variant.product_id == product_id)
    variants = {row.stockx_variant_id: row.id for row in session.execute(query)}
    rows = [_row(each, variants[each.variant_id], now) for each in market if each.variant_id in variants]
    if rows:
        session.execute(insert(Quote), rows)
        statement = insert(LatestQuote)
        news = {name: statement.excluded[name] for name in rows[0] if name not in ("variant_id", "currency")}
        session.execute(statement.on_conflict_do_update(index_elements=["variant_id", "currency"], set_=news), rows)
        session.execute(text(_ON_OUR_ASKS), {"variants": [row["variant_id"] for row in rows]})
    session.execute(update(Product).where(Product.id == product_id).values(quoted_at=now))
    return len(rows)


def history_of(session: Session, variant_id: UUID, currency: str, limit: int = 500) -> Sequence[Quote]:
    """Return the newest quotes of a variant, oldest first."""
    newest = session.scalars(
        select(Quote)
        .where(Quote.variant_id == variant_id, Quote.currency == currency)
        .order_by(Quote.at.desc(), Quote.id.desc())
        .limit(limit)
    ).all()
    return newest[::-1]


def _row(market: MarketData, variant_id: UUID, now: datetime) -> dict[str, UUID | str | datetime | Decimal | None]:
    standard = market.standard_market_data
    return {
        "variant_id": variant_id,
        "currency": market.currency_code,
        "lowest_ask": market.lowest_ask_amount,
        "highest_bid": market.highest_bid_amount,
        "sell_faster": market.sell_faster_amount,
        "earn_more": market.earn_more_amount,
        "beat_us": standard.beat_us if standard else None,
        "flex_lowest_ask": market.flex_lowest_ask_amount,
        "at": now,
    }
