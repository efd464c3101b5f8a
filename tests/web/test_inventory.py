"""The Inventory page: list, add by hand, import, edit, arrive, drop, write off."""

from __future__ import annotations

import io
import re
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.models import Item, LedgerEntry, Opportunity, Purchase, Run, RunLine, StockxListing, StyleCode
from soleflip.services.stock import TO_BUY
from tests.web.conftest import post, token
from tests.web.test_listings import FRAGMENT, RESTORE, book, make_listing, make_opportunity, make_variant, order

__all__ = ["book"]


def make_item(session: Any, *, cost: str | None = "50", state: str = "in_stock", **more: Any) -> Item:
    """A pair of ours."""
    variant = make_variant(session, title=more.pop("title", "Gel One"))
    item = Item(
        product_id=variant.product_id,
        variant_id=variant.id,
        state=state,
        cost=Decimal(cost) if cost else None,
        currency="EUR",
        **more,
    )
    session.add(item)
    session.flush()
    return item


def upload(browser: Any, content: str | bytes, **fields: str) -> Any:
    """Send a CSV file to the import."""
    data = content.encode() if isinstance(content, str) else content
    form = {"csrf_token": token(browser), "file": (io.BytesIO(data), "pairs.csv"), **fields}
    return browser.post("/inventory/import", data=form, content_type="multipart/form-data")


def test_the_pages_open_in_three_ways(browser, book):
    with book() as session:
        key = make_item(session).id
    for address, fragment in (
        ("/inventory", "inventory-table"),
        (f"/inventory/{key}", "inventory-edit"),
        ("/inventory/new?q=gel", "inventory-new"),
        ("/inventory/import", "inventory-import"),
    ):
        plain, part, restored = (browser.get(address, headers=head) for head in ({}, FRAGMENT, RESTORE))
        assert plain.status_code == 200, plain.text[-2000:]
        assert plain.text.startswith("<!doctype html>")
        assert restored.text.startswith("<!doctype html>")
        assert not part.text.startswith("<!doctype html>")
        assert f'id="{fragment}"' in part.text


@pytest.mark.parametrize("sort", ["title", "-title", "cost", "-added", "supplier", "state", "-size"])
def test_pages_by_key_show_every_pair_once(browser, book, sort):
    with book() as session:
        for number in range(60):
            make_item(session, title=f"Shoe {number % 7}", cost=str(40 + number % 3) if number % 5 else None)
    seen: list[str] = []
    address = f"/inventory?sort={sort}"
    while address:
        page = browser.get(address).text
        seen += re.findall(r'id="item-([0-9a-f-]{36})"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == 60 == len(set(seen))


def test_pairs_are_added_by_hand(browser, book):
    with book() as session:
        key = make_variant(session, style="AB1234-100").id
    assert str(key) in browser.get("/inventory/new?q=AB1234-100 42.5").text
    wrong = post(browser, "/inventory/new", q="AB1234", variant_id=str(key), cost="ten", quantity="2")
    assert wrong.status_code == 422
    assert "is not an amount" in wrong.text
    done = post(browser, "/inventory/new", variant_id=str(key), cost="49.90", quantity="2", supplier="Flea market")
    assert done.status_code == 303
    with book() as session:
        items = session.scalars(select(Item)).all()
        assert [(each.cost, each.state) for each in items] == [(Decimal("49.90"), "in_stock")] * 2


def test_a_shoe_that_nobody_knows_yet_is_asked_for_at_stockx(browser, book):
    assert "Ask StockX" in browser.get("/inventory/new?q=nothing").text
    answer = post(browser, "/inventory/look-up", q="ZZ1234-100")
    assert answer.status_code == 303
    assert "Product look-up" in browser.get(answer.headers["Location"]).text
    with book() as session:
        run = session.scalars(select(Run)).one()
        assert (run.kind, run.params) == ("product_lookup", {"text": "ZZ1234-100"})


def test_an_import_takes_good_lines_and_names_bad_ones(browser, book):
    with book() as session:
        variant = make_variant(session, style="AB1234-100")
        session.add(StyleCode(key="AB1234100", product_id=variant.product_id))
    answer = upload(
        browser,
        "style_code;size;system;cost;date;supplier;quantity\n"
        "AB1234-100;42.5;eu;1.089,90;31.03.2026;Sole Shop;2\n"
        "AB1234-100;47;eu;80;;;\n"
        "ZZ9999-999;42.5;eu;80;;;\n"
        "AB1234-100;42.5;eu;-3;;;\n",
    )
    assert answer.status_code == 303
    page = browser.get(answer.headers["Location"]).text
    assert "2 pairs added, 3 lines refused." in page
    with book() as session:
        lines = session.scalars(select(RunLine.sentence).order_by(RunLine.id)).all()
        assert [line.split(":")[0] for line in lines] == ["Line 3", "Line 4", "Line 5"]
        items = session.scalars(select(Item)).all()
        assert [each.cost for each in items] == [Decimal("1089.90")] * 2
        assert session.scalars(select(Purchase.supplier)).all() == ["Sole Shop"]


def test_the_same_file_is_not_imported_twice_by_mistake(browser, book):
    with book() as session:
        variant = make_variant(session, style="AB1234-100")
        session.add(StyleCode(key="AB1234100", product_id=variant.product_id))
    content = "style_code,size,system,cost\nAB1234-100,42.5,eu,80\n"
    assert upload(browser, content).status_code == 303
    assert upload(browser, content).status_code == 422
    assert upload(browser, content, again="1").status_code == 303
    with book() as session:
        assert len(session.scalars(select(Item)).all()) == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"PK\x03\x04\x00\x00\x00", "This is no CSV file."),
        (b"name,price\nshoe,3\n", "The first line must name the columns"),
        (b"style_code,size\n", "a header but no lines"),
    ],
)
def test_a_file_that_is_no_list_of_pairs_is_refused(browser, content, sentence):
    answer = upload(browser, content)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_cost_and_purchase_are_edited(browser, book):
    with book() as session:
        key = make_item(session, cost=None).id
    assert "Enter cost" in browser.get("/inventory").text
    wrong = post(browser, f"/inventory/{key}", cost="-4", supplier="Shop")
    assert wrong.status_code == 422
    assert 'value="Shop"' in wrong.text
    assert (
        post(browser, f"/inventory/{key}", cost="61.50", supplier="Shop", purchased_on="2026-03-01").status_code == 303
    )
    with book() as session:
        item = session.get_one(Item, key)
        assert (item.cost, item.purchase.supplier) == (Decimal("61.50"), "Shop")


