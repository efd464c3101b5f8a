"""The operator's seller level: what this quarter's sales earn and what the next level would be worth."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.analytics import bounds
from soleflip.domain.fee_tables import LevelProgress, level_progress, quarter_of
from soleflip.domain.money import ZERO
from soleflip.models import StockxOrder
from soleflip.services import rates
from soleflip.services.runs import Books


def seller_level(session: Session, books: Books, now: datetime) -> LevelProgress:
    """Return how far this quarter's sales (not cancelled ones) are towards the next seller level."""
    today = now.astimezone(books.timezone).date()
    first, last = quarter_of(today)
    start, end = bounds(first, last, books.timezone)
    query = (
        select(StockxOrder.currency, func.count(), func.sum(StockxOrder.sale_price))
        .where(StockxOrder.sold_at >= start, StockxOrder.sold_at < end, StockxOrder.order_status != "cancelled")
        .group_by(StockxOrder.currency)
    )
    sales, usd, own = 0, ZERO, ZERO
    for currency, count, total in session.execute(query):
        sales += count
        usd += total * rates.rate(currency, "USD", today).value
        own += total * rates.rate(currency, books.currency, today).value
    return level_progress(
        sales,
        usd.quantize(Decimal("0.01")),
        sold=own,
        days_gone=(today - first).days + 1,
        days_left=(last - today).days,
    )
