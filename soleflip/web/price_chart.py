"""Prices over time as an ECharts option: a listing's ask, or a shop's price, against the market."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from soleflip.services.listing_detail import Detail
from soleflip.services.opportunities import Detail as OpportunityDetail
from soleflip.web.filters import chart_number, iso

Points = Iterable[tuple[datetime, Decimal | None]]


def option(view: Detail) -> dict[str, Any]:
    """Return the chart of our ask, the lowest ask and the highest bid over time."""
    return _chart(
        _line("Our ask", ((each.at, each.ask) for each in view.points), "accent"),
        _line("Lowest ask", ((each.at, each.lowest) for each in view.points), "market"),
        _line("Highest bid", ((each.at, each.bid) for each in view.points), "muted", type="dashed"),
    )


def of_opportunity(view: OpportunityDetail, now: datetime) -> dict[str, Any]:
    """Return the chart of the shop's price, the lowest ask and the highest bid until now, in the books' currency."""
    shop = _line("Shop's price", _until(now, view.shop_points), "accent")
    lowest = _until(now, [(each.at, each.lowest_ask) for each in view.quotes])
    highest = _until(now, [(each.at, each.highest_bid) for each in view.quotes])
    # An old price is known by the last time it was seen: what follows it held from then on.
    return _chart(
        {**shop, "step": "start", "showSymbol": True},
        _line("Lowest ask", lowest, "market"),
        _line("Highest bid", highest, "muted", type="dashed"),
    )


def _until(now: datetime, points: Sequence[tuple[datetime, Decimal | None]]) -> Points:
    """Carry the last value on to now, so that a single point is a line."""
    return [*points, (max(now, points[-1][0]), points[-1][1])] if points else points


def _line(name: str, points: Points, colour: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "step": "end",
        "showSymbol": False,
        "data": [[iso(at), chart_number(value)] for at, value in points if value is not None],
        "lineStyle": {"color": colour, "width": 2, **more},
        "itemStyle": {"color": colour},
    }


def _chart(*series: dict[str, Any]) -> dict[str, Any]:
    return {
        "legend": {},
        "xAxis": {"type": "time"},
        "yAxis": {"type": "value", "scale": True},
        "series": list(series),
    }
