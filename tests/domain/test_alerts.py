"""When a channel speaks: digests, quiet hours over midnight and clock changes, and pauses that grow."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.alerts import ATTEMPTS, KINDS, PACES, Rhythm, due, end_of_quiet, pause_after

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Rhythm(quiet_from=time(22), quiet_to=time(7))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "leaves"),
    [
        ("2026-03-02 21:59", "2026-03-02 21:59"),
        ("2026-03-02 22:00", "2026-03-03 07:00"),
        ("2026-03-03 06:59", "2026-03-03 07:00"),
        ("2026-03-03 07:00", "2026-03-03 07:00"),
        ("2026-03-28 23:00", "2026-03-29 07:00"),
    ],
)
def test_quiet_hours_hold_back_until_their_end(moment: str, leaves: str) -> None:
    assert due(at(moment), "sale", NIGHT, BERLIN) == at(leaves)


def test_urgent_alerts_pass_quiet_hours_unless_told_otherwise() -> None:
    moment = at("2026-03-02 23:00")
    assert due(moment, "halt", NIGHT, BERLIN) == moment
    strict = Rhythm(quiet_from=time(22), quiet_to=time(7), urgent_passes=False)
    assert due(moment, "halt", strict, BERLIN) == at("2026-03-03 07:00")


def test_digests_wait_for_their_hour() -> None:
    assert due(at("2026-03-02 10:20"), "sale", Rhythm("hourly"), BERLIN) == at("2026-03-02 11:00")
    assert due(at("2026-03-02 10:20"), "sale", Rhythm("daily", time(9)), BERLIN) == at("2026-03-03 09:00")
    assert due(at("2026-03-02 08:20"), "sale", Rhythm("daily", time(9)), BERLIN) == at("2026-03-02 09:00")


times = st.none() | st.times().map(lambda found: found.replace(second=0, microsecond=0))
moments = st.integers(0, 6 * 365 * 24 * 60).map(
    lambda minutes: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
rhythms = st.builds(Rhythm, st.sampled_from(list(PACES)), st.times(), times, times, st.booleans())


@given(moments, st.sampled_from(list(KINDS)), rhythms)
def test_nothing_leaves_early_in_quiet_hours_or_later_than_two_days(
    moment: datetime, kind: str, rhythm: Rhythm
) -> None:
    leaves = due(moment, kind, rhythm, BERLIN)
    assert moment <= leaves <= moment + timedelta(days=2, hours=2)
    if not (KINDS[kind].is_urgent and rhythm.urgent_passes):
        assert end_of_quiet(leaves, rhythm, BERLIN) == leaves


def test_pauses_grow_to_a_limit() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, ATTEMPTS)]
    assert all(pauses)
    assert pauses == sorted(pauses, key=lambda pause: pause or timedelta())
    assert pause_after(ATTEMPTS) is None
