"""Rules of listing, tag, brand and default: each setting by itself, and whose word it is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import GuardSettings, Rule, acting, written

DEFAULT = Rule("the default", "competitive", {"competitive": {"by_amount": "1"}}, written(GuardSettings()))
BRAND = Rule("brand Nike", "patient", {"competitive": {"by_amount": "2", "by_percent": "3"}}, {"min_roi": "20"})
TAG = Rule("tag outlet", None, {}, {"min_roi": "5", "ceiling": "300"})
OWN = Rule("this listing", "competitive", {"competitive": {"by_amount": "4"}}, {"ceiling": "250"})


def test_each_setting_comes_from_the_strongest_layer_that_names_it() -> None:
    found = acting([OWN, TAG, BRAND, DEFAULT])
    assert (found.strategy, found.strategy_layer) == ("competitive", "this listing")
    assert found.settings.values == {"by_amount": "4", "by_percent": "3"}
    assert found.settings.acts == {"by_amount": "this listing", "by_percent": "brand Nike"}
    assert (found.guards.min_roi, found.guard_layers["min_roi"]) == (Decimal(5), "tag outlet")
    assert (found.guards.ceiling, found.guard_layers["ceiling"]) == (Decimal(250), "this listing")
    assert (found.guards.cool_down_minutes, found.guard_layers["cool_down_minutes"]) == (15, "the default")


def test_a_layer_without_a_strategy_leaves_it_to_the_next_and_settings_wait_for_theirs() -> None:
    found = acting([TAG, BRAND, DEFAULT])
    assert (found.strategy, found.strategy_layer, found.settings.values) == ("patient", "brand Nike", {})
    forced = acting([TAG, BRAND, DEFAULT], "competitive")
    assert forced.settings.values == {"by_amount": "2", "by_percent": "3"}


def test_a_guard_that_the_default_switches_off_stays_off() -> None:
    off = {**written(GuardSettings()), "largest_step_percent": None}
    assert acting([BRAND, Rule("the default", "hold", {}, off)]).guards.largest_step_percent is None


def test_without_a_default_strategy_nothing_is_decided() -> None:
    with pytest.raises(InvalidInput):
        acting([Rule("the default")])
