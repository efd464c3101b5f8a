"""Which backups a plan keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.backups import KeepingPlan, kept

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_year_of_daily_backups_leaves_days_weeks_and_months():
    made = [NOON - timedelta(days=day) for day in range(365)]
    found = sorted(kept(made, KeepingPlan(7, 4, 12), BERLIN), reverse=True)
    assert found[:7] == made[:7]
    weeks = {moment.isocalendar()[:2] for moment in found}
    assert len([week for week in weeks if week >= (2026, 44)]) == 4
    assert {(moment.year, moment.month) for moment in found} == {(2025, 12), *((2026, month) for month in range(1, 12))}


def test_of_two_on_one_day_of_the_operator_the_newer_stays():
    early, late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC), datetime(2026, 3, 2, 20, tzinfo=UTC)
    assert kept([early, late], KeepingPlan(7, 0, 0), BERLIN) == {late}
    assert kept([early, late], KeepingPlan(7, 0, 0), UTC) == {early, late}


@given(
    st.lists(st.datetimes(timezones=st.just(UTC)), max_size=40),
    st.builds(KeepingPlan, *[st.integers(0, 15)] * 3),
)
def test_the_newest_always_stays_and_keeping_twice_drops_nothing_more(made, plan):
    keep = kept(made, plan, UTC)
    assert keep <= set(made)
    assert not made or max(made) in keep
    assert kept(keep, plan, UTC) == keep
    assert len(keep) <= plan.daily + plan.weekly + plan.monthly + 1
