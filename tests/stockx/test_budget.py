"""The shared request budget, on a real Valkey."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.stockx import Budget, BudgetExhausted, BudgetUnreachable, Lane
from soleflip.stockx.budget import HOLD, ITEM_DAY_LIMIT
from tests.stockx.processes import FORKS, wait_in_sales

FAST = 1000.0


def spend(budget: Budget, lane: Lane, times: int = 1, items: int = 0) -> None:
    for _ in range(times):
        budget.acquire(lane, items=items, wait=5).done()


def eventually(fact: Callable[[], bool], within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not fact():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.005)


def test_requests_leave_an_interval_after_the_answer_before(redis, clock):
    budget = Budget(redis, rate=20, clock=clock)
    answered = 0.0
    for _ in range(5):
        slot = budget.acquire(Lane.HOT, wait=5)
        assert time.monotonic() - answered >= 1 / 20
        time.sleep(0.02)
        answered = time.monotonic()
        slot.done()


def test_a_request_that_hangs_holds_the_others_up_until_its_hold_ends(redis, clock):
    budget = Budget(redis, rate=FAST, clock=clock)
    started = time.monotonic()
    budget.acquire(Lane.HOT, wait=1)
    budget.acquire(Lane.HOT, wait=5)
    assert time.monotonic() - started >= HOLD


def test_a_late_answer_still_defers_the_next_request(redis, clock):
    budget = Budget(redis, rate=5, clock=clock)
    late = budget.acquire(Lane.HOT, wait=1)
    budget.acquire(Lane.HOT, wait=5).done()
    late.done()
    started = time.monotonic()
    budget.acquire(Lane.HOT, wait=5)
    assert time.monotonic() - started >= 1 / 5


def test_a_higher_lane_goes_before_lower_ones_that_wait_longer(redis, clock):
    budget = Budget(redis, rate=100, clock=clock)
    order: list[Lane] = []

    def wait_in(lane: Lane) -> None:
        slot = budget.acquire(lane, wait=10)
        order.append(lane)
        slot.done()

    first = budget.acquire(Lane.COLD, wait=1)
    threads = []
    for lane in (Lane.COLD, Lane.HOT, Lane.LISTING, Lane.CUTS, Lane.SALES):
        threads.append(threading.Thread(target=wait_in, args=(lane,)))
        threads[-1].start()
        eventually(lambda lane=lane: budget.state().waiting[lane] == 1)
    first.done()
    for thread in threads:
        thread.join()
    assert order == [Lane.SALES, Lane.CUTS, Lane.LISTING, Lane.HOT, Lane.COLD]


def test_a_caller_who_gives_up_gets_a_clear_error_and_leaves_the_queue(redis, clock):
    budget = Budget(redis, rate=FAST, clock=clock)
    held = budget.acquire(Lane.SALES, wait=1)
    with pytest.raises(BudgetExhausted, match="try again after") as refusal:
        budget.acquire(Lane.SALES, wait=0.05)
    assert refusal.value.reason == "busy"
    assert sum(budget.state().waiting.values()) == 0
    held.done()


def test_a_dead_process_in_the_queue_does_not_block_it(redis, redis_url, clock):
    slow, fast = Budget(redis, rate=0.1, clock=clock), Budget(redis, rate=FAST, clock=clock)
    held = slow.acquire(Lane.COLD, wait=1)
    other = FORKS.Process(target=wait_in_sales, args=(redis_url,))
    other.start()
    eventually(lambda: fast.state().waiting[Lane.SALES] == 1, within=10)
    other.kill()
    other.join()
    fast.release(held.ticket)
    fast.acquire(Lane.COLD, wait=3).done()


def test_sales_still_get_through_when_quotes_have_used_95_percent_of_the_day(redis, clock):
    budget = Budget(redis, rate=FAST, day_limit=100, clock=clock)
    spend(budget, Lane.COLD, 80)
    with pytest.raises(BudgetExhausted):
        budget.acquire(Lane.COLD, wait=5)
    spend(budget, Lane.HOT, 15)
    with pytest.raises(BudgetExhausted) as refusal:
        budget.acquire(Lane.HOT, wait=5)
    assert (refusal.value.reason, refusal.value.until) == ("day", datetime(2026, 3, 3, tzinfo=UTC))
    spend(budget, Lane.SALES, 5)
    with pytest.raises(BudgetExhausted):
        budget.acquire(Lane.SALES, wait=5)
    assert budget.state().left_today == 0


def test_the_day_is_the_utc_day_of_the_clock(redis, clock):
    budget = Budget(redis, rate=FAST, day_limit=1, clock=clock)
    spend(budget, Lane.SALES)
    clock.at = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(BudgetExhausted):
        budget.acquire(Lane.SALES, wait=1)
    clock.pass_by(seconds=1)
    spend(budget, Lane.SALES)
    assert budget.state().used_today == 1


def test_the_state_tells_what_is_used_by_lane(redis, clock):
    budget = Budget(redis, rate=FAST, day_limit=10, clock=clock)
    spend(budget, Lane.SALES, 2)
    spend(budget, Lane.LISTING, items=40)
    state = budget.state()
    assert (state.used_today, state.left_today, state.items_today) == (3, 7, 40)
    assert state.by_lane == {Lane.SALES: 2, Lane.CUTS: 0, Lane.LISTING: 1, Lane.HOT: 0, Lane.COLD: 0}
    assert state.blocked_until is None


def test_batch_items_beyond_the_window_are_refused_at_once(redis, clock):
    budget = Budget(redis, rate=FAST / 100, clock=clock)
    spend(budget, Lane.LISTING, 5, items=100)
    with pytest.raises(BudgetExhausted) as refusal:
        budget.acquire(Lane.LISTING, items=1, wait=5)
    assert refusal.value.reason == "items"
    assert timedelta(0) < refusal.value.until - clock() <= timedelta(seconds=304)
    spend(budget, Lane.COLD)


def test_the_batch_window_shrinks_with_the_rate_and_is_waited_for(redis, clock):
    budget = Budget(redis, rate=600, clock=clock)
    started = time.monotonic()
    spend(budget, Lane.LISTING, 6, items=100)
    assert time.monotonic() - started >= 300 / 600


def test_batch_items_of_a_day_are_limited(redis, clock):
    budget = Budget(redis, rate=300_000, clock=clock)
    spend(budget, Lane.LISTING, ITEM_DAY_LIMIT // 500, items=500)
    with pytest.raises(BudgetExhausted) as refusal:
        budget.acquire(Lane.LISTING, items=1, wait=1)
    assert refusal.value.reason == "items_day"


def test_more_batch_items_than_ever_fit_are_refused(redis, clock):
    with pytest.raises(InvalidInput, match="split it"):
        Budget(redis, clock=clock).acquire(Lane.LISTING, items=501, wait=1)


def test_a_block_told_by_another_clock_does_not_hold_for_ever(redis, clock):
    Budget(redis, clock=lambda: clock() + timedelta(days=90)).penalise()
    budget = Budget(redis, clock=clock)
    budget.acquire(Lane.SALES, wait=0).done()
    assert budget.state().blocked_until is None


def test_a_pause_holds_for_every_lane_and_ends_by_the_clock(redis, clock):
    budget = Budget(redis, rate=1, clock=clock)
    until = clock() + timedelta(minutes=5)
    assert budget.penalise(until) == until
    assert budget.state().blocked_until == until
    with pytest.raises(BudgetExhausted) as refusal:
        Budget(redis, rate=1, clock=clock).acquire(Lane.SALES, wait=30)
    assert (refusal.value.reason, refusal.value.until) == ("blocked", until)
    clock.pass_by(minutes=5)
    budget.acquire(Lane.SALES, wait=0).done()
    assert budget.state().blocked_until is None


def test_a_pause_is_never_shortened_nor_longer_than_a_day(redis, clock):
    budget = Budget(redis, clock=clock)
    later = budget.penalise(clock() + timedelta(days=400))
    assert later == clock() + timedelta(hours=24)
    assert budget.penalise(clock() + timedelta(seconds=1)) == later


def test_pauses_without_a_date_double(redis, clock):
    budget = Budget(redis, clock=clock)
    pauses = []
    for _ in range(12):
        pauses.append((budget.penalise() - clock()).total_seconds())
        clock.pass_by(hours=2)
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] == 3600


def test_without_redis_nothing_is_granted(dead_redis, clock):
    budget = Budget(dead_redis, clock=clock)
    with pytest.raises(BudgetUnreachable, match="nothing is sent"):
        budget.acquire(Lane.SALES, wait=1)
    with pytest.raises(BudgetUnreachable):
        budget.state()


def test_budgets_of_two_names_do_not_meet(redis, clock):
    one, other = (Budget(redis, rate=1, day_limit=10, clock=clock, name=name) for name in ("one", "other"))
    spend(one, Lane.SALES)
    other.acquire(Lane.SALES, wait=0).done()
    assert other.state().used_today == 1
