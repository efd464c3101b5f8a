"""The price chart of a listing: our ask against the market, as an ECharts option."""

from __future__ import annotations

from typing import Any

from soleflip.services.listing_detail import Detail
from soleflip.web.filters import chart_number, iso


def option(view: Detail) -> dict[str, Any]:
    """Return the chart of our ask, the lowest ask and the highest bid over time."""

    def line(name: str, amount: str, colour: str, **more: Any) -> dict[str, Any]:
        values = [(each.at, getattr(each, amount)) for each in view.points]
        return {
            "name": name,
            "type": "line",
            "step": "end",
            "showSymbol": False,
            "data": [[iso(at), chart_number(value)] for at, value in values if value is not None],
            "lineStyle": {"color": colour, "width": 2, **more},
            "itemStyle": {"color": colour},
        }

    return {
        "legend": {},
        "xAxis": {"type": "time"},
        "yAxis": {"type": "value", "scale": True},
        "series": [
            line("Our ask", "ask", "accent"),
            line("Lowest ask", "lowest", "market"),
            line("Highest bid", "bid", "muted", type="dashed"),
        ],
    }
