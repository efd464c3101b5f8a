"""Rows of the tax report: one per sale, reversal, correction, penalty and write-off, streamed from the books."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Select, String, cast, func, literal, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO
from soleflip.domain.orders import UNEXPLAINED, kind_of
from soleflip.domain.tax import Booked, Taxed, tax
from soleflip.models import Item, LedgerEntry, Purchase, StockxOrder
from soleflip.services import settings
from soleflip.services.runs import Books
from soleflip.services.settings import VatSettings
from soleflip.services.tax_span import SUBJECT, SUMS, Span, lacks_papers, with_papers

CHUNK = 500


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
    item_currency: str | None
    supplier: str | None
    document: str | None
    purchased_on: date | None


@dataclass(frozen=True, slots=True)
class TaxRow:
    """One row of the report: a sale, reversal, correction, penalty or write_off; `booked` in the books' currency.

    `rate` is that of the sale, `cost_rate` that of the cost: the rate, its source and its day.
    """

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
    cost_rate: tuple[Decimal, str, date] | None
    original_price: Decimal | None
    original_currency: str
    order_id: UUID | None
    item_id: UUID | None
    late_rate: bool
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
            "exchange rate of the day": not self.late_rate,
        }
        if self.treatment == "intra_eu":
            wanted["buyer's VAT number"] = bool(self.counterparty_vat_id)
            wanted["self-billing invoice"] = bool(self.from_report("Invoice Number"))
        return [name for name, known in wanted.items() if not known]


def _listed(column: Any) -> Any:
    return func.array_agg(aggregate_order_by(column, LedgerEntry.id))


_IS_FEE = LedgerEntry.kind == "adjustment"
_DETAILS = (
    func.max(cast(LedgerEntry.item_id, String)).label("item"),
    func.sum(LedgerEntry.amount).filter(LedgerEntry.kind == "sale").label("original_price"),
    func.max(LedgerEntry.currency).filter(LedgerEntry.kind != "cost").label("original_currency"),
    func.max(LedgerEntry.currency).label("any_currency"),
    _listed(LedgerEntry.id).label("ids"),
    _listed(LedgerEntry.reverses_id).label("reverses"),
    _listed(LedgerEntry.kind).label("kinds"),
    _listed(LedgerEntry.name).filter(_IS_FEE).label("fee_names"),
    _listed(LedgerEntry.books_amount).filter(_IS_FEE).label("fee_amounts"),
    _listed(LedgerEntry.rate).label("rates"),
    _listed(LedgerEntry.rate_source).label("rate_sources"),
    _listed(LedgerEntry.rate_date).label("rate_dates"),
)


def rows(session: Session, year: int, treatment: str, books: Books, basis: str = "sale") -> Generator[TaxRow]:
    """Walk a year's rows by time, a few hundred in memory at once; the year ends in the operator's time zone.

    By `basis` a sale counts on the day of sale or, as cash accounting has it, on the day of its payout.
    """
    span = Span(year, treatment, books, basis)
    query = _ordered(span).execution_options(yield_per=CHUNK)
    vat_rate = settings.load(session, VatSettings).rate
    with session.execute(query) as result:
        groups = iter(result)
        while chunk := list(islice(groups, CHUNK)):
            yield from _made(session, chunk, span, vat_rate)


def page(
    session: Session, span: Span, *, after: str | None = None, only_missing: bool = False, count: int = 50
) -> tuple[list[TaxRow], str | None]:
    """Return a page of a year's rows by time, and the cursor of the next one; `only_missing`: those that lack papers.

    Raises InvalidInput for a cursor that can't be read.
    """
    query = _ordered(span).limit(count + 1)
    if after:
        query = query.where(tuple_(span.counted_at, LedgerEntry.booked_at, _KEY) > _read_cursor(after))
    if only_missing:
        lacking = with_papers(select(StockxOrder.id)).where(lacks_papers(span.treatment))
        sales, costs, late = SUMS[0].element, SUMS[1].element, SUMS[6].element
        query = query.having(sales > 0, or_(sales != costs, late, LedgerEntry.order_id.in_(lacking)))
    groups = session.execute(query).all()
    found = list(_made(session, groups[:count], span, settings.load(session, VatSettings).rate))
    last = groups[count - 1] if len(groups) > count else None
    if last is None:
        return found, None
    return found, f"{last.counted_at.isoformat()}~{last.booked_at.isoformat()}~{last.order_id or last.item_id}"


_KEY = func.coalesce(LedgerEntry.order_id, LedgerEntry.item_id)


def _ordered(span: Span) -> Select[Any]:
    key = func.coalesce(LedgerEntry.order_id, SUBJECT)
    return span.grouped(*_DETAILS).order_by(text("counted_at"), LedgerEntry.booked_at, key)


def _read_cursor(after: str) -> tuple[datetime, datetime, UUID]:
    try:
        counted, booked, key = after.split("~")
        return datetime.fromisoformat(counted), datetime.fromisoformat(booked), UUID(key)
    except ValueError:
        raise InvalidInput("This page's address is damaged. Go back to the first page.", field="after") from None


def _made(session: Session, groups: Sequence[Any], span: Span, vat_rate: Decimal) -> Iterator[TaxRow]:
    facts = _facts(session, groups)
    for group in groups:
        found = facts.get(group.order_id or group.item_id, _UNKNOWN)
        row = _row(group, found, span.treatment, vat_rate, span.books)
        if row is not None:
            yield row


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
    Item.currency.label("item_currency"),
    Purchase.supplier,
    Purchase.document,
    Purchase.purchased_on,
)
_UNKNOWN: Any = SimpleNamespace(**dict.fromkeys(column.key for column in _FACTS))


def _facts(session: Session, groups: Sequence[Any]) -> dict[UUID, Any]:
    """What is known of the orders of some rows, and of the items of rows without an order."""
    order_ids = {group.order_id for group in groups} - {None}
    item_ids = {group.item_id for group in groups} - {None}
    of_orders = with_papers(select(StockxOrder.id, *_FACTS)).where(StockxOrder.id.in_(order_ids))
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
    if not (group.sales or group.price or group.fees or group.cost or group.other):
        return None
    booked = Booked(
        price=group.price,
        fees=group.fees,
        cost=None if group.is_open else -group.cost,
        other=group.other,
        is_reversal=group.sales < 0,
        corrects=group.corrects,
    )
    kind = "correction" if group.corrects is not None else group.kinds[0]
    if group.sales:
        kind = "reversal" if group.sales < 0 else "sale"
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
        cost_rate=_cost_rate(group),
        original_price=group.original_price,
        original_currency=group.original_currency or group.any_currency,
        order_id=group.order_id,
        item_id=UUID(group.item) if group.item else None,
        late_rate=group.late_rate,
        facts=facts,
    )


def _cost_rate(group: Any) -> tuple[Decimal, str, date] | None:
    """The rate at which the cost was taken into the books, its source and day: of the newest where it was corrected."""
    at = max((at for at, kind in enumerate(group.kinds) if kind == "cost"), default=None)
    return None if at is None else (group.rates[at], group.rate_sources[at], group.rate_dates[at])


def _fees(group: Any) -> tuple[tuple[str, Decimal], ...]:
    """The adjustments by name; a line that was corrected away is left out."""
    lines: dict[str, Decimal] = {}
    for name, amount in zip(group.fee_names or (), group.fee_amounts or (), strict=True):
        lines[name] = lines.get(name, ZERO) + amount
    return tuple((name, amount) for name, amount in lines.items() if amount)


@lru_cache(maxsize=1024)
def _kind(name: str) -> str:
    return "unexplained" if name == UNEXPLAINED else kind_of(name)
