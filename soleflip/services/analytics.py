"""What was earned, with what, and what is at work: every page and export reads its figures here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Numeric, Select, and_, case, cast, func, literal, or_, select, text
from sqlalchemy.orm import Session

from soleflip.domain.analytics import Figures, Period, bounds, bucket_of, buckets
from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO, cents, percent
from soleflip.models import (
    Brand,
    Item,
    LedgerEntry,
    Opportunity,
    Product,
    ProfitDay,
    Purchase,
    Shop,
    StockxListing,
    StockxOrder,
)
from soleflip.services import profit_days, rates
from soleflip.services.runs import Books

HELD = ("ordered", "in_stock", "reserved", "listed", "returned")
AGES = ((30, "up to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days"), (None, "over 90 days"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """The figures of one day, week or month, named by its first day."""

    start: date
    figures: Figures


@dataclass(frozen=True, slots=True)
class Group:
    """The figures of one brand, product, size, shop, strategy or destination."""

    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Expected:
    """Sales under way: nothing of it is realised. Payouts as StockX last said, else as estimated."""

    sales: int
    payout: Decimal
    cost: Decimal
    unknown_sales: int
    unknown_payout: Decimal

    @property
    def profit(self) -> Decimal:
        """Expected payouts of sales whose cost is known, less that cost."""
        return self.payout - self.unknown_payout - self.cost


@dataclass(frozen=True, slots=True)
class Age:
    """Money bound in unsold items of one age; `unknown` items have no known cost and are not in `cost`."""

    label: str
    items: int
    cost: Decimal
    unknown: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast stock sells in a period: holding days from purchase to sale, and the share of stock that was sold."""

    sold: int
    held: int
    median_days: Decimal | None
    sell_through: Decimal | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything the dashboard and the Analytics page show of a period, amounts in the books' currency."""

    period: Period
    currency: str
    realised: Figures
    expected: Expected
    fees: tuple[tuple[str, Decimal], ...]
    at_work: tuple[Age, ...]
    pace: Pace

    @property
    def money_at_work(self) -> Decimal:
        """The cost of everything unsold whose cost is known."""
        return sum((age.cost for age in self.at_work), ZERO)


def summary(session: Session, period: Period, books: Books, now: datetime) -> Summary:
    """Return the figures of a period."""
    return Summary(
        period,
        books.currency,
        profit(session, period, books),
        expected(session, books, now),
        fees_by_name(session, period, books),
        at_work(session, books, now),
        pace(session, period, books),
    )


def profit(session: Session, period: Period, books: Books) -> Figures:
    """Return what was realised in a period, from the stored sums of its days."""
    if not profit_days.are_days_kept(session, books):
        return full_sum(session, period, books)
    columns = [func.coalesce(func.sum(getattr(ProfitDay, name)), 0) for name in _FIELDS]
    return _figures(session.execute(select(*columns).where(_stored(period, books))).one())


def full_sum(session: Session, period: Period, books: Books) -> Figures:
    """Return the same as `profit`, summed over the ledger itself: what the stored days must equal."""
    sums = _sums(period, books).subquery()
    return _figures(session.execute(select(*profit_days.totals(sums))).one())


def over_time(session: Session, period: Period, unit: str, books: Books) -> list[Bucket]:
    """Return the figures by day, week or month, without gaps from the first to the last one with a sale."""
    if unit not in ("day", "week", "month"):
        raise InvalidInput(f"{unit!r} is no unit: day, week or month.", field="unit")
    found = figures_by(unit, session.execute(days_query(session, period, books)))
    if not found:
        return []
    first, last = (min(found), max(found)) if period.name == "all" else (period.first, period.last)
    return [Bucket(start, found.get(start, Figures())) for start in buckets(Period(first, last), unit)]


def figures_by(unit: str, rows: Iterable[Any]) -> dict[date, Figures]:
    """Add up the rows of `days_query` by day, week or month, each named by its first day."""
    found: dict[date, Figures] = {}
    for day, *values in rows:
        start = bucket_of(day, unit)
        found[start] = found.get(start, Figures()) + _figures(values)
    return found


def days_query(session: Session, period: Period, books: Books) -> Select[Any]:
    """Select the sums of each day with a sale: the stored ones, or those of the ledger where none are kept."""
    if profit_days.are_days_kept(session, books):
        columns = [getattr(ProfitDay, name) for name in _FIELDS]
        return select(ProfitDay.day, *columns).where(_stored(period, books)).order_by(ProfitDay.day)
    sums = _sums(period, books).subquery()
    day = profit_days.day_of(books, sums.c.booked_at).label("day")
    return select(day, *profit_days.totals(sums)).group_by(text("day")).order_by(text("day"))


