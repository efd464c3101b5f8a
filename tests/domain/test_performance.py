"""Estimates say how sure they are, verdicts need enough sales, and lots fall in the chosen shares."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from statistics import mean, stdev

import pytest

from soleflip.domain import performance
from soleflip.domain.errors import InvalidInput
from soleflip.domain.performance import Estimate


def estimate(values: list[int]) -> Estimate:
    found = performance.mean(len(values), Decimal(str(mean(values))), Decimal(str(stdev(values))))
    assert found is not None
    return found


@pytest.mark.parametrize("size", [5, 20, 200])
def test_the_interval_holds_the_true_mean_about_nineteen_times_of_twenty(size: int) -> None:
    drawn = random.Random(4)
    hits = 0
    for _ in range(1000):
        found = estimate([round(drawn.gauss(1000, 300)) for _ in range(size)])
        hits += found.low <= 1000 <= found.high
    assert 925 <= hits <= 980


def test_a_share_near_its_ends_stays_within_them() -> None:
    none, all_ = performance.share(0, 10), performance.share(10, 10)
    assert none is not None
    assert all_ is not None
    assert (none.value, none.low) == (0, 0)
    assert 25 < none.high < 30
    assert (all_.value, all_.high) == (100, 100)
    assert performance.share(0, 0) is None


def test_one_value_is_no_estimate() -> None:
    assert performance.mean(1, Decimal(3), None) is None
    assert performance.difference(None, estimate([1, 2])) is None


def test_a_verdict_needs_enough_sales_and_a_difference_that_leaves_zero_out() -> None:
    low, high = estimate([10, 11, 12] * 20), estimate([20, 21, 22] * 20)
    gap = performance.difference(high, low)
    assert gap is not None
    assert gap.value == 10
    assert performance.verdict(gap, 60) == "better"
    assert performance.verdict(performance.difference(low, high), 60) == "worse"
    assert performance.verdict(performance.difference(low, low), 60) == "no difference shown"
    assert performance.verdict(gap, performance.ENOUGH - 1) == "not enough data yet"
    assert performance.verdict(None, 60) == "not enough data yet"


def test_lots_fall_in_the_chosen_shares_and_again_the_same() -> None:
    shares = {"hold": 20, "patient": 30, "competitive": 50}
    dealt = [performance.draw(shares, "seed", str(number)) for number in range(10_000)]
    assert dealt == [performance.draw(shares, "seed", str(number)) for number in range(10_000)]
    assert dealt != [performance.draw(shares, "other", str(number)) for number in range(10_000)]
    for name, count in Counter(dealt).items():
        assert abs(count - shares[name] * 100) < 200


@pytest.mark.parametrize("shares", [{}, {"hold": 100}, {"hold": 50, "patient": 49}, {"hold": 100, "patient": 0}])
def test_shares_that_compare_nothing_are_refused(shares: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        performance.check_shares(shares)
