"""Search: by name, style code, order number and EAN; nothing typed breaks it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from soleflip.models import Gtin, Product, StockxOrder, Variant


@pytest.fixture
def goods(app):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        product = Product(title="Samba OG Cloud White", style_code="B75806")
        session.add(product)
        session.flush()
        variant = Variant(product_id=product.id, size="US 9")
        session.add(variant)
        session.flush()
        session.add(Gtin(gtin="04066748412345", variant_id=variant.id, source="feed"))
        session.add(
            StockxOrder(
                stockx_order_number="70000001-80000001",
                title="Samba OG Cloud White",
                currency="EUR",
                sale_price=Decimal("120"),
                stockx_status="CREATED",
                sold_at=datetime(2026, 3, 1, tzinfo=UTC),
            )
        )


@pytest.mark.parametrize("text", ["samba white", "b75806", "4066748412345", "70000001", "70000001-80000001"])
def test_things_are_found_by_what_stands_on_them(browser, goods, text):
    assert "Samba OG Cloud White" in browser.get("/search", query_string={"q": text}).text


@pytest.mark.parametrize("text", ["samba black", "%", "__", "a", "'; drop table", "\\", "٣٣٣٣٣٣٣٣", "x" * 500, "<b>"])
def test_what_is_not_there_is_not_found(browser, goods, text):
    answer = browser.get("/search", query_string={"q": text})
    assert answer.status_code == 200
    assert "Samba OG Cloud White" not in answer.text
    assert "<b>" not in answer.text