GROUPS = ("brand", "product", "size", "shop", "strategy", "destination")


def by_group(session: Session, period: Period, group: str, books: Books, limit: int | None = None) -> list[Group]:
    """Return the figures of each brand, product, size, shop, strategy or destination, the best profit first."""
    if group not in GROUPS:
        raise InvalidInput(f"{group!r} is no group: {', '.join(GROUPS)}.", field="by")
    sums = _sums(period, books).subquery()
    query = (
        select(_group_name(group).label("group_name"), *profit_days.totals(sums))
        .select_from(sums)
        .outerjoin(StockxOrder, StockxOrder.id == sums.c.order_id)
        .outerjoin(Product, Product.id == StockxOrder.product_id)
        .outerjoin(Brand, Brand.id == Product.brand_id)
        .outerjoin(Item, Item.id == StockxOrder.item_id)
        .outerjoin(Shop, Shop.id == Item.shop_id)
        .outerjoin(Purchase, Purchase.id == Item.purchase_id)
        .outerjoin(Opportunity, Opportunity.id == Item.opportunity_id)
        .outerjoin(StockxListing, StockxListing.id == StockxOrder.listing_id)
        .group_by(text("group_name"))
    )
    groups = [Group(str(row[0]), _figures(row[1:])) for row in session.execute(query)]
    groups.sort(key=lambda found: (-found.figures.profit, found.name))
    return groups[:limit]


def best_and_worst(
    session: Session, period: Period, books: Books, count: int = 5
) -> tuple[list[StockxOrder], list[StockxOrder]]:
    """Return the sales of a period with the highest and the lowest profit, of those whose cost is known.

    One that did not happen, and cost a penalty, is a loss like any other.
    """
    start, end = bounds(period.first, period.last, books.timezone)
    known = select(StockxOrder.id).where(
        StockxOrder.sold_at >= start,
        StockxOrder.sold_at < end,
        StockxOrder.net_profit.is_not(None),
    )
    highest = known.order_by(StockxOrder.net_profit.desc(), StockxOrder.id).limit(count)
    lowest = known.order_by(StockxOrder.net_profit, StockxOrder.id).limit(count)
    query = select(StockxOrder).where(or_(StockxOrder.id.in_(highest), StockxOrder.id.in_(lowest)))
    found = session.scalars(query.order_by(StockxOrder.net_profit, StockxOrder.id)).all()
    best = sorted(found, key=lambda order: (-(order.net_profit or ZERO), order.id))[:count]
    return best, [order for order in found if order not in best][:count]


def fees_by_name(session: Session, period: Period, books: Books) -> tuple[tuple[str, Decimal], ...]:
    """Return what was charged and credited in a period by the name StockX gave it, the largest charge first."""
    start, end = bounds(period.first, period.last, books.timezone)
    amount = func.sum(LedgerEntry.books_amount)
    query = (
        select(LedgerEntry.name, amount)
        .where(
            LedgerEntry.booked_at >= start,
            LedgerEntry.booked_at < end,
            LedgerEntry.books_currency == books.currency,
            LedgerEntry.kind == "adjustment",
        )
        .group_by(LedgerEntry.name)
        .having(amount != 0)
        .order_by(amount, LedgerEntry.name)
    )
    return tuple((name, total) for name, total in session.execute(query))


def expected(session: Session, books: Books, now: datetime) -> Expected:
    """Return what the sales under way should still bring, at today's rate where their currency is another."""
    return read_expected(session.execute(expected_query()), books, now)


def expected_query() -> Select[Any]:
    """Select the sales under way by their currencies and whether their cost is known."""
    payout = func.coalesce(StockxOrder.net_proceeds, StockxOrder.estimated_payout, literal(ZERO, Numeric))
    return (
        select(StockxOrder.currency, Item.currency, func.count(), func.sum(payout), func.sum(Item.cost))
        .add_columns(Item.cost.is_(None))
        .select_from(StockxOrder)
        .outerjoin(Item, Item.id == StockxOrder.item_id)
        .where(StockxOrder.realised_at.is_(None), StockxOrder.order_status != "cancelled")
        .group_by(StockxOrder.currency, Item.currency, Item.cost.is_(None))
    )


def read_expected(rows: Iterable[Any], books: Books, now: datetime) -> Expected:
    """Add up the rows of `expected_query`."""
    sales, unknown_sales = 0, 0
    payouts = costs = unknown = ZERO
    for currency, cost_currency, count, paid, cost, is_unknown in rows:
        value = _converted(paid, currency, books, now)
        spent = None if is_unknown else _converted(cost, cost_currency, books, now)
        sales, payouts = sales + count, payouts + (value or ZERO)
        if spent is None or value is None:
            unknown_sales, unknown = unknown_sales + count, unknown + (value or ZERO)
        else:
            costs += spent
    return Expected(sales, payouts, costs, unknown_sales, unknown)


