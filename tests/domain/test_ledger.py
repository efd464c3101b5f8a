"""The books follow any sequence of events: their sum is payouts less cost, and a reversal brings everything back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.ledger import Cost, Posting, payout_of, plan, postings_of_sale, standing
from soleflip.domain.orders import Line, payout_lines

AMOUNTS = st.decimals(min_value=-50, max_value=50, places=2)
PRICES = st.decimals(min_value=1, max_value=500, places=2)


@dataclass(frozen=True)
class Entry:
    """An entry as the table keeps it."""

    id: int
    kind: str
    name: str
    amount: Decimal
    currency: str
    reverses_id: int | None = None


@st.composite
def facts(draw: st.DrawFn) -> tuple[Posting, ...]:
    """What an order says at one moment: a payout with or without a known cost, or nothing because it ended."""
    if draw(st.integers(0, 3)) == 0:
        return ()
    price, total = draw(PRICES), draw(PRICES)
    names = draw(st.lists(st.sampled_from(["Shipping", "Transaction Fee", "Odd"]), max_size=4))
    lines = payout_lines(price, total, [Line(name, "other", draw(AMOUNTS)) for name in names])
    cost = draw(st.one_of(st.none(), PRICES))
    return postings_of_sale(price, "EUR", lines, Cost(cost, "EUR") if cost is not None else None)


def book(entries: list[Entry], wanted: tuple[Posting, ...]) -> list[Entry]:
    found = plan(wanted, entries)
    by_id = {entry.id: entry for entry in entries}
    added = [
        Entry(len(entries) + number, old.kind, old.name, -old.amount, old.currency, old.id)
        for number, old in enumerate((by_id[key] for key in found.reverse), start=1)
    ]
    start = len(entries) + len(added) + 1
    added += [
        Entry(start + number, new.kind, new.name, new.amount, new.currency) for number, new in enumerate(found.post)
    ]
    return [*entries, *added]


@given(st.lists(facts(), max_size=8))
def test_the_sum_is_the_last_payout_less_the_last_cost_whatever_came_before(events: list[tuple[Posting, ...]]) -> None:
    entries: list[Entry] = []
    for wanted in events:
        entries = book(entries, wanted)
        assert sum(entry.amount for entry in entries) == sum(posting.amount for posting in wanted)
        payout = sum(posting.amount for posting in wanted if posting.kind != "cost")
        assert payout_of(entries) == payout


@given(st.lists(facts(), max_size=6))
def test_booking_the_same_again_adds_nothing(events: list[tuple[Posting, ...]]) -> None:
    entries: list[Entry] = []
    for wanted in events:
        entries = book(entries, wanted)
        assert book(entries, wanted) == entries


@given(st.lists(facts(), max_size=6))
def test_an_end_brings_every_kind_back_to_zero(events: list[tuple[Posting, ...]]) -> None:
    entries: list[Entry] = []
    for wanted in (*events, ()):
        entries = book(entries, wanted)
    for kind in ("sale", "adjustment", "cost"):
        assert sum(entry.amount for entry in entries if entry.kind == kind) == 0
    assert standing(entries) == []


@given(st.lists(facts(), max_size=6))
def test_nothing_is_reversed_twice(events: list[tuple[Posting, ...]]) -> None:
    entries: list[Entry] = []
    for wanted in events:
        entries = book(entries, wanted)
    reversed_ = [entry.reverses_id for entry in entries if entry.reverses_id is not None]
    assert len(reversed_) == len(set(reversed_))


def test_a_penalty_stands_through_everything_that_happens_to_the_order() -> None:
    penalty = Entry(1, "penalty", "late", Decimal(-15), "EUR")
    assert book([penalty], ()) == [penalty]
