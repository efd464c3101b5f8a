"""The page of findings: what waits, what solves it, and what is put off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.jobs import tasks
from soleflip.models import Finding, Run
from tests.web.conftest import post

NOW = datetime.now(UTC)


@pytest.fixture
def book(app: Any) -> Any:
    """Open a transaction of the application's."""

    @contextmanager
    def open_() -> Iterator[Any]:
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            yield session

    return open_


@pytest.fixture
def found(book: Any) -> list[int]:
    """An ask nobody sees, and old quotes."""
    with book() as session:
        times = {"first_seen": NOW, "opened_at": NOW, "last_seen": NOW}
        figures = {"ask": "150.00", "lowest": "100.00", "percent": "50", "days": 9, "currency": "EUR"}
        high = Finding(
            kind="never_seen", subject_type="listing", subject_id="5" * 8, title="Samba, 42", figures=figures, **times
        )
        old = Finding(kind="stale_quotes", subject_type="market", subject_id="quotes", title="Quotes", **times)
        session.add_all([high, old])
        session.flush()
        return [high.id, old.id]


def test_a_finding_says_what_is_wrong_and_leads_to_its_page(browser: Any, found: list[int]) -> None:
    page = browser.get("/automation/findings").text
    assert "Samba, 42: our ask of 150 EUR has stood 50 % above the lowest (100 EUR) for 9 days." in page
    assert 'href="/listings/55555555"' in page
    assert "Reprice it" in page
    assert "Refresh quotes" in page
    assert "Samba" not in browser.get("/automation/findings?kind=stale_quotes").text


def test_the_dashboard_counts_what_waits(browser: Any, found: list[int]) -> None:
    assert "findings of the monitor" in browser.get("/").text


def test_its_act_starts_a_run(browser: Any, book: Any, found: list[int]) -> None:
    answer = post(browser, "/automation/findings/mend", ids=found[0])
    with book() as session:
        run = session.scalars(select(Run)).one()
        assert (run.kind, run.params) == ("reprice", {"listing_ids": ["55555555"]})
        assert answer.location == f"/runs/{run.id}"


def test_several_are_mended_at_once(browser: Any, book: Any, found: list[int]) -> None:
    assert post(browser, "/automation/findings/mend", ids=found).location == "/automation/findings"
    with book() as session:
        assert set(session.scalars(select(Run.kind))) == {"reprice", "quotes"}


def test_what_is_put_off_is_out_of_sight_and_can_be_found(browser: Any, book: Any, found: list[int]) -> None:
    assert post(browser, "/automation/findings/put-off", ids=found[:1]).status_code == 303
    assert "Samba" not in browser.get("/automation/findings").text
    assert "Samba" in browser.get("/automation/findings?show=put_off").text
    with book() as session:
        assert session.get_one(Finding, found[0]).dismissed_until > NOW + timedelta(days=6)


def test_what_is_solved_is_gone_and_can_not_be_mended(browser: Any, book: Any, found: list[int]) -> None:
    with book() as session:
        session.get_one(Finding, found[0]).solved_at = NOW
    assert "Samba" not in browser.get("/automation/findings").text
    assert post(browser, "/automation/findings/mend", ids=found[0]).status_code == 409
    assert post(browser, "/automation/findings/mend").status_code == 409


def test_a_viewer_looks_and_does_nothing(signed_in: Any, found: list[int]) -> None:
    viewer = signed_in("viewer")
    assert "Reprice it" not in viewer.get("/automation/findings").text
    assert post(viewer, "/automation/findings/mend", ids=found[0]).status_code == 403


def test_a_look_is_a_run_that_closes_what_is_no_longer_so(browser: Any, app: Any, book: Any, found: list[int]) -> None:
    answer = post(browser, "/automation/run", kind="monitor")
    assert answer.status_code == 303
    with app.app_context():
        tasks.perform(answer.location.rpartition("/")[2].partition("?")[0])
    with book() as session:
        run = session.scalars(select(Run).where(Run.kind == "monitor")).one()
        assert (run.state, run.message) == ("done", "0 findings open, 0 of them new, 2 solved.")
    assert "Nothing wants your eye" in browser.get("/automation/findings").text


@pytest.mark.parametrize("after", ["x", "1", "1~", "~1", "1~99999999999999999999", "-1~2"])
def test_a_cursor_that_is_none_is_said_to_be_so(browser: Any, after: str) -> None:
    assert browser.get(f"/automation/findings?after={after}").status_code == 422
    assert browser.get(f"/alerts?after={after}x").status_code == 422
