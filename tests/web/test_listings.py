"""The Listings page and the way from a selection to asks: preview, confirm, progress, change, undo."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select

from soleflip.db import db
from soleflip.models import (
    Brand,
    Item,
    LatestQuote,
    ListingChange,
    MarketPrice,
    Opportunity,
    Product,
    Run,
    Shop,
    StockxListing,
    Variant,
)
from soleflip.runtime import system_clock
from tests.web.conftest import post, token

FRAGMENT = {"HX-Request": "true", "HX-Request-Type": "partial"}
RESTORE = {"HX-Request": "true", "HX-History-Restore-Request": "true"}


@pytest.fixture
def book(app: Any) -> Any:
    """Opens transactions on the application's database."""
    transaction = app.extensions["soleflip"].transaction
    with app.app_context():
        yield transaction


def make_variant(session: Any, *, title: str = "Gel One", style: str | None = None, lowest: str = "120") -> Variant:
    """A product in one size with a fresh quote."""
    style = style or f"ST{uuid4().hex[:6].upper()}-100"
    brand = session.scalar(select(Brand).where(Brand.key == "asics")) or Brand(name="Asics", key="asics")
    product = Product(title=title, style_code=style, style_key=style, stockx_product_id=str(uuid4()), brand=brand)
    variant = Variant(product=product, size="9", sizes={"eu": "42.5"}, stockx_variant_id=str(uuid4()))
    session.add(variant)
    session.flush()
    session.add(
        LatestQuote(
            variant_id=variant.id,
            currency="EUR",
            lowest_ask=Decimal(lowest),
            highest_bid=Decimal("80"),
            at=system_clock() - timedelta(minutes=5),
        )
    )
    session.flush()
    return variant


def make_opportunity(session: Any, variant: Variant, cost: str = "50") -> Opportunity:
    """An open opportunity of a variant."""
    shop = session.scalar(select(Shop)) or Shop(name="Sole Shop")
    now = system_clock()
    offer = MarketPrice(
        shop=shop,
        external_id=uuid4().hex,
        title="An offer",
        price=Decimal(cost),
        currency="EUR",
        content_hash="x",
        seen_at=now,
        changed_at=now,
        match_state="firm",
        variant_id=variant.id,
    )
    session.add(offer)
    session.flush()
    opportunity = Opportunity(
        offer=offer,
        variant_id=variant.id,
        currency="EUR",
        cost=Decimal(cost),
        net_profit=Decimal("40"),
        expected_profit=Decimal("40"),
        is_worth=True,
        shop_id=offer.shop_id,
        shop_name=shop.name,
        product_id=variant.product_id,
        title=variant.product.title,
        words=variant.product.title.lower(),
        roi=Decimal("80"),
        quote_at=now,
        offer_seen_at=now,
        computed_at=now,
    )
    session.add(opportunity)
    session.flush()
    return opportunity


def make_listing(
    session: Any, variant: Variant, *, ask: str = "110", status: str = "active", cost: str | None = "50"
) -> StockxListing:
    """An item of ours with its listing."""
    item = Item(
        product_id=variant.product_id,
        variant_id=variant.id,
        state="in_stock" if status == "expired" else "listed",
        cost=Decimal(cost) if cost else None,
        currency="EUR",
    )
    session.add(item)
    session.flush()
    listing = StockxListing(
        product_id=variant.product_id,
        catalog_variant_id=variant.id,
        item_id=item.id,
        stockx_listing_id=str(uuid4()),
        stockx_product_id=variant.product.stockx_product_id,
        variant_id=variant.stockx_variant_id,
        currency="EUR",
        ask_price=Decimal(ask),
        original_ask_price=Decimal(ask),
        buy_price=item.cost,
        floor_price=Decimal("68"),
        expected_profit=Decimal("42.30"),
        status=status,
        is_active=status == "active",
        strategy_settings={},
        listed_at=system_clock() - timedelta(days=2),
        expires_at=system_clock() + timedelta(days=20),
    )
    session.add(listing)
    session.flush()
    return listing


def order(browser: Any, ids: list[UUID], ask: str = "118") -> Any:
    """Confirm a preview of these opportunities."""
    return post(
        browser,
        "/listings/order",
        opportunity_ids=[str(each) for each in ids],
        take=[str(each) for each in ids],
        **{f"ask-{each}": ask for each in ids},
    )


