"""Rows of the tax report: one per sale, reversal, penalty and write-off, streamed from the books."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Numeric, Select, String, case, cast, func, literal, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from soleflip.domain.analytics import bounds
from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO
from soleflip.domain.orders import UNEXPLAINED, kind_of
from soleflip.domain.tax import Booked, Taxed, tax, treatment_of, year_bounds
from soleflip.models import Item, LedgerEntry, Purchase, StockxOrder
from soleflip.services import settings
from soleflip.services.runs import Books
from soleflip.services.settings import VatSettings

CHUNK = 500
BASES = {"sale": "Day of sale", "payout": "Day of payout"}
"""What decides in which year a sale counts. Reversals, penalties and write-offs count when they happened."""
LATEST_PAYOUT = timedelta(days=366)


class Facts(Protocol):
    """What is known of a row's order, item and purchase; all of it may be missing."""

    order_number: str | None
    listing_id: str | None
    title: str | None
    style_code: str | None
    size: str | None
    paid_at: datetime | None
    payout_id: str | None
    destination: str | None
    report: dict[str, Any] | None
    item_price: Decimal | None
    item_vat: Decimal | None
    supplier: str | None
    document: str | None
    purchased_on: date | None


@dataclass(frozen=True, slots=True)
class TaxRow:
    """One row of the report: a sale, reversal, penalty or write_off; amounts of `booked` in the books' currency."""

    kind: str
    booked_at: datetime
    counted_at: datetime
    local_day: date
    booked_day: date
    booked: Booked
    taxed: Taxed
    treatment: str
    fees: tuple[tuple[str, Decimal], ...]
    entry_ids: tuple[int, ...]
    reverses: tuple[int, ...]
    rate: Decimal
    rate_source: str
    rate_date: date
    original_price: Decimal | None
    original_currency: str
    order_id: UUID | None
    item_id: UUID | None
    facts: Facts

    @property
    def name(self) -> str:
        """The order's number, or what stands in for one."""
        return self.facts.order_number or f"item {self.item_id}"

    @property
    def holding_days(self) -> int | None:
        """Days from the purchase document to the sale; None when the purchase date is unknown."""
        bought = self.facts.purchased_on
        return (self.booked_day - bought).days if bought and self.kind == "sale" else None

    @property
    def counterparty_vat_id(self) -> str:
        """The VAT number of who bought from us (StockX), as the seller report names it; else empty."""
        return self.from_report("Sold to VAT Number")

    def from_report(self, column: str) -> str:
        """Return a field of the imported seller report, empty where there is none."""
        return str((self.facts.report or {}).get(column, ""))

    def fee_sum(self, kind: str) -> Decimal:
        """Sum the fee lines of one kind: transaction, processing, shipping, other or unexplained."""
        return sum((amount for name, amount in self.fees if _kind(name) == kind), ZERO)

    @property
    def missing(self) -> list[str]:
        """What an accountant would ask for."""
        if self.kind != "sale":
            return []
        facts = self.facts
        wanted = {
            "cost": self.booked.cost is not None,
            "purchase date": bool(facts.purchased_on),
            "supplier": bool(facts.supplier),
            "purchase document": bool(facts.document),
        }
        if self.treatment == "intra_eu":
            wanted["buyer's VAT number"] = bool(self.counterparty_vat_id)
            wanted["self-billing invoice"] = bool(self.from_report("Invoice Number"))
        return [name for name, known in wanted.items() if not known]


def basis_of(name: str) -> str:
    """Return a known basis; raises InvalidInput."""
    if name not in BASES:
        raise InvalidInput(f"{name!r} is no basis: {', '.join(BASES)}.", field="basis")
    return name


def rows(session: Session, year: int, treatment: str, books: Books, basis: str = "sale") -> Iterator[TaxRow]:
    """Walk a year's rows by time, a few hundred in memory at once; the year ends in the operator's time zone.

    By `basis` a sale counts on the day of sale or, as cash accounting has it, on the day of its payout.
    """
    treatment_of(treatment)
    basis_of(basis)
    vat_rate = settings.load(session, VatSettings).rate
    start, end = bounds(*year_bounds(year), books.timezone)
    query = _grouped(start, end, books.currency, basis).execution_options(yield_per=CHUNK)
    groups = iter(session.execute(query))
    while chunk := list(islice(groups, CHUNK)):
        facts = _facts(session, chunk)
        for group in chunk:
            row = _row(group, facts.get(group.order_id or group.item_id, _UNKNOWN), treatment, vat_rate, books)
            if row is not None:
                yield row


