"""Sales on StockX: what its statuses mean to us, which facts are still missing, and how a payout is read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from soleflip.domain.money import CENT, ZERO, cents


class Stage(StrEnum):
    """How far a sale is, in the order in which it usually goes."""

    SHIP = "ship"
    TRANSIT = "transit"
    PAYOUT_DUE = "payout due"
    PAID = "paid"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """One status of StockX: our state for it, its stage and what the operator reads."""

    ours: str
    stage: Stage
    label: str
    realised: bool = False
    gives_back: str | None = None
    hold: bool = False


STATUSES: dict[str, Status] = {
    "PENDING": Status("pending", Stage.SHIP, "Sale not settled yet", hold=True),
    "CREATED": Status("pending", Stage.SHIP, "Sold, ship it"),
    "CCAUTHORIZATIONFAILED": Status("pending", Stage.SHIP, "Buyer's card refused, do not ship yet", hold=True),
    "DONOTSHIP": Status("pending", Stage.SHIP, "Do not ship", hold=True),
    "SUSPENDED": Status("pending", Stage.SHIP, "On hold", hold=True),
    "SHIPPED": Status("shipped", Stage.TRANSIT, "On the way to StockX"),
    "RECEIVED": Status("shipped", Stage.TRANSIT, "Arrived at StockX"),
    "AUTHENTICATING": Status("shipped", Stage.TRANSIT, "Being verified"),
    "SYSTEMFULFILLED": Status("shipped", Stage.TRANSIT, "Fulfilled by StockX"),
    "AUTHENTICATED": Status("authenticated", Stage.PAYOUT_DUE, "Verified"),
    "PAYOUTPENDING": Status("authenticated", Stage.PAYOUT_DUE, "Payout due", realised=True),
    "PAYOUTFAILED": Status("authenticated", Stage.PAYOUT_DUE, "Payout failed", hold=True, realised=True),
    "PAYOUTCOMPLETED": Status("completed", Stage.PAID, "Paid", realised=True),
    "COMPLETED": Status("completed", Stage.PAID, "Finished, paid", realised=True),
    "AUTHFAILED": Status("cancelled", Stage.ENDED, "Verification failed", gives_back="returned"),
    "DIDNOTSHIP": Status("cancelled", Stage.ENDED, "Not shipped in time", gives_back="in_stock"),
    "CANCELED": Status("cancelled", Stage.ENDED, "Cancelled", gives_back="in_stock"),
    "RETURNED": Status("cancelled", Stage.ENDED, "Returned", gives_back="returned"),
}
"""Every status of FACTS.md section 7. `realised`: the payout is final. `gives_back`: the state its item returns to."""

ACTIVE_STATUSES = tuple(name for name, status in STATUSES.items() if status.stage not in (Stage.PAID, Stage.ENDED))
ENDED_STATUSES = tuple(name for name, status in STATUSES.items() if status.stage is Stage.ENDED)
REALISED_STATUSES = tuple(name for name, status in STATUSES.items() if status.realised)
SETTLED_STATUSES = (*ENDED_STATUSES, "COMPLETED")
"""Statuses after which StockX shows the order among the historical ones only."""


def status_of(raw: str) -> Status:
    """Return what a raw status means; an unknown one is pending, of unknown stage, and shown as it is."""
    return STATUSES.get(raw.upper(), Status("pending", Stage.UNKNOWN, f"Unknown to us: {raw}"))


def is_newer(raw: str, updated_at: datetime | None, known_raw: str, known_at: datetime | None) -> bool:
    """Say whether a snapshot tells more than what is known, so that pages may arrive late, twice or out of order.

    StockX's own time decides; between equal or missing times the later stage does.
    """
    if updated_at is not None and known_at is not None and updated_at != known_at:
        return updated_at > known_at
    stages = list(Stage)
    stage, known = status_of(raw).stage, status_of(known_raw).stage
    if Stage.UNKNOWN in (stage, known):
        return known is Stage.UNKNOWN or updated_at != known_at
    return (stages.index(stage), list(STATUSES).index(raw.upper())) >= (
        stages.index(known),
        list(STATUSES).index(known_raw.upper()),
    )


def needs_detail(
    raw: str, *, detailed: str | None, has_ship_by: bool, has_tracking: bool, payout_from: str | None
) -> bool:
    """Say whether a single-order call is due.

    `detailed` and `payout_from` are the statuses at the last such call and at the last payout we read. A call is made
    once per stage and only for what that stage shows for the first time: the ship-by date, the tracking number, the
    payout once verified, and the final payout.
    """
    status = status_of(raw)
    if detailed is not None and status_of(detailed).stage is status.stage:
        return False
    if status.stage is Stage.SHIP:
        return not has_ship_by and not status.hold
    if status.stage is Stage.TRANSIT:
        return not has_tracking
    if status.stage in (Stage.PAYOUT_DUE, Stage.PAID):
        return payout_from is None or status_of(payout_from).stage is not status.stage
    return False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a payout, as StockX names and signs it; `percentage` is a fraction."""

    name: str
    kind: str
    amount: Decimal
    percentage: Decimal | None = None


