"""The patient strategy knows how many days are left, and comes down while they run out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from soleflip.domain.pricing import PastSale, PricingInput, Quote, propose
from soleflip.domain.replay import FEES

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PRICES = (200, 204, 196, 210, 198, 202, 190, 206, 200, 203, 197, 205)
HISTORY = tuple(
    PastSale((NOW - timedelta(days=3 * (len(PRICES) - place))).date(), Decimal(price))
    for place, price in enumerate(PRICES)
)


def ask(
    day: int, *, strategy: str = "patient", lowest: str | None = None, bid: str | None = None, **settings: object
) -> Decimal:
    """What is asked on a day after listing a pair that cost 150, without rounding."""
    quote = Quote(NOW, Decimal(lowest) if lowest else None, Decimal(bid) if bid else None)
    given = PricingInput(
        fees=FEES,
        now=NOW,
        cost=Decimal(150),
        listed_at=NOW - timedelta(days=day),
        history=HISTORY,
        quote=quote if lowest or bid else None,
    )
    found = propose(strategy, {"round_to": 1, **settings}, given).ask
    assert found is not None
    return found


def test_asks_come_down_while_the_days_run_out_and_not_before() -> None:
    asks = [ask(day) for day in (0, 10, 20, 30, 36, 40, 43, 44)]
    assert asks == sorted(asks, reverse=True)
    assert asks[0] - asks[-1] >= 5
    assert asks[0] - asks[1] <= 1


def test_after_its_time_it_stays_where_the_last_day_was() -> None:
    assert ask(44) == ask(45) == ask(400)


def test_more_time_never_asks_less_and_more_left_over_never_less() -> None:
    assert ask(0, sell_within=5) < ask(0, sell_within=20) <= ask(0, sell_within=90)
    assert ask(40, left_over=60) <= ask(40, left_over=85) <= ask(40, left_over=100)


def test_it_asks_more_than_the_strategy_whose_days_are_dear() -> None:
    assert ask(0) > ask(0, strategy="profit_maximization")


def test_a_bid_that_pays_more_than_waiting_is_taken_late_but_not_early() -> None:
    assert ask(0, lowest="230", bid="190") > 190
    assert ask(44, lowest="230", bid="190") == 190


@pytest.mark.parametrize("day", [0, 20, 44])
@pytest.mark.parametrize("lowest", [190, 203, 206])
def test_it_never_stands_level_with_a_rival_nor_far_below_him(day: int, lowest: int) -> None:
    found = ask(day, lowest=str(lowest))
    assert found != lowest
    assert found >= Decimal(lowest) * Decimal("0.9")