def test_a_pair_listed_before_it_was_bought_is_shown_so_and_arrives(browser, book):
    with book() as session:
        key = make_opportunity(session, make_variant(session)).id
    assert order(browser, [key]).status_code == 303
    assert "To buy" in browser.get("/inventory?state=to_buy").text.split("<tbody>")[1]
    with book() as session:
        item = session.scalars(select(Item)).one()
        assert (item.state, item.note, item.is_awaited) == ("reserved", TO_BUY, True)
    assert post(browser, "/inventory/bulk", ids=str(item.id), act="arrive").status_code == 303
    with book() as session:
        item = session.scalars(select(Item)).one()
        assert (item.state, item.note, item.is_awaited) == ("reserved", None, False)


def test_a_pair_that_will_not_be_bought_is_dropped_and_its_opportunity_opens_again(browser, book):
    with book() as session:
        opportunity = make_opportunity(session, make_variant(session))
        opportunity.state = "acted"
        listing = make_listing(session, opportunity.variant, status="delisted")
        item = listing.item
        item.state, item.note, item.is_awaited, item.opportunity_id = "ordered", TO_BUY, True, opportunity.id
        keys = item.id, opportunity.id, listing.id
    assert post(browser, "/inventory/bulk", ids=str(keys[0]), act="drop").status_code == 303
    with book() as session:
        assert session.get(Item, keys[0]) is None
        assert session.get_one(Opportunity, keys[1]).state == "open"
        assert session.get_one(StockxListing, keys[2]).item_id is None


def test_a_pair_on_the_market_is_not_dropped(browser, book):
    with book() as session:
        listing = make_listing(session, make_variant(session))
        listing.item.note = TO_BUY
        key = listing.item_id
    post(browser, "/inventory/bulk", ids=str(key), act="drop")
    with book() as session:
        assert session.get(Item, key) is not None


def test_a_write_off_books_the_cost_as_a_loss(browser, book):
    with book() as session:
        key = make_item(session, cost="50").id
    assert post(browser, f"/inventory/{key}/write-off", reason="Lost").status_code == 303
    with book() as session:
        assert session.get_one(Item, key).state == "written_off"
        assert session.scalars(select(LedgerEntry.amount)).all() == [Decimal("-50.00")]
    assert post(browser, f"/inventory/{key}/write-off", reason="Again").status_code == 422
