"""The Opportunities page: three ways, filters and sort in the address, dismiss, bought, escaping, CSRF."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from soleflip.models import Item, MarketPrice, Opportunity, Product
from soleflip.services import feeds
from tests.services.market_data import make_market, write_feed
from tests.web.conftest import token


@pytest.fixture
def market(app: Any, tmp_path: Path) -> Any:
    """A feed of 60 rows that is matched, quoted and computed."""
    runtime = app.extensions["soleflip"]
    now = runtime.clock()
    with app.app_context(), runtime.transaction() as session:
        feeds.import_file(session, write_feed(tmp_path / "feed.csv.gz", 60), now=now)
        make_market(session, now)
    return app


def _all(app: Any, query: Any) -> list[Any]:
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        return list(session.scalars(query))


def _best(app: Any) -> Opportunity:
    query = select(Opportunity).where(Opportunity.is_current).order_by(Opportunity.net_profit.desc(), Opportunity.id)
    found: Opportunity = _all(app, query)[0]
    return found


def test_without_offers_the_page_says_what_to_do(browser: Any) -> None:
    page = browser.get("/opportunities")
    assert page.status_code == 200
    assert "Import a feed" in page.text


def test_the_page_is_asked_three_ways(market: Any, browser: Any) -> None:
    full = browser.get("/opportunities").text
    part = browser.get("/opportunities", headers={"HX-Request": "true"}).text
    back = browser.get("/opportunities", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in full
    assert "<html" not in part
    assert part.strip().startswith('<div id="opportunities-table"')
    assert "<html" in back.text
    assert "HX-Request" in back.headers["Vary"]


def test_rows_show_money_and_link_to_the_arithmetic(market: Any, browser: Any) -> None:
    best = _best(market)
    page = browser.get("/opportunities").text
    assert f"/opportunities/{best.id}" in page
    shown = browser.get(f"/opportunities/{best.id}").text
    for words in (
        "Shop&#39;s price",
        "Transaction fee",
        "Payment processing",
        "Allowance for failed sales",
        "To be expected",
    ):
        assert words in shown
    assert str(best.net_profit) in shown


def test_filter_sort_and_pages_stand_in_the_address(market: Any, browser: Any) -> None:
    page = browser.get("/opportunities?all=1&sort=price&match=any&state=any").text
    prices = [float(text) for text in re.findall(r'data-label="Price"[^>]*><span[^>]*>€([\d.]+)<', page)]
    assert prices == sorted(prices)
    assert len(prices) == 50
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    address = following[1].replace("&amp;", "&")
    assert "sort=price" in address
    assert "all=1" in address
    rest = browser.get(address).text
    assert len(re.findall(r'<tr id="opportunity-', rest)) == 10


def test_all_that_match_go_to_the_preview(market: Any, browser: Any) -> None:
    page = browser.get("/opportunities?all=1&sort=price").text
    form = re.search(r'<form[^>]* action="([^"]*)"(?:(?!</form>).)*List all that match', page, re.DOTALL)
    assert form
    data = {"csrf_token": token(browser, "/opportunities"), "all": "1", "query": "all=1&sort=price"}
    assert "List on StockX" in browser.post(form[1] or "/opportunities", data=data).text


@pytest.mark.parametrize("query", ["sort=nonsense", "shop=x&brand=&min_profit=abc", "state=odd&max_age=-3", "q=%25%25"])
def test_an_odd_address_still_opens(market: Any, browser: Any, query: str) -> None:
    assert browser.get(f"/opportunities?{query}").status_code == 200


def test_a_broken_cursor_is_explained(market: Any, browser: Any) -> None:
    answer = browser.get("/opportunities?after=broken")
    assert answer.status_code == 422
    assert "go back to the first page" in answer.text


def test_selected_rows_are_dismissed_and_come_back_by_hand(market: Any, browser: Any) -> None:
    best = _best(market)
    csrf = token(browser, "/opportunities")
    data = {"csrf_token": csrf, "ids": str(best.id), "back": "/opportunities?sort=roi"}
    answer = browser.post("/opportunities/dismiss", data=data)
    assert (answer.status_code, answer.location) == (303, "/opportunities?sort=roi")
    assert _best(market).id == best.id
    assert _all(market, select(Opportunity.state).where(Opportunity.id == best.id)) == ["dismissed"]
    assert f'id="opportunity-{best.id}"' not in browser.get("/opportunities").text
    assert f'id="opportunity-{best.id}"' in browser.get("/opportunities?state=dismissed").text
    browser.post("/opportunities/reopen", data=data)
    assert _all(market, select(Opportunity.state).where(Opportunity.id == best.id)) == ["open"]


def test_selected_rows_are_watched_and_found_again(market: Any, browser: Any) -> None:
    best = _best(market)
    data = {"csrf_token": token(browser, "/opportunities"), "ids": str(best.id), "back": "/opportunities?watched=1"}
    assert browser.post("/opportunities/watch", data=data).location == "/opportunities?watched=1"
    page = browser.get("/opportunities?watched=1").text
    assert re.findall(r'<tr id="opportunity-([^"]+)"', page) == [str(best.id)]
    assert "Stop watching" in page
    assert "Stop watching" in browser.get(f"/opportunities/{best.id}").text
    browser.post("/opportunities/unwatch", data=data)
    assert "No opportunity fits" in browser.get("/opportunities?watched=1").text


def test_the_way_back_never_leaves_the_house(market: Any, browser: Any) -> None:
    data = {"csrf_token": token(browser, "/opportunities"), "ids": str(_best(market).id), "back": "https://evil.test/"}
    assert browser.post("/opportunities/dismiss", data=data).location == "/opportunities"


@pytest.mark.parametrize("ids", [[], ["nonsense"]])
def test_a_selection_that_is_none_is_refused(market: Any, browser: Any, ids: list[str]) -> None:
    answer = browser.post("/opportunities/dismiss", data={"csrf_token": token(browser, "/opportunities"), "ids": ids})
    assert answer.status_code == 422


def test_bought_pairs_are_put_into_stock(market: Any, browser: Any) -> None:
    best = _best(market)
    address = f"/opportunities/{best.id}/bought"
    csrf = token(browser, "/opportunities")
    wrong = browser.post(address, data={"csrf_token": csrf, "quantity": "2", "price": "-5"})
    assert wrong.status_code == 422
    assert "The price must be above zero" in wrong.text
    right = browser.post(address, data={"csrf_token": csrf, "quantity": "2", "price": "99,95", "document": "R-1"})
    assert right.status_code == 303
    items = _all(market, select(Item))
    assert [(str(item.cost), item.opportunity_id) for item in items] == [("99.95", best.id)] * 2
    assert "2 pairs bought so far" in browser.get(f"/opportunities/{best.id}").text


def test_a_form_that_is_sent_twice_buys_once(market: Any, browser: Any) -> None:
    best = _best(market)
    page = browser.get(f"/opportunities/{best.id}").text
    so_far = re.search(r'name="so_far" value="(\d+)"', page)
    assert so_far
    form = {"csrf_token": token(browser, "/opportunities"), "so_far": so_far[1], "quantity": "1", "price": "99.95"}
    answers = [browser.post(f"/opportunities/{best.id}/bought", data=form).status_code for _ in range(3)]
    assert answers == [303] * 3
    assert len(_all(market, select(Item))) == 1
    assert "nothing was added" in browser.get(f"/opportunities/{best.id}").text


def test_what_is_selected_is_bought_once_at_the_shops_price(market: Any, browser: Any) -> None:
    chosen = _all(market, select(Opportunity).where(Opportunity.state == "open").order_by(Opportunity.id).limit(3))
    form = {"csrf_token": token(browser, "/opportunities"), "ids": [str(each.id) for each in chosen]}
    assert "Bought" in browser.get("/opportunities").text
    for _ in range(2):
        assert browser.post("/opportunities/bought", data=form).status_code == 303
    items = _all(market, select(Item))
    assert sorted(item.opportunity_id for item in items) == sorted(each.id for each in chosen)
    assert {item.state for item in items} == {"ordered"}


def test_nothing_is_changed_without_the_forms_token(market: Any, browser: Any) -> None:
    best = _best(market)
    assert browser.post("/opportunities/dismiss", data={"ids": str(best.id)}).status_code in (400, 403)
    assert _all(market, select(Opportunity.state).where(Opportunity.id == best.id)) == ["open"]


def test_a_name_with_a_script_in_it_is_text(market: Any, browser: Any) -> None:
    with market.app_context(), market.extensions["soleflip"].transaction() as session:
        session.execute(update(Product).values(title="<img src=x onerror=alert(1)>"))
        session.execute(update(MarketPrice).values(title="<script>alert(1)</script>"))
    for address in ("/opportunities", f"/opportunities/{_best(market).id}"):
        page = browser.get(address).text
        assert "<img src=x" not in page
        assert "<script>alert" not in page


def test_the_sums_per_shop_lead_to_its_opportunities(market: Any, browser: Any) -> None:
    page = browser.get("/opportunities/by-shop").text
    assert "Kantstein Sneakers" in page
    assert re.search(r"/opportunities\?shop=\d+", page)


def test_what_is_sold_out_or_back_at_the_shop_is_seen(market: Any, browser: Any) -> None:
    best = _best(market)
    with market.app_context(), market.extensions["soleflip"].transaction() as session:
        session.execute(update(Opportunity).values(restocked_at=market.extensions["soleflip"].clock()))
    assert "Back in stock" in browser.get("/opportunities").text
    assert "Back in stock at the shop" in browser.get(f"/opportunities/{best.id}").text
    with market.app_context(), market.extensions["soleflip"].transaction() as session:
        session.execute(update(MarketPrice).values(in_stock=False))
    page = browser.get("/opportunities?all=1").text
    assert "Sold out" in page
    assert "Back in stock" not in page


def test_a_pair_that_is_still_to_buy_names_its_shop(market: Any, browser: Any) -> None:
    best = _best(market)
    csrf = token(browser, "/opportunities")
    browser.post(f"/opportunities/{best.id}/bought", data={"csrf_token": csrf, "quantity": "1", "price": "50"})
    with market.app_context(), market.extensions["soleflip"].transaction() as session:
        session.execute(update(Item).values(note="to buy"))
    link = _all(market, select(MarketPrice.link).where(MarketPrice.id == best.market_price_id))[0]
    item = _all(market, select(Item.id))[0]
    for address in ("/inventory?state=to_buy", f"/inventory/{item}"):
        page = browser.get(address).text
        assert link.replace("&", "&amp;") in page
        assert "Buy at Kantstein Sneakers" in page


def test_an_unknown_opportunity_is_not_found(browser: Any) -> None:
    assert browser.get("/opportunities/00000000-0000-0000-0000-000000000000").status_code == 404


def test_a_doubtful_match_is_decided_once_for_all_like_it(market: Any, browser: Any) -> None:
    with market.app_context(), market.extensions["soleflip"].transaction() as session:
        offer = session.scalars(select(MarketPrice).order_by(MarketPrice.id)).first()
        like_it = MarketPrice.style_key == offer.style_key
        session.execute(update(MarketPrice).where(like_it).values(match_state="doubtful", match_doubt="gtin"))
    page = browser.get("/opportunities/matches").text
    fields = dict(re.findall(r'name="(shop|product|style|kind|verdict)" value="([^"]*)"', page))
    form = fields | {"verdict": "same", "csrf_token": token(browser, "/opportunities")}
    assert browser.post("/opportunities/matches", data=form).status_code == 303
    assert set(_all(market, select(MarketPrice.match_state).where(like_it))) == {"firm"}
    assert "Nothing is doubtful" in browser.get("/opportunities/matches").text
    broken = form | {"product": "nonsense"}
    assert browser.post("/opportunities/matches", data=broken).status_code == 422