def at_work(session: Session, books: Books, now: datetime) -> tuple[Age, ...]:
    """Return the money bound in unsold items by their age since purchase."""
    return read_ages(session.execute(ages_query(books, now)), books, now)


def ages_query(books: Books, now: datetime) -> Select[Any]:
    """Select the unsold items by their age since purchase and their currency."""
    today = now.astimezone(books.timezone).date()
    bought = func.coalesce(Purchase.purchased_on, _local_day(Item.created_at, books))
    days = literal(today, Date) - bought
    steps = case(*((days <= limit, index) for index, (limit, _) in enumerate(AGES) if limit), else_=len(AGES) - 1)
    step = steps.label("step")
    return (
        select(step, Item.currency, func.count(), func.sum(Item.cost), func.count().filter(Item.cost.is_(None)))
        .select_from(Item)
        .outerjoin(Purchase, Purchase.id == Item.purchase_id)
        .where(Item.state.in_(HELD))
        .group_by(text("step"), Item.currency)
    )


def read_ages(rows: Iterable[Any], books: Books, now: datetime) -> tuple[Age, ...]:
    """Add up the rows of `ages_query`."""
    found = [Age(label, 0, ZERO, 0) for _, label in AGES]
    for index, currency, count, cost, unknown in rows:
        age = found[index]
        value = _converted(cost or ZERO, currency, books, now)
        unknown = count if value is None else unknown
        found[index] = Age(age.label, age.items + count, age.cost + (value or ZERO), age.unknown + unknown)
    return tuple(found)


def pace(session: Session, period: Period, books: Books) -> Pace:
    """Return the median holding days of the sales of a period and the share of the stock that they were."""
    start, end = bounds(period.first, period.last, books.timezone)
    sold_on = _local_day(StockxOrder.sold_at, books)
    bought = func.coalesce(Purchase.purchased_on, _local_day(Item.created_at, books))
    query = (
        select(func.count(), func.percentile_cont(0.5).within_group(func.greatest(sold_on - bought, 0)))
        .select_from(StockxOrder)
        .join(Item, Item.id == StockxOrder.item_id)
        .outerjoin(Purchase, Purchase.id == Item.purchase_id)
        .where(StockxOrder.sold_at >= start, StockxOrder.sold_at < end, StockxOrder.order_status != "cancelled")
    )
    sold, median = session.execute(query).one()
    held = session.scalar(select(func.count(Item.id)).where(Item.state.in_(HELD))) or 0
    days = None if median is None else Decimal(str(median)).quantize(Decimal("0.1"))
    return Pace(sold, held, days, percent(Decimal(sold), Decimal(sold + held)))


_FIELDS = ("sales", "revenue", "fees", "cost", "other", "unknown_sales", "unknown_revenue", "unknown_payout")


def _figures(values: Sequence[Any]) -> Figures:
    sales, revenue, fees, cost, other, unknown_sales, unknown_revenue, unknown_payout = values
    return Figures(int(sales), revenue, fees, cost, other, int(unknown_sales), unknown_revenue, unknown_payout)


def _sums(period: Period, books: Books) -> Select[Any]:
    return profit_days.sums_by_moment(*bounds(period.first, period.last, books.timezone), books.currency)


def _stored(period: Period, books: Books) -> Any:
    return and_(
        ProfitDay.day.between(period.first, period.last),
        ProfitDay.timezone == books.timezone.key,
        ProfitDay.currency == books.currency,
    )


def _group_name(group: str) -> Any:
    columns = {
        "brand": Brand.name,
        "product": func.coalesce(Product.title, StockxOrder.title),
        "size": StockxOrder.size,
        # A pair that was sold before anybody said that it is bought is of the shop whose offer it was listed for.
        "shop": func.coalesce(Shop.name, Purchase.supplier, Opportunity.shop_name),
        "strategy": StockxListing.strategy,
        "destination": StockxOrder.destination,
    }
    return func.coalesce(columns[group], "unknown")


def _local_day(moment: Any, books: Books) -> Any:
    return cast(func.timezone(books.timezone.key, moment), Date)


def _converted(amount: Decimal, currency: str, books: Books, now: datetime) -> Decimal | None:
    """The amount in the books' currency at today's rate; None when there is none."""
    if currency == books.currency:
        return amount
    found = rates.known(currency, books.currency, now.date())
    return cents(amount * found.value) if found else None
