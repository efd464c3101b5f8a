"""The tax report as JSON: what the CSV has, page by page, with the same totals; a penalty is in every profit."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select

from soleflip.api.tax import TaxRowShape
from soleflip.models import StockxOrder
from soleflip.services import ledger
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from soleflip.services.tax_files import COLUMNS
from tests.api.conftest import Caller
from tests.services.sales import entry, make_listing, payout

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOOKS = Books("EUR", ZoneInfo("Europe/Berlin"))
YEAR = "/analytics/tax-report/2026"


@pytest.fixture
def sales(app: Flask, owner: Any) -> None:
    """Five sales: one of unknown cost, one in dollars, one returned, one with a penalty of 7.34."""
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        for number in range(5):
            currency = "USD" if number == 3 else "EUR"
            cost = None if number == 2 else f"{20 + number}.00"
            make_listing(session, f"L{number}", style=f"S{number}", cost=cost, currency=currency)
            paid = payout("48.94", f"{38 - number}.03", currency=currency)
            more = {"listing": f"L{number}", "currency": currency, "payout": paid}
            created = f"2026-02-0{number + 1}T10:00:00Z"
            page = [entry(f"{number}", "COMPLETED", created=created, updated="2026-02-20T10:00:00Z", **more)]
            record(session, page, BOOKS, NOW, actor="test")
        gone = entry("1", "RETURNED", listing="L1", created="2026-02-02T10:00:00Z", updated="2026-03-01T10:00:00Z")
        record(session, [gone], BOOKS, NOW, actor="test")
        fined = session.scalars(select(StockxOrder).filter_by(stockx_order_number="4")).one()
        ledger.book_penalty(session, fined.id, Decimal("7.34"), "late", actor="test", books=BOOKS, now=NOW)


def pages_of(caller: Caller, query: str) -> list[dict[str, Any]]:
    """Walk all pages of the report, two rows at a time."""
    pages = [caller.get(f"{YEAR}?limit=2&{query}").json]
    while cursor := pages[-1]["next_cursor"]:
        pages.append(caller.get(f"{YEAR}?limit=2&{query}&cursor={cursor}").json)
    return pages


def test_a_row_has_what_a_line_of_the_csv_has() -> None:
    assert [column.key for column in COLUMNS] == list(TaxRowShape.model_fields)


@pytest.mark.parametrize("treatment", ["plain", "margin_scheme", "intra_eu", "schedule_c", "small_business"])
@pytest.mark.parametrize("basis", ["sale", "payout"])
def test_the_rows_and_totals_are_those_of_the_csv(caller: Caller, sales: None, treatment: str, basis: str) -> None:
    query = f"treatment={treatment}&basis={basis}"
    pages = pages_of(caller, query)
    rows = [row for page in pages for row in page["rows"]]
    assert len({(row["order"], row["time_utc"]) for row in rows}) == len(rows) == 7
    assert all(page["total"] == pages[0]["total"] for page in pages)
    text = caller.get(f"{YEAR}?{query}", headers={"Accept": "text/csv"}).data.decode("utf-8-sig")
    *lines, total = csv.DictReader(io.StringIO(text))
    for line, row in zip(lines, rows, strict=True):
        for (name, cell), column in zip(line.items(), COLUMNS, strict=True):
            found = row[column.key]
            if isinstance(found, str) and not name.startswith(("Time", "Payout date")):
                assert cell.removeprefix("'") == found or Decimal(cell) == Decimal(found), name
            elif found is None:
                assert cell == "", name
    sums = pages[0]["total"]
    for name, key in {"fees": "fees", "payout": "payout", "turnover": "turnover", "vat": "vat"}.items():
        added = sum(Decimal(row[key] or 0) for row in rows)
        assert added == Decimal(sums[name]), name
        column = next(column for column in COLUMNS if column.key == key)
        assert Decimal(total[f"{column.header} (EUR)"]) == added
    known = [row for row in rows if row["profit"] is not None]
    assert sum(Decimal(row["profit"]) for row in known) == Decimal(sums["profit"])
    assert pages[0]["bridge"][-1]["amount"] == sums["profit"]


def test_a_cost_in_another_currency_is_told_with_its_rate(caller: Caller, sales: None) -> None:
    rows = {row["order"]: row for row in caller.get(YEAR).json["rows"]}
    home, dollars = rows["0"], rows["3"]
    assert (home["purchase_currency"], home["purchase_rate"]) == ("EUR", "1.00000000")
    assert (dollars["purchase_currency"], dollars["purchase_rate_source"]) == ("USD", "ECB")
    cost = round(Decimal("23.00") * Decimal(dollars["purchase_rate"]), 2)
    assert (Decimal(dollars["cost"]), dollars["purchase_rate_date"] <= dollars["purchase_date"]) == (cost, True)
    assert rows["2"]["purchase_rate"] is None


def test_only_the_rows_that_lack_documents_are_shown_on_request(caller: Caller, sales: None) -> None:
    pages = pages_of(caller, "missing=true")
    rows = [row for page in pages for row in page["rows"]]
    assert len(rows) == pages[0]["missing_documents"] > 0
    assert all(row["missing"] for row in rows)


def test_a_cursor_of_another_treatment_is_refused(caller: Caller, sales: None) -> None:
    cursor = caller.get(f"{YEAR}?limit=2").json["next_cursor"]
    assert caller.get(f"{YEAR}?limit=2&treatment=intra_eu&cursor={cursor}").status_code == 422


def test_a_penalty_booked_by_hand_is_in_the_profit_of_order_analytics_and_report(caller: Caller, sales: None) -> None:
    order = caller.get("/orders/4").json
    assert (order["net_profit"], order["profit_in_books"], order["penalties"]) == ("2.69", "2.69", "-7.34")
    assert order["books_currency"] == "EUR"
    listed = caller.get("/orders/history").json["items"]
    assert next(each["net_profit"] for each in listed if each["order_number"] == "4") == "2.69"
    details = [caller.get(f"/orders/{number}").json["profit_in_books"] for number in range(5)]
    profit = sum(Decimal(each) for each in details if each is not None)
    analytics = caller.get("/analytics/profits?start_date=2026-01-01&end_date=2026-12-31").json["realised"]
    assert profit == Decimal(analytics["profit"]) == Decimal(caller.get(YEAR).json["total"]["profit"])