UNEXPLAINED = "Difference to StockX's total"


def kind_of(name: str) -> str:
    """Class a payout line by its name: transaction, processing, shipping or other."""
    plain = name.lower().replace(" ", "")
    if "transactionfee" in plain or "sellerfee" in plain:
        return "transaction"
    if "paymentproc" in plain:
        return "processing"
    return "shipping" if "shipping" in plain else "other"


def is_penalty(name: str) -> bool:
    """Tell whether a payout line is a penalty by its name."""
    return "penalty" in name.lower()


def payout_lines(price: Decimal, total: Decimal, adjustments: Sequence[Line]) -> tuple[Line, ...]:
    """Return the lines that lead from the price to StockX's total, a difference as a line of its own.

    The total is the truth: price + lines = total always holds.
    """
    gap = total - price - sum((line.amount for line in adjustments), ZERO)
    if abs(gap) < CENT:
        return tuple(adjustments)
    return (*adjustments, Line(UNEXPLAINED, "unexplained", cents(gap)))


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Time until the ship-by moment: whole business days (Monday to Friday) after today, and hours in all."""

    business_days: int
    hours: int
    is_urgent: bool
    is_late: bool


def time_left(ship_by: datetime, now: datetime, *, warn: timedelta = timedelta(hours=12)) -> TimeLeft:
    """Return how long there is to ship; urgent from `warn` before the end."""
    left = ship_by - now
    days = 0
    day = now.astimezone(UTC).date()
    while day < ship_by.astimezone(UTC).date():
        day += timedelta(days=1)
        days += day.weekday() < 5
    return TimeLeft(days, math.floor(left.total_seconds() / 3600), left <= warn, left < timedelta(0))


def usual_wait(waits: Sequence[timedelta], *, share: Decimal = Decimal("0.9"), fewest: int = 10) -> timedelta:
    """Return how long a payout takes in `share` of the seller's own sales; ten days while there are too few."""
    if len(waits) < fewest:
        return timedelta(days=10)
    return sorted(waits)[math.ceil(share * len(waits)) - 1]


def document_links(answer: object, api: str, name: str = "") -> list[tuple[str, str]]:
    """Return the name and address of every link in StockX's answer on the documents of a Direct order.

    Links of the web, and those to the API itself, whose address begins with `api`: see `document_id`.
    """
    if isinstance(answer, str):
        return [(name, answer)] if answer.startswith(("https://", f"{api}/")) else []
    if isinstance(answer, Mapping):
        parts = [(_words(str(key)), value) for key, value in answer.items()]
    elif isinstance(answer, list | tuple):
        parts = [(str(number), value) for number, value in enumerate(answer, start=1)]
    else:
        return []
    return [
        link for key, value in parts for link in document_links(value, api, f"{name}, {key.lower()}" if name else key)
    ]


def document_id(address: str, api: str, order_number: str) -> str | None:
    """Return the id of an order's document behind the API, where no browser gets by itself; None for other links."""
    before = f"{api}/selling/orders/{order_number}/shipping-document/"
    found = address.removeprefix(before)
    return found if found != address and re.fullmatch(r"[\w-]{1,100}", found) else None


def _words(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).replace("_", " ").capitalize()
