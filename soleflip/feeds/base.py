"""The shape of every feed: a mapping of columns, rows that became offers, rows that were refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from soleflip.domain.catalog import read_style_code, style_keys
from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO
from soleflip.domain.sizes import SYSTEMS, read_size, system_named
from soleflip.domain.words import count_of
from soleflip.feeds.fields import clean, read_currency, read_flag, read_gtin, read_link, read_money, read_stock

FIELDS = {
    "external_id": "Product number",
    "title": "Title",
    "brand": "Brand",
    "gtin": "EAN / GTIN",
    "style_code": "Style code",
    "size": "Size",
    "price": "Price",
    "delivery": "Delivery cost",
    "currency": "Currency",
    "in_stock": "In stock (yes/no)",
    "stock": "Pairs in stock",
    "link": "Link",
    "image_url": "Picture",
    "shop": "Shop",
}
"""What an offer can be made of, with the words the operator sees."""


class FeedError(InvalidInput):
    """The file as a whole can't be read (further); the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class FeedMapping:
    """Which column holds which field, and what holds for every row of the shop.

    `columns` maps a field to a column name; `size_system` and `notation` say how bare sizes and numbers are meant;
    `shop` and `currency` stand in where no column says them. Without a `size_system` the name of the size column
    counts, and where that says none, a bare size has no system.
    """

    columns: Mapping[str, str]
    shop: str | None = None
    currency: str | None = None
    size_system: str | None = None
    notation: str = "auto"

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> FeedMapping:
        """Read a mapping as it is saved with a shop or posted by a form; raises InvalidInput."""
        columns = {name: str(value) for name, value in (stored.get("columns") or {}).items() if value}
        unknown = set(columns) - set(FIELDS)
        if unknown:
            raise InvalidInput(f"{', '.join(sorted(unknown))}: there is no such field", field="columns")
        system = stored.get("size_system") or None
        if system is not None and system not in SYSTEMS:
            raise InvalidInput(f"There is no size system {system!r}.", field="size_system")
        notation = stored.get("notation") or "auto"
        if notation not in ("auto", "comma", "point"):
            raise InvalidInput("The number format is auto, comma or point.", field="notation")
        currency = stored.get("currency") or None
        shop = clean(str(stored.get("shop") or ""), 120) or None
        return cls(columns, shop, read_currency(currency) if currency else None, system, notation)

    @property
    def declared_system(self) -> str | None:
        """The system that bare sizes are in: as chosen, else as the size column's name says."""
        return self.size_system or system_named(self.columns.get("size", ""))

    def stored(self) -> dict[str, Any]:
        """Return the mapping as plain values."""
        return {
            "columns": dict(self.columns),
            "shop": self.shop,
            "currency": self.currency,
            "size_system": self.size_system,
            "notation": self.notation,
        }


OFFER_COLUMNS = (
    *("shop", "external_id", "title", "brand", "gtin", "style_code", "style_key", "size", "size_system", "price"),
    *("delivery", "currency", "in_stock", "stock", "link", "image_url"),
)
"""What stands in `OfferRow.values`, in this order; amounts in the shop's currency. `external_id` is the shop's own
number of the row, and empty where the shop has none."""
ABSENT = r"\N"


class OfferRow(NamedTuple):
    """One good row: an offer, as text that PostgreSQL's COPY takes. `line` is its first line in the file.

    `content_hash` is a fingerprint of everything an offer says, so that an unchanged row is known as such.
    """

    line: int
    values: str
    content_hash: str


class Refusal(NamedTuple):
    """One row that was not taken: its first line in the file, the field, the reason, and the row's product."""

    line: int
    field: str | None
    reason: str
    excerpt: str


@dataclass(slots=True)
class Feed:
    """An opened file. Iterating `rows` gives offers and refusals; afterwards `problem` and `notes` are complete.

    `problem` says why the file could not be read to its end; the rows before it are good.
    """

    columns: Sequence[str]
    mapping: FeedMapping
    records: Records
    notes: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        return self.records.problem

    def rows(self) -> Iterator[OfferRow | Refusal]:
        """Read the rows one after the other; nothing is kept."""
        reader = RowReader(self.columns, self.mapping)
        for line, record in self.records:
            if isinstance(record, str):
                yield Refusal(line, None, record, "")
                continue
            try:
                yield reader.read(line, record)
            except InvalidInput as error:
                yield Refusal(line, error.field, str(error)[:300], reader.excerpt(record))
        self.notes.extend([*self._twice(), *self.records.notes()])

    def _twice(self) -> Iterator[str]:
        """Say which columns of the mapping stand in the first line more than once."""
        for column in dict.fromkeys(self.mapping.columns.values()):
            if self.columns.count(column) > 1:
                yield f"The column {column} is there {self.columns.count(column)} times; the first one was read."


class Records(Protocol):
    """Rows of cells with their line numbers; a text in place of cells says why that row can't be split."""

    @property
    def problem(self) -> str | None:
        """Why the file could not be read to its end, once that is known."""

    def __iter__(self) -> Iterator[tuple[int, Sequence[str] | str]]: ...

    def notes(self) -> list[str]:
        """What the operator should know about how the file was read."""

    def close(self) -> None:
        """Let go of the file; iterating to the end does the same."""


