"""The Orders, Analytics and Tax pages, asked as a browser asks."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.models import Item, LedgerEntry, Run, StockxOrder
from soleflip.services.order_snapshots import record, record_detail
from soleflip.stockx.orders import OrderDetail
from tests.services.sales import entry, make_listing, payout, shipment, snapshot
from tests.services.test_reports import line, report
from tests.web.conftest import post


@pytest.fixture
def shop(app: Any) -> dict[str, Any]:
    """One sale that is paid, one to ship, one whose pair nobody knows; their ids by order number."""
    parts = app.extensions["soleflip"]
    with app.app_context(), parts.transaction() as session:
        now = parts.clock()
        day = now.date().isoformat()
        for number in ("1", "2", "3"):
            make_listing(session, f"L{number}", style=f"A{number}")
        record(
            session,
            [
                entry("1-1", "COMPLETED", created=f"{day}T00:00:01Z", updated=f"{day}T00:00:02Z",
                      payout=payout("48.94", "38.03")),
                entry("3-3", "COMPLETED", listing="L9", created=f"{day}T00:00:01Z", payout=payout("50", "40", []),
                      variant={"variantId": "V-L3", "variantValue": "9"}, product={"productId": "P-L3"}),
            ],
            parts.books, now, actor="test",
        )  # fmt: skip
        late = snapshot("2-2", listing="L2", created=f"{day}T00:00:01Z", shipment=shipment("2020-01-01T00:00:00Z"))
        record_detail(
            session, OrderDetail.model_validate(late | {"payout": payout("48.94", "38")}), parts.books, now, actor="t"
        )
        return {order.stockx_order_number: order.id for order in session.scalars(select(StockxOrder))}


FRAGMENT = {"HX-Request": "true"}


@pytest.mark.parametrize(
    "headers", [{}, {"HX-Request": "true"}, {"HX-Request": "true", "HX-History-Restore-Request": "true"}]
)
@pytest.mark.parametrize(
    "address",
    [
        "/orders",
        "/orders?sort=-profit&stage=paid",
        "/analytics",
        "/analytics?period=all&by=brand&unit=day",
        "/tax",
        "/tax?treatment=margin_scheme",
        "/tax?treatment=intra_eu&basis=payout&show=missing",
        "/tax?year=2001",
        "/tax/past",
    ],
)  # fmt: skip
def test_pages_come_whole_or_as_a_fragment(browser: Any, shop: Any, address: str, headers: dict[str, str]) -> None:
    answer = browser.get(address, headers=headers)
    assert answer.status_code == 200, answer.text[:2000]
    assert ("<html" in answer.text) == (headers != FRAGMENT)


@pytest.mark.parametrize("address", ["/orders", "/analytics", "/tax", "/analytics?period=all"])
def test_pages_stand_without_any_sale(browser: Any, address: str) -> None:
    assert browser.get(address).status_code == 200


def test_what_is_not_realised_is_not_shown_as_a_profit_of_zero(browser: Any) -> None:
    figures = browser.get("/analytics").text
    assert "a sale is realised when" in figures
    assert "Net profit" not in figures
    assert '"stat-label">Profit<' not in browser.get("/tax").text


def test_what_is_to_ship_comes_first_and_late_is_said(browser: Any, shop: Any) -> None:
    text = browser.get("/orders").text
    assert text.index("To ship") < text.index("38.03")
    assert "Late" in text
    assert "no known pair" in text


def test_a_pair_that_is_sold_before_it_is_bought_is_shown_where_one_acts(app: Any, browser: Any, shop: Any) -> None:
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        order = session.get(StockxOrder, shop["2-2"])
        assert order is not None
        assert order.item is not None
        order.item.note, order.item.is_awaited = "to buy", True
        title, item_id = order.item.product.title, order.item_id

    assert "Not bought yet" in browser.get("/orders").text
    assert "sold pair that is not bought yet" in browser.get("/").text
    assert title in browser.get("/inventory?state=to_buy", headers=FRAGMENT).text

    post(browser, "/inventory/bulk", act="arrive", ids=str(item_id))
    assert "Not bought yet" not in browser.get("/orders").text
    assert "not bought yet" not in browser.get("/").text


def test_an_order_shows_its_payout_lines_verbatim(browser: Any, shop: Any) -> None:
    text = browser.get(f"/orders/{shop['1-1']}").text
    for words in (
        "MinTransactionFee",
        "Payment Proc. (3%)",
        "StockX&#39;s total",
        "€38.03",
        "€18.03",
        "Finished, paid",
    ):
        assert words in text, words


def test_a_sale_under_way_shows_what_it_should_earn_and_no_profit(browser: Any, shop: Any) -> None:
    """38.00 to come less 20.00 for the pair."""
    text = browser.get(f"/orders/{shop['2-2']}").text
    assert "expected +€18.00" in text
    assert "€20.00, not booked yet" in text


def test_naming_the_pair_books_its_cost_once(app: Any, browser: Any, shop: Any) -> None:
    address = f"/orders/{shop['3-3']}"
    item = re.search(r'name="item" value="([0-9a-f-]{36})"', browser.get(address).text)
    assert item
    assert post(browser, f"{address}/item", item=item[1]).status_code == 303
    assert post(browser, f"{address}/item", item=item[1]).status_code == 409
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        order = session.get_one(StockxOrder, shop["3-3"])
        assert (str(order.net_profit), order.match_state) == ("20.00", "matched")
        assert session.get_one(Item, order.item_id).state == "sold"


def test_a_penalty_is_booked_and_reversed(browser: Any, shop: Any) -> None:
    address = f"/orders/{shop['1-1']}"
    assert post(browser, f"{address}/penalty", amount="15,50", reason="late").status_code == 303
    text = browser.get(address).text
    entry_id = re.search(r"/entries/(\d+)/reverse", text)
    assert entry_id
    assert "−€15.50" in text
    assert post(browser, f"{address}/entries/{entry_id[1]}/reverse").status_code == 303
    assert "/reverse" not in browser.get(address).text
    assert post(browser, f"{address}/penalty", amount="much", reason="").status_code == 422


def test_a_cost_is_entered_and_corrected_on_the_order(app: Any, browser: Any, shop: Any) -> None:
    address = f"/orders/{shop['3-3']}"
    form = {"bought": "2026-01-02", "supplier": "Shop", "document": "R1"}
    assert post(browser, f"{address}/cost", cost="15,00", **form).status_code == 303
    assert post(browser, f"{address}/cost", cost="16.50", **form).status_code == 303
    assert post(browser, f"{address}/cost", cost="-1").status_code == 422
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        order = session.get_one(StockxOrder, shop["3-3"])
        assert str(order.net_profit) == "23.50"
        booked = session.scalars(
            select(LedgerEntry.amount).where(LedgerEntry.order_id == order.id, LedgerEntry.kind == "cost")
        ).all()
        assert sorted(str(amount) for amount in booked) == ["-15.00", "-16.50", "15.00"]


def test_sync_starts_a_run(app: Any, browser: Any) -> None:
    assert post(browser, "/orders/sync").status_code == 303
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert session.scalars(select(Run.kind)).all() == ["order_sync"]


def test_pages_follow_by_key(browser: Any, app: Any, monkeypatch: pytest.MonkeyPatch, shop: Any) -> None:
    monkeypatch.setattr("soleflip.services.order_book.PAGE", 1)
    for sort in ("sold", "-sold", "profit", "-profit", "roi", "-price", "payout"):
        seen, address = [], f"/orders?sort={sort}"
        while address:
            text = browser.get(address, headers={"HX-Request": "true"}).text
            seen += re.findall(r'<tr id="order-([0-9a-f-]+)"', text)
            following = re.search(r'href="([^"]+)">Next page', text)
            address = following[1].replace("&amp;", "&") if following else ""
        assert sorted(seen) == sorted(str(key) for key in shop.values()), sort
    assert browser.get("/orders?after=nonsense").status_code == 422


def test_the_report_downloads_in_three_forms(browser: Any, shop: Any) -> None:
    year = re.search(r'<option value="(\d{4})" selected', browser.get("/tax").text)
    assert year
    for ending, start in (("csv", "\ufeffRow,".encode()), ("xlsx", b"PK\x03\x04"), ("pdf", b"%PDF")):
        answer = browser.get(f"/tax/{year[1]}.{ending}?treatment=plain")
        assert answer.status_code == 200
        assert answer.data.startswith(start)
        assert "attachment" in answer.headers["Content-Disposition"]
        answer.close()
    assert browser.get("/tax/2025.csv?treatment=loophole").status_code == 422
    assert browser.get("/tax/1.csv").status_code == 422
    assert b",78.03," in browser.get("/analytics/time.csv?period=all&unit=month").data
    assert browser.get("/analytics/groups.csv?by=brand").data.count(b"Asics") == 1


def test_a_seller_report_is_previewed_then_taken(app: Any, browser: Any) -> None:
    file = (io.BytesIO(report(line("1"), line("2", price="x")).getvalue()), "report.csv")
    shown = post(browser, "/tax/past", kind="report", file=file)
    assert shown.status_code == 200
    assert "2 rows: 1 would be imported" in shown.text
    token = re.search(r'action="(/tax/past/[0-9a-f-]{36})"', shown.text)
    assert token
    assert post(browser, token[1], kind="report").status_code == 303
    assert browser.get("/orders").text.count("Gel One") == 1
    assert post(browser, token[1], kind="report").status_code == 404, "the upload is gone once it is taken"


def test_a_wrong_file_is_refused_on_the_page(browser: Any) -> None:
    answer = post(browser, "/tax/past", kind="report", file=(io.BytesIO(b"a,b\n1,2\n"), "x.csv"))
    assert answer.status_code == 422
    assert "Columns are missing" in answer.text


def test_a_label_that_is_not_made_yet_is_said(browser: Any, shop: Any) -> None:
    assert browser.get(f"/orders/{shop['1-1']}/label.pdf").status_code == 404


def test_only_a_direct_order_has_a_set_of_documents(app: Any, browser: Any, shop: Any) -> None:
    answer = browser.get(f"/orders/{shop['1-1']}/documents")
    assert answer.status_code == 404
    assert "Only Direct orders" in answer.text
    with app.test_request_context():
        fragment = app.jinja_env.get_template("orders/_documents.html")
        assert 'href="https://a/1"' in fragment.render(links=[("Invoice", "https://a/1")])
        assert "No documents yet" in fragment.render(links=[])


@pytest.mark.parametrize("ending", ["csv", "xlsx", "pdf"])
def test_a_year_without_sales_has_its_files_too(browser: Any, ending: str) -> None:
    answer = browser.get(f"/tax/2001.{ending}")
    assert answer.status_code == 200
    assert len(answer.data) > 500
    answer.close()


def test_rows_of_the_tax_year_follow_by_key(browser: Any, shop: Any) -> None:
    assert browser.get("/tax?after=nonsense").status_code == 422
    missing = browser.get("/tax?show=missing").text
    assert missing.count("Missing: ") == 1, "the sale whose pair nobody knows"
