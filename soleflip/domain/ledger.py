"""The books: which entries a sale should have, and what to add so that it has them; nothing is ever changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from soleflip.domain.money import ZERO, cents
from soleflip.domain.orders import Line, is_penalty

KINDS = ("sale", "adjustment", "cost", "write_off", "penalty")
FOLLOWED = ("sale", "adjustment", "cost")
"""Kinds that follow the order; write-offs and penalties are the operator's and stand until reversed by hand."""
REPORTED = "StockX: "
"""How the name of a penalty begins that StockX reported; such a one follows the order too."""


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry to be made: income positive, cost and fees negative, in `currency`."""

    kind: str
    name: str
    amount: Decimal
    currency: str


class Entry(Protocol):
    """An entry that stands in the books."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def currency(self) -> str: ...
    @property
    def reverses_id(self) -> int | None: ...


E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an item cost the books, in `currency`."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to add to the books: entries to reverse and postings to make."""

    reverse: tuple[int, ...]
    post: tuple[Posting, ...]


def postings_of_sale(price: Decimal, currency: str, lines: Sequence[Line], cost: Cost | None) -> tuple[Posting, ...]:
    """Return the entries of a sale: the price, each payout line, and the cost of its item where it is known."""
    postings = [Posting("sale", "Sale price", price, currency)]
    postings += [Posting("adjustment", line.name, line.amount, currency) for line in lines]
    if cost is not None:
        postings.append(Posting("cost", "Cost of item", -cost.amount, cost.currency))
    return tuple(postings)


def penalties_of(currency: str, lines: Sequence[Line]) -> tuple[Posting, ...]:
    """Return the penalties that StockX reports on an order that brought nothing, each as an entry of its own."""
    found = [line for line in lines if is_penalty(line.name) and line.amount < ZERO]
    return tuple(Posting("penalty", f"{REPORTED}{line.name}"[:200], line.amount, currency) for line in found)


def follows_order(entry: Entry) -> bool:
    """Whether an entry says what StockX says of the order, and changes with it."""
    return entry.kind in FOLLOWED or (entry.kind == "penalty" and entry.name.startswith(REPORTED))


def standing(entries: Iterable[E]) -> list[E]:
    """Return the entries that are neither reversed nor a reversal."""
    kept = list(entries)
    reversed_ids = {entry.reverses_id for entry in kept}
    return [entry for entry in kept if entry.reverses_id is None and entry.id not in reversed_ids]


def plan(wanted: Sequence[Posting], entries: Iterable[Entry]) -> Plan:
    """Compare what a sale should have with what stands: reverse the rest, post what is missing; twice is once."""
    missing = Counter(wanted)
    reverse = []
    for entry in standing(entries):
        if not follows_order(entry):
            continue
        posting = Posting(entry.kind, entry.name, entry.amount, entry.currency)
        if missing[posting] > 0:
            missing[posting] -= 1
        else:
            reverse.append(entry.id)
    post = []
    for posting in wanted:
        if missing[posting] > 0:
            missing[posting] -= 1
            post.append(posting)
    return Plan(tuple(reverse), tuple(post))


class Timed(Entry, Protocol):
    """An entry with the moment for which it was booked."""

    @property
    def booked_at(self) -> datetime: ...


def sold_moment(entries: Iterable[Timed]) -> datetime | None:
    """Return when the sale that stands was booked for: where the count of sales last rose to one; None without one.

    A correction reverses a sale and books it again at one moment, so the count stands still there.
    """
    counts: dict[datetime, int] = {}
    for entry in entries:
        if entry.kind == "sale":
            counts[entry.booked_at] = counts.get(entry.booked_at, 0) + (1 if entry.reverses_id is None else -1)
    count, risen = 0, None
    for moment in sorted(counts):
        if count <= 0 < count + counts[moment]:
            risen = moment
        count += counts[moment]
    return risen if count > 0 else None


def is_correction(found: Plan, entries: Iterable[Entry]) -> bool:
    """Whether a plan changes what a sale brought after it was booked: its price, or the sum of its payout lines.

    Lines that only come by another name bring the same; costs are ours, and belong to the sale whenever we learn them.
    """
    money = ("sale", "adjustment")
    known = {entry.id: entry for entry in entries}
    if not any(entry.kind in money for entry in known.values()):
        return False
    taken = [known[key] for key in found.reverse]
    if any(old.kind == "sale" for old in taken) or any(new.kind == "sale" for new in found.post):
        return True
    change = sum((new.amount for new in found.post if new.kind in money), ZERO)
    return change != sum((old.amount for old in taken if old.kind in money), ZERO)


def payout_of(entries: Iterable[Entry]) -> Decimal:
    """Sum sales and adjustments: what StockX paid, in the entries' currency."""
    return sum((entry.amount for entry in entries if entry.kind in ("sale", "adjustment")), ZERO)


class Converted(Entry, Protocol):
    """An entry with what it is in the books' currency, at the rate it was booked at."""

    @property
    def books_amount(self) -> Decimal: ...
    @property
    def books_currency(self) -> str: ...
    @property
    def rate(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class Earned:
    """What stands in the books of one order, in one currency: `cost` is positive, None while a sale's is unknown."""

    payout: Decimal
    cost: Decimal | None
    other: Decimal

    @property
    def profit(self) -> Decimal | None:
        """Payout less cost, penalties with it; None while the cost is unknown."""
        return None if self.cost is None else self.payout - self.cost + self.other


def earned(entries: Iterable[Converted], currency: str) -> Earned | None:
    """Sum up what an order earned, in its own currency or that of the books; None while nothing of it stands.

    A cost in a third currency is told at the rate that its sale was booked at: so the figure moves with no rate.
    """
    kept = standing(entries)
    if not kept:
        return None
    rate = next((entry.rate for entry in kept if entry.kind == "sale"), Decimal(1))

    def total(*kinds: str) -> Decimal:
        return sum((_told(entry, currency, rate) for entry in kept if entry.kind in kinds), ZERO)

    kinds = {entry.kind for entry in kept}
    cost = None if "sale" in kinds and "cost" not in kinds else -total("cost")
    return Earned(total("sale", "adjustment"), cost, total("penalty", "write_off"))


def _told(entry: Converted, currency: str, sale_rate: Decimal) -> Decimal:
    if currency == entry.currency:
        return entry.amount
    return entry.books_amount if currency == entry.books_currency else cents(entry.books_amount / sale_rate)
