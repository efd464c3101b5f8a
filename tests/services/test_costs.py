"""Costs by CSV: first in, first out, each row once, leftovers listed."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain.analytics import period_of
from soleflip.domain.errors import InvalidInput
from soleflip.models import StockxOrder
from soleflip.services import analytics, costs, reports, tax_rows
from soleflip.services.costs import CostsResult
from soleflip.services.runs import Books
from tests.services.test_reports import line, report

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HEAD = "style,size,cost,date,supplier,document\n"


@pytest.fixture
def take(session: Session, books: Books) -> Any:
    sold = [line("1", sold="2024-03-01 10:00:00 +00"), line("2", sold="2024-05-01 10:00:00 +00")]
    reports.import_report(session, report(*sold), dry_run=False, now=NOW, books=books)

    def take_(rows: str, *, dry_run: bool = False) -> CostsResult:
        return costs.import_costs(session, io.BytesIO((HEAD + rows).encode()), dry_run=dry_run, now=NOW, books=books)

    return take_


def profits(session: Session) -> list[Decimal | None]:
    return list(session.scalars(select(StockxOrder.net_profit).order_by(StockxOrder.stockx_order_number)))


def test_the_oldest_purchase_goes_to_the_oldest_sale(take: Any, session: Session, books: Books) -> None:
    result = take('AB1234-100,9W,20.00,2024-02-01,Shop,R2\nAB1234.100,US 9W,"10,00",2024-01-01,Shop,R1\n')
    assert (result.matched, result.left_over, result.refused) == (2, [], [])
    assert profits(session) == [Decimal("20.65"), Decimal("10.65")]
    figures = analytics.profit(session, period_of("all", NOW.date()), books)
    assert (figures.unknown_sales, figures.profit) == (0, Decimal("31.30"))
    rows = list(tax_rows.rows(session, 2024, "plain", books))
    assert [(row.missing, row.facts.document) for row in rows] == [
        ([], "R1"),
        ([], "R2"),
    ]


def test_a_pair_is_not_sold_before_it_was_bought(take: Any, session: Session) -> None:
    result = take("AB1234-100,9W,20,2024-04-01,,\nAB1234-100,9W,30,2024-06-01,,\n")
    assert (result.matched, result.without_cost) == (1, ["1"])
    assert profits(session) == [None, Decimal("10.65")]
    assert result.left_over == [(3, "AB1234-100 9W: every sale of it has its cost, or was before the purchase.")]


def test_the_same_file_twice_gives_nothing_a_second_cost(take: Any, session: Session) -> None:
    rows = "AB1234-100,9W,20,2024-01-01,,\n"
    assert take(rows, dry_run=True).matched == 1
    assert profits(session) == [None, None]
    assert take(rows).matched == 1
    again = take(rows)
    assert (again.matched, again.duplicates) == (0, 1)
    assert profits(session) == [Decimal("10.65"), None]
    assert take(rows * 2).matched == 1, "two equal rows are two pairs"


def test_rows_that_make_no_sense_are_named(take: Any) -> None:
    result = take(",9,20,2024-01-01,,\nX1,9,-3,2024-01-01,,\nX1,9,3,someday,,\nX1,9,3\nZZ9999,9,3,2024-01-01,,\n")
    assert [number for number, _ in result.refused] == [2, 3, 4, 5]
    assert result.left_over == [(6, "ZZ9999 9: no sale of it.")]


def test_a_heading_that_stands_twice_is_refused_by_name(session: Session, books: Books) -> None:
    file = io.BytesIO(b"style,size,cost,date,Cost\n1203A,9,80,2024-01-01,90\n")
    with pytest.raises(InvalidInput, match=r"(?i)“cost” stands more than once"):
        costs.import_costs(session, file, dry_run=True, now=NOW, books=books)


def test_formulas_and_currencies_without_a_rate_are_refused(take: Any, session: Session) -> None:
    result = take("AB1234-100,9W,=10+10,2024-01-01,,\nAB1234-100,9W,20 PEN,2024-01-01,,\n")
    assert [number for number, _ in result.refused] == [2, 3]
    assert result.matched == 0
    assert take('AB1234-100,9W,20,2024-01-01,"=HYPERLINK(""x"")",\n').matched == 1
    assert profits(session) == [Decimal("10.65"), None]


def test_a_pair_bought_and_sold_after_midnight_counts_by_the_operators_day(session: Session, books: Books) -> None:
    reports.import_report(
        session, report(line("1", sold="2024-12-31 23:30:00 +00")), dry_run=False, now=NOW, books=books
    )
    file = io.BytesIO((HEAD + "AB1234-100,9W,20,2025-01-01,,\n").encode())
    assert costs.import_costs(session, file, dry_run=False, now=NOW, books=books).matched == 1
