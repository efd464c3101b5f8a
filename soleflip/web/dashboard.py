"""The dashboard: money made, money at work, what needs me now."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from soleflip.services import dashboard
from soleflip.stockx import BudgetState, BudgetUnreachable
from soleflip.web.filters import axis_days, chart_number
from soleflip.web.htmx import page
from soleflip.web.unit import now, runtime

bp = Blueprint("dashboard", __name__)


@bp.get("/")
def index() -> Response:
    """Show the house at one look."""
    view = dashboard.overview(g.session, runtime().books, now())
    chart = profit_chart(view) if any(bucket.figures.sales for bucket in view.days) else None
    return page("dashboard/page.html", "dashboard/_overview.html", view=view, chart=chart, budget=_budget())


def profit_chart(view: dashboard.Overview) -> dict[str, Any]:
    """Return the chart of the days: profit of each as a bar, what they add up to as a line."""
    total, totals = 0.0, []
    for bucket in view.days:
        total += chart_number(bucket.figures.profit) or 0.0
        totals.append(round(total, 2))
    bars = [
        {
            "value": chart_number(bucket.figures.profit),
            "itemStyle": {"color": "loss" if bucket.figures.profit < 0 else "gain"},
        }
        for bucket in view.days
    ]
    return {
        "legend": {},
        "xAxis": {"type": "category", "data": axis_days([bucket.start for bucket in view.days])},
        "yAxis": {"type": "value"},
        "series": [
            {"name": "Profit of the day", "type": "bar", "data": bars, "itemStyle": {"color": "gain"}},
            {"name": "Added up", "type": "line", "data": totals, "showSymbol": False, "color": "accent"},
        ],
    }


def _budget() -> BudgetState | None:
    """Return what is left of the day's StockX requests; None while Redis is away."""
    try:
        return runtime().stockx.budget.state()
    except BudgetUnreachable:
        return None