def test_the_pages_open_in_three_ways(browser, book):
    with book() as session:
        listing = make_listing(session, make_variant(session))
        run = Run(kind="list", actor="t", params={}, counts={})
        session.add(run)
        session.flush()
        ids = listing.id, run.id
    for address, fragment in (
        ("/listings", "listings-table"),
        (f"/listings/{ids[0]}", "listings-strategy"),
        (f"/listings/runs/{ids[1]}", "listings-run"),
    ):
        plain, part, restored = (browser.get(address, headers=head) for head in ({}, FRAGMENT, RESTORE))
        assert (plain.status_code, part.status_code, restored.status_code) == (200, 200, 200)
        assert plain.text.startswith("<!doctype html>")
        assert restored.text.startswith("<!doctype html>")
        assert not part.text.startswith("<!doctype html>")
        assert f'id="{fragment}"' in part.text
        assert "HX-Request" in part.headers["Vary"]


def test_the_preview_shows_what_a_pair_would_earn(browser, book):
    with book() as session:
        key = make_opportunity(session, make_variant(session)).id
    shown = post(browser, "/listings/preview", ids=str(key))
    assert shown.status_code == 200
    assert f'name="ask-{key}"' in shown.text
    assert "Not bought yet" in shown.text
    assert "List 1 on StockX" in shown.text


def test_a_typed_ask_is_worked_out_and_one_below_the_floor_is_refused(browser, book):
    with book() as session:
        key = make_opportunity(session, make_variant(session)).id
    fields = {"opportunity_ids": str(key), f"shown-{key}": "119"}
    good = post(browser, "/listings/preview", FRAGMENT, **fields, **{f"ask-{key}": "150"})
    assert "Typed by the operator." in good.text
    assert "€127.50" in good.text  # 150 less 9 %, 3 % and shipping
    bad = post(browser, "/listings/preview", FRAGMENT, **fields, **{f"ask-{key}": "40"})
    assert "below the floor" in bad.text
    assert "Nothing here can be listed" in bad.text


def test_confirming_lists_once_and_a_second_click_is_told_so(browser, book):
    with book() as session:
        keys = [make_opportunity(session, make_variant(session)).id for _ in range(3)]
    first = order(browser, keys)
    assert first.status_code == 303
    assert re.search(r"/listings/runs/[0-9a-f-]{36}$", first.headers["Location"])
    assert "3 pending" in browser.get(first.headers["Location"]).text
    second = order(browser, keys)
    assert second.status_code == 409
    assert "Already listed or bought from this opportunity." in second.text
    with book() as session:
        listings = session.scalars(select(StockxListing)).all()
        assert [(each.status, each.ask_price, each.created_from) for each in listings] == [("pending", 118, "bulk")] * 3
        assert {each.state for each in session.scalars(select(Item))} == {"reserved"}


def test_several_equal_pairs_are_listed_at_once_but_no_more_than_the_shop_has(browser, book):
    with book() as session:
        opportunity = make_opportunity(session, make_variant(session))
        opportunity.stock = 3
        key = opportunity.id
    fields = {"opportunity_ids": str(key), "take": str(key), f"ask-{key}": "118"}
    too_many = post(browser, "/listings/order", **fields, **{f"quantity-{key}": "4"})
    assert too_many.status_code == 409
    assert "between 1 and 3" in too_many.text
    assert post(browser, "/listings/order", **fields, **{f"quantity-{key}": "3"}).status_code == 303
    with book() as session:
        listings = session.scalars(select(StockxListing)).all()
        assert len({each.item_id for each in listings}) == len(listings) == 3
        assert {each.is_awaited for each in session.scalars(select(Item))} == {True}


def test_only_ticked_rows_are_listed(browser, book):
    with book() as session:
        keys = [make_opportunity(session, make_variant(session)).id for _ in range(2)]
    fields = {f"ask-{each}": "118" for each in keys}
    answer = post(browser, "/listings/order", opportunity_ids=[str(k) for k in keys], take=str(keys[0]), **fields)
    assert answer.status_code == 303
    with book() as session:
        assert session.scalars(select(StockxListing.source_opportunity_id)).all() == [keys[0]]


def test_all_that_match_a_filter_are_previewed(browser, book):
    with book() as session:
        for title in ("Gel One", "Gel Two", "Court Three"):
            make_opportunity(session, make_variant(session, title=title))
    shown = post(browser, "/listings/preview", all="1", query="q=gel&sort=-profit")
    assert "List 2 on StockX" in shown.text
    assert "Court Three" not in shown.text


