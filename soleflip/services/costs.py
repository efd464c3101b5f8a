"""What past pairs cost, from a CSV: matched to the sales of the same style and size, first in, first out."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.catalog import style_keys
from soleflip.domain.days import check_past
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.money import cents
from soleflip.domain.words import count_of
from soleflip.feeds.fields import read_currency, read_money
from soleflip.models import AuditEntry, Item, Product, Purchase, StockxOrder, Variant
from soleflip.services import ledger, profit_days, rates
from soleflip.services.runs import Books
from soleflip.services.tables import read_table

REQUIRED = ("style", "size", "cost", "date")
WHAT = "a table with the columns style, size, cost, date, and optionally supplier, document, currency"
DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y")
MARK = "costs:"


@dataclass(frozen=True, slots=True)
class CostLine:
    """One pair that was bought: what it cost the books in `currency`, when, where and on which document."""

    line: int
    style: str
    size: str
    cost: Decimal
    currency: str
    bought: date
    supplier: str | None
    document: str | None
    mark: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is matched by: the style's letters and digits, and the size."""
        return _key(self.style, self.size)


@dataclass(slots=True)
class CostsResult:
    """What came of a file of costs; every row is matched to a sale, a duplicate, left over, or refused."""

    dry_run: bool
    currency: str
    rows: int = 0
    matched: int = 0
    duplicates: int = 0
    cost_total: Decimal = Decimal("0.00")
    left_over: list[tuple[int, str]] = field(default_factory=list)
    without_cost: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        done = "would be matched" if self.dry_run else "matched"
        return (
            f"{count_of(self.rows, 'row')}: {self.matched} {done} to sales, {count_of(self.duplicates, 'duplicate')}, "
            f"{len(self.left_over)} left over, {len(self.refused)} refused. "
            f"{count_of(len(self.without_cost), 'sale still has', 'sales still have')} no cost."
        )

    def as_json(self) -> dict[str, Any]:
        """Write the result for JSON; amounts are text."""
        return {
            "dry_run": self.dry_run,
            "rows": self.rows,
            "matched": self.matched,
            "duplicates": self.duplicates,
            "cost_total": str(self.cost_total),
            "left_over": [list(found) for found in self.left_over],
            "without_cost": self.without_cost,
            "refused": [list(found) for found in self.refused],
        }


def import_costs(
    session: Session, stream: IO[bytes], *, dry_run: bool, now: datetime, books: Books, actor: str = "command"
) -> CostsResult:
    """Give past sales their cost, the oldest purchase to the oldest sale that is not before it.

    A row taken before is a duplicate. Raises InvalidInput when the file is no such table.
    """
    result = CostsResult(dry_run, books.currency)
    today = now.astimezone(books.timezone).date()
    lines = _new_lines(session, _read(stream, result, books, today), result)
    sales = _sales_without_cost(session)
    taken = _match(lines, sales, result, books)
    if not dry_run:
        days: set[date] = set()
        for line, order in taken:
            order.item_id = _item(session, line, order).id
            session.flush()
            days |= ledger.settle(session, order, books, now)
        profit_days.refresh_days(session, days, books, now)
        session.add(AuditEntry(actor=actor, act="import costs", after={"matched": result.matched}))
        session.flush()
    return result


def set_cost(
    session: Session,
    order_id: UUID,
    cost: Decimal,
    *,
    actor: str,
    books: Books,
    now: datetime,
    bought: date | None = None,
    supplier: str | None = None,
    document: str | None = None,
) -> StockxOrder:
    """Enter or correct what the pair of an order cost, in the books' currency, with its purchase; the books follow.

    A cost that is booked already is reversed and booked anew. Raises InvalidInput or NotFound.
    """
    order = session.get(StockxOrder, order_id, with_for_update=True)
    if order is None:
        raise NotFound("There is no such order.")
    if not cost.is_finite() or cost < 0 or cost != cents(cost):
        raise InvalidInput("A cost is an amount of at least zero with two decimals.", field="cost")
    check_past(bought, now.astimezone(books.timezone).date(), "bought")
    line = CostLine(
        line=0,
        style=order.style_code or order.title or order.stockx_order_number,
        size=order.size or "",
        cost=cents(cost),
        currency=books.currency,
        bought=bought or order.sold_at.astimezone(books.timezone).date(),
        supplier=supplier or None,
        document=document or None,
        mark=f"order {order.stockx_order_number}",
    )
    before = None
    if order.item_id is None:
        order.item_id = _item(session, line, order, is_dated=bought is not None).id
    else:
        before = _correct(session, session.get_one(Item, order.item_id), line, bought)
    session.add(
        AuditEntry(
            actor=actor,
            act="order cost",
            subject=order.stockx_order_number,
            before={"cost": before},
            after={"cost": str(line.cost)},
        )
    )
    session.flush()
    ledger.settle_and_refresh(session, order, books, now)
    return order


def _correct(session: Session, item: Item, line: CostLine, bought: date | None) -> str | None:
    """Write cost and purchase of an item we know; what is not given stays. Returns the old cost."""
    before = None if item.cost is None else f"{item.cost} {item.currency}"
    item.cost, item.currency = line.cost, line.currency
    if bought or line.supplier or line.document:
        # A purchase document can cover many pairs: what is said of this one must not change the others.
        old = session.get(Purchase, item.purchase_id) if item.purchase_id else None
        purchase = Purchase(
            supplier=line.supplier or (old and old.supplier),
            document=line.document or (old and old.document),
            purchased_on=bought or (old and old.purchased_on),
        )
        session.add(purchase)
        session.flush()
        item.purchase_id = purchase.id
    return before


