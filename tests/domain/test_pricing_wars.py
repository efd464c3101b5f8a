"""Price wars over time: a rival who answers our cuts is not followed, a market that falls by itself is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from soleflip.domain.fees import FeeSchedule
from soleflip.domain.pricing import GuardSettings, PastChange, PastSale, PricingInput, Quote, decide

FEES = FeeSchedule("EUR", Decimal("0.09"), Decimal("5.00"), Decimal("0.03"), Decimal("4.50"))
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
Rival = Callable[[datetime, Decimal, Decimal], Decimal]
"""What the lowest rival asks next: from the time, what he asks now, and what we ask."""


def play(
    rival: Rival, *, hours: int, every: int = 30, ask: int = 200, guards: GuardSettings | None = None
) -> list[tuple[datetime, Decimal, Decimal]]:
    """Reprice every few minutes against a rival; return each run's time, his ask and ours after it."""
    rails = guards or GuardSettings(cool_down_minutes=0, largest_fall_per_day_percent=None)
    ours, his = Decimal(ask), Decimal(ask - 1)
    changes: list[PastChange] = []
    quotes: list[Quote] = []
    told = []
    for minutes in range(0, hours * 60, every):
        now = BEGAN + timedelta(minutes=minutes)
        his = rival(now, his, ours)
        quote = Quote(now, min(his, ours), Decimal(20))
        given = PricingInput(
            fees=FEES,
            now=now,
            ask=ours,
            cost=Decimal(40),
            last_change_at=changes[-1].at if changes else None,
            changes=tuple(changes),
            quote=quote,
            quotes=tuple(quotes),
        )
        decision = decide("competitive", {}, given, rails)
        quotes.append(quote)
        if decision.kind == "change" and decision.ask is not None:
            changes.append(PastChange(now, ours, decision.ask))
            ours = decision.ask
        told.append((now, his, ours))
    return told


def raises(told: list[tuple[datetime, Decimal, Decimal]]) -> list[tuple[Decimal, Decimal]]:
    """Each raise of ours with what the rival asked at that time."""
    return [(after, his) for (_, _, before), (_, his, after) in pairwise(told) if after > before]


def falls_by(percent: int, *, every_hours: int) -> Rival:
    """A market that falls by itself, so many percent every few hours, whatever we do."""

    def ask(now: datetime, his: Decimal, ours: Decimal) -> Decimal:
        steps, left = divmod((now - BEGAN).total_seconds(), every_hours * 3600)
        return his if left or not steps else (his * (100 - percent) / 100).quantize(Decimal(1))

    return ask


@pytest.mark.parametrize(("percent", "every_hours"), [(1, 1), (3, 1), (2, 3), (3, 6), (4, 11), (3, 13), (5, 24)])
def test_a_market_that_falls_by_itself_is_followed_and_never_raised_against(percent: int, every_hours: int) -> None:
    told = play(falls_by(percent, every_hours=every_hours), hours=min(every_hours * 24, 240))
    assert raises(told) == []
    behind = [(now, his, ours) for now, his, ours in told if ours > his]
    # We may lag one step of the market, and only until it falls again.
    for now, his, ours in behind:
        assert his >= ours * Decimal("0.89"), (now, his, ours)
    assert told[-1][2] < told[0][2] * Decimal("0.85")


def beats_us(now: datetime, his: Decimal, ours: Decimal) -> Decimal:
    """A rival who always asks one less than we do."""
    return ours - 1


def test_a_rival_who_answers_each_cut_is_left_alone_until_a_bounded_raise_after_the_quiet() -> None:
    told = play(beats_us, hours=72)
    tried = raises(told)
    assert tried
    for ours, his in tried:
        assert ours <= his * Decimal("1.05")
        assert ours <= 200
    first = next(place for place in range(1, len(told)) if told[place][2] > told[place - 1][2])
    since = [ours for now, _, ours in told[:first] if now >= told[first][0] - timedelta(hours=12)]
    assert set(since) == {told[first - 1][2]}, "no move of ours in the twelve hours before a raise"
    assert told[-1][2] > 170, "three cuts a fight, and each fight is raised again"


def test_a_rival_who_goes_far_below_us_once_is_no_war() -> None:
    def drops(now: datetime, his: Decimal, ours: Decimal) -> Decimal:
        return ours - 30 if (now - BEGAN).total_seconds() in (3600, 7200, 10800) else his

    told = play(drops, hours=48)
    assert raises(told) == []
    assert told[-1][2] == told[-1][1] - 1


def test_a_sister_below_us_answers_nothing() -> None:
    changes = tuple(
        PastChange(BEGAN + timedelta(hours=hour), Decimal(old), Decimal(new))
        for hour, (old, new) in enumerate(pairwise([160, 150, 145, 140]), start=1)
    )
    sister = Decimal(130)
    quotes = tuple(Quote(change.at + timedelta(minutes=9), sister) for change in changes)
    now = BEGAN + timedelta(hours=4)
    given = PricingInput(
        fees=FEES,
        now=now,
        ask=Decimal(140),
        cost=Decimal(50),
        last_change_at=changes[-1].at,
        changes=changes,
        quote=Quote(now, Decimal(120)),
        quotes=quotes,
        own_asks=(sister,),
    )
    assert decide("competitive", {}, given, GuardSettings(cool_down_minutes=0)).ask == 119


def test_three_steps_down_to_a_rival_who_stands_still_start_no_price_war() -> None:
    told = play(lambda now, his, ours: Decimal(150), hours=6, ask=300)
    assert [ours for _, _, ours in told][:4] == [240, 192, 154, 149]
    assert told[-1][2] == 149


@pytest.mark.parametrize("strategy", ["profit_maximization", "patient", "time_decay"])
def test_sales_of_a_better_past_raise_no_ask_far_above_a_rival_who_fell(strategy: str) -> None:
    history = [PastSale(BEGAN.date() - timedelta(days=day), Decimal(200)) for day in range(15, 1, -1)]
    ask = Decimal(170)
    for hour in range(48):
        now, rival = BEGAN + timedelta(hours=hour), Decimal(160 - hour)
        given = PricingInput(
            fees=FEES,
            now=now,
            ask=ask,
            cost=Decimal(60),
            listed_at=BEGAN,
            quote=Quote(now, rival, Decimal(50)),
            history=history,
        )
        decision = decide(strategy, {}, given, GuardSettings())
        if decision.kind == "change" and decision.ask is not None:
            assert decision.ask <= max(ask, rival * Decimal("1.05"))
            ask = decision.ask
    assert ask <= 170
