"""Reading a shop feed just far enough to know its products: Awin columns, CSV or CSV.GZ, forgiving."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .catalog import is_gtin
from .payouts import PER_EURO
from .sizes import parse_eu

_CODE = re.compile(r"([A-Z0-9]{4,10}[-. /][A-Z0-9]{2,4}|(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*\d)[A-Z0-9]{5,12})\s*$")
_STYLE_FIELDS = ("mpn", "model_number", "merchant_product_id")
_WOMEN = re.compile(r"\b(women|women's|womens|wmns|damen|femme|female|woman)\b", re.I)
_CHILD = re.compile(r"\b(child|children|children's|kids|kinder|junior|youth|infant|toddler|gs|ps|td)\b", re.I)
_MOST_BYTES = 1 << 30
NOTHING_USABLE = (
    "No row of the feed is usable: it must be an Awin feed (CSV or CSV.GZ) whose header has product_name, search_price "
    "and Fashion:size, and prices in a known currency."
)


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One product in one size as a shop offers it; the price is in euros."""

    title: str
    brand: str
    style: str | None
    gender: str
    colour: str
    eu_size: str
    gtin: str | None
    price: float
    retail: float


def read(data: bytes, currency: str) -> Iterator[FeedRow]:
    """The usable rows of a feed; rows without a name, a price or a shoe size are passed over."""
    text = _decode(data)
    header = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max(",;\t|", key=header.count)
    csv.field_size_limit(1 << 24)
    for row in csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter):
        values = {
            name.strip(): (value or "").strip()
            for name, value in row.items()
            if isinstance(name, str) and not isinstance(value, list)
        }
        found = _row(values, currency)
        if found is not None:
            yield found


def read_file(path: Path, currency: str) -> Iterator[FeedRow]:
    """The usable rows of a feed file."""
    return read(path.read_bytes(), currency)


def _decode(data: bytes) -> str:
    if data[:2] == b"\x1f\x8b":
        # A truncated archive still tells the products before the break.
        inflate = zlib.decompressobj(wbits=31)
        try:
            data = inflate.decompress(data, _MOST_BYTES)
        except zlib.error:
            return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _row(values: dict[str, str], currency: str) -> FeedRow | None:
    title, brand = values.get("product_name", ""), values.get("brand_name", "")
    eu_size = parse_eu(values.get("Fashion:size", "") or values.get("size", ""), brand)
    price = _price(values.get("search_price", "") or values.get("price", ""))
    rate = PER_EURO.get((values.get("currency") or currency).upper())
    if not title or eu_size is None or price is None or rate is None:
        return None
    euros = price / float(rate)
    retail = _price(values.get("rrp_price", "")) or price
    gtin = values.get("ean", "") or values.get("product_GTIN", "") or values.get("upc", "")
    return FeedRow(
        title=title,
        brand=brand or title.split()[0],
        style=_style(values),
        gender=_gender(
            " ".join(values.get(name, "") for name in ("product_name", "merchant_category", "Fashion:suitable_for"))
        ),
        colour=values.get("colour", ""),
        eu_size=eu_size,
        gtin=gtin if is_gtin(gtin) else None,
        price=euros,
        retail=round(retail / float(rate), 2),
    )


def _style(values: dict[str, str]) -> str | None:
    """The style code in StockX spelling; a shop's own article number is none."""
    description = values.get("description", "")
    candidates = [description.rsplit("|", 1)[1]] if "|" in description else []
    candidates += [values.get(name, "") for name in _STYLE_FIELDS]
    for candidate in candidates:
        match = _CODE.search(candidate.strip())
        if match and any(char.isdigit() for char in match[1]) and len(match[1]) <= 15:
            return re.sub(r"[. /]", "-", match[1])
    return None


def _gender(text: str) -> str:
    if _CHILD.search(text):
        return "child"
    return "women" if _WOMEN.search(text) else "men"


def _price(text: str) -> float | None:
    """A positive price, with a point or a comma for the decimals."""
    plain = re.sub(r"[^\d.,-]", "", text)
    if "," in plain and plain.rfind(",") > plain.rfind("."):
        plain = plain.replace(".", "").replace(",", ".")
    else:
        plain = plain.replace(",", "")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if 0 < value < 100_000 else None