def _read(stream: IO[bytes], result: CostsResult, books: Books, today: date) -> list[CostLine]:
    lines = []
    seen: dict[str, int] = defaultdict(int)
    for number, record in read_table(stream, REQUIRED, WHAT):
        result.rows += 1
        try:
            if isinstance(record, str):
                raise InvalidInput(record)
            fields = {name.strip().casefold(): value.strip() for name, value in record.items()}
            content = hashlib.sha256("\x1f".join(f"{k}={fields[k]}" for k in sorted(fields)).encode()).hexdigest()[:32]
            seen[content] += 1
            line = _line(number, fields, f"{MARK}{content}:{seen[content]}", books)
            check_past(line.bought, today, "date")
            rates.rate(line.currency, books.currency, line.bought)  # refuses what could not be booked
            lines.append(line)
        except InvalidInput as error:
            result.refused.append((number, str(error)))
    return lines


def _line(number: int, fields: dict[str, str], mark: str, books: Books) -> CostLine:
    if not fields["style"]:
        raise InvalidInput("style is empty: write the style code, or the title of what has none.", field="style")
    cost, beside = read_money(fields["cost"])
    currency = read_currency(fields["currency"]) if fields.get("currency") else beside or books.currency
    return CostLine(
        line=number,
        style=fields["style"][:100],
        size=fields["size"][:40],
        cost=cost,
        currency=currency,
        bought=_day(fields["date"]),
        supplier=fields.get("supplier", "")[:120] or None,
        document=fields.get("document", "")[:120] or None,
        mark=mark,
    )


def _day(text: str) -> date:
    for pattern in DATES:
        try:
            return datetime.strptime(text[:10], pattern).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise InvalidInput(f"date is {text[:20]!r}: write it like 2025-03-31.", field="date")


def _new_lines(session: Session, lines: list[CostLine], result: CostsResult) -> list[CostLine]:
    marks = [line.mark for line in lines]
    known = set(session.scalars(select(Item.note).where(Item.note.in_(marks)))) if marks else set()
    result.duplicates = len(known)
    return sorted((line for line in lines if line.mark not in known), key=lambda line: (line.bought, line.line))


def _sales_without_cost(session: Session) -> dict[tuple[str, str], list[StockxOrder]]:
    query = (
        select(StockxOrder)
        .where(StockxOrder.item_id.is_(None), StockxOrder.listing_id.is_(None))
        .where(StockxOrder.order_status != "cancelled")
        .order_by(StockxOrder.sold_at, StockxOrder.stockx_order_number)
    )
    found: dict[tuple[str, str], list[StockxOrder]] = defaultdict(list)
    for order in session.scalars(query):
        found[_key(order.style_code or order.title or "", order.size or "")].append(order)
    return found


def _match(
    lines: Sequence[CostLine], sales: dict[tuple[str, str], list[StockxOrder]], result: CostsResult, books: Books
) -> list[tuple[CostLine, StockxOrder]]:
    """Walk purchases from the oldest on; each goes to the oldest sale left that was not made before it."""
    taken = []
    for line in lines:
        open_sales = sales.get(line.key, [])
        order = next(
            (sale for sale in open_sales if sale.sold_at.astimezone(books.timezone).date() >= line.bought), None
        )
        if order is None:
            why = "every sale of it has its cost, or was before the purchase" if line.key in sales else "no sale of it"
            result.left_over.append((line.line, f"{line.style} {line.size}: {why}."))
            continue
        open_sales.remove(order)
        taken.append((line, order))
        result.matched += 1
        result.cost_total += line.cost
    result.without_cost = sorted(sale.stockx_order_number for found in sales.values() for sale in found)
    return taken


def _item(session: Session, line: CostLine, order: StockxOrder, *, is_dated: bool = True) -> Item:
    """Put the sold pair into the inventory, with its purchase."""
    variant = _variant(session, line, order)
    day = line.bought if is_dated else None
    purchase = Purchase(supplier=line.supplier, document=line.document, purchased_on=day)
    session.add(purchase)
    session.flush()
    item = Item(
        product_id=variant.product_id,
        variant_id=variant.id,
        state="returned" if order.order_status == "cancelled" else "sold",
        cost=line.cost,
        currency=line.currency,
        price=line.cost,
        purchase_id=purchase.id,
        note=line.mark,
    )
    session.add(item)
    session.flush()
    order.product_id, order.catalog_variant_id = variant.product_id, variant.id
    order.match_state = "matched" if order.match_state == "review" else order.match_state
    return item


def _variant(session: Session, line: CostLine, order: StockxOrder) -> Variant:
    """The catalog's variant of a sale, made when the catalog has none: an item needs one."""
    if order.catalog_variant_id is not None:
        return session.get_one(Variant, order.catalog_variant_id)
    product_id = order.product_id or _product(session, line, order)
    size = (order.size or "one size").upper()
    query = select(Variant).where(Variant.product_id == product_id, func.upper(Variant.size) == size)
    variant = session.scalar(query)
    if variant is None:
        variant = Variant(product_id=product_id, size=order.size or "one size", sizes={})
        session.add(variant)
        session.flush()
    return variant


def _product(session: Session, line: CostLine, order: StockxOrder) -> UUID:
    key = next(iter(style_keys(order.style_code)), None)
    title = order.title or line.style
    query = select(Product.id).where(Product.style_key == key if key else Product.title == title)
    known = session.scalar(query.order_by(Product.created_at).limit(1))
    if known is not None:
        return known
    product = Product(title=title, style_code=order.style_code, style_key=key)
    session.add(product)
    session.flush()
    return product.id


def _key(style: str, size: str) -> tuple[str, str]:
    keys = style_keys(style)
    plain = size.strip().upper().removeprefix("US").strip()
    return (keys[0] if keys else style.casefold().strip(), "" if plain in ("", "N/A", "ONE SIZE") else plain)
