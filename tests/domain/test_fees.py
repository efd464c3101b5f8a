"""Fees: documented payouts to the cent, nothing ever rounded for the seller, levels as published."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fee_tables import (
    FEE_TABLES,
    LEVELS,
    FeeTable,
    level_progress,
    minimum_fee,
    published,
    quarter_of,
)
from soleflip.domain.fees import FeeSchedule, ask_for_payout, estimate_payout
from soleflip.domain.orders import UNEXPLAINED, Line, kind_of, payout_lines

PRICES = st.decimals(min_value=1, max_value=20000, places=2)
SCHEDULES = st.builds(
    FeeSchedule,
    currency=st.just("EUR"),
    transaction_rate=st.decimals(min_value=0, max_value="0.2", places=4),
    minimum_fee=st.decimals(min_value=0, max_value=20, places=2),
    processing_rate=st.decimals(min_value=0, max_value="0.05", places=4),
    shipping=st.decimals(min_value=0, max_value=20, places=2),
)


def lines(*pairs: tuple[str, str]) -> list[Line]:
    return [Line(name, kind_of(name), Decimal(amount)) for name, amount in pairs]


@pytest.mark.parametrize(
    ("price", "total", "adjustments", "unexplained"),
    [
        (
            "76",
            "59.45",
            [("Minimum Transaction Fee", "-5.71"), ("Payment Proc. (3%)", "-2.28"), ("Shipping", "-8.56")],
            None,
        ),
        (
            "117",
            "99.62",
            [
                ("MinTransactionFee", "-13.87"),
                ("Payment Proc. (3%)", "-3.51"),
                ("Shipping", "-6.17"),
                ("InPersonDropOff", "6.17"),
            ],
            None,
        ),
        (
            "48.94",
            "38.03",
            [("MinTransactionFee", "-5.00"), ("Payment Proc. (3%)", "-1.47"), ("Shipping", "-4.50")],
            "0.06",
        ),
        ("79", "76.81", [("Shipping Fee (10%)", "2.13")], "-4.32"),
    ],
)
def test_documented_payouts_are_reproduced_to_the_cent(
    price: str, total: str, adjustments: list[tuple[str, str]], unexplained: str | None
) -> None:
    found = payout_lines(Decimal(price), Decimal(total), lines(*adjustments))
    assert Decimal(price) + sum(line.amount for line in found) == Decimal(total)
    gaps = [line.amount for line in found if line.kind == "unexplained"]
    assert gaps == ([] if unexplained is None else [Decimal(unexplained)])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Transaction Fee (8.0%)", "transaction"),
        ("Minimum Transaction Fee", "transaction"),
        ("MinTransactionFee", "transaction"),
        ("Payment Proc. (3%)", "processing"),
        ("Shipping Fee (10%)", "shipping"),
        ("InPersonDropOff", "other"),
        ("Something new", "other"),
    ],
)
def test_lines_are_classed_by_name_and_unknown_ones_kept(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@given(PRICES, st.decimals(min_value=-100, max_value=20000, places=2), st.lists(st.decimals(-50, 50, places=2)))
def test_price_and_lines_always_give_the_total(price: Decimal, total: Decimal, amounts: list[Decimal]) -> None:
    given_ = [Line(f"line {number}", "other", amount) for number, amount in enumerate(amounts)]
    found = payout_lines(price, total, given_)
    assert price + sum(line.amount for line in found) == total
    assert [line for line in found if line.name != UNEXPLAINED] == given_


@given(PRICES, SCHEDULES)
def test_an_estimate_never_rounds_in_the_sellers_favour(price: Decimal, fees: FeeSchedule) -> None:
    exact = price - max(fees.minimum_fee, price * fees.transaction_rate) - price * fees.processing_rate - fees.shipping
    estimate = estimate_payout(price, fees)
    assert exact - Decimal("0.02") < estimate.payout <= exact
    assert estimate.price + estimate.fees == estimate.payout


@given(st.decimals(min_value=1, max_value=5000, places=2), SCHEDULES)
def test_an_ask_for_a_payout_is_the_smallest_that_pays_it(target: Decimal, fees: FeeSchedule) -> None:
    ask = ask_for_payout(target, fees)
    assert estimate_payout(ask, fees).payout >= target
    assert ask == 1 or estimate_payout(ask - 1, fees).payout < target


@pytest.mark.parametrize(("level", "rate"), [(1, "0.09"), (2, "0.085"), (3, "0.08"), (4, "0.075"), (5, "0.07")])
def test_each_level_has_its_rate(level: int, rate: str) -> None:
    fees = published(date(2026, 1, 1), "EUR", level)
    assert (fees.transaction_rate, fees.minimum_fee) == (Decimal(rate), Decimal(5))


def test_bonuses_count_from_level_three() -> None:
    bonus = Decimal("0.02")
    assert published(date(2026, 1, 1), "EUR", 2, bonus_rate=bonus).transaction_rate == Decimal("0.085")
    assert published(date(2026, 1, 1), "EUR", 3, bonus_rate=bonus).transaction_rate == Decimal("0.06")


def test_a_new_table_holds_from_its_day_on_and_a_region_goes_before_everywhere() -> None:
    new = FeeTable("standard", "*", date(2026, 7, 1), (Decimal("0.10"),) * 5, Decimal("0.03"), 6, "test")
    swiss = FeeTable("standard", "CHF", date(2026, 7, 1), (Decimal("0.11"),) * 5, Decimal("0.03"), 6, "test")
    tables = (*FEE_TABLES, new, swiss)
    assert published(date(2026, 6, 30), "EUR", 1, tables=tables).transaction_rate == Decimal("0.09")
    assert published(date(2026, 7, 1), "EUR", 1, tables=tables).transaction_rate == Decimal("0.10")
    assert published(date(2026, 7, 1), "CHF", 1, tables=tables).transaction_rate == Decimal("0.11")


@pytest.mark.parametrize(("level", "category"), [(0, "standard"), (6, "standard"), (1, "hats")])
def test_what_is_not_published_is_refused(level: int, category: str) -> None:
    with pytest.raises(InvalidInput):
        published(date(2026, 1, 1), "EUR", level, category=category)


def test_minimum_fees_are_by_currency() -> None:
    assert minimum_fee("JPY", date(2026, 1, 1)) == 800
    assert minimum_fee("GBP", date(2026, 1, 1)) == 0, "the figure is not known"


@pytest.mark.parametrize(
    ("sales", "usd", "level"),
    [(0, "0", 1), (11, "1499.99", 1), (12, "0", 2), (1, "1500", 2), (39, "26000", 4), (800, "1", 5)],
)
def test_a_level_is_reached_by_sales_or_by_turnover(sales: int, usd: str, level: int) -> None:
    found = level_progress(sales, Decimal(usd), sold=Decimal(usd), days_gone=30, days_left=60)
    assert found.level.number == level


def test_the_next_level_is_worth_its_fee_difference_at_the_pace_so_far() -> None:
    found = level_progress(20, Decimal(3000), sold=Decimal(2700), days_gone=30, days_left=60)
    assert (found.next, found.missing_sales, found.missing_usd) == (LEVELS[2], 20, Decimal(2000))
    assert found.worth == Decimal("27.00"), "2,700 in 30 days is 5,400 in 60, of which half a percent"


def test_quarters_begin_and_end_where_they_should() -> None:
    assert quarter_of(date(2026, 2, 28)) == (date(2026, 1, 1), date(2026, 3, 31))
    assert quarter_of(date(2026, 12, 31)) == (date(2026, 10, 1), date(2026, 12, 31))


@pytest.mark.parametrize(("sales", "usd", "filled"), [(0, 0, "0"), (20, 1000, "50"), (20, 3000, "60"), (900, 0, "100")])
def test_the_way_to_the_next_level_goes_by_the_nearer_limit(sales: int, usd: int, filled: str) -> None:
    found = level_progress(sales, Decimal(usd), sold=Decimal(usd), days_gone=30, days_left=60)
    assert found.filled == Decimal(filled)
