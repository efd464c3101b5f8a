"""The books: which entries a sale should have, and what to add so that it has them; nothing is ever changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from soleflip.domain.money import ZERO
from soleflip.domain.orders import Line

KINDS = ("sale", "adjustment", "cost", "write_off", "penalty")
FOLLOWED = ("sale", "adjustment", "cost")
"""Kinds that follow the order; write-offs and penalties are the operator's and stand until reversed by hand."""


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
        if entry.kind not in FOLLOWED:
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


def payout_of(entries: Iterable[Entry]) -> Decimal:
    """Sum sales and adjustments: what StockX paid, in the entries' currency."""
    return sum((entry.amount for entry in entries if entry.kind in ("sale", "adjustment")), ZERO)
