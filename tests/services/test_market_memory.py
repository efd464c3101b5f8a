"""Market memory: own sales are remembered once, old quotes are thinned, other sizes speak for a silent one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.models import PastSale, Product, Quote, StockxOrder, Variant
from soleflip.services import market_memory
from soleflip.services.runs import Books, Work

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def variants(session: Session, *sizes: str) -> list[Variant]:
    product = Product(title="Shoe")
    session.add(product)
    session.flush()
    made = [Variant(product_id=product.id, size=size, sizes={}) for size in sizes]
    session.add_all(made)
    session.flush()
    return made


def test_an_own_sale_is_remembered_once_and_a_cancelled_one_never(session: Session) -> None:
    (variant,) = variants(session, "9")
    for number, status in (("1", "completed"), ("2", "cancelled")):
        session.add(
            StockxOrder(
                stockx_order_number=number,
                catalog_variant_id=variant.id,
                currency="EUR",
                sale_price=Decimal(150),
                order_status=status,
                stockx_status="COMPLETED",
                sold_at=NOW,
            )
        )
    session.flush()
    market_memory.learn_own_sales(session)
    market_memory.learn_own_sales(session)
    sales = session.scalars(select(PastSale)).all()
    assert [(sale.reference, sale.price, sale.sold_on) for sale in sales] == [("1", Decimal(150), date(2026, 3, 2))]


def test_sales_of_other_sizes_speak_for_a_size_and_not_for_another_product(session: Session) -> None:
    nine, ten = variants(session, "9", "10")
    (other,) = variants(session, "9")
    for each, price in ((nine, 100), (ten, 200), (other, 300)):
        session.add(
            PastSale(variant_id=each.id, sold_on=NOW.date(), price=Decimal(price), currency="EUR", source="file")
        )
    session.flush()
    known = market_memory.recall(session, {nine.id}, "EUR")
    assert [sale.price for sale in known[nine.id].history] == [Decimal(100)]
    assert known[nine.id].others is not None
    assert len(known[nine.id].others.tracks) == 1
    assert known[uuid4()] == market_memory.NOTHING


def test_of_old_quotes_the_last_of_each_day_stays(
    session: Session, transaction: Callable[[], AbstractContextManager[Session]], books: Books, clock: Any
) -> None:
    (variant,) = variants(session, "9")
    for days, hours in ((40, 1), (40, 2), (41, 3), (5, 1), (5, 2)):
        at = NOW - timedelta(days=days, hours=hours)
        session.add(Quote(variant_id=variant.id, currency="EUR", at=at, lowest_ask=Decimal(days)))
    session.flush()
    work = Work(uuid4(), {}, "test", transaction, None, clock, books)  # type: ignore[arg-type]
    clock.at = NOW
    assert market_memory.thin_quotes(work).startswith("1 old quote")
    assert session.scalar(select(func.count()).select_from(Quote)) == 4
