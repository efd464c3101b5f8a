"""Which lines of the books a tax report takes, and what is summed of those that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Select, and_, case, func, literal, or_, select, text
from sqlalchemy.orm import aliased

from soleflip.domain.analytics import bounds
from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO
from soleflip.domain.tax import treatment_of, year_bounds
from soleflip.models import Item, LedgerEntry, Purchase, StockxOrder
from soleflip.services import rates
from soleflip.services.profit_days import lacks_cost
from soleflip.services.runs import Books

BASES = {"sale": "Day of sale", "payout": "Day of payout"}
"""What decides in which year a sale counts. Reversals, penalties and write-offs count when they happened."""
LATEST_PAYOUT = timedelta(days=366)


def basis_of(name: str) -> str:
    """Return a known basis; raises InvalidInput."""
    if name not in BASES:
        raise InvalidInput(f"{name!r} is no basis: {', '.join(BASES)}.", field="basis")
    return name


@dataclass(frozen=True, slots=True)
class Span:
    """Which entries of the books a report takes: a year's, in the operator's time zone, counted by a basis."""

    year: int
    treatment: str
    books: Books
    basis: str = "sale"

    def __post_init__(self) -> None:
        treatment_of(self.treatment)
        basis_of(self.basis)

    @property
    def counted_at(self) -> Any:
        """When an entry counts."""
        if self.basis == "sale":
            return LedgerEntry.booked_at
        paid_at = func.coalesce(StockxOrder.paid_at, LedgerEntry.booked_at)
        return case((LedgerEntry.booked_at == StockxOrder.sold_at, paid_at), else_=LedgerEntry.booked_at)

    def grouped(self, *columns: Any) -> Select[Any]:
        """Select the sums of the year's entries: those that an order, or an unsold item, has at one moment together."""
        start, end = bounds(*year_bounds(self.year), self.books.timezone)
        entry, at = LedgerEntry, self.counted_at.label("counted_at")
        first = start - LATEST_PAYOUT if self.basis == "payout" else start
        query = (
            select(entry.booked_at, at, entry.order_id, SUBJECT.label("item_id"), *SUMS, *_CORRECTED, *columns)
            .where(entry.booked_at >= first, entry.booked_at < end, entry.books_currency == self.books.currency)
            .where(self.counted_at >= start, self.counted_at < end)
            .group_by(entry.booked_at, text("counted_at"), entry.order_id, SUBJECT)
        )
        return query if self.basis == "sale" else query.outerjoin(StockxOrder, StockxOrder.id == entry.order_id)


SUBJECT = case((LedgerEntry.order_id.is_(None), LedgerEntry.item_id))
_SIGN = case((LedgerEntry.reverses_id.is_(None), 1), else_=-1)


def _amount(*kinds: str) -> Any:
    return func.coalesce(func.sum(LedgerEntry.books_amount).filter(LedgerEntry.kind.in_(kinds)), literal(ZERO, Numeric))


def _count(kind: str) -> Any:
    return func.coalesce(func.sum(_SIGN).filter(LedgerEntry.kind == kind), 0)


SUMS = (
    _count("sale").label("sales"),
    _count("cost").label("costs"),
    _amount("sale").label("price"),
    _amount("adjustment").label("fees"),
    _amount("cost").label("cost"),
    _amount("penalty", "write_off").label("other"),
    func.bool_or(LedgerEntry.rate_source == rates.LATER).label("late_rate"),
)


def _standing() -> Any:
    """The margin that an order had in the books before a moment: what a correction of that moment changes."""
    earlier = aliased(LedgerEntry)
    query = select(func.coalesce(func.sum(earlier.books_amount), literal(ZERO, Numeric))).where(
        earlier.order_id == LedgerEntry.order_id,
        earlier.booked_at < LedgerEntry.booked_at,
        earlier.kind.in_(("sale", "adjustment", "cost")),
    )
    return query.correlate(LedgerEntry).scalar_subquery()


_SALES, _COSTS, _PRICE, _FEES = (column.element for column in SUMS[:4])
_IS_CORRECTION = and_(_SALES == 0, or_(_PRICE != 0, _FEES != 0))
_LACKS_COST = lacks_cost(LedgerEntry.order_id, LedgerEntry.booked_at, LedgerEntry)
_CORRECTED = (
    case((_IS_CORRECTION, _standing())).label("corrects"),
    case((_IS_CORRECTION, _LACKS_COST), else_=and_(_SALES != 0, _SALES != _COSTS)).label("is_open"),
)
"""Of a correction, the margin before it (null for a sale of its own), and whether its sale's cost is unknown."""


def lacks_papers(treatment: str) -> ColumnElement[bool]:
    """Say in SQL whether a sale lacks what `TaxRow.missing` asks of its order and purchase."""
    wanted: list[Any] = [Purchase.supplier, Purchase.document]
    if treatment == "intra_eu":
        wanted += [StockxOrder.report[name].astext for name in ("Sold to VAT Number", "Invoice Number")]
    return or_(Purchase.purchased_on.is_(None), *(func.coalesce(column, "") == "" for column in wanted))


def with_papers(query: Any) -> Any:
    """Join an order's item and purchase to a query of columns of them."""
    return (
        query.select_from(StockxOrder)
        .outerjoin(Item, Item.id == StockxOrder.item_id)
        .outerjoin(Purchase, Purchase.id == Item.purchase_id)
    )
