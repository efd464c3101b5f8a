"""Rules of pricing in the browser: made, filled in, shown at the listing they act on."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from soleflip.models import PricingRule, StockxListing
from tests.web.conftest import post
from tests.web.test_listings import FRAGMENT, book, make_listing, make_variant

__all__ = ["book"]


def rule_for(browser, book, scope: str, name: str) -> UUID:
    assert post(browser, "/pricing/rules", scope=scope, name=name).status_code == 303
    with book() as session:
        return session.scalars(select(PricingRule.id).where(PricingRule.scope == scope)).one()


def test_a_rule_of_a_brand_acts_on_its_listings_and_the_page_says_so(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    rule = rule_for(browser, book, "brand", "asics")
    saved = post(browser, f"/pricing/rules/{rule}/strategy", acts="patient", strategy="patient", day_value="0.5")
    assert saved.status_code == 303
    assert post(browser, f"/pricing/rules/{rule}/guards", min_roi="12.5", ceiling="").status_code == 303
    with book() as session:
        assert session.get_one(StockxListing, key).strategy == "patient"
        assert session.get_one(PricingRule, rule).guards == {"min_roi": "12.5"}
    shown = browser.get(f"/listings/{key}").text
    for words in ("by brand Asics", "Acts: 12.5, by brand Asics", "Acts: 0.5, by brand Asics", "by the default"):
        assert words in shown
    assert "Asics" in browser.get("/pricing").text
    part = browser.get(f"/pricing/rules/{rule}?strategy=competitive", headers=FRAGMENT).text
    assert part.lstrip().startswith('<div class="stack" id="pricing-rule">')
    assert post(browser, f"/pricing/rules/{rule}/remove").status_code == 303
    with book() as session:
        assert session.get_one(StockxListing, key).strategy == "profit_maximization"
    assert browser.get(f"/pricing/rules/{rule}").status_code == 404


def test_what_is_typed_wrongly_stays_in_its_field(browser, book):
    rule = rule_for(browser, book, "tag", "Outlet")
    wrong = post(browser, f"/pricing/rules/{rule}/guards", min_roi="much", ceiling="200")
    assert wrong.status_code == 422
    assert "Least ROI must be a number" in wrong.text
    assert 'value="200"' in wrong.text
    wrong = post(browser, f"/pricing/rules/{rule}/strategy", strategy="competitive", by_amount="lots")
    assert (wrong.status_code, 'value="lots"' in wrong.text) == (422, True)


def test_listings_are_tagged_from_the_list_and_have_rails_of_their_own(browser, book):
    with book() as session:
        one, two = (make_listing(session, make_variant(session)).id for _ in range(2))
    tagged = post(browser, "/pricing/rules/tags", ids=f"{one},{two}", tag="Old stock", tagging="add", back="/listings")
    assert (tagged.status_code, tagged.location) == (303, "/listings")
    assert post(browser, f"/pricing/rules/listings/{one}/guards", min_profit="33").status_code == 303
    shown = browser.get(f"/listings/{one}").text
    assert "tags old stock" in shown
    assert "Acts: 33, by this listing" in shown
    post(browser, "/pricing/rules/tags", ids=str(one), tag="old stock", tagging="remove")
    with book() as session:
        assert session.get_one(StockxListing, one).tags == []
        assert session.get_one(StockxListing, two).tags == ["old stock"]
    assert post(browser, "/pricing/rules/tags", tag="x").status_code == 422


def test_a_listing_leaves_the_rules_and_follows_them_again(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    post(browser, f"/listings/{key}/strategy", strategy="hold")
    assert "by this listing" in browser.get(f"/listings/{key}").text
    assert post(browser, f"/pricing/rules/listings/{key}/follow").status_code == 303
    with book() as session:
        assert session.get_one(StockxListing, key).strategy == "profit_maximization"


def test_settings_by_default_reach_listings_without_their_own(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    assert post(browser, "/pricing/rules/default", strategy="competitive", by_amount="7").status_code == 303
    assert "Acts: 7, by the default" in browser.get(f"/listings/{key}?strategy=competitive").text
    assert 'value="7"' in browser.get("/pricing?settings=competitive").text


def test_a_rule_for_an_unknown_brand_stays_in_its_form(browser):
    wrong = post(browser, "/pricing/rules", scope="brand", name="Nobody's")
    assert wrong.status_code == 422
    assert "There is no brand" in wrong.text
    assert 'value="Nobody&#39;s"' in wrong.text
    wrong = post(browser, "/pricing/rules/default", strategy="competitive", by_amount="lots")
    assert (wrong.status_code, 'value="lots"' in wrong.text) == (422, True)


def test_an_optional_rail_is_inherited_off_or_set(browser, book):
    rule = rule_for(browser, book, "tag", "Outlet")
    chosen = {
        "largest_step_percent": "20",
        "largest_step_percent.how": "off",
        "min_roi": "12",
        "min_roi.how": "value",
        "ceiling": "300",
        "ceiling.how": "",
    }
    assert post(browser, f"/pricing/rules/{rule}/guards", **chosen).status_code == 303
    with book() as session:
        assert session.get_one(PricingRule, rule).guards == {"largest_step_percent": "off", "min_roi": "12"}
    shown = browser.get(f"/pricing/rules/{rule}").text
    assert "Acts: off, by tag outlet" in shown
    wrong = post(browser, f"/pricing/rules/{rule}/guards", **chosen | {"min_roi": ""})
    assert (wrong.status_code, "Least ROI must be a number" in wrong.text) == (422, True)


def test_contradicting_rails_are_refused_with_both_names_and_stay_typed(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    rule = rule_for(browser, book, "tag", "Outlet")
    rails = {"min_ask": "250", "ceiling": "150"}
    for url in ("/pricing/guards", f"/pricing/rules/{rule}/guards", f"/pricing/rules/listings/{key}/guards"):
        wrong = post(browser, url, **rails)
        assert wrong.status_code == 422, url
        assert "Never below (250, by" in wrong.text
        assert "Never above (150, by" in wrong.text
        assert 'value="250"' in wrong.text
