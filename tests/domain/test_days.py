"""Which days are believed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from soleflip.domain.days import AHEAD, COMING, EARLIEST, check_coming, check_past
from soleflip.domain.errors import InvalidInput

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize("day", [None, EARLIEST, TODAY, TODAY + AHEAD])
def test_what_can_have_happened_is_taken(day: date | None) -> None:
    check_past(day, TODAY, "date")
    check_coming(day, TODAY, "date")


@pytest.mark.parametrize("day", [date.min, date(1, 1, 1), EARLIEST - timedelta(days=1)])
def test_a_day_before_anything_is_refused_in_words(day: date) -> None:
    for check in (check_past, check_coming):
        with pytest.raises(InvalidInput, match="can't be right: the earliest day is 2000-01-01") as error:
            check(day, TODAY, "bought")
        assert error.value.field == "bought"


def test_a_day_too_far_ahead_is_refused_in_words() -> None:
    with pytest.raises(InvalidInput, match="2026-03-06 can't be right: that is after today, 2026-03-02"):
        check_past(TODAY + AHEAD + timedelta(days=1), TODAY, "date")
    check_coming(TODAY + COMING, TODAY, "valid_from")
    with pytest.raises(InvalidInput, match="2099-01-01 can't be right: that is more than two years after today"):
        check_coming(date(2099, 1, 1), TODAY, "valid_from")
