"""Listing exactly once, whatever dies on the way: real processes, real HTTP, a power cut at every boundary."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.selling import Selling

NUMBER = 250


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_at_any_request_leaves_no_double_and_no_gap(selling: Selling, when: str) -> None:
    for boundary in range(1, 60):
        run_id = selling.order(NUMBER)
        with selling.worker(run_id, when, boundary) as worker:
            output, _ = worker.communicate(timeout=120)
        selling.perform(run_id)
        selling.check_asks(run_id, NUMBER)
        if worker.returncode == 0:
            assert int(output) < boundary
            assert boundary > 6, "the job must have had boundaries to die at"
            return
        assert worker.returncode == -signal.SIGKILL
    pytest.fail("the job never got through")


@pytest.mark.parametrize(
    "kind", ["timeout_before", "timeout_after", "drop", "drop_before", "500", "503", "html", "429"]
)
@pytest.mark.parametrize("route", ["CreateListings", "GetListingCreateBatch", "GetListingCreateBatchItems"])
def test_a_lost_or_broken_answer_leaves_no_double_and_no_gap(selling: Selling, kind: str, route: str) -> None:
    selling.sandbox.control("faults", route=route, kind=kind, count=2, seconds=0.2)
    run_id = selling.order(120)
    assert selling.perform(run_id).state == "done"
    selling.check_asks(run_id, 120)


def test_two_workers_on_the_same_run_share_nothing(selling: Selling) -> None:
    run_id = selling.order(NUMBER)
    with selling.worker(run_id) as first, selling.worker(run_id) as second:
        assert {first.wait(120), second.wait(120)} == {0}
    selling.perform(run_id)
    selling.check_asks(run_id, NUMBER)


def test_a_flushed_queue_loses_nothing(selling: Selling) -> None:
    run_id = selling.order(NUMBER)
    with selling.worker(run_id) as worker:
        selling.runtime.redis.flushdb()
        worker.wait(120)
    selling.perform(run_id)
    selling.check_asks(run_id, NUMBER)


def test_250_rows_take_three_create_calls(selling: Selling, requests_of: Callable[[str], int]) -> None:
    run_id = selling.order(NUMBER)
    selling.perform(run_id)
    assert requests_of("CreateListings") == 3
