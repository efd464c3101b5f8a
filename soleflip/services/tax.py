"""The tax report of a year: one row per sale, reversal, penalty and write-off, streamed from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby, islice
from typing import Any
from uuid import UUID

from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session, joinedload

from soleflip.domain.analytics import bounds
from soleflip.domain.money import ZERO
from soleflip.domain.orders import UNEXPLAINED, kind_of
from soleflip.domain.tax import Booked, Meter, Report, Taxed, tax, thresholds_of, treatment_of, year_bounds
from soleflip.models import Item, LedgerEntry, StockxOrder
from soleflip.services import rates, settings
from soleflip.services.runs import Books
from soleflip.services.settings import VatSettings

CHUNK = 500
TREATMENT_OF_SETTING = {"small_business": "small_business", "margin_scheme": "margin_scheme"}


@dataclass(frozen=True, slots=True)
class TaxRow:
    """One row of the report: a sale, reversal, penalty or write_off; amounts of `booked` in the books' currency."""

    kind: str
    booked_at: datetime
    local_day: date
    booked: Booked
    taxed: Taxed
    treatment: str
    fees: tuple[tuple[str, Decimal], ...]
    entry_ids: tuple[int, ...]
    reverses: tuple[int, ...]
    rate: Decimal | None
    rate_source: str | None
    rate_date: date | None
    original_price: Decimal | None
    original_currency: str | None
    order: StockxOrder | None
    item: Item | None

    @property
    def holding_days(self) -> int | None:
        """Days from the purchase document to the sale; None when the purchase date is unknown."""
        bought = self.item.purchase.purchased_on if self.item and self.item.purchase else None
        return (self.local_day - bought).days if bought and self.kind == "sale" else None

    @property
    def counterparty_vat_id(self) -> str:
        """The VAT number of who bought from us (StockX), as the seller report names it; else empty."""
        return self.from_report("Sold to VAT Number")

    def from_report(self, column: str) -> str:
        """Return a field of the imported seller report, empty where there is none."""
        return str(self.order.report.get(column, "")) if self.order is not None else ""

    @property
    def name(self) -> str:
        """The order's number, or what stands in for one."""
        return self.order.stockx_order_number if self.order is not None else f"item {self.item and self.item.id}"

    def fee_sum(self, kind: str) -> Decimal:
        """Sum the fee lines of one kind: transaction, processing, shipping, other or unexplained."""
        return sum((amount for name, amount in self.fees if _kind(name) == kind), ZERO)

    @property
    def missing(self) -> list[str]:
        """What an accountant would ask for."""
        if self.kind != "sale" or self.order is None:
            return []
        purchase = self.item.purchase if self.item else None
        wanted = {
            "cost": self.booked.cost is not None,
            "purchase date": bool(purchase and purchase.purchased_on),
            "supplier": bool(purchase and purchase.supplier),
            "purchase document": bool(purchase and purchase.document),
        }
        if self.treatment == "intra_eu":
            wanted["buyer's VAT number"] = bool(self.counterparty_vat_id)
            wanted["self-billing invoice"] = bool(self.from_report("Invoice Number"))
        return [name for name, known in wanted.items() if not known]


def default_treatment(session: Session) -> str:
    """Return the treatment that fits the operator's VAT setting; plain when there is none."""
    return TREATMENT_OF_SETTING.get(settings.load(session, VatSettings).treatment, "plain")


def rows(session: Session, year: int, treatment: str, books: Books) -> Iterator[TaxRow]:
    """Walk a year's rows by time, a few hundred in memory at once; the year ends in the operator's time zone."""
    treatment_of(treatment)
    rate = settings.load(session, VatSettings).rate
    start, end = bounds(*year_bounds(year), books.timezone)
    query = (
        select(LedgerEntry)
        .where(
            LedgerEntry.booked_at >= start,
            LedgerEntry.booked_at < end,
            LedgerEntry.books_currency == books.currency,
        )
        .order_by(LedgerEntry.booked_at, LedgerEntry.order_id, LedgerEntry.item_id, LedgerEntry.id)
        .execution_options(yield_per=2000)
    )
    columns = query.with_only_columns(*_COLUMNS, maintain_column_froms=True)
    grouped = groupby(session.execute(columns), key=lambda entry: (entry.booked_at, entry.order_id or entry.item_id))
    groups = (list(found) for _, found in grouped)
    while chunk := list(islice(groups, CHUNK)):
        orders = _orders(session, {found[0].order_id for found in chunk})
        items = _items(session, {found[0].item_id for found in chunk if found[0].order_id is None})
        for found in chunk:
            order = orders.get(found[0].order_id)
            row = _row(found, order, order.item if order else items.get(found[0].item_id), treatment, rate, books)
            if row is not None:
                yield row


def report(session: Session, year: int, treatment: str, books: Books) -> Report:
    """Return a year's totals, read in one pass."""
    found = Report(year, treatment, books.currency)
    for row in rows(session, year, treatment, books):
        count_in(found, row)
    return found


def count_in(found: Report, row: TaxRow) -> None:
    """Take one row into a report's totals: the one place where exports and pages add up."""
    found.add(row.local_day, row.booked, row.taxed, row.fees, row.counterparty_vat_id)
    found.missing += bool(row.missing)


