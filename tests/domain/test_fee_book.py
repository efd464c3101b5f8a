"""Which fees hold for a category on a day: the operator's own, else what is published, else the standard ones."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fee_book import FeeBook, Figures, LevelFigures, PenaltyFigures
from soleflip.domain.fee_tables import CATEGORIES, category_of
from soleflip.domain.fees import Penalty, estimate_payout

D = Decimal
MARCH = date(2026, 3, 1)
BOOK = FeeBook(
    figures=(
        Figures(date(2025, 1, 1), shipping=D("4.00")),
        Figures(MARCH, level=3, bonus_rate=D("0.01"), shipping=D("5.00")),
        Figures(MARCH, "apparel", transaction_rate=D("0.12"), minimum_fee=D("3.00"), shipping=D("2.00")),
    ),
    published_penalty=Penalty(D("0.15"), D("13.50")),
)


@pytest.mark.parametrize(
    ("kind", "day", "rate", "minimum", "shipping"),
    [
        (None, date(2024, 12, 31), "0.09", "5.00", "4.50"),
        (None, date(2025, 1, 1), "0.09", "5.00", "4.00"),
        ("sneakers", date(2026, 2, 28), "0.09", "5.00", "4.00"),
        ("sneakers", MARCH, "0.07", "5.00", "5.00"),
        ("apparel", date(2026, 2, 28), "0.09", "5.00", "4.00"),
        ("streetwear", MARCH, "0.12", "3.00", "2.00"),
        ("watches", MARCH, "0.099", "5.00", "5.00"),
        ("handbags", date(2026, 2, 28), "0.145", "5.00", "4.00"),
        ("something new", MARCH, "0.07", "5.00", "5.00"),
    ],
)
def test_a_category_has_its_schedule_of_the_day(
    kind: str | None, day: date, rate: str, minimum: str, shipping: str
) -> None:
    found = BOOK.schedule(kind, day)
    assert (found.transaction_rate, found.minimum_fee, found.shipping) == (D(rate), D(minimum), D(shipping))


def test_the_documented_example_of_a_handbag() -> None:
    """EUR 400: 58.00 (14.5 %), 12.00 (3 %), 4.50 shipping leave 325.50; as a sneaker it were 347.50."""
    assert estimate_payout(D(400), FeeBook().schedule("Handbags", MARCH)).payout == D("325.50")
    assert estimate_payout(D(400), FeeBook().schedule("sneakers", MARCH)).payout == D("347.50")


@pytest.mark.parametrize(
    ("given_", "category"),
    [
        (None, "standard"),
        ("", "standard"),
        ("Sneakers", "sneakers"),
        ("trading cards", "trading-cards"),
        ("HANDBAGS", "handbags"),
        ("shoes", "sneakers"),
        ("hats", "standard"),
    ],
)
def test_stockx_names_the_category(given_: str | None, category: str) -> None:
    assert category_of(given_) == category


def test_figures_in_another_currency_than_the_standard_ones_do_not_count() -> None:
    book = FeeBook(figures=(Figures(MARCH, currency="USD"), Figures(date(2025, 1, 1), "apparel", "EUR", shipping=D(1))))
    assert book.schedule("apparel", date(2026, 2, 1)).shipping == 1
    assert book.schedule("apparel", MARCH).currency == "USD"


def test_a_penalty_is_a_share_of_the_price_but_at_least_its_minimum() -> None:
    book = FeeBook(penalties=(PenaltyFigures(MARCH, D("0.1"), D(10)),), published_penalty=Penalty(D("0.15"), D(15)))
    before, after = book.penalty(date(2026, 2, 28)), book.penalty(MARCH)
    assert before is not None
    assert after is not None
    assert [before.of(D(price)) for price in (50, 100, 200)] == [D(15), D(15), D(30)]
    assert [after.of(D(price)) for price in ("50", "133.33")] == [D(10), D("13.34")]
    assert FeeBook().penalty(MARCH) is None, "without a rate nobody knows"


def test_own_levels_act_on_figures_by_level_and_on_the_meter() -> None:
    own = LevelFigures(MARCH, rate_1=D("0.08"), rate_2=D("0.075"), rate_3=D("0.07"), rate_4=D("0.06"), rate_5=D("0.05"))
    book = FeeBook(figures=(Figures(level=4),), levels=(own,))
    assert book.schedule(None, MARCH).transaction_rate == D("0.06")
    assert book.schedule(None, date(2026, 2, 28)).transaction_rate == D("0.075")
    assert book.level_table(MARCH)[1][4] == D("0.05")
    assert book.level_table(date(2022, 1, 1))[0][1].sales == 3, "the programme before July 2023"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (Figures(category="hats"), "category"),
        (Figures(currency="eur"), "currency"),
        (Figures(level=6), "level"),
        (Figures(transaction_rate=D(9)), "transaction_rate"),
        (Figures(transaction_rate=D("0.6"), processing_rate=D("0.5")), "transaction_rate"),
        (PenaltyFigures(rate=D(15)), "rate"),
        (LevelFigures(sales_3=12), "sales_3"),
        (LevelFigures(usd_5=D(1)), "usd_5"),
        (LevelFigures(rate_2=D("0.1")), "rate_2"),
    ],
)
def test_figures_that_can_not_be_are_refused_at_their_field(
    entry: Figures | PenaltyFigures | LevelFigures, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        entry.check()
    assert refused.value.field == field


@given(st.sampled_from(sorted(CATEGORIES)), st.dates(date(2015, 1, 1), date(2035, 1, 1)))
def test_there_is_a_schedule_for_every_category_on_every_day(category: str, day: date) -> None:
    found = BOOK.schedule(category, day)
    assert found.minimum_fee > 0
    assert 0 < found.rate < 1
