"""Any other table of offers: a CSV or XLSX whose columns the operator maps once per shop."""

from __future__ import annotations

import re
from collections.abc import Sequence

from soleflip.domain.sizes import system_named
from soleflip.feeds.base import FIELDS, FeedError, FeedMapping

_GUESSES = {
    "external_id": (
        "id",
        "product_id",
        "sku",
        "article",
        "artikel",
        "artikelnummer",
        "artnr",
        "item",
        "external_id",
        "number",
    ),
    "title": (
        "title",
        "name",
        "product_name",
        "product",
        "bezeichnung",
        "titel",
        "modell",
        "artikelname",
        "produktname",
        "description",
    ),
    "brand": ("brand", "marke", "manufacturer", "hersteller", "brand_name"),
    "gtin": ("gtin", "ean", "upc", "barcode", "gtin14", "ean13"),
    "style_code": ("style_code", "style", "styleid", "style_id", "mpn", "model", "model_number", "herstellernummer"),
    "size": ("size", "größe", "groesse", "grösse", "shoe_size", "schuhgröße", "taille", "maat"),
    "price": ("price", "preis", "sale_price", "current_price", "price_eur", "prix"),
    "delivery": ("delivery", "delivery_cost", "shipping", "shipping_cost", "versand", "versandkosten"),
    "currency": ("currency", "währung", "waehrung", "currency_code"),
    "in_stock": ("in_stock", "availability", "available", "verfügbarkeit"),
    "stock": ("stock", "stock_quantity", "quantity", "qty", "bestand", "menge"),
    "link": ("link", "url", "deeplink", "deep_link", "product_url"),
    "image_url": ("image", "image_url", "image_link", "picture", "bild"),
    "shop": ("shop", "merchant", "merchant_name", "store", "händler"),
}


_PEOPLE = ("men", "mens", "women", "womens", "herren", "damen", "wmns", "m", "w", "gs", "youth", "y")


def check(columns: Sequence[str], mapping: FeedMapping) -> FeedMapping:
    """Return a mapping that fits a header; raises FeedError naming what is missing."""
    gone = sorted({column for column in mapping.columns.values() if column not in columns})
    if gone:
        raise FeedError(f"This file has no column {', '.join(gone)}. Map its columns again.")
    chosen = set(mapping.columns)
    missing = [FIELDS[name] for name in ("title", "price") if name not in chosen]
    if not chosen & {"gtin", "style_code"}:
        missing.append(f"{FIELDS['gtin']} or {FIELDS['style_code']}")
    if not mapping.shop and "shop" not in chosen:
        missing.append("the shop's name")
    if missing:
        raise FeedError(f"The mapping lacks {', '.join(missing)}.")
    return mapping


def guess(columns: Sequence[str]) -> dict[str, str]:
    """Propose a column for each field whose name speaks for itself; the operator confirms or changes it."""
    plain = {_plain(column): column for column in reversed(columns)}
    found = {name: next((plain[each] for each in names if each in plain), None) for name, names in _GUESSES.items()}
    found["size"] = _size_column(columns)
    return {name: column for name, column in found.items() if column}


def _plain(column: str) -> str:
    """Return a column's name in small letters, its words put together with underscores."""
    return "_".join(re.findall(r"\w+", column.casefold().replace("_", " ")))


def _size_column(columns: Sequence[str]) -> str | None:
    """Return the column of sizes: one that says its system before one that says none, EU before all others."""
    found = [column for column in columns if _is_size(_plain(column))]
    systems = {column: system_named(column) for column in found}
    return min(found, key=lambda column: (systems[column] != "eu", systems[column] is None), default=None)


def _is_size(plain: str) -> bool:
    """Tell whether a column is of sizes: called so, with its system beside it or without, or called by its system."""
    words = [word for word in plain.split("_") if system_named(word) is None and word not in _PEOPLE]
    return "_".join(words) in _GUESSES["size"] or (not words and system_named(plain.replace("_", " ")) is not None)
