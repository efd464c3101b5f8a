"""Inventory: every pair we own or have committed to buy."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    AskedAmount,
    AskedDay,
    Count,
    Ids,
    Moment,
    Number,
    Page,
    Paged,
    ProductShape,
    RunShape,
    Shape,
    Started,
    Upload,
    VariantShape,
    seal,
    started,
    unseal,
)
from soleflip.api.unit import actor, now, runtime, session, start_run
from soleflip.models import Item
from soleflip.services import ledger, stock, stock_import, stock_overview, wishes
from soleflip.services.stock import Buying
from soleflip.services.stock_overview import SHOWN, SORTS, StockFilter

bp = Blueprint("inventory", __name__, url_prefix="/inventory")

TAG = "Inventory"
Words = Annotated[str, Field(max_length=120)]


class ItemQuery(Paged):
    """Which pairs are wanted."""

    state: str = Field(default="held", pattern=f"^({'|'.join(SHOWN)})$")
    q: str = Field(default="", max_length=100)
    brand: int | None = Field(default=None, ge=1, le=2**31 - 1)
    sort: str = Field(default="-added", pattern=f"^-?({'|'.join(SORTS)})$")


class ItemShape(Shape):
    """One pair: what it cost the books, in `currency`."""

    id: UUID
    product: ProductShape
    variant: VariantShape
    state: str
    is_awaited: bool = Field(description="It has not arrived yet.")
    cost: Amount | None
    currency: str
    price: Amount | None
    delivery: Amount | None
    vat_rate: Number | None
    vat_amount: Amount | None
    supplier: str | None
    document: str | None
    purchased_on: str | None
    expected_on: str | None
    opportunity_id: UUID | None
    note: str | None
    created_at: Moment

    @classmethod
    def of(cls, item: Item) -> ItemShape:
        """Write a pair."""
        bought = item.purchase
        given = ("id", "state", "is_awaited", "cost", "currency", "price", "delivery", "vat_rate", "vat_amount")
        return cls(
            product=ProductShape.of(item.product),
            variant=VariantShape.of(item.variant),
            supplier=bought.supplier if bought else None,
            document=bought.document if bought else None,
            purchased_on=bought.purchased_on.isoformat() if bought and bought.purchased_on else None,
            expected_on=item.expected_on.isoformat() if item.expected_on else None,
            **{name: getattr(item, name) for name in (*given, "opportunity_id", "note", "created_at")},
        )


class ItemPage(Page[ItemShape]):
    """A page of pairs."""


class ItemDetail(ItemShape):
    """A pair with the listings it had."""

    listing_ids: list[UUID] = Field(description="Newest first.")


class NewItems(Asked):
    """Pairs that were bought elsewhere; `cost` per pair in the books' currency."""

    variant_id: UUID
    quantity: int = Field(default=1, ge=1, le=1000)
    cost: AskedAmount | None = None
    state: Literal["in_stock", "ordered"] = "in_stock"
    supplier: Words | None = None
    document: Words | None = None
    purchased_on: AskedDay | None = None
    expected_on: AskedDay | None = None


class ItemIds(Shape):
    """The pairs that were made."""

    item_ids: list[UUID]


class ItemEdit(Asked):
    """What is known of a purchase; everything but the cost is replaced."""

    cost: AskedAmount | None = Field(default=None, description="Left as it is without it.")
    supplier: Words | None = None
    document: Words | None = None
    purchased_on: AskedDay | None = None
    expected_on: AskedDay | None = None
    note: Words | None = None


class ItemChoice(Asked):
    """Some pairs."""

    item_ids: Ids


class WriteOff(Asked):
    """Why a pair is lost."""

    reason: str = Field(min_length=1, max_length=150)


class StockFile(Asked):
    """A CSV of pairs; its first line names the columns."""

    file: Annotated[Upload, Field(description="CSV.")]
    again: bool = Field(default=False, description="Import a file once more that was imported before.")


class VariantQuery(Asked):
    """What a size is found by: a style code, a name, an EAN."""

    q: str = Field(min_length=2, max_length=100)


class FoundVariant(Shape):
    """A size with its product."""

    product: ProductShape
    variant: VariantShape


class FoundVariants(Shape):
    """The sizes that fit."""

    items: list[FoundVariant]


