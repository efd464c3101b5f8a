"""Twelve sales, worked out by hand under each treatment; totals; thresholds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.domain.tax import TREATMENTS, Booked, Meter, Report, tax, thresholds_of, treatment_of

SALES = [
    Booked(Decimal(100), Decimal(-15), Decimal(60)),
    Booked(Decimal("48.94"), Decimal("-10.91"), Decimal(20)),
    Booked(Decimal(200), Decimal("-28.5"), Decimal("171.5")),
    Booked(Decimal(80), Decimal("-14.90"), Decimal(90)),
    Booked(Decimal(150), Decimal("-22.5"), None),
    Booked(Decimal(60), Decimal("-11.3"), Decimal(0)),
    Booked(Decimal(-100), Decimal(15), Decimal(-60), is_reversal=True),
    Booked(Decimal(-80), Decimal("14.90"), Decimal(-90), is_reversal=True),
    Booked(Decimal(119), Decimal(0), Decimal(0)),
    Booked(Decimal(35), Decimal("-10.55"), Decimal("24.44")),
    Booked(Decimal(1000), Decimal("-124.5"), Decimal(700), other=Decimal(-15)),
    Booked(Decimal(77), Decimal("-12.74"), Decimal("50.03")),
]
PROFIT = ["25", "18.03", "0", "-24.90", None, "48.70", "-25", "24.90", "119", "0.01", "160.50", "14.23"]
MARGIN_VAT = ["3.99", "2.88", "0", "0", None, "7.78", "-3.99", "0", "19", "0", "28.02", "2.27"]
MARGIN_PROFIT = ["21.01", "15.15", "0", "-24.90", None, "40.92", "-21.01", "24.90", "100", "0.01", "132.48", "11.96"]
PAYOUT = ["85", "38.03", "171.5", "65.10", "127.5", "48.7", "-85", "-65.10", "119", "24.45", "875.5", "64.26"]


def amounts(values: list[str | None]) -> list[Decimal | None]:
    return [None if value is None else Decimal(value) for value in values]


@pytest.mark.parametrize("treatment", ["plain", "small_business", "intra_eu", "schedule_c"])
def test_profit_without_vat_is_payout_less_cost(treatment: str) -> None:
    taxed = [tax(sale, treatment, Decimal(19)) for sale in SALES]
    assert [found.profit for found in taxed] == amounts(PROFIT)
    assert {found.vat for found in taxed} == {Decimal(0)}


def test_the_margin_scheme_taxes_each_positive_margin_alone() -> None:
    taxed = [tax(sale, "margin_scheme", Decimal(19)) for sale in SALES]
    assert [found.vat for found in taxed] == amounts(MARGIN_VAT)
    assert [found.profit for found in taxed] == amounts(MARGIN_PROFIT)


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_turnover_is_what_the_treatment_says(treatment: str) -> None:
    wanted = [sale.price for sale in SALES] if treatment in ("plain", "schedule_c") else amounts(PAYOUT)
    assert [tax(sale, treatment, Decimal(19)).turnover for sale in SALES] == wanted


@pytest.mark.parametrize(
    ("treatment", "profit", "vat"),
    [
        ("plain", "360.47", "0"),
        ("small_business", "360.47", "0"),
        ("margin_scheme", "300.52", "59.95"),
        ("intra_eu", "360.47", "0"),
        ("schedule_c", "360.47", "0"),
    ],
)
def test_totals_add_up_by_month_quarter_and_year(treatment: str, profit: str, vat: str) -> None:
    report = Report(2025, treatment, "EUR")
    for month, sale in enumerate(SALES, start=1):
        report.add(date(2025, month, 1), sale, tax(sale, treatment, Decimal(19)), [("Fees", sale.fees)], "NL1")
    total = report.total
    assert (total.sales, total.reversals, total.unknown_cost) == (10, 2, 1)
    assert (total.price, total.fees, total.payout) == (Decimal("1689.94"), Decimal("-221.00"), Decimal("1468.94"))
    assert (total.cost, total.other, total.unknown_payout) == (Decimal("965.97"), Decimal(-15), Decimal("127.5"))
    assert (total.profit, total.vat) == (Decimal(profit), Decimal(vat))
    for parts in (report.months, report.quarters):
        assert sum(part.profit for part in parts.values()) == total.profit
        assert sum(part.payout for part in parts.values()) == total.payout
    steps = [amount for _, amount in report.bridge()]
    assert sum(steps[:2]) == steps[2] == total.payout
    assert sum(steps[2:-1]) == steps[-1] == total.profit
    assert any("1099-K" in name for name, _ in report.bridge()) is (treatment == "schedule_c")
    assert sum(report.summary.values()) == (total.payout if treatment == "intra_eu" else 0)


def test_an_unknown_treatment_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="'loophole' is no treatment"):
        treatment_of("loophole")


def test_thresholds_have_a_source_and_hold_in_their_years() -> None:
    assert all(found.source and found.first_year for year in range(2020, 2030) for found in thresholds_of(year))
    small = [found.amount for found in thresholds_of(2025) if found.name.startswith("Small business")]
    assert small == [Decimal(25000), Decimal(100000)]


def test_a_meter_of_two_limits_is_full_when_its_rule_says_so() -> None:
    dac7 = next(found for found in thresholds_of(2025) if found.name.startswith("DAC7"))
    form = next(found for found in thresholds_of(2025) if found.name.startswith("1099-K"))
    assert Meter(dac7, Decimal(100), 30).is_reached
    assert Meter(dac7, Decimal("2000.01"), 1).is_reached
    assert not Meter(dac7, Decimal(2000), 29).is_reached
    assert not Meter(form, Decimal(50000), 200).is_reached
    assert Meter(form, Decimal(50000), 201).is_reached
    assert Meter(form, Decimal(10000), 201).filled == Decimal(50)
