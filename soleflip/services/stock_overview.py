"""What the Inventory page shows: every pair we own or have committed to buy, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, String, and_, cast, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session, contains_eager, joinedload

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.listings import LIVE_STATES
from soleflip.models import (
    AuditEntry,
    Brand,
    Gtin,
    Item,
    MarketPrice,
    Opportunity,
    Product,
    Purchase,
    StockxListing,
    StockxOrder,
    Variant,
)
from soleflip.services.stock import STATES, TO_BUY

PAGE = 50
SORTS = ("title", "size", "cost", "added", "supplier", "state")
HELD = ("ordered", "in_stock", "reserved", "listed", "returned")
SHOWN = ("held", "free", "awaited", "to_buy", "no_cost", *STATES, "all")
FAR = Decimal("1e12")


@dataclass(frozen=True, slots=True)
class StockFilter:
    """What the address says: which pairs, words, a brand, order and cursor."""

    state: str = "held"
    text: str = ""
    brand: int | None = None
    sort: str = "-added"
    after: str | None = None

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> StockFilter:
        """Read a query string; values that mean nothing are left out."""
        sort, state = args.get("sort", ""), args.get("state", "")
        return cls(
            state=state if state in SHOWN else "held",
            text=args.get("q", "").strip()[:100],
            brand=int(args["brand"]) if args.get("brand", "").isdecimal() else None,
            sort=sort if sort.removeprefix("-") in SORTS else "-added",
            after=args.get("after") or None,
        )


OFFERED = joinedload(Item.opportunity).joinedload(Opportunity.offer).joinedload(MarketPrice.shop)
"""Loads where a pair that is still to buy is offered."""


@dataclass(frozen=True, slots=True)
class StockRow:
    """One pair and the listing that holds it, if any."""

    item: Item
    listing_id: UUID | None
    ask: Decimal | None
    listing_state: str | None

    @property
    def is_to_buy(self) -> bool:
        """Whether it was listed before it was bought."""
        return self.item.note == TO_BUY


@dataclass(frozen=True, slots=True)
class StockPage:
    """One page of the inventory; `value` sums the known costs of the pairs that the filter leaves, by currency."""

    rows: Sequence[StockRow]
    next: str | None
    total: int
    value: Mapping[str, Decimal]
    unknown: int
    counts: Mapping[str, int]
    brands: Sequence[tuple[int, str]]
    filter: StockFilter


@dataclass(frozen=True, slots=True)
class ItemDetail:
    """One pair with the listings it had and what was changed by hand."""

    item: Item
    listings: Sequence[StockxListing]
    audit: Sequence[AuditEntry]


def overview(session: Session, wanted: StockFilter) -> StockPage:
    """Return one page of the inventory in two statements; raises InvalidInput for a cursor that does not fit."""
    rows, cursor = pairs(session, wanted)
    around = _around(session, wanted)
    sums = around.sums or []
    return StockPage(
        rows=rows,
        next=cursor,
        total=sum(each["pairs"] for each in sums),
        value={each["currency"]: Decimal(each["value"]) for each in sums if each["value"] is not None},
        unknown=sum(each["unknown"] for each in sums),
        counts=around.counts or {},
        brands=[(each["id"], each["name"]) for each in around.brands or []],
        filter=wanted,
    )


def detail(session: Session, item_id: UUID) -> ItemDetail:
    """Return one pair in full; raises NotFound."""
    item = session.scalar(
        select(Item)
        .where(Item.id == item_id)
        .options(
            joinedload(Item.product).joinedload(Product.brand),
            joinedload(Item.variant),
            joinedload(Item.purchase),
            OFFERED,
        )
    )
    if item is None:
        raise NotFound("There is no such item.")
    listings = session.scalars(
        select(StockxListing).where(StockxListing.item_id == item_id).order_by(StockxListing.created_at.desc())
    )
    audit = session.scalars(
        select(AuditEntry).where(AuditEntry.subject == str(item_id)).order_by(AuditEntry.id.desc()).limit(50)
    )
    return ItemDetail(item, listings.all(), audit.all())


def find_variants(session: Session, text: str, limit: int = 60) -> Sequence[Variant]:
    """Return sizes of products that a style code, a name or an EAN means; a size may stand behind the words."""
    digits = "".join(text.split())
    query = select(Variant).join(Variant.product).options(contains_eager(Variant.product))
    if digits.isascii() and digits.isdecimal() and 8 <= len(digits) <= 14:
        query = query.join(Gtin, Gtin.variant_id == Variant.id).where(Gtin.gtin == digits.zfill(14))
    else:
        for word in text.split()[:8]:
            query = query.where(
                or_(
                    Product.title.icontains(word, autoescape=True),
                    Product.style_code.icontains(word, autoescape=True),
                    Variant.size == word,
                    Variant.sizes["eu"].astext == word,
                )
            )
    return session.scalars(query.order_by(Product.title, Variant.size, Variant.id).limit(limit)).all()


def pairs(session: Session, wanted: StockFilter, *, limit: int = PAGE) -> tuple[list[StockRow], str | None]:
    """Return a page of pairs and the cursor of the page behind it, in one statement; raises InvalidInput."""
    down = wanted.sort.startswith("-")
    sorting = _sorting(wanted, down)
    key = cast(Item.id, String)
    query = (
        select(Item, StockxListing.id, StockxListing.ask_price, StockxListing.status, sorting.label("sorting"))
        .join(Item.product)
        .join(Item.variant)
        .outerjoin(Item.purchase)
        .outerjoin(StockxListing, and_(StockxListing.item_id == Item.id, StockxListing.status.in_(sorted(LIVE_STATES))))
        .where(*_conditions(wanted))
        .options(contains_eager(Item.product), contains_eager(Item.variant), contains_eager(Item.purchase), OFFERED)
        .order_by(*((sorting.desc(), key.desc()) if down else (sorting, key)))
        .limit(limit + 1)
    )
    if wanted.after:
        value, last = _cursor(wanted)
        mark = tuple_(sorting, key)
        query = query.where(mark < tuple_(value, last) if down else mark > tuple_(value, last))
    found = session.execute(query).all()
    rows = found[:limit]
    cursor = f"{rows[-1].sorting}~{rows[-1][0].id}" if len(found) > limit else None
    return [StockRow(item, listing_id, ask, state) for item, listing_id, ask, state, _ in rows], cursor


def _sorting(wanted: StockFilter, down: bool) -> ColumnElement[Any]:
    name = wanted.sort.removeprefix("-")
    words: dict[str, ColumnElement[Any]] = {
        "title": func.lower(Product.title),
        "size": func.upper(Variant.size),
        "supplier": func.coalesce(func.lower(Purchase.supplier), ""),
        "state": func.lower(Item.state),
    }
    if name in words:
        return words[name]
    if name == "cost":
        return func.coalesce(cast(Item.cost, Numeric), literal(-FAR if down else FAR, Numeric))
    return cast(func.extract("epoch", Item.created_at), Numeric)


def _cursor(wanted: StockFilter) -> tuple[ColumnElement[Any], str]:
    value, _, key = (wanted.after or "").rpartition("~")
    if wanted.sort.removeprefix("-") not in ("cost", "added"):
        return literal(value, String), key
    try:
        return literal(Decimal(value), Numeric), key
    except ArithmeticError as error:
        raise InvalidInput("This page of the list is no longer there: start at the first one.") from error


def _conditions(wanted: StockFilter) -> list[ColumnElement[bool]]:
    conditions = list(_state_conditions(wanted.state))
    if wanted.brand is not None:
        conditions.append(Product.brand_id == wanted.brand)
    for word in wanted.text.split()[:8]:
        conditions.append(
            or_(
                Product.title.icontains(word, autoescape=True),
                Product.style_code.icontains(word, autoescape=True),
                Purchase.supplier.icontains(word, autoescape=True),
                Purchase.document.icontains(word, autoescape=True),
                Variant.size == word,
            )
        )
    return conditions


def _waits_for_us() -> ColumnElement[bool]:
    """Whether a pair is sold and not sent yet."""
    return exists().where(StockxOrder.item_id == Item.id, StockxOrder.order_status == "pending")


def _state_conditions(state: str) -> list[ColumnElement[bool]]:
    held = Item.state.in_(HELD)
    special: dict[str, list[ColumnElement[bool]]] = {
        "all": [],
        "held": [held],
        "free": [Item.state.in_(("ordered", "in_stock", "returned"))],
        "awaited": [held, Item.is_awaited.is_(True)],
        "to_buy": [or_(held, _waits_for_us()), Item.note == TO_BUY],
        "no_cost": [held, Item.cost.is_(None)],
    }
    return special.get(state, [Item.state == state])


def _around(session: Session, wanted: StockFilter) -> Any:
    """Read the sums of what the filter leaves, the counts by state and the brands in one statement."""
    sums = (
        select(
            Item.currency,
            func.count().label("pairs"),
            cast(func.sum(Item.cost), String).label("value"),
            func.count().filter(Item.cost.is_(None)).label("unknown"),
        )
        .join(Item.product)
        .join(Item.variant)
        .outerjoin(Item.purchase)
        .where(*_conditions(wanted))
        .group_by(Item.currency)
        .subquery()
    )
    counted = select(Item.state, func.count().label("n")).group_by(Item.state).subquery()
    brands = (
        select(Brand.id, Brand.name)
        .where(Brand.id.in_(select(Product.brand_id).join(Item, Item.product_id == Product.id).distinct()))
        .order_by(Brand.name)
        .subquery()
    )
    return session.execute(
        select(
            select(func.jsonb_agg(func.to_jsonb(sums.table_valued()))).scalar_subquery().label("sums"),
            select(func.jsonb_object_agg(counted.c.state, counted.c.n)).scalar_subquery().label("counts"),
            select(func.jsonb_agg(func.to_jsonb(brands.table_valued()))).scalar_subquery().label("brands"),
        )
    ).one()
