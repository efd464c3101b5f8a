"""What halts every write by itself, to the row and the percent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from soleflip.domain import halts
from soleflip.domain.errors import InvalidInput
from soleflip.domain.halts import HaltSettings

LIMITS = HaltSettings()
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def prices(fallen: int, kept: int) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(200), Decimal(2))] * fallen + [(Decimal(200), Decimal(199))] * kept


@pytest.mark.parametrize(
    ("fallen", "kept", "halts_all"), [(10, 0, True), (9, 0, False), (6, 4, True), (5, 5, False), (60, 40, True)]
)
def test_prices_that_fall_all_at_once_halt_from_more_than_half_of_ten(fallen: int, kept: int, halts_all: bool) -> None:
    why = halts.of_fall("asks", halts.fall_of(prices(fallen, kept), LIMITS), LIMITS)
    assert (why is not None) is halts_all
    if why:
        assert f"{fallen} of {fallen + kept} asks" in why
        assert "the largest by 99 %" in why


def test_a_fall_of_exactly_the_limit_is_none() -> None:
    fall = halts.fall_of([(Decimal(200), Decimal(100))] * 20, LIMITS)
    assert (fall.fallen, fall.largest) == (0, Decimal(50))


def test_a_price_of_nothing_has_no_fall() -> None:
    assert halts.fall_of([(Decimal(0), Decimal(0))] * 20, LIMITS).rows == 0


@pytest.mark.parametrize(("failed", "writes", "halts_all"), [(11, 20, True), (10, 20, False), (19, 19, False)])
def test_failures_halt_from_more_than_half_of_the_last_twenty(failed: int, writes: int, halts_all: bool) -> None:
    assert (halts.of_errors(failed, writes, LIMITS) is not None) is halts_all


def test_quotes_halt_when_the_newest_is_too_old() -> None:
    assert halts.of_quotes(NOW - timedelta(hours=24), 3, NOW, LIMITS) is None
    assert "younger than 25 h" in (halts.of_quotes(NOW - timedelta(hours=25), 3, NOW, LIMITS) or "")
    assert halts.of_quotes(None, 0, NOW, LIMITS) is None


def test_limits_that_are_broken_halt() -> None:
    assert halts.of_limited(49, LIMITS) is None
    assert halts.of_limited(50, LIMITS) is not None
    assert halts.of_spending(Decimal(1000), Decimal(1000), "EUR") is None
    assert "1000.01 EUR" in (halts.of_spending(Decimal("1000.01"), Decimal(1000), "EUR") or "")


def test_zero_asks_nothing() -> None:
    none = HaltSettings(error_count=0, fall_rows=0, stale_hours=0, limited_count=0)
    assert halts.of_errors(100, 100, none) is None
    assert halts.of_fall("asks", halts.fall_of(prices(100, 0), none), none) is None
    assert halts.of_quotes(NOW - timedelta(days=9), 3, NOW, none) is None
    assert halts.of_limited(10_000, none) is None


def test_a_share_beyond_everything_is_refused() -> None:
    with pytest.raises(InvalidInput):
        HaltSettings(fall_share=Decimal(101))
