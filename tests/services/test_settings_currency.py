"""The fees' currency is the books' until the operator says otherwise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.services import settings
from soleflip.services.settings import FeeSettings


@pytest.mark.parametrize(
    ("currency", "minimum", "shipping"), [("EUR", "5.00", "4.50"), ("USD", "10", "9.00"), ("JPY", "800", "720.00")]
)
def test_without_a_word_of_the_operator_fees_are_in_the_books_currency(
    session: Session, currency: str, minimum: str, shipping: str
) -> None:
    session.info["currency"] = currency
    fees = settings.load(session, FeeSettings)
    assert (fees.currency, fees.minimum_fee, fees.shipping) == (currency, Decimal(minimum), Decimal(shipping))
    settings.save(session, FeeSettings, {"currency": "GBP", "minimum_fee": "6"}, actor="test")
    assert settings.load(session, FeeSettings).currency == "GBP"


@pytest.mark.parametrize("currency", ["eur", "EURO", "E1R", ""])
def test_a_currency_that_is_none_is_refused(session: Session, currency: str) -> None:
    with pytest.raises(InvalidInput, match="no currency code"):
        settings.save(session, FeeSettings, {"currency": currency}, actor="test")


def test_the_app_tells_its_sessions_the_books_currency(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "BOOKS_CURRENCY", "USD")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert settings.load(session, FeeSettings).currency == "USD"
