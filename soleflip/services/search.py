"""Search: what a few words, a style code, an order number or an EAN may mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from soleflip.models import Gtin, Item, Product, StockxListing, StockxOrder, Variant

SHORTEST = 2
EACH = 10


@dataclass(frozen=True, slots=True)
class Found:
    """The best few of each kind, newest first."""

    products: Sequence[Product] = ()
    listings: Sequence[StockxListing] = ()
    orders: Sequence[StockxOrder] = ()
    items: Sequence[Item] = ()

    def __bool__(self) -> bool:
        return any((self.products, self.listings, self.orders, self.items))


def find(session: Session, text: str) -> Found:
    """Return what fits: every word must be in the title or the style code, or the whole is a number of something."""
    words = text.split()
    if len(text.strip()) < SHORTEST or not words:
        return Found()
    fits = or_(_every(words, Product.title, Product.style_code), Product.id.in_(_by_gtin(text)))
    return Found(
        products=session.scalars(select(Product).where(fits).order_by(Product.title).limit(EACH)).all(),
        listings=_listings(session, text, fits),
        orders=_orders(session, text, words),
        items=_items(session, fits),
    )


def _listings(session: Session, text: str, fits: Any) -> Sequence[StockxListing]:
    query = (
        select(StockxListing)
        .join(StockxListing.product)
        .where(or_(fits, StockxListing.stockx_listing_id == text.strip()))
        .options(contains_eager(StockxListing.product), joinedload(StockxListing.variant))
    )
    return session.scalars(query.order_by(StockxListing.created_at.desc()).limit(EACH)).all()


def _orders(session: Session, text: str, words: list[str]) -> Sequence[StockxOrder]:
    named = _every(words, StockxOrder.title, StockxOrder.style_code)
    number = StockxOrder.stockx_order_number.startswith(text.strip(), autoescape=True)
    query = select(StockxOrder).where(or_(named, number, StockxOrder.tracking_number == text.strip()))
    return session.scalars(query.order_by(StockxOrder.sold_at.desc()).limit(EACH)).all()


def _items(session: Session, fits: Any) -> Sequence[Item]:
    query = (
        select(Item)
        .join(Item.product)
        .where(fits)
        .options(contains_eager(Item.product), joinedload(Item.variant))
        .order_by(Item.created_at.desc())
    )
    return session.scalars(query.limit(EACH)).all()


def _every(words: list[str], *columns: Any) -> Any:
    """Every word stands in one of the columns."""
    return and_(*(or_(*(column.ilike(like(word), escape="\\") for column in columns)) for word in words))


def _by_gtin(text: str) -> Select[Any]:
    """Return the products that a typed or scanned EAN, UPC or GTIN names."""
    digits = "".join(text.split())
    wanted = digits.zfill(14) if digits.isascii() and digits.isdecimal() and 8 <= len(digits) <= 14 else ""
    return select(Variant.product_id).join(Gtin, Gtin.variant_id == Variant.id).where(Gtin.gtin == wanted)


def like(word: str) -> str:
    """Return the pattern of LIKE for text that has these characters in it, whatever they are."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
