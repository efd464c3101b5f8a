"""Our orders a page at a time: those under way, those that are over, and one by its number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from soleflip.domain.analytics import BEGINNING, bounds
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.models import StockxOrder
from soleflip.services import cursors
from soleflip.services.runs import Books

ACTIVE = ("pending", "authenticated", "shipped")
OVER = ("completed", "cancelled")
END = date(2100, 12, 31)


def active(session: Session, *, after: str | None = None, limit: int = 50) -> tuple[Sequence[StockxOrder], str | None]:
    """Return a page of the sales under way, newest first, and the cursor of the next one."""
    return _page(session, select(StockxOrder).where(StockxOrder.order_status.in_(ACTIVE)), after, limit)


def history(
    session: Session,
    books: Books,
    *,
    first: date | None = None,
    last: date | None = None,
    after: str | None = None,
    limit: int = 50,
) -> tuple[Sequence[StockxOrder], str | None]:
    """Return a page of the orders that are over, sold between two days (the operator's), newest first.

    Raises InvalidInput when the last day is before the first, or for a cursor that can't be read.
    """
    first, last = first or BEGINNING, last or END
    if last < first:
        raise InvalidInput("The period ends before it begins.", field="end_date")
    start, end = bounds(first, last, books.timezone)
    query = select(StockxOrder).where(
        StockxOrder.order_status.in_(OVER), StockxOrder.sold_at >= start, StockxOrder.sold_at < end
    )
    return _page(session, query, after, limit)


def by_number(session: Session, number: str) -> StockxOrder:
    """Return an order by StockX's number; raises NotFound."""
    order = session.scalar(select(StockxOrder).where(StockxOrder.stockx_order_number == number))
    if order is None:
        raise NotFound(f"There is no order {number[:100]}.")
    return order


def _page(
    session: Session, query: Select[StockxOrder], after: str | None, limit: int
) -> tuple[Sequence[StockxOrder], str | None]:
    if after:
        query = query.where(tuple_(StockxOrder.sold_at, StockxOrder.id) < cursors.read(after))
    ordered = query.order_by(StockxOrder.sold_at.desc(), StockxOrder.id.desc())
    found = session.scalars(ordered.limit(limit + 1)).all()
    rest = found[limit - 1] if len(found) > limit else None
    return found[:limit], cursors.write(rest.sold_at, rest.id) if rest else None
