"""The past from StockX's seller report: each sale once, to the cent, with a preview before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from soleflip.domain.catalog import style_keys
from soleflip.domain.days import check_past
from soleflip.domain.errors import InvalidInput
from soleflip.domain.fee_book import FeeBook
from soleflip.domain.ledger import postings_of_sale
from soleflip.domain.money import ZERO
from soleflip.domain.seller_report import PAID_AT, REQUIRED, SOLD_AT, SellerSale, read_sale
from soleflip.domain.tax import year_of
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, OrderEvent, Product, StockxOrder, Variant
from soleflip.services import fees, ledger, profit_days, rates
from soleflip.services.order_snapshots import set_payout
from soleflip.services.runs import Books
from soleflip.services.tables import read_table

CHUNK = 500
REPORT_LOCK = 7420032
WHAT = "the historical seller sales report that StockX offers for download"


@dataclass(slots=True)
class Sums:
    """What some sales of the report come to: sale + fees + unexplained = payout, fees negative."""

    sales: int = 0
    sale_total: Decimal = ZERO
    fees_total: Decimal = ZERO
    unexplained_total: Decimal = ZERO
    payout_total: Decimal = ZERO

    def add(self, sale: SellerSale) -> None:
        """Take one more sale in."""
        self.sales += 1
        self.sale_total += sale.price
        self.fees_total += sum((line.amount for line in sale.lines if line.kind != "unexplained"), ZERO)
        self.unexplained_total += sum((line.amount for line in sale.lines if line.kind == "unexplained"), ZERO)
        self.payout_total += sale.payout

    def as_json(self) -> dict[str, Any]:
        """Write the sums as text, for JSON."""
        return {
            "sales": self.sales,
            "sale_total": f"{self.sale_total:.2f}",
            "fees_total": f"{self.fees_total:.2f}",
            "unexplained_total": f"{self.unexplained_total:.2f}",
            "payout_total": f"{self.payout_total:.2f}",
        }


@dataclass(slots=True)
class ReportResult:
    """What came of a report: every row is imported, updated, a duplicate, or refused with its line and reason.

    The sums are of the imported and updated rows, by currency and by year (operator's time zone).
    """

    dry_run: bool
    rows: int = 0
    imported: int = 0
    updated: int = 0
    duplicates: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    total: Sums = field(default_factory=Sums)
    by_year: dict[int, Sums] = field(default_factory=dict)
    currencies: set[str] = field(default_factory=set)

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        done = "would be imported" if self.dry_run else "imported"
        total = self.total
        return (
            f"{count_of(self.rows, 'row')}: {self.imported} {done}, {self.updated} completed, "
            f"{count_of(self.duplicates, 'duplicate')}, "
            f"{len(self.refused)} refused. Sales {total.sale_total:.2f}, fees {total.fees_total:.2f}, "
            f"unexplained {total.unexplained_total:.2f}, payouts {total.payout_total:.2f} "
            f"{'/'.join(sorted(self.currencies))}".rstrip()
            + "."
        )

    def as_json(self) -> dict[str, Any]:
        """Write the result for JSON; amounts are text."""
        sums = self.total.as_json()
        sums.pop("sales")
        return {
            "dry_run": self.dry_run,
            "rows": self.rows,
            "imported": self.imported,
            "updated": self.updated,
            "duplicates": self.duplicates,
            "refused": [[line, reason] for line, reason in self.refused],
            **sums,
            "currencies": sorted(self.currencies),
            "by_year": {str(year): found.as_json() for year, found in sorted(self.by_year.items())},
        }


def import_report(
    session: Session, stream: IO[bytes], *, dry_run: bool, now: datetime, books: Books, actor: str = "command"
) -> ReportResult:
    """Import StockX's seller report; a second time changes nothing. Raises InvalidInput when it is no such report.

    A row equal to one already taken is a duplicate. An order that the sync knows gets what only the report tells:
    payout date and id, invoice and destination. Different amounts for a known report sale are refused.
    """
    result = ReportResult(dry_run)
    # Two reports at once would both take the sales that neither has written yet.
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": REPORT_LOCK})
    days: set[date] = set()
    sales = _sales(stream, result, books, now)
    while chunk := list(islice(sales, CHUNK)):
        days |= _take(session, chunk, result, books, now)
    if not dry_run:
        profit_days.refresh_days(session, days, books, now)
        counts = {name: getattr(result, name) for name in ("rows", "imported", "updated", "duplicates")}
        session.add(AuditEntry(actor=actor, act="import seller report", after=counts))
        session.flush()
    return result


def _sales(stream: IO[bytes], result: ReportResult, books: Books, now: datetime) -> Iterator[tuple[int, SellerSale]]:
    """The file's sales, each once; what is refused and what stands twice is counted on the way."""
    seen: dict[str, tuple[int, str]] = {}
    for line, record in read_table(stream, REQUIRED, WHAT):
        result.rows += 1
        try:
            if isinstance(record, str):
                raise InvalidInput(record)
            sale = read_sale(record)
            check_past(sale.sold_at.date(), now.date(), SOLD_AT)
            check_past(sale.paid_at and sale.paid_at.date(), now.date(), PAID_AT)
            rates.rate(sale.currency, books.currency, sale.sold_at.astimezone(books.timezone).date())
        except InvalidInput as error:
            result.refused.append((line, str(error)))
            continue
        first = seen.setdefault(sale.order_number, (line, sale.fingerprint))
        if first[0] == line:
            yield line, sale
        elif first[1] == sale.fingerprint:
            result.duplicates += 1
        else:
            result.refused.append(
                (line, f"Order {sale.order_number} stands already on line {first[0]}, with other content.")
            )


def _take(
    session: Session, chunk: Sequence[tuple[int, SellerSale]], result: ReportResult, books: Books, now: datetime
) -> set[date]:
    numbers = [sale.order_number for _, sale in chunk]
    query = select(StockxOrder).where(StockxOrder.stockx_order_number.in_(numbers))
    known = {order.stockx_order_number: order for order in session.scalars(query.with_for_update())}
    new: list[SellerSale] = []
    days: set[date] = set()
    for line, sale in chunk:
        order = known.get(sale.order_number)
        if order is None:
            new.append(sale)
            result.imported += 1
        elif order.report.get("fingerprint") == sale.fingerprint:
            result.duplicates += 1
            continue
        elif order.source == "report" and _money(order) != (sale.price, sale.payout, sale.currency):
            result.refused.append(
                (line, f"Order {sale.order_number} was imported before with other amounts; it stays as it was.")
            )
            continue
        else:
            result.updated += 1
            if not result.dry_run:
                days |= _complete(session, order, sale, books, now)
        _count(result, sale, books)
    if new and not result.dry_run:
        days |= _insert(session, new, books)
    return days


def _count(result: ReportResult, sale: SellerSale, books: Books) -> None:
    result.total.add(sale)
    result.by_year.setdefault(year_of(sale.sold_at, books.timezone), Sums()).add(sale)
    result.currencies.add(sale.currency)


def _money(order: StockxOrder) -> tuple[Decimal, Decimal | None, str]:
    return (order.sale_price, order.net_proceeds, order.currency)


def _insert(session: Session, sales: Sequence[SellerSale], books: Books) -> set[date]:
    """Write new sales with their payout lines and their lines in the books, a few statements for all."""
    catalog = _catalog(session, sales)
    book = fees.book(session)
    orders = [_order(sale, catalog, book) for sale in sales]
    session.add_all(orders)
    session.flush()
    days = set()
    for order, sale in zip(orders, sales, strict=True):
        set_payout(session, order, sale.lines, is_new=True)
        session.add(OrderEvent(order_id=order.id, stockx_status="COMPLETED", at=sale.paid_at or sale.sold_at))
        postings = postings_of_sale(sale.price, sale.currency, sale.lines, None)
        days |= ledger.post_new(session, order, postings, books)
    session.flush()
    return days


def _order(sale: SellerSale, catalog: Known, book: FeeBook) -> StockxOrder:
    paid = sale.paid_at or sale.sold_at
    key = (_style(sale.style_code), sale.size or "")
    product_id, variant_id, kind = catalog.get(key) or catalog.get((key[0], "")) or (None, None, None)
    order = StockxOrder(
        stockx_order_number=sale.order_number,
        source="report",
        match_state="past",
        order_status="completed",
        stockx_status="COMPLETED",
        product_id=product_id,
        catalog_variant_id=variant_id,
        title=sale.title,
        style_code=sale.style_code,
        size=sale.size,
        currency=sale.currency,
        sale_price=sale.price,
        total_adjustments=sale.payout - sale.price,
        net_proceeds=sale.payout,
        tracking_number=sale.tracking_number,
        destination=sale.destination,
        payout_id=sale.payout_id,
        report={**sale.kept, "fingerprint": sale.fingerprint},
        sold_at=sale.sold_at,
        paid_at=sale.paid_at,
        completed_at=paid,
        realised_at=paid,
    )
    order.estimated_payout = fees.estimate(book, order, kind)
    return order


def _complete(session: Session, order: StockxOrder, sale: SellerSale, books: Books, now: datetime) -> set[date]:
    """Add what only the report tells to a known order; of two payouts the report's is the one that was paid."""
    order.report = {**sale.kept, "fingerprint": sale.fingerprint}
    order.paid_at = sale.paid_at or order.paid_at
    order.payout_id = sale.payout_id or order.payout_id
    order.destination = sale.destination or order.destination
    order.title = order.title or sale.title
    order.style_code = order.style_code or sale.style_code
    order.size = order.size or sale.size
    if order.order_status == "cancelled" or _money(order) == (sale.price, sale.payout, sale.currency):
        session.flush()
        return set()
    order.sale_price, order.net_proceeds, order.currency = sale.price, sale.payout, sale.currency
    order.total_adjustments = sale.payout - sale.price
    set_payout(session, order, sale.lines)
    session.flush()
    return ledger.settle(session, order, books, now, is_paid=True)


def _style(code: str | None) -> str:
    return next(iter(style_keys(code)), "")


Known = dict[tuple[str, str], tuple[UUID, UUID | None, str | None]]


def _catalog(session: Session, sales: Sequence[SellerSale]) -> Known:
    """Products, variants and StockX's type of them by style key and size; under an empty size, the product alone."""
    keys = {_style(sale.style_code) for sale in sales} - {""}
    query = (
        select(Product.style_key, Variant.size, Product.id, Variant.id, Product.product_type)
        .outerjoin(Variant, Variant.product_id == Product.id)
        .where(Product.style_key.in_(keys))
    )
    found: Known = {}
    for style, size, product_id, variant_id, kind in session.execute(query):
        found[(str(style), size or "")] = (product_id, variant_id, kind)
        found.setdefault((str(style), ""), (product_id, None, kind))
    return found
