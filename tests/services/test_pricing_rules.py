"""Rules of brands and tags: what acts on a listing, its floor at the gate, and who follows whom."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput, Refused
from soleflip.models import Brand, Item, Product, StockxListing, Variant
from soleflip.services import listings, pricing_rules, settings
from soleflip.services.settings import PricingSettings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def listing(session: Session, brand: str = "Nike", cost: int = 100) -> StockxListing:
    maker = session.query(Brand).filter_by(key=brand.casefold()).one_or_none()
    product = Product(title="Shoe", brand=maker or Brand(name=brand, key=brand.casefold()))
    variant = Variant(product=product, size="9", sizes={})
    session.add(variant)
    session.flush()
    item = Item(product_id=product.id, variant_id=variant.id, state="listed", cost=Decimal(cost), currency="EUR")
    session.add(item)
    session.flush()
    row = StockxListing(
        product=product,
        variant=variant,
        item_id=item.id,
        stockx_product_id=str(uuid4()),
        currency="EUR",
        ask_price=Decimal(300),
        status="active",
    )
    session.add(row)
    session.flush()
    return row


def test_the_floor_at_the_gate_is_the_one_of_the_strongest_rule(session: Session) -> None:
    row, other = listing(session), listing(session, "Puma")
    settings.save_guards(session, {"min_profit": "0"}, actor="test")
    plain = listings.outgoing_ask(session, row, Decimal(200), NOW), row.floor_price
    brand = pricing_rules.add(session, "brand", "nike", actor="test")
    pricing_rules.save_guards(session, brand.id, {"min_profit": "60"}, actor="test")
    with pytest.raises(Refused):
        listings.outgoing_ask(session, row, plain[1] or Decimal(0), NOW)
    assert listings.outgoing_ask(session, other, plain[1] or Decimal(0), NOW) == other.floor_price == plain[1]
    by_brand = row.floor_price
    pricing_rules.tag(session, [row.id], "Outlet ", actor="test")
    tag = pricing_rules.add(session, "tag", "outlet", actor="test")
    pricing_rules.save_guards(session, tag.id, {"min_profit": "10"}, actor="test")
    listings.outgoing_ask(session, row, Decimal(300), NOW)
    assert row.floor_price is not None
    assert by_brand is not None
    assert plain[1] is not None
    assert plain[1] < row.floor_price < by_brand
    pricing_rules.save_listing_guards(session, row, {"min_profit": "90", "min_roi": ""}, actor="test", now=NOW)
    listings.outgoing_ask(session, row, Decimal(300), NOW)
    assert row.floor_price > by_brand
    assert row.guards == {"min_profit": "90"}


def test_listings_follow_the_rules_but_for_those_with_a_strategy_of_their_own(session: Session) -> None:
    row, own, other = listing(session), listing(session), listing(session, "Puma")
    listings.set_strategy(session, [own.id], "competitive", {"by_amount": "3", "by_percent": ""}, actor="test")
    rule = pricing_rules.add(session, "brand", "Nike", actor="test")
    pricing_rules.save_strategy(
        session, rule.id, acts="patient", strategy="competitive", values={"by_percent": "2"}, actor="test"
    )
    settings.save(session, PricingSettings, {"strategy": "hold"}, actor="test")
    pricing_rules.refresh(session)
    for each in (row, own, other):
        session.refresh(each)
    assert [each.strategy for each in (row, own, other)] == ["patient", "competitive", "hold"]
    book = pricing_rules.load(session)
    acting = book.acting("nike", own)
    assert acting.settings.values == {"by_amount": "3", "by_percent": "2"}
    assert acting.settings.acts == {"by_amount": "this listing", "by_percent": "brand Nike"}
    pricing_rules.follow_rules(session, own, actor="test")
    assert own.strategy == "patient"
    pricing_rules.remove(session, rule.id, actor="test")
    assert {row.strategy, own.strategy} == {"hold"}


def test_of_two_tags_the_first_is_the_stronger_and_a_tag_comes_off_again(session: Session) -> None:
    row = listing(session)
    for name in ("slow", "outlet", "slow"):
        pricing_rules.tag(session, [row.id], name, actor="test")
    for name, profit in (("outlet", "5"), ("slow", "7")):
        rule = pricing_rules.add(session, "tag", name, actor="test")
        pricing_rules.save_guards(session, rule.id, {"min_profit": profit}, actor="test")
    session.refresh(row)
    assert row.tags == ["slow", "outlet"]
    assert pricing_rules.guards_of(session, row).min_profit == 7
    assert pricing_rules.counts(session)["tag", "slow"] == 1
    assert pricing_rules.tag(session, [row.id], "SLOW", remove=True, actor="test") == 1
    assert pricing_rules.guards_of(session, row).min_profit == 5


@pytest.mark.parametrize(
    ("scope", "name", "says"),
    [
        ("shop", "x", "brand or for a tag"),
        ("brand", "nobody", "no brand"),
        ("tag", " ", "a word"),
        ("tag", "x" * 41, "a word"),
    ],
)
def test_a_rule_for_nobody_is_refused(session: Session, scope: str, name: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        pricing_rules.add(session, scope, name, actor="test")


def test_a_wrong_setting_is_refused_with_its_field(session: Session) -> None:
    rule = pricing_rules.add(session, "tag", "outlet", actor="test")
    with pytest.raises(InvalidInput) as error:
        pricing_rules.save_guards(session, rule.id, {"min_roi": "much"}, actor="test")
    assert error.value.field == "min_roi"
    with pytest.raises(InvalidInput):
        pricing_rules.save_strategy(session, rule.id, acts="magic", strategy="hold", values={}, actor="test")


def test_a_rail_can_be_switched_off_where_the_next_layer_sets_it(session: Session) -> None:
    row = listing(session)
    settings.save_guards(session, {"largest_step_percent": "20", "min_roi": "10", "ceiling": "400"}, actor="test")
    brand = pricing_rules.add(session, "brand", "nike", actor="test")
    pricing_rules.save_guards(session, brand.id, {"min_roi": "off", "largest_step_percent": ""}, actor="test")
    assert brand.guards == {"min_roi": "off"}
    acting = pricing_rules.load(session).acting("nike", row)
    assert (acting.guards.min_roi, acting.guard_layers["min_roi"]) == (None, "brand Nike")
    assert (acting.guards.largest_step_percent, acting.guards.ceiling) == (20, 400)
    pricing_rules.save_listing_guards(session, row, {"ceiling": "Off", "min_roi": "5"}, actor="test", now=NOW)
    acting = pricing_rules.load(session).acting("nike", row)
    assert (acting.guards.min_roi, acting.guards.ceiling) == (5, None)
    with pytest.raises(InvalidInput) as refused:
        pricing_rules.save_guards(session, brand.id, {"cool_down_minutes": "off"}, actor="test")
    assert refused.value.field == "cool_down_minutes"


@pytest.mark.parametrize(
    ("rails", "field", "says"),
    [
        ({"min_ask": "200", "ceiling": "150"}, "min_ask", r"Never below \(200, .*Never above \(150"),
        ({"largest_step": "2", "smallest_change": "5"}, "largest_step", "Largest step .* Smallest change"),
        ({"largest_fall_per_day": "2", "smallest_change": "5"}, "largest_fall_per_day", "Largest fall per day"),
        ({"sleep_from": "22"}, "sleep_from", "Sleep from .* Sleep until"),
        ({"sleep_from": "7", "sleep_until": "7"}, "sleep_from", "Sleep from .* Sleep until"),
    ],
)
def test_rails_that_contradict_are_refused_on_every_layer(
    session: Session, rails: dict[str, str], field: str, says: str
) -> None:
    row = listing(session)
    brand = pricing_rules.add(session, "brand", "nike", actor="test")
    tag = pricing_rules.add(session, "tag", "outlet", actor="test")
    for save in (
        lambda: pricing_rules.save_default_guards(session, rails, actor="test"),
        lambda: pricing_rules.save_guards(session, brand.id, rails, actor="test"),
        lambda: pricing_rules.save_guards(session, tag.id, rails, actor="test"),
        lambda: pricing_rules.save_listing_guards(session, row, rails, actor="test", now=NOW),
    ):
        with pytest.raises(InvalidInput, match=says) as refused:
            save()
        assert refused.value.field == field
    assert (row.guards, brand.guards, tag.guards) == ({}, {}, {})


def test_rails_that_contradict_over_layers_are_refused_at_the_one_that_is_saved(session: Session) -> None:
    row = listing(session)
    brand = pricing_rules.add(session, "brand", "nike", actor="test")
    pricing_rules.save_guards(session, brand.id, {"min_ask": "200"}, actor="test")
    both = r"Never below \(200, by brand Nike\) and Never above \(150, by {}\) contradict"
    with pytest.raises(InvalidInput, match=both.format("the default")) as refused:
        pricing_rules.save_default_guards(session, {"ceiling": "150"}, actor="test")
    assert refused.value.field == "ceiling"
    with pytest.raises(InvalidInput, match=both.format("this listing")):
        pricing_rules.save_listing_guards(session, row, {"ceiling": "150"}, actor="test", now=NOW)
    outlet = pricing_rules.add(session, "tag", "outlet", actor="test")
    pricing_rules.save_guards(session, outlet.id, {"ceiling": "150"}, actor="test")  # no Nike has this tag yet
    with pytest.raises(InvalidInput, match=both.format("tag outlet")):
        pricing_rules.tag(session, [row.id], "outlet", actor="test")


def test_the_ceiling_of_a_listing_may_not_lie_below_the_floor_of_its_pair(session: Session) -> None:
    row = listing(session, cost=100)
    with pytest.raises(InvalidInput, match=r"Least ROI \(50, by this listing\) and Never above \(150, .*floor .*176"):
        pricing_rules.save_listing_guards(session, row, {"ceiling": "150", "min_roi": "50"}, actor="test", now=NOW)
    pricing_rules.save_listing_guards(session, row, {"ceiling": "200", "min_roi": "50"}, actor="test", now=NOW)