def test_items_of_the_inventory_are_listed(browser, book):
    with book() as session:
        variant = make_variant(session)
        item = Item(
            product_id=variant.product_id, variant_id=variant.id, state="in_stock", cost=Decimal(50), currency="EUR"
        )
        session.add(item)
        session.flush()
        key = item.id
    shown = post(browser, "/listings/preview", ids=str(key), of="items")
    assert "List 1 on StockX" in shown.text
    done = post(browser, "/listings/order", item_ids=str(key), take=str(key), **{f"ask-{key}": "118"})
    assert done.status_code == 303
    with book() as session:
        assert session.get_one(Item, key).state == "reserved"


def test_equal_units_stand_as_one_line_and_keep_their_own_state(browser, book):
    with book() as session:
        variant = make_variant(session)
        for ask in ("110", "110", "115"):
            make_listing(session, variant, ask=ask)
        make_listing(session, variant, ask="110", status="inactive")
    page = browser.get("/listings").text
    assert "3 lines" not in page.split("<table")[0]
    assert page.count('id="listing-') == 3
    assert "2 pairs" in page


@pytest.mark.parametrize(
    "sort", ["title", "-title", "ask", "-profit", "listed", "-gap", "floor", "state", "bid", "lowest"]
)
def test_pages_by_key_show_every_line_once(browser, book, sort):
    with book() as session:
        for number in range(60):
            make_listing(session, make_variant(session, title=f"Shoe {number % 7}"), ask=str(100 + number % 5))
    seen: list[str] = []
    address = f"/listings?sort={sort}"
    while address:
        page = browser.get(address).text
        seen += re.findall(r'id="listing-([0-9a-f-]{36})"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == 60 == len(set(seen))


def test_filters_narrow_by_place_and_warning(browser, book):
    with book() as session:
        make_listing(session, make_variant(session, title="Cheapest", lowest="120"), ask="119")
        make_listing(session, make_variant(session, title="Dearer", lowest="100"), ask="110")
        make_listing(session, make_variant(session, title="Costless"), cost=None)
    assert "€10.00 above" in browser.get("/listings?place=above").text
    assert "Cheapest" not in browser.get("/listings?place=above").text
    assert "Cheapest" in browser.get("/listings?place=lowest").text
    costless = browser.get("/listings?warning=cost_unknown").text
    assert "Costless" in costless
    assert "Dearer" not in costless
    assert "No listing fits this filter" in browser.get("/listings?q=nothing").text


def test_a_bulk_price_change_passes_the_floor_row_by_row(browser, book):
    with book() as session:
        cheap = make_listing(session, make_variant(session), cost="20").id
        dear = make_listing(session, make_variant(session), cost="90").id
    answer = post(browser, "/listings/bulk", ids=f"{cheap},{dear}", act="price", mode="lower_percent", value="10")
    assert answer.status_code == 303
    run_page = browser.get(answer.headers["Location"]).text
    assert "below the floor" in run_page
    with book() as session:
        changes = session.scalars(select(ListingChange)).all()
        assert [(each.listing_id, each.new_price, each.state) for each in changes] == [(cheap, 99, "waiting")]


def test_a_change_that_is_wholly_refused_changes_nothing(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    answer = post(browser, "/listings/bulk", ids=str(key), act="price", mode="set", value="20")
    assert answer.status_code == 409
    assert "below the floor" in answer.text
    with book() as session:
        assert session.scalars(select(Run)).all() == []


@pytest.mark.parametrize(("act", "status"), [("activate", "inactive"), ("activate", "expired"), ("delete", "expired")])
def test_states_are_changed_by_a_run(browser, book, act, status):
    with book() as session:
        key = make_listing(session, make_variant(session), status=status).id
    assert post(browser, "/listings/bulk", ids=str(key), act=act).status_code == 303
    with book() as session:
        assert [(each.kind, each.state) for each in session.scalars(select(ListingChange))] == [(act, "waiting")]
        assert [each.kind for each in session.scalars(select(Run))] == ["change"]


def test_expired_listings_are_put_up_again(browser, book):
    assert post(browser, "/listings/relist").status_code == 409
    with book() as session:
        listing = make_listing(session, make_variant(session), status="expired")
        listing.item.state = "in_stock"
    assert "1 listing has expired." in browser.get("/listings").text
    assert post(browser, "/listings/relist").status_code == 303
    with book() as session:
        assert [(each.kind, each.new_price) for each in session.scalars(select(ListingChange))] == [("activate", 110)]


def test_a_listing_in_review_is_adopted_or_sent_again(browser, book):
    with book() as session:
        one, two = (make_listing(session, make_variant(session), status="review") for _ in range(2))
        for each in (one, two):
            each.stockx_listing_id = None
            each.review = {
                "why": "More listings on StockX fit this row than were sent.",
                "candidates": [{"listing_id": f"SX-{each.id}", "amount": "110", "created_at": "2026-01-01"}],
            }
        keys = one.id, two.id
    page = browser.get("/listings").text
    assert "2 listings need your decision" in page
    assert f"SX-{keys[0]}" in page
    adopted = post(browser, f"/listings/{keys[0]}/review", decision="adopt", stockx_listing_id=f"SX-{keys[0]}")
    again = post(browser, f"/listings/{keys[1]}/review", decision="absent")
    assert (adopted.status_code, again.status_code) == (303, 303)
    with book() as session:
        first, second = (session.get_one(StockxListing, key) for key in keys)
        assert (first.status, first.stockx_listing_id) == ("active", f"SX-{keys[0]}")
        run = session.get_one(Run, second.run_id)
        assert (second.status, run.kind, run.state) == ("pending", "list", "queued")


def test_a_listing_on_stockx_is_adopted_only_once(browser, book):
    with book() as session:
        one, two = (make_listing(session, make_variant(session), status=state) for state in ("review", "active"))
        taken, key = two.stockx_listing_id, one.id
    answer = post(browser, f"/listings/{key}/review", decision="adopt", stockx_listing_id=taken)
    assert answer.status_code == 409
    assert "another listing of ours" in answer.text


def test_failed_rows_are_tried_again_alone_and_a_run_is_undone(browser, book):
    with book() as session:
        run = Run(kind="list", actor="t", params={}, counts={}, state="done")
        session.add(run)
        session.flush()
        failed = make_listing(session, make_variant(session), status="failed")
        failed.item.state, failed.stockx_listing_id = "in_stock", None
        live = make_listing(session, make_variant(session))
        failed.run_id = live.run_id = run.id
        run_id, keys = run.id, (failed.id, live.id)
    page = browser.get(f"/listings/runs/{run_id}").text
    assert "Retry 1 failed" in page
    assert post(browser, f"/listings/runs/{run_id}/retry").status_code == 303
    assert post(browser, f"/listings/runs/{run_id}/undo").status_code == 303
    with book() as session:
        assert session.get_one(StockxListing, keys[0]).status == "pending"
        assert session.scalars(select(ListingChange.kind)).all() == ["delete"]
        assert session.scalars(select(ListingChange.listing_id)).all() == [keys[1]]


def test_a_strategy_has_a_form_of_its_own_settings(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    shown = browser.get(f"/listings/{key}?strategy=quick_sale", headers=FRAGMENT).text
    assert "Use Quick sale" in shown
    assert post(browser, f"/listings/{key}/strategy", strategy="hold").status_code == 303
    wrong = post(browser, f"/listings/{key}/strategy", strategy="competitive", by="lots")
    assert wrong.status_code == 422
    with book() as session:
        assert session.get_one(StockxListing, key).strategy == "hold"


def test_the_word_for_an_unknown_cost_is_kept(browser, book):
    with book() as session:
        key = make_listing(session, make_variant(session), cost=None).id
    assert "price it all the same" in browser.get(f"/listings/{key}").text
    assert post(browser, f"/listings/{key}/accept-cost").status_code == 303
    assert "price it all the same" not in browser.get(f"/listings/{key}").text


def test_a_viewer_changes_nothing(signed_in, book):
    with book() as session:
        key = make_listing(session, make_variant(session)).id
    assert post(signed_in("viewer"), "/listings/bulk", ids=str(key), act="delete").status_code == 403


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Select at least one row."),
        ({"ids": "nonsense"}, "The selection can&#39;t be read."),
        ({"ids": str(UUID(int=1)), f"ask-{UUID(int=1)}": "ten"}, "is not a number"),
    ],
)
def test_a_selection_that_means_nothing_is_told_so(browser, fields, sentence):
    answer = post(browser, "/listings/preview", **fields)
    assert answer.status_code == 422
    assert sentence in answer.text


def test_the_click_for_250_rows_takes_few_statements(browser, book, app):
    with book() as session:
        keys = [make_opportunity(session, make_variant(session)).id for _ in range(250)]
    statements: list[str] = []
    with app.app_context():
        engine = db.engine
    fields = {"csrf_token": token(browser), **{f"ask-{each}": "118" for each in keys}}
    fields |= {"opportunity_ids": [str(each) for each in keys], "take": [str(each) for each in keys]}
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    answer = browser.post("/listings/order", data=fields)
    assert answer.status_code == 303
    assert len(statements) <= 20, statements


@pytest.mark.parametrize("name", ["ask", "quantity"])
@pytest.mark.parametrize("typed", ["NaN", "sNaN", "Infinity", "1e999999", "1e99999999", "1e-999999"])
def test_a_number_that_is_none_is_refused_with_a_sentence(browser: Any, book: Any, name: str, typed: str) -> None:
    with book() as session:
        wanted = str(make_opportunity(session, make_variant(session)).id)
    answer = post(browser, "/listings/preview", ids=wanted, **{f"{name}-{wanted}": typed})
    assert answer.status_code == 422
    assert "is not a number" in answer.text


def test_one_pair_ordered_in_two_ways_is_listed_once(browser: Any, book: Any) -> None:
    with book() as session:
        variant = make_variant(session)
        wanted = make_opportunity(session, variant)
        item = Item(
            product_id=variant.product_id,
            variant_id=variant.id,
            state="in_stock",
            cost=Decimal(50),
            currency="EUR",
            opportunity_id=wanted.id,
        )
        session.add(item)
        session.flush()
        both = {"opportunity_ids": str(wanted.id), "item_ids": str(item.id)}
        item_id = item.id
    answer = post(browser, "/listings/order", take=list(both.values()), **both)
    assert answer.status_code == 303
    with book() as session:
        assert len(session.scalars(select(StockxListing).where(StockxListing.item_id == item_id)).all()) == 1


@pytest.mark.parametrize("address", ["/listings?q=a%00b", "/search?q=%00", "/inventory/new?q=a%00b"])
def test_a_nul_in_the_address_is_no_mistake_of_ours(browser: Any, address: str) -> None:
    assert browser.get(address).status_code == 400


def test_a_nul_in_a_form_is_no_mistake_of_ours(browser: Any) -> None:
    assert post(browser, "/inventory/look-up", q="a\x00b").status_code == 400


def test_a_brand_number_beyond_all_brands_finds_nothing(browser: Any) -> None:
    assert browser.get("/listings?brand=99999999999999999999999").status_code == 200


def _changed_prices(session: Any, *states: str, hours_ago: int = 0) -> UUID:
    """A run that changed prices and is over: one change in each of the states."""
    over = func.now() - timedelta(hours=hours_ago)
    run = Run(kind="change", actor="t", params={}, counts={}, state="done", finished_at=over)
    session.add(run)
    session.flush()
    for state in states:
        listing = make_listing(session, make_variant(session, title=f"Pair {state}"))
        change = ListingChange(listing_id=listing.id, run_id=run.id, kind="price", state=state, actor="t")
        change.old_price, change.new_price = Decimal("100"), Decimal("99")
        change.finished_at = system_clock() if state in ("done", "failed") else None
        session.add(change)
    session.flush()
    return run.id


@pytest.mark.parametrize(("hours_ago", "is_offered"), [(0, True), (2, False)])
def test_an_undo_is_offered_for_a_while(browser: Any, book: Any, hours_ago: int, is_offered: bool) -> None:
    with book() as session:
        run_id = _changed_prices(session, "done", hours_ago=hours_ago)
    assert ("The last run changed 1 price" in browser.get("/listings").text) is is_offered
    assert "Undo" in browser.get(f"/listings/runs/{run_id}").text


def test_rows_that_need_the_operator_come_first(browser: Any, book: Any) -> None:
    with book() as session:
        run_id = _changed_prices(session, "done", "failed")
    page = browser.get(f"/listings/runs/{run_id}").text
    assert page.index("Pair failed") < page.index("Pair done")


def test_a_change_under_way_is_looked_at_again(browser: Any, book: Any) -> None:
    assert "every 3s" not in browser.get("/listings").text
    with book() as session:
        _changed_prices(session, "waiting")
    assert "every 3s" in browser.get("/listings").text
