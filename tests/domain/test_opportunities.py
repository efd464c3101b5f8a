"""Net profit, by hand and as laws."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain import tax
from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule
from soleflip.domain.opportunities import (
    TREATMENTS,
    Terms,
    Vat,
    break_even,
    cost_of,
    days_between_sales,
    evaluate,
    has_moved,
    lines_of,
    sale_of,
)

FEES = FeeSchedule("EUR", Decimal("0.09"), Decimal("5.00"), Decimal("0.03"), Decimal("4.50"))
D = Decimal
EURO = st.decimals(min_value="1", max_value="2000", places=2)


def terms(treatment: str = "none", **others: Decimal) -> Terms:
    return Terms(FEES, Vat(treatment, D(19)), **others)


@pytest.mark.parametrize(
    ("treatment", "cost"),
    [("none", "100"), ("vat_registered", "84.03"), ("small_business", "100"), ("margin_scheme", "100")],
)
def test_what_a_pair_of_100_euros_costs(treatment: str, cost: str) -> None:
    assert cost_of(D(100), D(0), terms(treatment)).total == D(cost)


def test_delivery_counts_and_has_a_default() -> None:
    assert cost_of(D(100), D("4.95"), terms()).total == D("104.95")
    assert cost_of(D(100), None, terms(default_delivery=D("6.90"))).total == D("106.90")
    # 119 gross with its delivery are 100 net.
    assert cost_of(D("114.05"), D("4.95"), terms("vat_registered")).total == D(100)


def test_another_currency_is_taken_at_the_rate_but_not_the_default_delivery() -> None:
    cost = cost_of(D(100), None, terms(default_delivery=D(5)), rate=D("1.17"))
    assert [line.amount for line in cost.lines] == [D(117), D(5)]


def test_a_sale_at_160_by_hand() -> None:
    """160 - 14.40 - 4.80 - 4.50 = 136.30; less cost 100 is booked; 2 % of 15 are to be expected for failures."""
    sale = sale_of(D(160), D(100), terms(failure_rate=D("0.02"), failure_cost=D(15)))
    assert (sale.payout, sale.profit, sale.expected) == (D("136.30"), D("36.30"), D("36.00"))
    assert (sale.margin, sale.roi) == (D("22.69"), D("36.30"))


def test_the_minimum_fee_acts_on_a_cheap_pair() -> None:
    """30 - 5.00 (minimum, not 2.70) - 0.90 - 4.50 = 19.60."""
    assert sale_of(D(30), D(10), terms()).profit == D("9.60")


def test_the_margin_scheme_owes_vat_in_the_margin_only() -> None:
    """19/119 of 136.30 - 100 are 5.80, as the tax report has it; on a loss nothing is owed."""
    sale = sale_of(D(160), D(100), terms("margin_scheme"))
    assert (sale.vat_due, sale.profit, sale.expected) == (D("5.80"), D("36.30"), D("30.50"))
    assert sale_of(D(90), D(100), terms("margin_scheme")).vat_due == 0


def test_a_pair_of_5_euros_has_a_large_roi_and_one_for_nothing_has_none() -> None:
    assert sale_of(D(200), D(5), terms()).roi == D("3330.00")
    assert sale_of(D(200), D(0), terms()).roi is None


def test_an_unknown_treatment_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no VAT treatment"):
        Vat("flat")


def test_without_ask_or_bid_there_is_no_such_sale() -> None:
    found = evaluate(cost_of(D(100), None, terms()), None, D(0), terms())
    assert (found.listed, found.now) == (None, None)
    assert lines_of(found.arithmetic(), "listed") == []


@given(EURO, EURO, st.integers(1, 3000), st.sampled_from(TREATMENTS))
def test_the_lines_add_up_to_the_profit(price: Decimal, delivery: Decimal, ask: int, treatment: str) -> None:
    chosen = terms(treatment, failure_rate=D("0.02"), failure_cost=D(15))
    cost = cost_of(price, delivery, chosen)
    found = evaluate(cost, D(ask), None, chosen)
    assert found.listed is not None
    sums = {
        part: sum(amount for _, amount in lines_of(found.arithmetic(), part)) for part in ("listed", "listed_after")
    }
    assert sums["listed"] == found.listed.profit
    assert sums["listed"] + sums["listed_after"] == found.listed.expected
    assert sum(amount for _, amount in lines_of(found.arithmetic(), "cost")) == cost.total


@given(EURO, st.integers(1, 3000), st.sampled_from(TREATMENTS))
def test_the_vat_inside_the_margin_is_the_tax_reports(price: Decimal, ask: int, treatment: str) -> None:
    """Page and tax report owe the same for the same sale."""
    chosen = terms(treatment)
    cost = cost_of(price, None, chosen)
    sale = sale_of(D(ask), cost.total, chosen)
    booked = tax.Booked(price=D(ask), fees=sale.estimate.fees, cost=cost.total)
    on_report = tax.tax(booked, "margin_scheme" if treatment == "margin_scheme" else "plain", D(19))
    assert on_report.vat == sale.vat_due


@given(st.integers(20, 1000), st.sampled_from(TREATMENTS))
def test_break_even_is_the_last_price_that_loses_nothing(ask: int, treatment: str) -> None:
    chosen = terms(treatment)
    limit = break_even(sale_of(D(ask), D(1), chosen), chosen)
    at = sale_of(D(ask), cost_of(limit, D(0), chosen).total, chosen)
    above = sale_of(D(ask), cost_of(limit + D("0.02"), D(0), chosen).total, chosen)
    assert at.expected >= 0 or limit == 0
    assert above.expected < 0


def test_days_between_sales_need_three_of_them() -> None:
    assert days_between_sales([date(2026, 1, 1), date(2026, 1, 9)]) is None
    assert days_between_sales([date(2026, 1, 1), date(2026, 1, 4), date(2026, 1, 8)]) == D("3.5")
    assert days_between_sales([date(2026, 1, 1)] * 3) == 0


def test_a_dismissed_offer_comes_back_when_its_price_moves_enough() -> None:
    assert not has_moved(D(100), D("95.10"), by_percent=D(5))
    assert has_moved(D(100), D(95), by_percent=D(5))
    assert has_moved(D(100), D(105), by_percent=D(5))
    assert has_moved(None, D(100), by_percent=D(5))
