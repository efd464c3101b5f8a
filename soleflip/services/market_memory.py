"""Market memory: what strategies may know of the past - quotes, sales by anybody, and our own asks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from soleflip.domain import pricing
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.money import tenths
from soleflip.domain.pricing.sales import OtherSizes, ProductSales
from soleflip.domain.words import count_of
from soleflip.models import LatestQuote, PastSale, Quote, StockxListing, StockxOrder, Variant
from soleflip.services.runs import Work

EVERY_QUOTE_FOR = timedelta(days=30)
"""How long every quote is kept; from older days the last one of each day stays."""

_LEARN = text("""
    INSERT INTO integration.past_sales (variant_id, sold_on, price, currency, source, reference)
    SELECT catalog_variant_id, (sold_at AT TIME ZONE 'UTC')::date, sale_price, currency, 'own order',
           stockx_order_number
    FROM selling.stockx_orders
    WHERE catalog_variant_id IS NOT NULL AND order_status <> 'cancelled' AND created_at > now() - interval '3 days'
    ON CONFLICT (reference) DO NOTHING
""")

_THIN = text("""
    DELETE FROM integration.quotes AS quote
    USING (
        SELECT id, row_number() OVER (
            PARTITION BY variant_id, currency, date_trunc('day', at AT TIME ZONE 'UTC') ORDER BY at DESC, id DESC
        ) AS place
        FROM integration.quotes WHERE at < :before
    ) AS old
    WHERE old.id = quote.id AND old.place > 1
""")


@dataclass(frozen=True, slots=True)
class Memory:
    """The known sales of one variant, old to new, and how the product's other sizes moved."""

    history: tuple[pricing.PastSale, ...] = ()
    others: OtherSizes | None = None


NOTHING = Memory()


def recall(session: Session, variant_ids: set[UUID], currency: str) -> Mapping[UUID | None, Memory]:
    """Return what is known of the sales of these variants in a currency; a variant without sales has none."""
    products = select(Variant.product_id).where(Variant.id.in_(variant_ids))
    sizes: dict[UUID, dict[str, list[pricing.PastSale]]] = defaultdict(lambda: defaultdict(list))
    query = (
        select(Variant.product_id, PastSale.variant_id, PastSale.sold_on, PastSale.price)
        .join(Variant, Variant.id == PastSale.variant_id)
        .where(Variant.product_id.in_(products), PastSale.currency == currency)
        .order_by(PastSale.sold_on, PastSale.id)
    )
    for product_id, variant_id, sold_on, price in session.execute(query):
        sizes[product_id][str(variant_id)].append(pricing.PastSale(sold_on, price))
    known: dict[UUID | None, Memory] = defaultdict(lambda: NOTHING)
    for product in sizes.values():
        sales = ProductSales(product)
        for size, history in product.items():
            known[UUID(size)] = Memory(tuple(history), sales.others(size))
    return known


def own_asks(session: Session, variant_ids: set[UUID]) -> Mapping[UUID | None, list[Decimal]]:
    """Return our asks that are or may be live, by variant, in each listing's currency."""
    own: dict[UUID | None, list[Decimal]] = defaultdict(list)
    query = select(StockxListing.catalog_variant_id, StockxListing.ask_price).where(
        StockxListing.catalog_variant_id.in_(variant_ids), StockxListing.status.in_(LIVE_STATES)
    )
    for variant_id, ask in session.execute(query):
        own[variant_id].append(ask)
    return own


def days_to_sell(session: Session, product_ids: set[UUID]) -> dict[UUID, Decimal]:
    """Return the median of days from listing to sale of our own pairs of these products; those never sold are left out.

    The same median as in the results per strategy, over all time.
    """
    held = func.greatest(func.extract("epoch", StockxOrder.sold_at - StockxListing.listed_at) / 86400, 0)
    rows = session.execute(
        select(StockxListing.product_id, func.percentile_cont(0.5).within_group(held))
        .join(StockxOrder, StockxOrder.listing_id == StockxListing.id)
        .where(
            StockxListing.product_id.in_(product_ids),
            StockxListing.listed_at.is_not(None),
            StockxOrder.order_status != "cancelled",
        )
        .group_by(StockxListing.product_id)
    )
    return {product_id: tenths(Decimal(str(median))) for product_id, median in rows}


def as_quote(quote: LatestQuote | Quote | Row[Any]) -> pricing.Quote:
    """Return a stored quote, or a row that has its columns, as the pricing rules take it."""
    return pricing.Quote(
        quote.at, quote.lowest_ask, quote.highest_bid, quote.sell_faster, quote.earn_more, quote.beat_us
    )


def learn_own_sales(session: Session) -> None:
    """Remember our own sales of the last days as sales of the market, each once."""
    session.execute(_LEARN)


def thin_quotes(work: Work) -> str:
    """Drop quotes that are older than a month but for the last of each day (run kind `thin_quotes`)."""
    with work.transaction() as session:
        dropped = session.execute(_THIN, {"before": work.clock() - EVERY_QUOTE_FOR}).rowcount  # type: ignore[attr-defined]
    return f"{count_of(dropped, 'old quote')} dropped; the last of each day stays."