def _grouped(start: datetime, end: datetime, currency: str, basis: str) -> Select[Any]:
    """Select the year's entries, those that an order, or an unsold item, has at one moment in one row."""
    entry = LedgerEntry
    counted_at: Any = entry.booked_at
    if basis == "payout":
        is_sale = entry.booked_at == StockxOrder.sold_at
        counted_at = case((is_sale, func.coalesce(StockxOrder.paid_at, entry.booked_at)), else_=entry.booked_at)
    subject = case((entry.order_id.is_(None), entry.item_id))
    sign = case((entry.reverses_id.is_(None), 1), else_=-1)

    def amount(*kinds: str) -> Any:
        return func.coalesce(func.sum(entry.books_amount).filter(entry.kind.in_(kinds)), literal(ZERO, Numeric))

    def count(kind: str) -> Any:
        return func.coalesce(func.sum(sign).filter(entry.kind == kind), 0)

    def listed(column: Any) -> Any:
        return func.array_agg(aggregate_order_by(column, entry.id))

    fee = entry.kind == "adjustment"
    query = (
        select(
            entry.booked_at,
            counted_at.label("counted_at"),
            entry.order_id,
            func.max(cast(entry.item_id, String)).label("item"),
            subject.label("item_id"),
            count("sale").label("sales"),
            count("cost").label("costs"),
            amount("sale").label("price"),
            amount("adjustment").label("fees"),
            amount("cost").label("cost"),
            amount("penalty", "write_off").label("other"),
            func.sum(entry.amount).filter(entry.kind == "sale").label("original_price"),
            func.max(entry.currency).filter(entry.kind != "cost").label("original_currency"),
            func.max(entry.currency).label("any_currency"),
            listed(entry.id).label("ids"),
            listed(entry.reverses_id).label("reverses"),
            listed(entry.kind).label("kinds"),
            listed(entry.name).filter(fee).label("fee_names"),
            listed(entry.books_amount).filter(fee).label("fee_amounts"),
            listed(entry.rate).label("rates"),
            listed(entry.rate_source).label("rate_sources"),
            listed(entry.rate_date).label("rate_dates"),
        )
        .where(entry.booked_at >= start - LATEST_PAYOUT, entry.booked_at < end, entry.books_currency == currency)
        .where(counted_at >= start, counted_at < end)
        .group_by(entry.booked_at, text("counted_at"), entry.order_id, subject)
        .order_by(text("counted_at"), entry.order_id, subject)
    )
    return query if basis == "sale" else query.outerjoin(StockxOrder, StockxOrder.id == entry.order_id)


_FACTS = (
    StockxOrder.stockx_order_number.label("order_number"),
    StockxOrder.stockx_listing_id.label("listing_id"),
    StockxOrder.title,
    StockxOrder.style_code,
    StockxOrder.size,
    StockxOrder.paid_at,
    StockxOrder.payout_id,
    StockxOrder.destination,
    StockxOrder.report,
    Item.price.label("item_price"),
    Item.vat_amount.label("item_vat"),
    Purchase.supplier,
    Purchase.document,
    Purchase.purchased_on,
)
_UNKNOWN: Any = SimpleNamespace(**dict.fromkeys(column.key for column in _FACTS))


def _facts(session: Session, groups: Sequence[Any]) -> dict[UUID, Any]:
    """What is known of the orders of some rows, and of the items of rows without an order."""
    order_ids = {group.order_id for group in groups} - {None}
    item_ids = {group.item_id for group in groups} - {None}
    of_orders = (
        select(StockxOrder.id, *_FACTS)
        .select_from(StockxOrder)
        .outerjoin(Item, Item.id == StockxOrder.item_id)
        .outerjoin(Purchase, Purchase.id == Item.purchase_id)
        .where(StockxOrder.id.in_(order_ids))
    )
    found = {row.id: row for row in session.execute(of_orders)}
    if item_ids:
        of_items = (
            select(Item.id, *_FACTS)
            .select_from(Item)
            .outerjoin(StockxOrder, literal(False))
            .outerjoin(Purchase, Purchase.id == Item.purchase_id)
            .where(Item.id.in_(item_ids))
        )
        found |= {row.id: row for row in session.execute(of_items)}
    return found


def _row(group: Any, facts: Any, treatment: str, vat_rate: Decimal, books: Books) -> TaxRow | None:
    """Make a row of what stands in the books of one order at one moment; None when it cancels out."""
    if group.sales == 0 and not group.other:
        return None
    booked = Booked(
        price=group.price,
        fees=group.fees,
        cost=-group.cost if group.costs == group.sales else None,
        other=group.other,
        is_reversal=group.sales < 0,
    )
    kind = "reversal" if group.sales < 0 else "sale" if group.sales else group.kinds[0]
    main = max((at for at, name in enumerate(group.kinds) if name == "sale"), default=0)
    return TaxRow(
        kind=kind,
        booked_at=group.booked_at,
        counted_at=group.counted_at,
        local_day=group.counted_at.astimezone(books.timezone).date(),
        booked_day=group.booked_at.astimezone(books.timezone).date(),
        booked=booked,
        taxed=tax(booked, treatment, vat_rate),
        treatment=treatment,
        fees=_fees(group),
        entry_ids=tuple(group.ids),
        reverses=tuple(number for number in group.reverses if number),
        rate=group.rates[main],
        rate_source=group.rate_sources[main],
        rate_date=group.rate_dates[main],
        original_price=group.original_price,
        original_currency=group.original_currency or group.any_currency,
        order_id=group.order_id,
        item_id=UUID(group.item) if group.item else None,
        facts=facts,
    )


def _fees(group: Any) -> tuple[tuple[str, Decimal], ...]:
    """The adjustments by name; a line that was corrected away is left out."""
    lines: dict[str, Decimal] = {}
    for name, amount in zip(group.fee_names or (), group.fee_amounts or (), strict=True):
        lines[name] = lines.get(name, ZERO) + amount
    return tuple((name, amount) for name, amount in lines.items() if amount)


@lru_cache(maxsize=1024)
def _kind(name: str) -> str:
    return "unexplained" if name == UNEXPLAINED else kind_of(name)
