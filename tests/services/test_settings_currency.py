"""The fees' currency is the books' until the operator says otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.services import fees, settings
from soleflip.services.settings import Thresholds

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("currency", "minimum", "shipping"), [("EUR", "5.00", "4.50"), ("USD", "10", "9.00"), ("JPY", "800", "720.00")]
)
def test_without_a_word_of_the_operator_fees_are_in_the_books_currency(
    session: Session, currency: str, minimum: str, shipping: str
) -> None:
    session.info["currency"] = currency
    found = fees.book(session).schedule(None, NOW.date())
    assert (found.currency, found.minimum_fee, found.shipping) == (currency, Decimal(minimum), Decimal(shipping))
    fees.enter(session, "figures", {"currency": "GBP", "minimum_fee": "6"}, actor="test", now=NOW)
    assert fees.currency(session, NOW) == "GBP"


@pytest.mark.parametrize("currency", ["eur", "EURO", "E1R", ""])
def test_a_currency_that_is_none_is_refused(session: Session, currency: str) -> None:
    with pytest.raises(InvalidInput, match="no currency code"):
        fees.enter(session, "figures", {"currency": currency}, actor="test", now=NOW)


def test_the_app_tells_its_sessions_the_books_currency(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "BOOKS_CURRENCY", "USD")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert fees.currency(session, NOW) == "USD"


@pytest.mark.parametrize("typed", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused_at_its_field(typed: str) -> None:
    with pytest.raises(InvalidInput, match="is not a number") as refused:
        settings.merged(Thresholds(), {"min_profit": typed})
    assert refused.value.field == "min_profit"
