"""Laws of the guard rails over many random states, and how they play out against a market over time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule, estimate_payout
from soleflip.domain.pricing import (
    STRATEGIES,
    Decision,
    GuardSettings,
    Layer,
    OtherSizes,
    PastChange,
    PastSale,
    PricingInput,
    ProductSales,
    Quote,
    cascade,
    decide,
    describe,
    floor,
    read_settings,
    written,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
FEES = FeeSchedule("EUR", Decimal("0.09"), Decimal(5), Decimal("0.03"), Decimal(0))
STATES = 100_000
CHOICES = ("hold", "floor", "ceiling")
MAY_STAY_ABOVE = {"no_cost", "sleep", "min_age", "cool_down", "day_fall", "largest_step"}
"""Guards that may keep an ask above its ceiling for now."""


def chance(dice: random.Random, share: float, value: Any) -> Any:
    return value if dice.random() < share else None


def money(dice: random.Random, low: int, high: int) -> Decimal:
    return Decimal(dice.randint(low * 100, high * 100)) / 100


def random_guards(dice: random.Random) -> GuardSettings:
    return GuardSettings(
        min_profit=chance(dice, 0.5, money(dice, 0, 60)),
        min_roi=chance(dice, 0.4, money(dice, 0, 60)),
        min_margin=chance(dice, 0.3, money(dice, 0, 40)),
        min_ask=chance(dice, 0.2, money(dice, 1, 300)),
        ceiling=chance(dice, 0.4, money(dice, 50, 500)),
        largest_step=chance(dice, 0.5, money(dice, 1, 60)),
        largest_step_percent=chance(dice, 0.5, money(dice, 0, 40)),
        largest_fall_per_day=chance(dice, 0.4, money(dice, 1, 80)),
        largest_fall_per_day_percent=chance(dice, 0.4, money(dice, 0, 60)),
        smallest_change=Decimal(dice.choice((1, 1, 3))),
        cool_down_minutes=dice.choice((0, 15, 120)),
        when_rivals_below_floor=dice.choice(CHOICES),
        when_no_rivals=dice.choice(CHOICES),
        when_above_ceiling=dice.choice(("ceiling", "hold")),
        war_cuts=dice.choice((0, 1, 3)),
        above_rival_percent=dice.choice((None, Decimal(0), Decimal(5))),
    )


def random_quote(dice: random.Random, around: Decimal) -> Quote:
    def near(share: float, low: int, high: int) -> Decimal | None:
        price: Decimal | None = chance(dice, share, around * dice.randint(low, high) / 100)
        return price

    return Quote(
        NOW - timedelta(minutes=dice.randint(-1, 80)),
        lowest_ask=near(0.9, 50, 150),
        highest_bid=near(0.7, 20, 120),
        sell_faster=near(0.6, 20, 140),
        earn_more=near(0.6, 40, 160),
        beat_us=near(0.6, 30, 150),
    )


def random_state(dice: random.Random, *, with_history: bool) -> PricingInput:
    around = Decimal(dice.randint(20, 400))
    ask = chance(dice, 0.9, Decimal(dice.randint(int(around) // 2, int(around) * 2)))
    own = tuple(Decimal(dice.randint(15, 500)) for _ in range(dice.choice((0, 0, 1, 3))))
    quote = chance(dice, 0.9, random_quote(dice, around))
    if quote is not None and dice.random() < 0.2 and (own or ask):
        quote = replace(quote, lowest_ask=dice.choice((*own, *([ask] if ask else []))))
    changes = [
        PastChange(NOW - timedelta(hours=hours), around + hours, around + hours - dice.choice((1, 2, -1)))
        for hours in sorted(dice.sample(range(1, 60), dice.choice((0, 0, 1, 4))), reverse=True)
    ]
    sales = dice.randint(1, 12) if with_history else 0
    return PricingInput(
        fees=replace(FEES, shipping=Decimal(dice.choice((0, 0, 4)))),
        now=NOW,
        ask=ask,
        original_ask=None if ask is None else ask + dice.choice((0, 5, 40)),
        cost=chance(dice, 0.95, money(dice, 5, 300)),
        listed_at=NOW - timedelta(hours=dice.randint(0, 900)),
        last_change_at=changes[-1].at if changes else None,
        falls_today=Decimal(dice.choice((0, 0, 5, 30))),
        changes=changes,
        quote=quote,
        quotes=[Quote(change.at + timedelta(minutes=9), lowest_ask=change.new - 1) for change in changes],
        history=[
            PastSale(NOW.date() - timedelta(days=sales - number), around * dice.randint(80, 120) / 100)
            for number in range(sales)
        ],
        own_asks=own,
        local_hour=dice.randint(0, 23),
    )


def check(decision: Decision, given: PricingInput, guards: GuardSettings, strategy: str) -> None:
    """Assert every law that a decision has to keep."""
    assert decision.reason.endswith(".")
    if decision.kind != "change":
        assert decision.ask == given.ask
        assert decision.kind == "keep" or decision.guard
        if guards.ceiling is not None and given.ask is not None and decision.guard not in MAY_STAY_ABOVE:
            assert given.ask <= max(guards.ceiling, decision.floor or 0)
        return
    ask, least = decision.ask, decision.floor
    assert ask is not None
    assert least is not None
    assert ask == int(ask)
    assert ask >= least
    if given.cost is not None:
        profit = estimate_payout(ask, given.fees).payout - given.cost
        assert profit >= (guards.min_profit or 0)
        assert profit >= given.cost * (guards.min_roi or 0) / 100
        assert profit >= ask * (guards.min_margin or 0) / 100
    if guards.ceiling is not None:
        assert ask <= max(guards.ceiling, least, given.ask or 0)
    if given.ask is not None and given.ask >= least and ask > given.ask and given.rival_lowest is not None:
        near = given.rival_lowest * (1 + (guards.above_rival_percent or Decimal(0)) / 100)
        assert ask <= near or guards.above_rival_percent is None or given.rival_lowest < least
    if given.ask is not None and given.ask >= least:
        check_limits(ask, given.ask, given, guards)
        above = guards.ceiling is not None and given.ask > guards.ceiling
        if strategy == "competitive" and given.lowest_is_ours and not above:
            assert given.own_lowest is not None
            assert ask >= given.own_lowest


def check_limits(ask: Decimal, old: Decimal, given: PricingInput, guards: GuardSettings) -> None:
    """Assert that no step and no fall goes over its limit."""
    if guards.largest_step is not None:
        assert abs(ask - old) <= guards.largest_step
    if guards.largest_step_percent is not None:
        assert abs(ask - old) <= old * guards.largest_step_percent / 100
    if ask < old:
        if guards.largest_fall_per_day is not None:
            assert old - ask + given.falls_today <= guards.largest_fall_per_day
        if guards.largest_fall_per_day_percent is not None:
            limit = (old + given.falls_today) * guards.largest_fall_per_day_percent / 100
            assert old - ask + given.falls_today <= limit


def test_no_ask_below_the_floor_and_no_step_over_the_limits_in_many_random_states() -> None:
    dice = random.Random(20260302)
    quick = [("competitive", {"target": target}) for target in ("lowest_ask", "sell_faster", "earn_more", "beat_us")]
    quick += [("quick_sale", {}), ("time_decay", {}), ("hold", {})]
    changed = 0
    for number in range(STATES):
        slow = number % 20 == 0
        strategy, settings = (dice.choice(("profit_maximization", "patient")), {}) if slow else dice.choice(quick)
        given, guards = random_state(dice, with_history=slow or number % 3 == 0), random_guards(dice)
        decision = decide(strategy, settings, given, guards)
        try:
            check(decision, given, guards, strategy)
        except AssertionError as broken:
            raise AssertionError(f"{strategy} {given} {guards} -> {decision}") from broken
        changed += decision.kind == "change"
    assert changed > STATES // 4


def test_the_floor_is_the_smallest_ask_that_earns_what_is_asked_for() -> None:
    dice = random.Random(7)
    for _ in range(3000):
        cost, guards = money(dice, 1, 900), replace(random_guards(dice), min_ask=None)
        fees = replace(FEES, minimum_fee=money(dice, 0, 12), shipping=money(dice, 0, 9))

        def earns(ask: Decimal, cost: Decimal = cost, fees: FeeSchedule = fees, limits: GuardSettings = guards) -> bool:
            profit = estimate_payout(ask, fees).payout - cost
            return profit >= max(
                limits.min_profit or 0,
                cost * (limits.min_roi or 0) / 100,
                ask * (limits.min_margin or 0) / 100,
            )

        least = floor(cost, fees, guards)
        assert earns(least)
        assert least == 1 or not earns(least - 1)


def test_a_margin_that_fees_cannot_leave_is_refused() -> None:
    greedy = replace(FEES, transaction_rate=Decimal("0.3"))
    with pytest.raises(InvalidInput) as refused:
        floor(Decimal(100), greedy, GuardSettings(min_margin=Decimal(70)))
    assert refused.value.field == "min_margin"


@pytest.mark.parametrize("strategy", ["competitive", "quick_sale", "profit_maximization", "patient", "hold"])
def test_three_own_units_in_a_silent_market_never_move(strategy: str) -> None:
    sales = [PastSale(date(2026, 2, 10) + timedelta(days=day), Decimal(200)) for day in range(15)]
    first = PricingInput(
        fees=FEES, now=NOW, cost=Decimal(100), quote=Quote(NOW, Decimal(200), Decimal(120)), history=sales
    )
    start = decide(strategy, {}, replace(first, quote=Quote(NOW, Decimal(201))), GuardSettings()).ask
    assert start is not None
    alone = replace(first, ask=start, quote=Quote(NOW, start, Decimal(120)))
    start = decide(strategy, {}, alone, GuardSettings()).ask
    assert start is not None
    asks = [start] * 3
    for run in range(50):
        now = NOW + timedelta(minutes=20 * run)
        for unit, ask in enumerate(asks):
            others = tuple(other for place, other in enumerate(asks) if place != unit)
            quote = Quote(now, lowest_ask=min(asks), highest_bid=Decimal(120), beat_us=min(asks) - 3)
            given = replace(first, now=now, ask=ask, own_asks=others, quote=quote)
            decision = decide(strategy, {}, given, GuardSettings())
            assert decision.kind != "change", decision
    assert asks == [start] * 3


def duel(runs: int, guards: GuardSettings) -> list[PastChange]:
    """Play runs of 20 minutes against a rival who always answers with one unit less; return our changes."""
    ask, rival, changes, quotes = Decimal(200), Decimal(199), [], []
    for run in range(runs):
        now = NOW + timedelta(minutes=20 * run)
        quote = Quote(now, lowest_ask=min(ask, rival))
        given = PricingInput(
            fees=FEES,
            now=now,
            ask=ask,
            cost=Decimal(150),
            last_change_at=changes[-1].at if changes else None,
            changes=list(changes),
            quote=quote,
            quotes=list(quotes),
        )
        decision = decide("competitive", {}, given, guards)
        quotes.append(quote)
        if decision.kind == "change" and decision.ask is not None:
            assert decision.floor is not None
            assert decision.ask >= decision.floor
            changes.append(PastChange(now, ask, decision.ask))
            ask = decision.ask
        rival = ask - 1
    return changes


@pytest.mark.parametrize("below", ["hold", "floor", "ceiling"])
def test_a_rival_who_always_beats_us_is_not_followed_and_a_raise_is_tried(below: str) -> None:
    changes = duel(3 * 72, GuardSettings(when_rivals_below_floor=below))
    falls = [change for change in changes if change.new < change.old]
    raises = [change for change in changes if change.new > change.old]
    assert raises
    assert len(falls) < 40
    before = max(change.at for change in falls if change.at < raises[0].at)
    assert raises[0].at - before >= timedelta(hours=GuardSettings().war_pause_hours)


def test_a_war_that_reaches_the_floor_is_left_by_a_raise() -> None:
    changes = duel(400, GuardSettings(war_cuts=50, min_profit=Decimal(20)))
    least = floor(Decimal(150), FEES, GuardSettings(min_profit=Decimal(20)))
    assert min(change.new for change in changes) == least
    assert any(change.new > change.old == least for change in changes)


def test_settings_survive_text_and_name_the_wrong_field() -> None:
    guards = GuardSettings(min_roi=Decimal("12.5"), sleep_from=22)
    assert read_settings(GuardSettings, written(guards)) == guards
    for name, value in {
        "min_roi": "much",
        "max_age_minutes": "0",
        "when_no_rivals": "panic",
        "war_cuts": "1.5",
    }.items():
        with pytest.raises(InvalidInput) as wrong:
            read_settings(GuardSettings, {name: value})
        assert wrong.value.field == name
    with pytest.raises(InvalidInput, match="no setting 'speed'"):
        read_settings(GuardSettings, {"speed": "1"})


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_describes_its_settings_for_a_form(strategy: str) -> None:
    settings_type = STRATEGIES[strategy].settings_type
    for field in describe(settings_type):
        assert field.label
        assert field.kind in {"amount", "percent", "count", "days", "choice", "flag"}
        assert (field.kind == "choice") == bool(field.choices)
    assert read_settings(settings_type, written(settings_type())) == settings_type()


def test_the_nearest_layer_acts_and_is_named() -> None:
    merged = cascade(
        Layer("listing", {"min_roi": None, "ceiling": "300"}),
        Layer("tag resale", {"min_roi": "15"}),
        Layer("brand Nike", {"min_roi": "10", "largest_step": ""}),
        Layer("default", written(GuardSettings(largest_step=Decimal(25)))),
    )
    assert (merged.values["min_roi"], merged.acts["min_roi"]) == ("15", "tag resale")
    assert (merged.values["ceiling"], merged.acts["ceiling"]) == ("300", "listing")
    assert (merged.values["largest_step"], merged.acts["largest_step"]) == ("25", "default")
    assert read_settings(GuardSettings, merged.values).min_roi == Decimal(15)


def test_a_stale_size_follows_what_the_other_sizes_did() -> None:
    today = NOW.date()
    old = [PastSale(today - timedelta(days=60 - day), Decimal(200)) for day in range(10)]
    others = [PastSale(today - timedelta(days=60 - day), Decimal(300 if day < 12 else 240)) for day in range(60)]
    alone = PricingInput(fees=FEES, now=NOW, cost=Decimal(90), history=old)
    fallen = replace(alone, others=ProductSales({"10": old, "11": others}).others("10"))
    ask, lower = (decide("profit_maximization", {}, each, GuardSettings()).ask for each in (alone, fallen))
    assert ask is not None
    assert lower is not None
    assert Decimal("0.78") < lower / ask < Decimal("0.86")
    assert OtherSizes(()).changes([today], today) is None


def test_patience_asks_more_and_a_rare_sale_asks_less() -> None:
    today = NOW.date()
    still = [PastSale(today - timedelta(days=day), Decimal(300)) for day in range(200, 0, -1)]

    def ask(strategy: str, every: int) -> Decimal:
        dice = random.Random(3)
        sales = [
            PastSale(today - timedelta(days=every * back + 1), Decimal(dice.randint(185, 215))) for back in range(20)
        ][::-1]
        others = ProductSales({"10": sales, "11": still}).others("10")
        given = PricingInput(fees=FEES, now=NOW, cost=Decimal(90), history=sales, others=others)
        found = decide(strategy, {}, given, GuardSettings()).ask
        assert found is not None
        return found

    assert ask("patient", 1) > ask("profit_maximization", 1) > ask("profit_maximization", 8)
