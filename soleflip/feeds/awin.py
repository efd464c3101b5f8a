"""Awin product feeds: which of their columns is what."""

from __future__ import annotations

from collections.abc import Sequence

from soleflip.feeds.base import FeedError, FeedMapping

COLUMNS = {
    "external_id": ("aw_product_id", "merchant_product_id"),
    "title": ("product_name",),
    "brand": ("brand_name",),
    "gtin": ("ean", "product_GTIN", "upc"),
    "style_code": ("description", "mpn"),
    "size": ("Fashion:size",),
    "price": ("search_price",),
    "delivery": ("delivery_cost",),
    "currency": ("currency",),
    "in_stock": ("in_stock",),
    "stock": ("stock_quantity",),
    "link": ("aw_deep_link", "merchant_deep_link"),
    "image_url": ("merchant_image_url", "aw_image_url"),
    "shop": ("merchant_name",),
}
"""Per field the columns that hold it, the first that is there; a style code stands at the end of a description."""

REQUIRED = ("external_id", "title", "gtin", "size", "price", "currency", "shop")


def is_awin(columns: Sequence[str]) -> bool:
    """Tell whether a header is one of Awin's: it has at least two columns that only Awin names so."""
    own = {"aw_product_id", "aw_deep_link", "search_price", "merchant_product_id", "aw_image_url", "data_feed_id"}
    return len(own & set(columns)) >= 2


def mapping(columns: Sequence[str]) -> FeedMapping:
    """Return the mapping of an Awin feed; raises FeedError when it lacks a column that nothing can stand in for."""
    there = set(columns)
    chosen = {name: next((each for each in names if each in there), "") for name, names in COLUMNS.items()}
    missing = [COLUMNS[name][0] for name in REQUIRED if not chosen[name]]
    if missing:
        words = "column" if len(missing) == 1 else "columns"
        raise FeedError(
            f"The {words} {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing in this Awin feed. "
            "Add what is missing in Awin's Create-a-Feed and export it again."
        )
    return FeedMapping({name: column for name, column in chosen.items() if column}, size_system="eu")
