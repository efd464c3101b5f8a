"""Analytics: what was earned in a period, over time and by what it came from; every table is also a CSV."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from flask import Blueprint, Response, g, request

from soleflip.domain.analytics import Figures, Period, period_of, unit_for
from soleflip.domain.errors import InvalidInput
from soleflip.services import analytics, fees
from soleflip.services.analytics import Bucket
from soleflip.services.exports import Cell, csv_lines
from soleflip.web.filters import axis_days, chart_number, month_of
from soleflip.web.htmx import page
from soleflip.web.unit import now, runtime

bp = Blueprint("analytics", __name__, url_prefix="/analytics")

PERIODS = {
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
    "year": "This year",
    "all": "All time",
    "custom": "Dates",
}
UNITS = {"day": "By day", "week": "By week", "month": "By month"}
GROUPS = {name: name.capitalize() for name in analytics.GROUPS}
COLUMNS = ("sales", "revenue", "fees", "payout", "cost", "other", "profit", "margin", "roi", "unknown_sales")


@bp.get("")
def index() -> Response:
    """Show the figures of a period."""
    period, unit, by = _asked()
    books = runtime().books
    buckets = analytics.over_time(g.session, period, unit, books)
    best, worst = analytics.best_and_worst(g.session, period, books)
    return page(
        "analytics/page.html",
        "analytics/_figures.html",
        summary=analytics.summary(g.session, period, books, now()),
        buckets=buckets,
        chart=profit_chart(buckets, unit),
        groups=analytics.by_group(g.session, period, by, books, limit=25),
        best=best,
        worst=worst,
        accuracy=fees.accuracy(g.session, period, books),
        asked={"period": period.name, "unit": unit, "by": by, "from": period.first, "to": period.last},
        periods=PERIODS,
        units=UNITS,
        kinds=GROUPS,
    )


@bp.get("/time.csv")
def time_csv() -> Response:
    """Download the figures over time."""
    period, unit, _ = _asked()
    buckets = analytics.over_time(g.session, period, unit, runtime().books)
    return _csv(f"profit-by-{unit}", unit, ((bucket.start, bucket.figures) for bucket in buckets))


@bp.get("/groups.csv")
def groups_csv() -> Response:
    """Download the figures by brand, product, size, shop, strategy or destination."""
    period, _, by = _asked()
    groups = analytics.by_group(g.session, period, by, runtime().books)
    return _csv(f"profit-by-{by}", by, ((group.name, group.figures) for group in groups))


def profit_chart(buckets: list[Bucket], unit: str = "day") -> dict[str, Any] | None:
    """Return the chart of a period: payouts as a line, profit as bars; None when there is nothing to draw."""
    if not buckets:
        return None
    bars = [
        {
            "value": chart_number(found.figures.profit),
            "itemStyle": {"color": "loss" if found.figures.profit < 0 else "gain"},
        }
        for found in buckets
    ]
    payouts = [chart_number(found.figures.payout) for found in buckets]
    return {
        "legend": {},
        "xAxis": {"type": "category", "data": _labels([bucket.start for bucket in buckets], unit)},
        "yAxis": {"type": "value"},
        "series": [
            {"name": "Profit", "type": "bar", "data": bars, "itemStyle": {"color": "gain"}},
            {"name": "Payouts", "type": "line", "data": payouts, "showSymbol": len(buckets) < 40, "color": "accent"},
        ],
    }


def _labels(starts: list[date], unit: str) -> list[str]:
    return [month_of(each.month, each.year) for each in starts] if unit == "month" else axis_days(starts)


def _asked() -> tuple[Period, str, str]:
    """Read period, unit and group from the address; raises InvalidInput."""
    args = request.args
    today = now().astimezone(runtime().books.timezone).date()
    period = period_of(args.get("period") or "30d", today, _day("from"), _day("to"))
    unit = args.get("unit") if args.get("unit") in UNITS else unit_for(period)
    by = args.get("by") if args.get("by") in GROUPS else "brand"
    return period, str(unit), str(by)


def _day(name: str) -> date | None:
    text = request.args.get(name, "")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidInput(f"{text[:20]!r} is no day like 2025-03-31.", field=name) from None


def _csv(name: str, first: str, rows: Iterable[tuple[Cell, Figures]]) -> Response:
    table = ([key, *(getattr(figures, column) for column in COLUMNS)] for key, figures in rows)
    content = "".join(csv_lines([first, *COLUMNS], table))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(content, mimetype="text/csv", headers=headers)
