"""Rules of automation: what fits, what is refused, and limits that no sequence of decisions passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.automation import (
    ListingFacts,
    OpportunityFacts,
    Spent,
    judge,
    read_rule,
    room,
)
from soleflip.domain.errors import InvalidInput

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
OFFER = OpportunityFacts(
    shop=1,
    brand=2,
    sizes=frozenset({"9", "42.5"}),
    cost=Decimal(80),
    profit=Decimal(30),
    margin=Decimal(20),
    roi=Decimal("37.5"),
    match="firm",
    quoted_at=NOW - timedelta(hours=2),
    days_to_sell=Decimal(4),
    held=1,
    stock=3,
    currency="EUR",
)
ASK = ListingFacts(
    brand=2,
    sizes=frozenset({"9", "42.5"}),
    strategy="competitive",
    ask=Decimal(110),
    listed_at=NOW - timedelta(days=40),
    margin=Decimal(12),
    lowest_ask=Decimal(100),
    highest_bid=None,
    currency="EUR",
)


def buying(**conditions: Any) -> Any:
    return read_rule("opportunity", {"min_profit": 10, "min_roi": None, **conditions}, "buy", {}, {})


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({}, True),
        ({"min_profit": "30"}, True),
        ({"min_profit": "30.01"}, False),
        ({"min_roi": "37.5"}, True),
        ({"min_roi": "38"}, False),
        ({"min_margin": "21"}, False),
        ({"max_cost": "80"}, True),
        ({"max_cost": "79.99"}, False),
        ({"shop": 1, "brand": 2}, True),
        ({"shop": 3}, False),
        ({"brand": 3}, False),
        ({"sizes": "41, EU 42.5"}, True),
        ({"sizes": "41,42"}, False),
        ({"max_age_hours": 2}, True),
        ({"max_age_hours": 1}, False),
        ({"max_days_to_sell": 4}, True),
        ({"max_days_to_sell": 3}, False),
        ({"max_held": 1}, True),
        ({"max_held": 0}, False),
    ],
)
def test_conditions_over_opportunities(conditions: dict[str, Any], fits: bool) -> None:
    assert judge(buying(**conditions), OFFER, NOW).fits is fits


def test_what_is_unknown_fits_no_condition_that_asks_for_it() -> None:
    nothing = replace(OFFER, profit=None, days_to_sell=None, quoted_at=None, stock=0)
    for asked in ({}, {"max_days_to_sell": 100}, {"max_age_hours": 100}):
        assert not judge(buying(**asked), nothing, NOW).fits
    assert not judge(buying(), replace(OFFER, stock=0), NOW).fits
    assert "profit unknown EUR" not in judge(buying(), nothing, NOW).sentence


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        ({"min_age_days": 40}, True),
        ({"min_age_days": 41}, False),
        ({"max_margin": 12}, True),
        ({"max_margin": 11}, False),
        ({"rank": "above"}, True),
        ({"rank": "lowest"}, False),
        ({"min_gap_percent": 10}, True),
        ({"min_gap_percent": "10.01"}, False),
        ({"no_bids": True}, True),
        ({"strategy": "hold"}, False),
        ({"strategy": "competitive", "sizes": "9"}, True),
    ],
)
def test_conditions_over_listings(conditions: dict[str, Any], fits: bool) -> None:
    assert judge(read_rule("listing", conditions, "delist", {}, {}), ASK, NOW).fits is fits


def test_a_listing_that_has_the_strategy_already_is_left_alone() -> None:
    rule = read_rule("listing", {}, "strategy", {"strategy": "competitive"}, {})
    assert not judge(rule, ASK, NOW).fits
    assert judge(rule, replace(ASK, strategy="hold"), NOW).fits


def test_the_reason_is_a_sentence_with_what_was_seen_and_asked() -> None:
    said = judge(buying(min_roi=20, max_days_to_sell=7), OFFER, NOW).sentence
    assert said == "Profit 30 EUR (at least 10), ROI 37.5 % (at least 20), sells in 4 days (at most 7)."


@pytest.mark.parametrize(
    ("subject", "conditions", "action", "settings", "limits", "field"),
    [
        ("shoe", {}, "buy", {}, {}, "subject"),
        ("opportunity", {}, "delist", {}, {}, "action"),
        ("listing", {}, "buy", {}, {}, "action"),
        ("opportunity", {"match": "doubtful"}, "buy", {}, {}, "match"),
        ("opportunity", {"min_profit": None, "min_roi": None}, "list", {}, {}, "min_profit"),
        ("opportunity", {"min_profit": "much"}, "buy", {}, {}, "min_profit"),
        ("opportunity", {"min_profit": "1e-5000"}, "buy", {}, {}, "min_profit"),
        ("opportunity", {"sizes": "42," * 100}, "buy", {}, {}, "sizes"),
        ("listing", {"min_age_days": 100_000}, "delist", {}, {}, "min_age_days"),
        ("opportunity", {"colour": "red"}, "buy", {}, {}, "colour"),
        ("opportunity", {}, "buy", {"pairs": 0}, {}, "pairs"),
        ("opportunity", {}, "buy", {}, {"money_per_day": -1}, "money_per_day"),
        ("opportunity", {}, "buy", {}, {"money_per_day": "NaN"}, "money_per_day"),
        ("listing", {}, "strategy", {}, {}, "strategy"),
        ("listing", {}, "strategy", {"strategy": "nonsense"}, {}, "strategy"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_field(
    subject: str, conditions: Any, action: str, settings: Any, limits: Any, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_rule(subject, conditions, action, settings, limits)
    assert caught.value.field == field


def test_a_rule_survives_being_stored() -> None:
    rule = read_rule("opportunity", {"shop": 1, "sizes": "42"}, "list", {"strategy": "hold", "pairs": 2}, {})
    kept = rule.stored()
    assert read_rule(*(kept[name] for name in ("subject", "conditions", "action", "action_settings", "limits"))) == rule


money = st.decimals(min_value=0, max_value=300, places=2)


@given(
    day=money,
    all_rules=money,
    product=st.integers(1, 5),
    hour=st.integers(1, 8),
    wishes=st.lists(st.tuples(money, st.integers(1, 4)), max_size=20),
)
def test_no_sequence_of_decisions_passes_a_limit(
    day: Decimal, all_rules: Decimal, product: int, hour: int, wishes: list[tuple[Decimal, int]]
) -> None:
    limits = {"money_per_day": day, "pairs_per_product": product, "actions_per_hour": hour}
    rule = read_rule("opportunity", {}, "buy", {}, limits)
    spent = Spent()
    for cost, pairs in wishes:
        given_ = room(rule, spent, cost=cost, pairs=pairs, money_per_day=all_rules)
        assert 0 <= given_.pairs <= pairs
        assert (given_.pairs == 0) == (given_.why is not None)
        if given_.pairs:
            money_ = given_.pairs * cost
            spent = Spent(
                spent.money + money_,
                spent.money_of_all + money_,
                spent.actions + 1,
                spent.pairs_of_product + given_.pairs,
            )
        assert spent.money <= day
        assert spent.money_of_all <= all_rules
        assert spent.actions <= hour
        assert spent.pairs_of_product <= product


def test_a_pair_whose_cost_is_unknown_is_never_bought() -> None:
    given_ = room(buying(), Spent(), cost=None, pairs=1, money_per_day=Decimal(1000))
    assert (given_.pairs, given_.why) == (0, "What a pair costs is unknown.")


@pytest.mark.parametrize(
    ("conditions", "action", "gains"),
    [
        ({"min_profit": 0, "min_roi": None}, "buy", True),
        ({"min_profit": None, "min_roi": 5}, "list", True),
        ({"min_profit": -1, "min_roi": 5}, "list", True),
        ({"min_profit": -1, "min_roi": None}, "list", False),
        ({"min_profit": -1000000, "min_roi": -1}, "buy", False),
        ({"min_profit": -1, "min_roi": None}, "alert", True),
    ],
)
def test_a_rule_that_commits_money_asks_for_gain(conditions: Any, action: str, gains: bool) -> None:
    assert read_rule("opportunity", conditions, action, {}, {}).asks_for_gain is gains
