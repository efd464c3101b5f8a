"""A rival who never moved is no war: coming down to him in steps must go on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from soleflip.domain.fees import FeeSchedule
from soleflip.domain.pricing import GuardSettings, PastChange, PricingInput, Quote, decide

FEES = FeeSchedule("EUR", Decimal("0.09"), Decimal("5.00"), Decimal("0.03"), Decimal("4.50"))
BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def test_three_steps_down_to_a_rival_who_stands_still_start_no_price_war() -> None:
    asks = [300, 240, 210, 170]
    changes = tuple(
        PastChange(BEGAN + timedelta(hours=hour), Decimal(old), Decimal(new))
        for hour, (old, new) in enumerate(pairwise(asks), start=1)
    )
    quotes = tuple(Quote(BEGAN + timedelta(minutes=30 * each), Decimal(150), Decimal(120)) for each in range(10))
    now = BEGAN + timedelta(hours=5)
    given = PricingInput(
        fees=FEES,
        now=now,
        ask=Decimal(170),
        cost=Decimal(50),
        last_change_at=changes[-1].at,
        changes=changes,
        quote=Quote(now, Decimal(150), Decimal(120)),
        quotes=quotes,
    )
    decision = decide("competitive", {}, given, GuardSettings(cool_down_minutes=0))
    assert (decision.kind, decision.ask) == ("change", Decimal(149))


def test_a_rival_who_goes_below_each_cut_still_does() -> None:
    asks = [160, 149, 147, 145]
    changes = tuple(
        PastChange(BEGAN + timedelta(hours=hour), Decimal(old), Decimal(new))
        for hour, (old, new) in enumerate(pairwise(asks), start=1)
    )
    rival = [150, 148, 146, 144]
    quotes = tuple(
        Quote(BEGAN + timedelta(hours=hour, minutes=30), Decimal(price), Decimal(120))
        for hour, price in enumerate(rival)
    )
    now = BEGAN + timedelta(hours=4)
    given = PricingInput(
        fees=FEES,
        now=now,
        ask=Decimal(145),
        cost=Decimal(50),
        last_change_at=changes[-1].at,
        changes=changes,
        quote=Quote(now, Decimal(144), Decimal(120)),
        quotes=quotes,
    )
    assert decide("competitive", {}, given, GuardSettings(cool_down_minutes=0)).guard == "price_war"
