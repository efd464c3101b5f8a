"""Prices too good to be true: far below the market, or far below what the shop asked before."""

from __future__ import annotations

from decimal import Decimal

import pytest

from soleflip.domain.bargains import too_cheap


@pytest.mark.parametrize(
    ("cost", "market", "least", "before", "asks"),
    [
        ("30", "100", "30", None, False),
        ("29.99", "100", "30", None, True),
        ("1", "100", "0", None, False),
        ("1", None, "30", None, False),
        ("1", "0", "30", None, False),
        ("50", "100", "30", "100", False),
        ("49.99", "100", "30", "100", True),
        ("0", None, "30", "100", True),
    ],
)
def test_a_price_too_cheap_is_the_operators(
    cost: str, market: str | None, least: str, before: str | None, asks: bool
) -> None:
    why = too_cheap(
        cost=Decimal(cost),
        market=Decimal(market) if market else None,
        least=Decimal(least),
        price=Decimal(cost),
        before=Decimal(before) if before else None,
        fall=Decimal(50),
    )
    assert (why is not None) is asks
