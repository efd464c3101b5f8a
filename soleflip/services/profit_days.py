"""Sums of the books: over the sales of a period, and stored by day so that a year of a million is read at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Numeric,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    union,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from soleflip.domain.analytics import bounds
from soleflip.domain.money import ZERO
from soleflip.models import LedgerEntry, ProfitDay, Setting
from soleflip.services import settings
from soleflip.services.runs import Books

DAY_LOCK = 7420100
KEPT = "profit_days"


def sums_by_moment(start: datetime, end: datetime, currency: str) -> Select[Any]:
    """Select the sums of what each order has at one moment, between two moments and in one currency of the books.

    Every figure is made of them, so days, periods and groups add up. `sales` and `costs` count entries, a reversal as
    minus one; where they differ, the cost is unknown (`is_open`). A correction has neither: its cost is unknown where
    that of the sale it corrects is.
    """
    sign = case((LedgerEntry.reverses_id.is_(None), 1), else_=-1)

    def amount(*kinds: str) -> Any:
        return func.coalesce(func.sum(LedgerEntry.books_amount).filter(LedgerEntry.kind.in_(kinds)), 0)

    def count(kind: str) -> Any:
        return func.coalesce(func.sum(sign).filter(LedgerEntry.kind == kind), 0)

    sums = (
        select(
            LedgerEntry.order_id,
            LedgerEntry.booked_at,
            count("sale").label("sales"),
            count("cost").label("costs"),
            amount("sale").label("revenue"),
            amount("adjustment").label("fees"),
            (-amount("cost")).label("cost"),
            amount("penalty", "write_off").label("other"),
        )
        .where(LedgerEntry.booked_at >= start, LedgerEntry.booked_at < end, LedgerEntry.books_currency == currency)
        .group_by(LedgerEntry.order_id, LedgerEntry.booked_at)
        .subquery()
    )
    is_bare = and_(sums.c.sales == 0, or_(sums.c.revenue != 0, sums.c.fees != 0))
    is_open = case(
        (sums.c.sales != sums.c.costs, true()),
        (is_bare, lacks_cost(sums.c.order_id, sums.c.booked_at)),
        else_=false(),
    )
    return select(sums, is_open.label("is_open"))


def lacks_cost(order_id: Any, until: Any, outer: Any = None) -> Any:
    """Say in SQL whether an order stands as sold, up to and with a moment, without a cost; `outer` names the query."""
    entry = aliased(LedgerEntry)
    sign = case((entry.reverses_id.is_(None), 1), else_=-1)
    balance = func.sum(case((entry.kind == "sale", sign), (entry.kind == "cost", -sign), else_=0))
    query = select(balance != 0).where(entry.order_id == order_id, entry.booked_at <= until)
    return func.coalesce((query.correlate(outer) if outer is not None else query).scalar_subquery(), false())


def totals(sums: Any) -> list[Any]:
    """Return the columns that add up `sums_by_moment` to the fields of Figures, in their order."""
    unknown = sums.c.is_open
    zero = literal(ZERO, Numeric)
    return [
        func.coalesce(func.sum(sums.c.sales), 0).label("sales"),
        func.coalesce(func.sum(sums.c.revenue), zero).label("revenue"),
        func.coalesce(func.sum(sums.c.fees), zero).label("fees"),
        func.coalesce(func.sum(sums.c.cost), zero).label("cost"),
        func.coalesce(func.sum(sums.c.other), zero).label("other"),
        func.coalesce(func.sum(sums.c.sales - sums.c.costs).filter(unknown), 0).label("unknown_sales"),
        func.coalesce(func.sum(sums.c.revenue).filter(unknown), zero).label("unknown_revenue"),
        func.coalesce(func.sum(sums.c.revenue + sums.c.fees).filter(unknown), zero).label("unknown_payout"),
    ]


def refresh_days(session: Session, days: Iterable[date], books: Books, now: datetime) -> None:
    """Store the sums of these days anew (days of the operator's time zone), one after the other under a lock.

    The first time in a time zone and currency, all days are stored.
    """
    wanted = set(days)
    if wanted and not are_days_kept(session, books):
        wanted |= _all_days(session, books)
        value = {"timezone": books.timezone.key, "currency": books.currency}
        mark = insert(Setting).values(key=KEPT, value=value)
        session.execute(mark.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
        settings.forget(session)
    for day in sorted(wanted):
        session.execute(text("SELECT pg_advisory_xact_lock(:room, :day)"), {"room": DAY_LOCK, "day": day.toordinal()})
        sums = sums_by_moment(*bounds(day, day, books.timezone), books.currency).subquery()
        row = session.execute(select(*totals(sums))).one()
        values = dict(row._mapping)
        values["profit"] = row.revenue + row.fees - row.unknown_payout - row.cost + row.other
        values["computed_at"] = now
        key = {"day": day, "timezone": books.timezone.key, "currency": books.currency}
        statement = insert(ProfitDay).values(**key, **values)
        session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def refresh_all(session: Session, books: Books, now: datetime) -> int:
    """Store the sums of every day that has or had an entry; returns how many."""
    days = _all_days(session, books)
    refresh_days(session, days, books, now)
    return len(days)


def are_days_kept(session: Session, books: Books) -> bool:
    """Whether the stored sums are of this time zone and currency; else the ledger itself has to be summed."""
    return settings.stored(session).get(KEPT) == {"timezone": books.timezone.key, "currency": books.currency}


def day_of(books: Books, moment: Any = LedgerEntry.booked_at) -> ColumnElement[date]:
    """Return the day of an entry, or of another moment, in the operator's time zone."""
    return cast(func.timezone(books.timezone.key, moment), Date)


def _all_days(session: Session, books: Books) -> set[date]:
    stored = select(ProfitDay.day).where(ProfitDay.timezone == books.timezone.key, ProfitDay.currency == books.currency)
    return set(session.scalars(union(select(day_of(books)), stored)))
