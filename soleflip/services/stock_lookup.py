"""Asking StockX about a shoe that no feed has named yet, so that it can be added to the inventory by hand."""

from __future__ import annotations

from soleflip.domain.catalog import style_keys
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.services.products import remember
from soleflip.services.runs import Work
from soleflip.stockx import Lane

MOST = 5


def look_up(work: Work) -> str:
    """Ask StockX for the params' `text`, an EAN or words, and remember what it knows (run kind `product_lookup`).

    An EAN takes three requests, words one search and one request per product, the exact style code first.
    """
    text = str(work.params["text"]).strip()
    digits = "".join(text.split())
    if digits.isascii() and digits.isdecimal() and len(digits) in (8, 12, 13, 14):
        return _by_gtin(work, digits)
    found = work.stockx.search(text, limit=20, lane=Lane.HOT)
    keys = set(style_keys(text))
    exact = [product for product in found if keys & set(style_keys(product.style_id))]
    chosen = (exact or found)[:MOST]
    for done, product in enumerate(chosen):
        work.progress(done=done, total=len(chosen), message=product.title)
        variants = work.stockx.variants(product.product_id, lane=Lane.HOT)
        with work.transaction() as session:
            remember(session, product, variants)
    work.progress(done=len(chosen), total=len(chosen))
    return _sentence([product.title or product.product_id for product in chosen])


def _by_gtin(work: Work, digits: str) -> str:
    try:
        variant = work.stockx.variant_by_gtin(digits, lane=Lane.HOT)
        if variant.product_id is None:
            return _sentence([])
        product = work.stockx.product(variant.product_id, lane=Lane.HOT)
        variants = work.stockx.variants(variant.product_id, lane=Lane.HOT)
    except (NotFound, InvalidInput):
        return _sentence([])
    by_id = {each.variant_id: each for each in variants} | {variant.variant_id: variant}
    with work.transaction() as session:
        remember(session, product, list(by_id.values()), gtins={digits.zfill(14): variant.variant_id})
    return _sentence([product.title or product.product_id])


def _sentence(names: list[str]) -> str:
    return f"StockX knows {', '.join(names)}." if names else "StockX does not know it either."
