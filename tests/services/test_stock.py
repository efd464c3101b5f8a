"""Stock: items go back to where they were, and a pair that was listed first and bought later counts once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy import select

from soleflip.domain.errors import InvalidInput
from soleflip.models import Item
from soleflip.services import stock
from soleflip.services.stock import TO_BUY, Buying
from tests.services.sales import make_listing


@pytest.mark.parametrize(("awaited", "state"), [(True, "ordered"), (False, "in_stock")])
def test_a_released_item_goes_back_to_where_it_was(session, awaited, state):
    item = make_listing(session, uuid4().hex).item
    item.is_awaited = awaited
    session.flush()
    stock.release(session, item.id)
    session.refresh(item)
    assert item.state == state


def test_an_item_is_reserved_by_one_only(session):
    item = make_listing(session, uuid4().hex).item
    stock.move(session, item.id, "in_stock")
    assert stock.reserve(session, item.id)
    assert not stock.reserve(session, item.id)


def test_buying_what_was_listed_first_fills_in_its_item(session):
    from tests.web.test_listings import make_opportunity, make_variant

    opportunity = make_opportunity(session, make_variant(session))
    listing = make_listing(session, uuid4().hex)
    item = listing.item
    item.note, item.is_awaited, item.opportunity_id = TO_BUY, True, opportunity.id
    session.flush()
    bought = stock.create_items(
        session,
        opportunity.variant_id,
        2,
        Buying(Decimal("61.00"), "EUR", supplier="Shop"),
        opportunity_id=opportunity.id,
        today=date(2026, 3, 2),
    )
    assert bought[0] is item
    assert (item.state, item.cost, item.note) == ("listed", Decimal("61.00"), None)
    assert len(session.scalars(select(Item).where(Item.opportunity_id == opportunity.id)).all()) == 2


@pytest.mark.parametrize("quantity", [0, 1001])
def test_a_nonsense_quantity_is_refused(session, quantity):
    variant_id = make_listing(session, uuid4().hex).catalog_variant_id
    with pytest.raises(InvalidInput):
        stock.create_items(session, variant_id, quantity, Buying(None, "EUR"), today=date(2026, 3, 2))
