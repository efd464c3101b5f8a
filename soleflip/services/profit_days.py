"""Sums of the books: over the sales of a period, and stored by day so that a year of a million is read at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, Numeric, Select, case, cast, func, literal, select, text, union
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.analytics import bounds
from soleflip.domain.money import ZERO
from soleflip.models import LedgerEntry, ProfitDay, Setting
from soleflip.services import settings
from soleflip.services.runs import Books

DAY_LOCK = 7420100
KEPT = "profit_days"


def sums_by_order(start: datetime, end: datetime, currency: str) -> Select[Any]:
    """Select the sums of each order between two moments, in one currency of the books: what every figure is made of.

    `sales` and `costs` count entries, a reversal as minus one; where they differ, the cost is unknown.
    """
    sign = case((LedgerEntry.reverses_id.is_(None), 1), else_=-1)

    def amount(*kinds: str) -> Any:
        return func.coalesce(func.sum(LedgerEntry.books_amount).filter(LedgerEntry.kind.in_(kinds)), 0)

    def count(kind: str) -> Any:
        return func.coalesce(func.sum(sign).filter(LedgerEntry.kind == kind), 0)

    return (
        select(
            LedgerEntry.order_id,
            count("sale").label("sales"),
            count("cost").label("costs"),
            amount("sale").label("revenue"),
            amount("adjustment").label("fees"),
            (-amount("cost")).label("cost"),
            amount("penalty", "write_off").label("other"),
        )
        .where(LedgerEntry.booked_at >= start, LedgerEntry.booked_at < end, LedgerEntry.books_currency == currency)
        .group_by(LedgerEntry.order_id)
    )


def totals(sums: Any) -> list[Any]:
    """Return the columns that add up `sums_by_order` to the fields of Figures, in their order."""
    unknown = sums.c.sales != sums.c.costs
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
        sums = sums_by_order(*bounds(day, day, books.timezone), books.currency).subquery()
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


def day_of(books: Books) -> ColumnElement[date]:
    """Return the day of an entry in the operator's time zone."""
    return cast(func.timezone(books.timezone.key, LedgerEntry.booked_at), Date)


def _all_days(session: Session, books: Books) -> set[date]:
    stored = select(ProfitDay.day).where(ProfitDay.timezone == books.timezone.key, ProfitDay.currency == books.currency)
    return set(session.scalars(union(select(day_of(books)), stored)))
