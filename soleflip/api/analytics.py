"""What was earned in a period, and by what."""

from __future__ import annotations

from datetime import date
from typing import Literal

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Amount, Asked, AskedDay, Number, Percent, Shape
from soleflip.api.figures import FeeShape, FiguresShape
from soleflip.api.unit import now, runtime, session
from soleflip.domain.analytics import Period, period_of, unit_for
from soleflip.services import analytics

bp = Blueprint("analytics", __name__)

TAG = "Analytics"
DAYS = {"from": "start_date", "to": "end_date"}


class PeriodQuery(Asked):
    """A period by name, or custom with its days (the operator's), both included."""

    period: Literal["7d", "30d", "90d", "year", "all", "custom"] = "30d"
    start_date: AskedDay | None = None
    end_date: AskedDay | None = None

    def wanted(self) -> Period:
        """Return the period; days alone make it a custom one. Raises InvalidInput."""
        today = now().astimezone(runtime().books.timezone).date()
        name = "custom" if self.start_date and self.end_date else self.period
        return period_of(name, today, self.start_date, self.end_date)


class ProfitQuery(PeriodQuery):
    """A period, and the steps it is shown in."""

    unit: Literal["day", "week", "month"] | None = Field(default=None, description="What suits the period without it.")


class GroupQuery(PeriodQuery):
    """A period, and by what its sales are put together."""

    by: Literal["brand", "product", "size", "shop", "strategy", "destination"] = "brand"


class BucketShape(Shape):
    """The figures of one day, week or month, named by its first day."""

    start: date
    figures: FiguresShape


class ExpectedShape(Shape):
    """Sales under way: nothing of it is realised yet."""

    sales: int
    payout: Amount
    cost: Amount
    profit: Amount
    unknown_sales: int
    unknown_payout: Amount


class AgeShape(Shape):
    """Money bound in unsold pairs of one age."""

    label: str
    items: int
    cost: Amount
    unknown: int


class ProfitShape(Shape):
    """What a period brought, what is under way, and what is bound in stock; amounts in `currency`."""

    start_date: date
    end_date: date
    currency: str
    realised: FiguresShape
    expected: ExpectedShape
    fees: list[FeeShape]
    money_at_work: Amount
    at_work: list[AgeShape]
    median_days: Number | None = Field(description="From purchase to sale.")
    sell_through: Percent | None
    over_time: list[BucketShape]


class GroupShape(Shape):
    """The figures of one brand, product, size, shop, strategy or destination."""

    name: str
    figures: FiguresShape


class GroupList(Shape):
    """Figures by group, the best profit first; amounts in `currency`."""

    currency: str
    items: list[GroupShape]


@bp.get("/analytics/profits")
@operation(TAG, "read", ProfitShape, names=DAYS)
def show_profits(query: ProfitQuery) -> ProfitShape:
    """Show what a period brought."""
    period, books = query.wanted(), runtime().books
    found = analytics.summary(session(), period, books, now())
    buckets = analytics.over_time(session(), period, query.unit or unit_for(period), books)
    return ProfitShape(
        start_date=period.first,
        end_date=period.last,
        currency=found.currency,
        realised=FiguresShape.of(found.realised),
        expected=ExpectedShape.model_validate(found.expected),
        fees=[FeeShape(name=name, amount=amount) for name, amount in found.fees],
        money_at_work=found.money_at_work,
        at_work=[AgeShape.model_validate(age) for age in found.at_work],
        median_days=found.pace.median_days,
        sell_through=found.pace.sell_through,
        over_time=[BucketShape(start=each.start, figures=FiguresShape.of(each.figures)) for each in buckets],
    )


@bp.get("/analytics/groups")
@operation(TAG, "read", GroupList, names=DAYS)
def show_groups(query: GroupQuery) -> GroupList:
    """Show what a period brought by brand, product, size, shop, strategy or destination."""
    books = runtime().books
    groups = analytics.by_group(session(), query.wanted(), query.by, books)
    items = [GroupShape(name=each.name, figures=FiguresShape.of(each.figures)) for each in groups]
    return GroupList(currency=books.currency, items=items)