@bp.get("/items")
@operation(TAG, "read", ItemPage)
def list_items(query: ItemQuery) -> ItemPage:
    """List the pairs."""
    wanted = StockFilter(query.state, query.q, query.brand, query.sort, unseal(query.cursor))
    rows, cursor = stock_overview.pairs(session(), wanted, limit=query.limit)
    return ItemPage(items=[ItemShape.of(row.item) for row in rows], next_cursor=seal(cursor))


@bp.post("/items")
@operation(TAG, "list", ItemIds, status=201, acts=True)
def add_items(json: NewItems) -> Any:
    """Add pairs that were bought elsewhere."""
    buying = Buying(
        currency=runtime().settings.currency,
        **json.model_dump(include={"cost", "supplier", "document", "purchased_on", "expected_on"}),
    )
    items = stock.create_items(session(), json.variant_id, json.quantity, buying, state=json.state, today=now().date())
    return ItemIds(item_ids=[item.id for item in items]), 201


@bp.get("/items/<uuid:item_id>")
@operation(TAG, "read", ItemDetail)
def show_item(item_id: UUID) -> ItemDetail:
    """Show one pair."""
    return _detail(item_id)


@bp.put("/items/<uuid:item_id>")
@operation(TAG, "list", ItemDetail, acts=True)
def edit_item(item_id: UUID, json: ItemEdit) -> ItemDetail:
    """Change what a pair cost and where it was bought."""
    if json.cost is not None and json.cost != stock.get(session(), item_id).cost:
        wishes.edit_cost(session(), item_id, Decimal(json.cost), actor=actor(), now=now())
    stock.edit_purchase(session(), item_id, today=now().date(), **json.model_dump(exclude={"cost"}))
    return _detail(item_id)


@bp.post("/items/<uuid:item_id>/write-off")
@operation(TAG, "admin", ItemDetail, acts=True)
def write_off_item(item_id: UUID, json: WriteOff) -> ItemDetail:
    """Take a pair out of stock and book its cost as a loss."""
    ledger.write_off(session(), item_id, json.reason, actor=actor(), books=runtime().books, now=now())
    return _detail(item_id)


@bp.post("/items/arrived")
@operation(TAG, "list", Count, acts=True)
def mark_arrived(json: ItemChoice) -> Count:
    """Mark awaited pairs as arrived."""
    return Count(changed=stock.arrive(session(), json.item_ids))


@bp.post("/items/not-bought")
@operation(TAG, "list", Count, acts=True)
def drop_unbought(json: ItemChoice) -> Count:
    """Forget pairs that came back from the market and will not be bought; their opportunities open again."""
    return Count(changed=stock.drop_unbought(session(), json.item_ids, actor=actor()))


@bp.post("/import")
@operation(TAG, "list", RunShape, acts=True)
def import_items(form: StockFile) -> RunShape:
    """Take pairs from a CSV; each bad line is refused alone, and stands in the run's log with its reason."""
    given: Any = form.file
    run = stock_import.import_items(
        session(),
        given.stream.read(stock_import.LARGEST + 1),
        filename=given.filename or "items.csv",
        now=now(),
        currency=runtime().settings.currency,
        actor=actor(),
        again=form.again,
    )
    return RunShape.of(run)


@bp.post("/look-up")
@operation(TAG, "list", Started, status=202, acts=True)
def look_up_product(json: VariantQuery) -> Any:
    """Ask StockX about a shoe that the catalog does not know yet: follow the run, then search again."""
    return started(start_run("product_lookup", {"text": json.q}))


@bp.get("/variants")
@operation(TAG, "read", FoundVariants)
def find_variants(query: VariantQuery) -> FoundVariants:
    """Find the size of a product, to add a pair of it."""
    found = stock_overview.find_variants(session(), query.q)
    items = [FoundVariant(product=ProductShape.of(each.product), variant=VariantShape.of(each)) for each in found]
    return FoundVariants(items=items)


def _detail(item_id: UUID) -> ItemDetail:
    session().flush()
    found = stock_overview.detail(session(), item_id)
    session().refresh(found.item)
    base = ItemShape.of(found.item)
    return ItemDetail(
        **{name: getattr(base, name) for name in ItemShape.model_fields},
        listing_ids=[listing.id for listing in found.listings],
    )
