"""The sandbox's own fee arithmetic: to the cent, in every currency."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.sandbox.payouts import PER_EURO, ask_from_euros, bid_from_euros, in_euros, payout


@given(
    amount=st.integers(1, 1_000_000),
    currency=st.sampled_from(sorted(PER_EURO)),
    level=st.integers(1, 5),
    drop_off=st.booleans(),
)
def test_lines_add_up_to_the_totals_exactly(amount: int, currency: str, level: int, drop_off: bool) -> None:
    paid = payout(amount, currency, level=level, sold=True, drop_off=drop_off)
    lines = sum(Decimal(line["amount"]) for line in paid["adjustments"])
    assert Decimal(paid["totalAdjustments"]) == lines
    assert Decimal(paid["totalPayout"]) == Decimal(paid["salePrice"]) + lines
    places = 0 if currency in ("JPY", "KRW") else 2
    assert all(-Decimal(line["amount"]).as_tuple().exponent <= places for line in paid["adjustments"])  # type: ignore[operator]
    assert paid["salePrice"] == str(amount)


def test_a_sale_at_level_one_in_euros() -> None:
    paid = payout(150, "EUR", level=1, sold=True)
    assert [(line["adjustmentType"], line["amount"], line["percentage"]) for line in paid["adjustments"]] == [
        ("Transaction Fee (9.0%)", "-13.5", "0.09"),
        ("Payment Proc. (3%)", "-4.5", "0.03"),
        ("Shipping", "-4.5", "0"),
    ]
    assert (paid["totalAdjustments"], paid["totalPayout"]) == ("-22.5", "127.5")


@pytest.mark.parametrize(("sold", "name"), [(True, "MinTransactionFee"), (False, "Minimum Transaction Fee")])
def test_the_minimum_fee_keeps_the_rate_of_its_level(sold: bool, name: str) -> None:
    line = payout(48, "EUR", level=2, sold=sold)["adjustments"][0]
    assert (line["adjustmentType"], line["amount"], line["percentage"]) == (name, "-5", "0.085")


def test_a_drop_off_gives_the_shipping_back() -> None:
    paid = payout(100, "EUR", level=1, sold=True, drop_off=True)
    assert paid["adjustments"][-1] == {"adjustmentType": "InPersonDropOff", "amount": "4.5", "percentage": "0"}
    assert paid["totalPayout"] == "88"


@given(euros=st.integers(1, 100_000), currency=st.sampled_from(sorted(PER_EURO)))
def test_market_prices_round_against_nobody(euros: int, currency: str) -> None:
    assert in_euros(ask_from_euros(euros, currency), currency) >= euros - 1e-9
    assert in_euros(bid_from_euros(euros, currency), currency) <= euros + 1e-9
