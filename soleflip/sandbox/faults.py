"""Faults on demand: which request they meet, and what they do to it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from .errors import ApiError
from .records import Fault
from .world import World

BEFORE = ("timeout_before", "drop_before", "429", "500", "503", "html")
AFTER = ("timeout_after", "drop")
CHANGES = ("duplicate_page", "expired_token", "unknown_enum", "extra_fields", "slow")
MOST_SECONDS = 3600
KINDS = BEFORE + AFTER + CHANGES
_OPTIONS = {"seconds": (int, float), "retry_after": (int, str), "status": (int,), "value": (str,)}
_ENUMS = ("status", "orderStatus", "operationStatus", "operationType", "inventoryType", "adjustmentType")
HTML = b"<!doctype html><html><head><title>Attention required</title></head><body><h1>Please wait</h1></body></html>"


def inject(world: World, given: dict[str, Any]) -> Fault:
    """A fault from a control request: kind, route (operation id or path pattern), method, count, skip, options."""
    wanted = dict(given)
    kind, route, method = str(wanted.pop("kind", "")), wanted.pop("route", ""), wanted.pop("method", None)
    count, skip = wanted.pop("count", 1), wanted.pop("skip", 0)
    if kind not in KINDS:
        raise ApiError(400, f"Unknown fault {kind!r}. Known: {', '.join(KINDS)}")
    if type(count) is not int or type(skip) is not int or skip < 0 or (count < 1 and count != -1):
        raise ApiError(400, "count (-1: until cleared) and skip are whole numbers")
    if not isinstance(route, str) or not (method is None or isinstance(method, str)):
        raise ApiError(400, "route and method are texts")
    try:
        re.compile(route)
    except re.error as error:
        raise ApiError(400, f"route is no pattern: {error}") from None
    _check_options(wanted)
    fault = Fault(
        world.dice.uuid(), kind, route, method.upper() if method else None, count, skip, wanted, world.next_number()
    )
    world.add(fault)
    return fault


def _check_options(wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if not isinstance(value, _OPTIONS.get(name, ())) or isinstance(value, bool):
            raise ApiError(400, f"Unknown option {name} or wrong type. Known: {', '.join(_OPTIONS)}")
    if not 0 <= wanted.get("seconds", 0) <= MOST_SECONDS:
        raise ApiError(400, f"seconds must be a number between 0 and {MOST_SECONDS}")
    if not 200 <= wanted.get("status", 200) <= 599 or wanted.get("status") in (204, 205, 304):
        raise ApiError(400, "status must be one that comes with a body, 200 to 599")
    # It becomes a header as it is: odd ones are welcome, broken ones would be no answer at all.
    if not re.fullmatch(r"date(\+\d{1,8})?|(?!date\+)[ -~]{0,60}", str(wanted.get("retry_after", ""))):
        raise ApiError(400, "retry_after must be seconds, date, date+seconds, or any short text in ASCII")


def meet(world: World, name: str, method: str, path: str, *, paged: bool) -> Fault | None:
    """The fault that this request meets, used up by it."""
    for fault in sorted(world.faults.values(), key=lambda fault: fault.number):
        if fault.method not in (None, method) or (fault.kind == "duplicate_page" and not paged):
            continue
        if fault.route not in ("", "*", name) and not re.search(fault.route, path):
            continue
        if fault.skip:
            fault.skip -= 1
            world.touch(fault)
            continue
        fault.hits += 1
        world.touch(fault)
        if fault.count > 0:
            fault.count -= 1
            if not fault.count:
                world.remove_fault(fault.fault_id)
        return fault
    return None


def retry_after(fault: Fault) -> str:
    """The Retry-After header: seconds as given, or `date` / `date+N` for a point of real time."""
    wait = fault.options.get("retry_after", 1)
    if isinstance(wait, int):
        return str(wait)
    match = re.fullmatch(r"date(?:\+(\d+))?", wait)
    if match is None:
        return str(wait)
    return format_datetime(datetime.now(UTC) + timedelta(seconds=int(match[1] or 1)), usegmt=True)


def add_fields(value: Any) -> Any:
    """An answer with a field in every object that the document does not know."""
    if isinstance(value, dict):
        return {name: add_fields(entry) for name, entry in value.items()} | {"sandboxExtra": {"since": "v2.1"}}
    return [add_fields(entry) for entry in value] if isinstance(value, list) else value


def replace_enums(value: Any, name: str) -> Any:
    """An answer whose statuses and types are a value that the document does not know."""
    if isinstance(value, dict):
        return {
            key: name if key in _ENUMS and isinstance(entry, str) else replace_enums(entry, name)
            for key, entry in value.items()
        }
    return [replace_enums(entry, name) for entry in value] if isinstance(value, list) else value
