"""One validated request to a documented operation, and what all operations share: pages, filters, days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .clock import DAY, parse_iso
from .document import Operation
from .errors import ApiError
from .world import World


@dataclass(slots=True)
class Call:
    """One request to a documented operation, already validated against the document."""

    world: World
    operation: Operation
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    base: str
    repeat_page: bool = False


Answer = tuple[int, Any]


def page(call: Call, name: str, records: list[Any], show: Callable[[Any], dict[str, Any]], size: int) -> Answer:
    """One numbered page; under the fault duplicate_page every page from the second shows the one before."""
    number = call.query.get("pageNumber", 1)
    size = call.query.get("pageSize", size)
    start = (number - 1 - (call.repeat_page and number > 1)) * size
    shown = records[start : start + size]
    return 200, {
        "count": len(records),
        "pageSize": len(shown),
        "pageNumber": number,
        "hasNextPage": start + size < len(records),
        name: [show(record) for record in shown],
    }


def among(query: dict[str, Any], name: str, value: str | None) -> bool:
    """Whether a value is in the comma-separated list of a query parameter; without the parameter it is."""
    return name not in query or value in query[name].split(",")


def days(query: dict[str, Any]) -> tuple[int, int]:
    """The creation times that fromDate and toDate allow; a bare toDate includes its whole UTC day."""
    try:
        first = parse_iso(query["fromDate"]) if "fromDate" in query else -(10**18)
        last = parse_iso(query["toDate"]) if "toDate" in query else 10**18
    except ValueError:
        raise ApiError(400, "fromDate and toDate must be dates as YYYY-MM-DD") from None
    return first, last + (DAY if len(query.get("toDate", "")) == 10 else 1)
