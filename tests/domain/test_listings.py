"""The states of a listing and the one check that an ask must pass."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import product

import pytest

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.fees import FeeSchedule, estimate_payout
from soleflip.domain.listings import LIVE_STATES, MOVES, BelowFloor, CostUnknown, check_ask, check_move
from soleflip.domain.pricing import GuardSettings, floor

FEES = FeeSchedule("EUR", Decimal("0.09"), Decimal("5.00"), Decimal("0.03"), Decimal("4.50"))

ALLOWED = """
pending     submitting failed cancelled
submitting  active inactive pending review failed
review      active inactive pending failed
active      inactive sold expired delisted
inactive    active sold expired delisted
failed      pending
expired     active inactive sold delisted
sold        delisted
delisted    active inactive sold
cancelled
"""


def _table() -> dict[str, set[str]]:
    lines = [line.split() for line in ALLOWED.strip().splitlines()]
    return {line[0]: set(line[1:]) for line in lines}


def test_every_allowed_move_passes_and_every_other_is_refused() -> None:
    table = _table()
    assert set(table) == set(MOVES)
    for current, wanted in product(table, table):
        if wanted in table[current]:
            check_move(current, wanted)
        else:
            with pytest.raises(Conflict):
                check_move(current, wanted)


def test_an_unknown_state_moves_nowhere() -> None:
    with pytest.raises(Conflict):
        check_move("lost", "active")


def test_a_random_walk_never_leaves_the_known_states_and_review_needs_a_submission() -> None:
    dice = random.Random(7)
    for _ in range(2_000):
        state, been = "pending", {"pending"}
        for _ in range(20):
            nexts = sorted(MOVES[state])
            if not nexts:
                break
            state = dice.choice(nexts)
            check_move(next(iter({s for s in MOVES if state in MOVES[s]})), state)
            been.add(state)
        assert been <= set(MOVES)
        assert "review" not in been or "submitting" in been
        assert "sold" not in been or been & (LIVE_STATES - {"pending", "submitting", "review"})


@pytest.mark.parametrize("amount", ["0", "-1", "10.5", "99.99", "NaN", "Infinity", "100000"])
def test_a_nonsense_amount_is_refused(amount: str) -> None:
    with pytest.raises(InvalidInput):
        check_ask(Decimal(amount), Decimal(1), cost_unknown_accepted=True)


def test_an_ask_below_the_floor_is_refused_even_with_the_operators_word() -> None:
    with pytest.raises(BelowFloor):
        check_ask(Decimal(99), Decimal(100), cost_unknown_accepted=True)


def test_a_floor_between_two_whole_units_is_rounded_up() -> None:
    with pytest.raises(BelowFloor):
        check_ask(Decimal(100), Decimal("100.01"), cost_unknown_accepted=False)
    assert check_ask(Decimal(101), Decimal("100.01"), cost_unknown_accepted=False) == 101


def test_an_unknown_cost_needs_the_operators_word() -> None:
    with pytest.raises(CostUnknown):
        check_ask(Decimal(100), None, cost_unknown_accepted=False)
    assert check_ask(Decimal(100), None, cost_unknown_accepted=True) == 100


def test_of_100_000_random_asks_none_that_passes_loses_money() -> None:
    dice = random.Random(20261122)
    floors: dict[Decimal, Decimal] = {}
    passed = 0
    for _ in range(100_000):
        cost = Decimal(dice.randrange(100, 60_000)) / 100
        least = floors.setdefault(cost, floor(cost, FEES, GuardSettings()))
        amount = least + dice.randrange(-30, 30)
        try:
            sent = check_ask(amount, least, cost_unknown_accepted=dice.random() < 0.5)
        except (BelowFloor, InvalidInput):
            assert amount < least or amount <= 0
            continue
        passed += 1
        assert sent >= least
        assert estimate_payout(sent, FEES).payout >= cost
    assert passed > 40_000
