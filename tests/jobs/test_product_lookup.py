"""Asking the sandbox about a shoe that no feed has named: by style code, by EAN, and for nonsense."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from soleflip.models import Gtin, Product
from soleflip.services import runs
from tests.selling import Selling


def look_up(selling: Selling, text: str) -> str | None:
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "product_lookup", actor="test", params={"text": text}).id
    return selling.perform(run_id).message


def test_what_stockx_knows_is_remembered(selling: Selling) -> None:
    with selling.runtime.transaction() as session:
        known = session.scalars(select(Product)).all()
    found = next(each for each in selling.runtime.stockx.search("Salomon") if each.style_id)
    assert found.product_id not in {each.stockx_product_id for each in known}
    assert look_up(selling, found.style_id or "") == f"StockX knows {found.title}."
    with selling.runtime.transaction() as session:
        product = session.scalars(select(Product).where(Product.stockx_product_id == found.product_id)).one()
        gtin = session.scalars(select(Gtin)).first()
        assert product.style_code == found.style_id
    assert gtin is not None
    assert look_up(selling, gtin.gtin.lstrip("0").zfill(13)) == f"StockX knows {found.title}."


@pytest.mark.parametrize("text", ["ZZ-NOTHING-999", "4006381333931"])
def test_what_stockx_does_not_know_is_said(selling: Selling, text: str) -> None:
    assert look_up(selling, text) == "StockX does not know it either."
