"""Totals of a tax year, summed by the database: what adding up `tax_rows.rows` gives, without reading them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Integer, Numeric, Subquery, and_, case, cast, extract, func, literal, not_, or_, select
from sqlalchemy.orm import Session

from soleflip.domain.money import HUNDRED, ZERO
from soleflip.domain.tax import Report, Totals, treatment_of
from soleflip.models import Item, LedgerEntry, Purchase, StockxOrder
from soleflip.services import settings
from soleflip.services.settings import VatSettings
from soleflip.services.tax_span import Span, lacks_papers


def report(session: Session, span: Span) -> Report:
    """Return a year's totals by month, quarter, fee and, for a recapitulative summary, by counterparty."""
    found = Report(span.year, span.treatment, span.books.currency)
    for month, vat_id, missing, *sums in session.execute(_by_month(span, settings.load(session, VatSettings).rate)):
        totals = Totals(*sums)
        for part in (
            found.total,
            found.months.setdefault(month, Totals()),
            found.quarters.setdefault((month + 2) // 3, Totals()),
        ):
            part.join(totals)
        found.missing += missing
        if span.treatment == "intra_eu" and totals.payout:
            found.summary[(vat_id, month)] = totals.payout
    found.by_fee = {name: amount for name, amount in session.execute(_by_fee(span)) if amount}
    return found


def _by_month(span: Span, vat_rate: Decimal) -> Any:
    """Select each month's sums, in the order of Totals; by counterparty where that is asked for."""
    row = span.grouped().subquery()
    local = func.timezone(span.books.timezone.key, row.c.counted_at)
    month = cast(extract("month", local), Integer)
    vat_id: Any = literal("")
    if span.treatment == "intra_eu":
        vat_id = func.coalesce(StockxOrder.report["Sold to VAT Number"].astext, "")
    lacks = and_(row.c.sales > 0, or_(row.c.sales != row.c.costs, row.c.late_rate, lacks_papers(span.treatment)))
    return (
        select(month, vat_id, func.count().filter(lacks), *_sums(row, span, vat_rate))
        .outerjoin(StockxOrder, StockxOrder.id == row.c.order_id)
        .outerjoin(Item, Item.id == StockxOrder.item_id)
        .outerjoin(Purchase, Purchase.id == Item.purchase_id)
        .where(or_(row.c.sales != 0, row.c.price != 0, row.c.fees != 0, row.c.cost != 0, row.c.other != 0))
        .group_by(month, vat_id)
        .order_by(month, vat_id)
    )


def _sums(row: Subquery, span: Span, vat_rate: Decimal) -> list[Any]:
    """The columns that `Totals.add` would add up; VAT inside a margin is rounded row by row, as `domain.tax` does."""
    is_reversal = row.c.sales < 0
    is_correction = row.c.corrects.is_not(None)
    unknown = row.c.is_open
    payout = row.c.price + row.c.fees
    margin = payout + row.c.cost
    vat: Any = literal(ZERO, Numeric)
    if span.treatment == "margin_scheme":
        sign = case((is_reversal, -1), else_=1)
        before = func.coalesce(row.c.corrects, 0)
        inside = sign * _vat((before + margin) * sign, vat_rate) - _vat(before, vat_rate)
        vat = case((not_(unknown), inside), else_=ZERO)

    def total(column: Any) -> Any:
        return func.coalesce(func.sum(column), literal(ZERO, Numeric))

    known = case((not_(unknown), 1), else_=0)
    return [
        func.count().filter(not_(is_reversal), not_(is_correction), row.c.price != 0),
        func.count().filter(is_reversal),
        total(row.c.price),
        total(row.c.fees),
        total(payout),
        total(row.c.price if treatment_of(span.treatment).turnover == "sale price" else payout),
        total(-row.c.cost * known),
        total(row.c.other),
        total(vat),
        total((margin - vat) * known + row.c.other),
        func.coalesce(func.sum(case((is_correction, 0), (is_reversal, -1), else_=1)).filter(unknown), 0),
        total(case((unknown, payout), else_=ZERO)),
    ]


def _vat(margin: Any, rate: Decimal) -> Any:
    return func.round(func.greatest(margin, 0) * literal(rate, Numeric) / literal(HUNDRED + rate, Numeric), 2)


def _by_fee(span: Span) -> Any:
    entry = LedgerEntry
    query = span.grouped(entry.name, func.sum(entry.books_amount).label("amount")).where(entry.kind == "adjustment")
    fee = query.group_by(entry.name).subquery()
    return select(fee.c.name, func.sum(fee.c.amount)).group_by(fee.c.name)
