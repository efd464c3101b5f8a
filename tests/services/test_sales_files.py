"""Sales files: matched by style code or title and size, refused with line and reason, never counted twice."""

from __future__ import annotations

import gzip
import io
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.models import PastSale, Product, StyleCode, Variant
from soleflip.services import market_memory, sales_files

TODAY = date(2026, 3, 2)
HEAD = "style_code,size,sold_on,price,currency\n"


@pytest.fixture
def ten(session: Session) -> Variant:
    product = Product(title="Nike Air Max 1", style_code="AM1-100", style_key="AM1100")
    variants = [Variant(product=product, size=size, sizes={}) for size in ("10", "10W")]
    session.add_all(variants)
    session.flush()
    session.add(StyleCode(key="OTHER555", product_id=product.id))
    session.flush()
    return variants[0]


def read(session: Session, text: str, *, packed: bool = False) -> sales_files.Imported:
    content = gzip.compress(text.encode()) if packed else text.encode()
    return sales_files.import_sales(session, io.BytesIO(content), currency="EUR", today=TODAY)


def test_sales_become_memory_and_a_second_reading_adds_nothing(session: Session, ten: Variant) -> None:
    text = (
        HEAD + "AM1.100,10.0,2026-01-05,180,\nam1-100,10,2026-01-04,175.50,EUR\n" + "OTHER-555,10,2026-01-06,90,usd\n"
    )
    assert (read(session, text).added, read(session, text).known) == (3, 3)
    known = market_memory.recall(session, {ten.id}, "EUR")[ten.id]
    assert [(sale.on.day, sale.price) for sale in known.history] == [(4, Decimal("175.50")), (5, Decimal(180))]


def test_equal_sales_of_one_file_are_as_many_as_it_has(session: Session, ten: Variant) -> None:
    line = "AM1-100,10,2026-01-05,180,EUR\n"
    assert read(session, HEAD + line).added == 1
    again = read(session, HEAD + line * 3)
    assert (again.added, again.known) == (2, 1)


def test_the_columns_of_a_public_data_set_are_read_by_title_in_dollars(session: Session, ten: Variant) -> None:
    text = (
        "sold_on,brand,product,sale_price_usd,retail_price_usd,released_on,size_us,buyer_region\n"
        "2018-01-05,Nike,Nike-Air-Max-1,210.0,150,2017-01-01,10.0,Ohio\n"
    )
    assert read(session, text, packed=True).added == 1
    sale = session.scalars(select(PastSale)).one()
    assert (sale.variant_id, sale.price, sale.currency) == (ten.id, Decimal(210), "USD")


def test_a_heading_that_stands_twice_is_refused_by_name(session: Session, ten: Variant) -> None:
    with pytest.raises(InvalidInput, match=r"(?i)“price” stands more than once"):
        read(session, "style_code,size,sold_on,price,Price\nAM1-100,10,2026-01-05,180,90\n")


def test_refused_rows_are_named_with_line_and_reason_and_the_others_taken(session: Session, ten: Variant) -> None:
    rows = [
        "NO-CODE-1,10,2026-01-05,180,EUR",
        "AM1-100,7,2026-01-05,180,EUR",
        "AM1-100,10,05.01.2026,180,EUR",
        "AM1-100,10,2026-04-05,180,EUR",
        "AM1-100,10,2026-01-05,-3,EUR",
        "AM1-100,10,2026-01-05,180,euro",
        "AM1-100",
        "AM1-100,10,2026-01-05,180,EUR",
    ]
    result = read(session, HEAD + "\n".join(rows))
    assert (result.rows, result.added, result.refused) == (8, 1, 7)
    assert [refusal.line for refusal in result.refusals] == [2, 3, 4, 5, 6, 7, 8]
    says = " ".join(refusal.reason for refusal in result.refusals)
    for words in ("no product", "no size", "no day", "after today", "no price", "no currency", "size are needed"):
        assert words in says


@pytest.mark.parametrize("text", ["", "style_code,size\n", "\x00\x01"])
def test_what_is_no_sales_file_is_refused_whole(session: Session, text: str) -> None:
    with pytest.raises(InvalidInput, match=r"no column|can't be read"):
        read(session, text)


def test_a_broken_archive_is_refused(session: Session) -> None:
    with pytest.raises(InvalidInput, match="can't be read"):
        sales_files.import_sales(session, io.BytesIO(gzip.compress(b"x" * 99)[:20]), currency="EUR", today=TODAY)
