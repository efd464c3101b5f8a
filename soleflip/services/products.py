"""What StockX knows of products, remembered: brand, style codes, sizes in every system, GTINs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.catalog import style_keys
from soleflip.domain.errors import InvalidInput
from soleflip.domain.sizes import read_chart
from soleflip.feeds.fields import read_gtin
from soleflip.models import Brand, Gtin, Product, StyleCode, Variant
from soleflip.stockx.catalog import Product as StockxProduct
from soleflip.stockx.catalog import Variant as StockxVariant


def remember(
    session: Session,
    product: StockxProduct,
    variants: Sequence[StockxVariant],
    *,
    gtins: Mapping[str, str] | None = None,
) -> Product:
    """Write or refresh a product with its variants; `gtins` are more GTINs (14 digits) by StockX variant id."""
    known = _product(session, product)
    for key in style_keys(product.style_id):
        session.execute(insert(StyleCode).values(key=key[:100], product_id=known.id).on_conflict_do_nothing())
    by_stockx_id = {each.variant_id: _variant(session, known.id, each) for each in variants}
    for each in variants:
        for gtin in each.gtins:
            number = _read_gtin(gtin.identifier)
            if number:
                _gtin(session, number, by_stockx_id[each.variant_id])
    for number, stockx_id in (gtins or {}).items():
        if stockx_id in by_stockx_id:
            _gtin(session, number, by_stockx_id[stockx_id])
    session.flush()
    return known


def _product(session: Session, product: StockxProduct) -> Product:
    keys = style_keys(product.style_id)
    values = {
        "brand_id": _brand(session, product.brand),
        "title": (product.title or product.url_key or product.product_id)[:300],
        "style_code": (product.style_id or "").strip()[:100] or None,
        "style_key": keys[0][:100] if keys else None,
        "url_key": product.url_key[:300] if product.url_key else None,
        "product_type": product.product_type[:60] if product.product_type else None,
    }
    found: Product | None = session.scalar(
        insert(Product)
        .values(stockx_product_id=product.product_id, **values)
        .on_conflict_do_update(index_elements=["stockx_product_id"], set_=values)
        .returning(Product),
        execution_options={"populate_existing": True},
    )
    assert found is not None  # noqa: S101 - an upsert returns its row
    return found


def _brand(session: Session, name: str | None) -> int | None:
    if not name or not name.strip():
        return None
    key = " ".join(name.casefold().split())[:120]
    session.execute(insert(Brand).values(name=name.strip()[:120], key=key).on_conflict_do_nothing())
    return session.scalar(select(Brand.id).where(Brand.key == key))


def _variant(session: Session, product_id: UUID, variant: StockxVariant) -> UUID:
    """Write a variant; the same size under a new StockX id is the same variant with a new id."""
    chart = variant.size_chart.available_conversions if variant.size_chart else ()
    sizes = read_chart({each.type: each.size for each in chart if each.type and each.size})
    label = (variant.variant_value or variant.variant_name or variant.variant_id)[:40]
    known = session.scalar(select(Variant).where(Variant.stockx_variant_id == variant.variant_id))
    if known is None:
        known = session.scalar(select(Variant).where(Variant.product_id == product_id, Variant.size == label))
    if known is None:
        known = Variant(product_id=product_id, size=label)
        session.add(known)
    known.stockx_variant_id = variant.variant_id
    known.sizes = dict(sizes)
    session.flush()
    return known.id


def _gtin(session: Session, number: str, variant_id: UUID) -> None:
    """Remember a GTIN; one that already names another variant keeps its first meaning."""
    session.execute(insert(Gtin).values(gtin=number, variant_id=variant_id, source="stockx").on_conflict_do_nothing())


def _read_gtin(text: str | None) -> str | None:
    try:
        return read_gtin(text or "")
    except InvalidInput:
        return None