def preview(session: Session, year: int, treatment: str, books: Books, count: int = 50) -> list[TaxRow]:
    """Return the first rows of a year."""
    return list(islice(rows(session, year, treatment, books), count))


def with_missing_documents(session: Session, year: int, treatment: str, books: Books, count: int) -> list[TaxRow]:
    """Return the first rows that lack something an accountant would ask for."""
    return list(islice((row for row in rows(session, year, treatment, books) if row.missing), count))


def years(session: Session, books: Books, now: datetime) -> list[int]:
    """Return the years that have entries, and this one, the newest first."""
    year = extract("year", func.timezone(books.timezone.key, LedgerEntry.booked_at))
    first, last = session.execute(select(func.min(year), func.max(year))).one()
    this = now.astimezone(books.timezone).year
    if first is None:
        return [this]
    return list(range(max(int(last), this), int(first) - 1, -1))


def meters(found: Report, now: datetime) -> list[Meter]:
    """Return how far the year is towards each threshold that holds in it, at the year's last known rate."""
    result = []
    for threshold in thresholds_of(found.year):
        total = found.total
        amount = total.payout if threshold.measure == "payout" else total.price
        if found.currency != threshold.currency:
            day = min(date(found.year, 12, 31), now.date())
            amount *= rates.rate(found.currency, threshold.currency, day).value
        result.append(Meter(threshold, amount.quantize(Decimal("0.01")), total.sales - total.reversals))
    return result


_COLUMNS = (
    LedgerEntry.id,
    LedgerEntry.order_id,
    LedgerEntry.item_id,
    LedgerEntry.kind,
    LedgerEntry.name,
    LedgerEntry.amount,
    LedgerEntry.currency,
    LedgerEntry.books_amount,
    LedgerEntry.rate,
    LedgerEntry.rate_source,
    LedgerEntry.rate_date,
    LedgerEntry.booked_at,
    LedgerEntry.reverses_id,
)


def _orders(session: Session, ids: set[UUID | None]) -> dict[UUID | None, StockxOrder]:
    query = (
        select(StockxOrder)
        .where(StockxOrder.id.in_(ids - {None}))
        .options(joinedload(StockxOrder.item).joinedload(Item.purchase))
        .execution_options(populate_existing=True)
    )
    return {order.id: order for order in session.scalars(query)}


def _items(session: Session, ids: set[UUID | None]) -> dict[UUID | None, Item]:
    if not ids:
        return {}
    query = select(Item).where(Item.id.in_(ids - {None})).options(joinedload(Item.purchase))
    return {item.id: item for item in session.scalars(query)}


def _row(
    entries: Sequence[Any],
    order: StockxOrder | None,
    item: Item | None,
    treatment: str,
    vat_rate: Decimal,
    books: Books,
) -> TaxRow | None:
    """Make one row of the entries that an order, or an unsold item, has at one moment; None when they cancel out."""
    sale = [entry for entry in entries if entry.kind == "sale"]
    sales = sum(-1 if entry.reverses_id else 1 for entry in sale)
    costs = [entry for entry in entries if entry.kind == "cost"]
    known = sum(-1 if entry.reverses_id else 1 for entry in costs) == sales
    booked = Booked(
        price=_sum(sale),
        fees=_sum([entry for entry in entries if entry.kind == "adjustment"]),
        cost=-_sum(costs) if known else None,
        other=_sum([entry for entry in entries if entry.kind in ("penalty", "write_off")]),
        is_reversal=sales < 0,
    )
    if sales == 0 and not booked.other:
        return None
    kind = "reversal" if sales < 0 else "sale" if sales else next(e.kind for e in entries if e.kind not in _FOLLOWED)
    last = sale[-1] if sale else entries[-1]
    return TaxRow(
        kind=kind,
        booked_at=last.booked_at,
        local_day=last.booked_at.astimezone(books.timezone).date(),
        booked=booked,
        taxed=tax(booked, treatment, vat_rate),
        treatment=treatment,
        fees=_fees(entries),
        entry_ids=tuple(entry.id for entry in entries),
        reverses=tuple(entry.reverses_id for entry in entries if entry.reverses_id),
        rate=last.rate,
        rate_source=last.rate_source,
        rate_date=last.rate_date,
        original_price=sum((entry.amount for entry in sale), ZERO) if sale else None,
        original_currency=last.currency,
        order=order,
        item=item,
    )


_FOLLOWED = ("sale", "adjustment", "cost")


def _sum(entries: Sequence[Any]) -> Decimal:
    return sum((entry.books_amount for entry in entries), ZERO)


def _fees(entries: Sequence[Any]) -> tuple[tuple[str, Decimal], ...]:
    """The adjustments by name; a line that was corrected away is left out."""
    lines: dict[str, Decimal] = {}
    for entry in entries:
        if entry.kind == "adjustment":
            lines[entry.name] = lines.get(entry.name, ZERO) + entry.books_amount
    return tuple((name, amount) for name, amount in lines.items() if amount)


def _kind(name: str) -> str:
    return "unexplained" if name == UNEXPLAINED else kind_of(name)