class RowReader:
    """Makes an offer of a record, by column positions that are worked out once."""

    def __init__(self, columns: Sequence[str], mapping: FeedMapping) -> None:
        self._mapping = mapping
        self._is_numbered = "external_id" in mapping.columns
        self._system = mapping.declared_system
        self._width = len(columns)
        positions = {name: index for index, name in reversed(list(enumerate(columns)))}
        chosen = [positions.get(mapping.columns.get(name, "")) for name in FIELDS]
        # Position -1 reads the empty cell that every record gets at its end.
        self._pick = itemgetter(*(-1 if index is None else index for index in chosen))

    def excerpt(self, record: Sequence[str]) -> str:
        """Return what tells the operator which product a record is about."""
        if len(record) >= self._width:
            number, title, _, _, _, size, *_ = self._pick([*record, ""])
            cells: Sequence[str] = (number, title, size)
        else:
            cells = record[:3]
        words = (clean(cell, 80) for cell in cells)
        return " ".join(word for word in words if word)[:200]

    def read(self, line: int, record: Sequence[str]) -> OfferRow:
        """Return the offer of one record; raises InvalidInput with the field."""
        if len(record) != self._width and (len(record) < self._width or any(record[self._width :])):
            raise InvalidInput(f"the row has {count_of(len(record), 'column')}, the first line has {self._width}")
        cells = self._pick([*record[: self._width], ""])
        number, title, brand, gtin, style, size, price, delivery, currency, in_stock, stock, link, image, shop = cells
        external_id, name = clean(number, 120), _words(title, 300)
        if self._is_numbered and not external_id:
            raise InvalidInput("the product number is empty", field="external_id")
        if not name:
            raise InvalidInput("the title is empty", field="title")
        shop_name = _words(shop, 120) or self._mapping.shop
        if not shop_name:
            raise InvalidInput("the shop is empty", field="shop")
        amount, code = _price(price, self._mapping.notation)
        charge, charge_code = _delivery(delivery, self._mapping.notation)
        money = _one_currency(currency, code, charge_code, self._mapping.currency)
        trade_number = _gtin(gtin)
        code_text, key = _style(style)
        if trade_number is None and key is None:
            raise InvalidInput("there is neither an EAN nor a style code to know the product by", field="gtin")
        value, system = _size(size, self._system)
        available, pairs = _availability(in_stock, stock)
        what = (shop_name, external_id, name, _words(brand, 120) or None, trade_number, code_text, key, value, system)
        return _offer(line, (*what, amount, charge, money, available, pairs, read_link(link), read_link(image)))


def _offer(line: int, what: tuple[str | None, ...]) -> OfferRow:
    values = "\t".join([ABSENT if each is None else each for each in what])
    if values.count("\\") > what.count(None):
        plain = (ABSENT if each is None else each.replace("\\", r"\\") for each in what)
        values = "\t".join(plain)
    return OfferRow(line, values, hashlib.blake2b(values.encode("utf-8", "replace"), digest_size=20).hexdigest())


@lru_cache(maxsize=4096)
def _words(text: str, limit: int) -> str:
    """Return clean text of a column in which many rows say the same."""
    return clean(text, limit)


def _gtin(text: str) -> str | None:
    try:
        return read_gtin(text)
    except InvalidInput as error:
        raise InvalidInput(str(error), field="gtin") from None


def _named(name: str, read: Any, text: str) -> Any:
    """Read a field; its name goes into the error."""
    try:
        return read(text)
    except InvalidInput as error:
        raise InvalidInput(str(error), field=name) from None


@lru_cache(maxsize=16384)
def _price(text: str, notation: str) -> tuple[str, str | None]:
    if not text.strip():
        raise InvalidInput("the price is empty", field="price")
    amount, currency = _named("price", lambda value: read_money(value, notation), text)
    if amount <= ZERO:
        raise InvalidInput("the price is zero: a price is above zero", field="price")
    return str(amount), currency


@lru_cache(maxsize=4096)
def _delivery(text: str, notation: str) -> tuple[str | None, str | None]:
    if not text.strip():
        return None, None
    amount, currency = _named("delivery", lambda value: read_money(value, notation), text)
    return str(amount), currency


@lru_cache(maxsize=1024)
def _availability(in_stock: str, stock: str) -> tuple[str, str | None]:
    """Return whether there is a pair, and how many where the shop says."""
    pairs = _named("stock", read_stock, stock)
    flag = _named("in_stock", read_flag, in_stock)
    return "t" if flag is not False and pairs != 0 else "f", None if pairs is None else str(pairs)


@lru_cache(maxsize=1024)
def _one_currency(column: str, *found: str | None) -> str:
    """Return the currency of a row; the column, the price and the delivery must not contradict each other."""
    *beside, default = found
    codes = {code for code in beside if code}
    if column.strip():
        codes.add(_named("currency", read_currency, column))
    if len(codes) > 1:
        raise InvalidInput(f"the row has amounts in {' and '.join(sorted(codes))}", field="currency")
    if codes:
        return codes.pop()
    if default is None:
        raise InvalidInput("the currency is empty", field="currency")
    return default


@lru_cache(maxsize=16384)
def _style(text: str) -> tuple[str | None, str | None]:
    """Return a style code and its first key, from a column of codes or from a description that ends with one."""
    code = read_style_code(text)
    keys = style_keys(code)
    return (clean(code, 100), keys[0][:100]) if code and keys else (None, None)


@lru_cache(maxsize=4096)
def _size(text: str, declared: str | None) -> tuple[str | None, str | None]:
    if not text.strip():
        return None, None
    size = read_size(text, declared)
    return size.value[:40], size.system
