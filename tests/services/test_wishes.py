"""What the operator asks of listings: prices worked out from the ask, and a cost that moves the floor with it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.errors import InvalidInput
from soleflip.services import wishes
from tests.services.sales import make_listing


@pytest.mark.parametrize(
    ("mode", "value", "ask"),
    [
        ("set", "95", "95"),
        ("raise", "5", "105"),
        ("lower", "5", "95"),
        ("raise_percent", "2.5", "103"),
        ("lower_percent", "2.5", "98"),
    ],
)
def test_a_price_is_worked_out_from_the_ask(mode, value, ask):
    assert wishes.adjusted(Decimal(100), mode, Decimal(value)) == Decimal(ask)


@given(ask=st.integers(1, 99999), value=st.decimals(0, 99, places=2))
def test_a_percentage_gives_whole_units_and_never_goes_the_wrong_way(ask, value):
    down = wishes.adjusted(Decimal(ask), "lower_percent", value)
    up = wishes.adjusted(Decimal(ask), "raise_percent", value)
    assert down == int(down) <= ask <= int(up) == up


@pytest.mark.parametrize(("mode", "value"), [("double", "2"), ("raise", "-1"), ("set", "NaN"), ("lower", "Infinity")])
def test_nonsense_is_refused(mode, value):
    with pytest.raises(InvalidInput):
        wishes.adjusted(Decimal(100), mode, Decimal(value))


def test_a_new_cost_moves_the_floor_and_the_profit_of_the_live_listing(session):
    listing = make_listing(session, uuid4().hex, cost="20.00", ask="100")
    wishes.edit_cost(session, listing.item_id, Decimal("60.00"), actor="test", now=datetime(2026, 3, 2, tzinfo=UTC))
    assert listing.buy_price == Decimal("60.00")
    assert listing.floor_price is not None
    assert listing.floor_price > 60
    assert listing.expected_profit == Decimal("100") - Decimal("9.00") - Decimal("3.00") - Decimal("4.50") - Decimal(
        "60.00"
    )
