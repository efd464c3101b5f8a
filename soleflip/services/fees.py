"""The operator's seller level, and how far estimates of payouts were off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.analytics import Period, bounds
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
        in_usd, in_own = rates.known(currency, "USD", today), rates.known(currency, books.currency, today)
        usd += total * in_usd.value if in_usd else ZERO
        own += total * in_own.value if in_own else ZERO
    return level_progress(
        sales,
        usd.quantize(Decimal("0.01")),
        sold=own,
        days_gone=(today - first).days + 1,
        days_left=(last - today).days,
    )


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far estimates of payouts were off, over paid sales: all in `currency`; positive means StockX paid more."""

    currency: str
    sales: int
    total: Decimal
    average: Decimal
    worst: Decimal


def accuracy(session: Session, period: Period, books: Books) -> list[Accuracy]:
    """Compare estimated and paid payouts of the sales of a period, by currency."""
    start, end = bounds(period.first, period.last, books.timezone)
    off = StockxOrder.net_proceeds - StockxOrder.estimated_payout
    query = (
        select(StockxOrder.currency, func.count(), func.sum(off), func.round(func.avg(off), 2), func.min(off))
        .where(StockxOrder.realised_at.is_not(None), StockxOrder.estimated_payout.is_not(None))
        .where(StockxOrder.sold_at >= start, StockxOrder.sold_at < end)
        .group_by(StockxOrder.currency)
        .order_by(func.count().desc())
    )
    return [Accuracy(*row) for row in session.execute(query)]
