"""Settings that no hand would mean are refused before they are stored."""

from __future__ import annotations

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import GuardSettings, describe, read_settings


@pytest.mark.parametrize("name", ["min_profit", "min_roi", "min_ask", "war_hours", "max_age_minutes", "ceiling"])
@pytest.mark.parametrize("value", ["1e7", "1e30", "1e999999", "1" * 5000])
def test_a_huge_setting_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_settings(GuardSettings, {name: value})
    assert refused.value.field == name


@pytest.mark.parametrize("name", [each.name for each in describe(GuardSettings) if each.kind != "choice"])
def test_no_guard_rail_may_be_negative(name: str) -> None:
    with pytest.raises(InvalidInput, match="must be at least") as refused:
        read_settings(GuardSettings, {name: "-1"})
    assert refused.value.field == name
