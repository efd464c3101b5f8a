"""Files of past sales as market memory: matched to the catalog by style code and size, each sale once."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import IO, Any, cast
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.catalog import style_keys
from soleflip.domain.days import check_past
from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import plain_number
from soleflip.domain.replay import size_key
from soleflip.domain.words import count_of
from soleflip.models import PastSale, Product, StyleCode, Variant
from soleflip.services.tables import refuse_twice

COLUMNS: dict[str, tuple[str, ...]] = {
    "product": ("style_code", "style", "sku", "product"),
    "size": ("size", "size_us"),
    "sold_on": ("sold_on", "sale_date", "date"),
    "price": ("price", "sale_price", "sale_price_usd"),
}
"""What a column may be called; the first that the file has is taken."""
MOST_ROWS = 500_000
MOST_SHOWN = 1000
CHUNK = 5000
HIGHEST = Decimal("99999999")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken: its line in the file, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Imported:
    """What came of a file: rows read, sales new and known before, and the refused rows (the first ones named)."""

    rows: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        added = count_of(self.added, "sale")
        return f"{count_of(self.rows, 'row')}: {added} new, {self.known:,} known before, {self.refused:,} refused."

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)

    def refuse(self, line: int, reason: str) -> None:
        """Count a refused row, and keep its reason while there is room."""
        self.refused += 1
        if len(self.refusals) < MOST_SHOWN:
            self.refusals.append(Refusal(line, reason))


@dataclass(frozen=True, slots=True)
class _Sale:
    line: int
    product: str
    size: str
    sold_on: date
    price: Decimal
    currency: str


def import_sales(session: Session, stream: IO[bytes], *, currency: str, today: date) -> Imported:
    """Remember the sales of a CSV (or CSV.GZ) whose product and size the catalog knows.

    `currency` is that of files without a currency of their own. A file read again, or one that overlaps another,
    adds no doubles: of equal sales (variant, day, price) there are as many as the longest file has. Raises
    InvalidInput for a file that can't be read.
    """
    result = Imported()
    sales = list(_read(stream, currency, today, result))
    products = _products(session, {sale.product for sale in sales})
    variants = _variants(session, {product for found in products.values() for product in found})
    seen: Counter[tuple[UUID, date, Decimal, str]] = Counter()
    rows: list[dict[str, Any]] = []
    for sale in sales:
        variant = _variant(sale, products, variants)
        if isinstance(variant, str):
            result.refuse(sale.line, variant)
            continue
        same = (variant, sale.sold_on, sale.price, sale.currency)
        seen[same] += 1
        rows.append(
            {
                "variant_id": variant,
                "sold_on": sale.sold_on,
                "price": sale.price,
                "currency": sale.currency,
                "source": "file",
                "reference": _reference(same, seen[same]),
            }
        )
    for start in range(0, len(rows), CHUNK):
        statement = insert(PastSale).values(rows[start : start + CHUNK])
        written = statement.on_conflict_do_nothing(index_elements=["reference"]).returning(PastSale.id)
        result.added += len(session.scalars(written).all())
    result.known = len(rows) - result.added
    result.refusals.sort(key=lambda refusal: refusal.line)
    return result


def _reference(same: tuple[UUID, date, Decimal, str], number: int) -> str:
    text = "|".join((*map(str, same), str(number)))
    return "file:" + hashlib.sha256(text.encode()).hexdigest()[:40]


def _read(stream: IO[bytes], currency: str, today: date, result: Imported) -> Iterator[_Sale]:
    """Yield the rows that can be read; the others are counted and named."""
    try:
        reader = csv.DictReader(io.TextIOWrapper(_unpacked(stream), encoding="utf-8-sig", newline=""))
        columns = _columns(reader.fieldnames or ())
        if columns["price"].endswith("_usd"):
            currency = "USD"
        for row in reader:
            result.rows += 1
            if result.rows > MOST_ROWS:
                raise InvalidInput(f"The file has more than {MOST_ROWS:,} rows; split it.")
            try:
                yield _sale(row, columns, reader.line_num, currency, today)
            except InvalidInput as error:
                result.refuse(reader.line_num, str(error))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise InvalidInput(f"The file can't be read as a CSV: {error}.") from None


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    """Return the plain file, unpacked as it is read: a file that packs far too much is left at its row limit."""
    packed = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if packed else stream


def _columns(names: Sequence[str]) -> dict[str, str]:
    known = {name.strip().lower(): name for name in names}
    found = {
        what: next((known[each] for each in spellings if each in known), "") for what, spellings in COLUMNS.items()
    }
    missing = [" or ".join(COLUMNS[what]) for what, name in found.items() if not name]
    if missing:
        raise InvalidInput(f"The file has no column {'; no column '.join(missing)}.")
    columns = {**found, "currency": known.get("currency", "")}
    refuse_twice(names, columns.values())
    return columns


def _sale(row: Mapping[str, str | None], columns: Mapping[str, str], line: int, currency: str, today: date) -> _Sale:
    product, size, day, price, own = (
        (row.get(columns[what]) or "").strip() for what in ("product", "size", "sold_on", "price", "currency")
    )
    if not product or not size:
        raise InvalidInput("Style code and size are needed.")
    try:
        sold_on = date.fromisoformat(day[:10])
    except ValueError:
        raise InvalidInput(f"{day[:20]!r} is no day; write it like 2025-11-30.") from None
    check_past(sold_on, today, "sold_on")
    try:
        amount = plain_number(price)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 < amount <= HIGHEST or amount != round(amount, 2):
        raise InvalidInput(f"{price[:20]!r} is no price; write it like 249.00.")
    code = own.upper() or currency
    if not re.fullmatch("[A-Z]{3}", code):
        raise InvalidInput(f"{own[:20]!r} is no currency; write it like EUR.")
    return _Sale(line, product, size, sold_on, round(amount, 2), code)


def _products(session: Session, names: set[str]) -> dict[str, set[UUID]]:
    """Find the products that each name in the file means: by style code, else by title."""
    keys = {name: style_keys(name) for name in names}
    wanted = {key for found in keys.values() for key in found}
    by_key: dict[str, set[UUID]] = defaultdict(set)
    for query in (select(StyleCode.key, StyleCode.product_id), select(Product.style_key, Product.id)):
        for key, product_id in session.execute(query.where(query.selected_columns[0].in_(wanted))):
            by_key[str(key)].add(product_id)
    plain = func.regexp_replace(func.lower(Product.title), "[^a-z0-9]", "", "g")
    by_title: dict[str, set[UUID]] = defaultdict(set)
    titles = {_plain(name) for name in names}
    for title, product_id in session.execute(select(plain, Product.id).where(plain.in_(titles))):
        by_title[title].add(product_id)
    return {
        name: {product for key in found for product in by_key.get(key, ())} or by_title.get(_plain(name), set())
        for name, found in keys.items()
    }


def _plain(title: str) -> str:
    return re.sub("[^a-z0-9]", "", title.lower())


def _variants(session: Session, product_ids: set[UUID]) -> dict[tuple[UUID, str], UUID]:
    query = select(Variant.product_id, Variant.size, Variant.id).where(Variant.product_id.in_(product_ids))
    return {(product_id, size_key(size).upper()): key for product_id, size, key in session.execute(query)}


def _variant(sale: _Sale, products: Mapping[str, set[UUID]], variants: Mapping[tuple[UUID, str], UUID]) -> UUID | str:
    """Return the variant of a sale, or why there is none."""
    found = products[sale.product]
    if not found:
        return f"The catalog has no product {sale.product[:60]!r}."
    sizes = {variants[product, size] for product in found if (product, size := size_key(sale.size).upper()) in variants}
    if not sizes:
        return f"{sale.product[:60]!r} has no size {sale.size[:20]!r} in the catalog."
    return sizes.pop() if len(sizes) == 1 else f"{sale.product[:60]!r} names more than one product."
