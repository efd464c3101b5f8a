"""Pairs from a CSV file: good lines become items, each bad line is refused with its number and the reason."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain.catalog import style_keys
from soleflip.domain.errors import Conflict, InvalidInput, SoleFlipError
from soleflip.domain.sizes import SYSTEMS, read_size, same_size
from soleflip.domain.words import count_of
from soleflip.feeds.fields import clean, read_currency, read_gtin, read_money
from soleflip.models import AuditEntry, Gtin, Run, RunLine, StyleCode, Variant
from soleflip.services import runs, stock
from soleflip.services.stock import Buying
from soleflip.services.tables import refuse_twice

LARGEST = 2 * 1024 * 1024
MOST_LINES = 5000
MOST_PAIRS = 1000
COLUMNS = {
    "style_code": ("style_code", "style", "style id", "sku", "mpn"),
    "ean": ("ean", "gtin", "upc", "barcode"),
    "size": ("size", "größe", "groesse"),
    "system": ("system", "size_system", "size system"),
    "cost": ("cost", "price", "preis", "einkaufspreis", "kosten"),
    "currency": ("currency", "währung", "waehrung"),
    "date": ("date", "purchased_on", "purchase date", "datum", "kaufdatum"),
    "supplier": ("supplier", "shop", "lieferant", "händler"),
    "document": ("document", "invoice", "rechnung", "beleg"),
    "quantity": ("quantity", "qty", "pairs", "menge", "anzahl"),
    "state": ("state", "status"),
}
_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y")
_STATES = {"": "in_stock", "in stock": "in_stock", "in_stock": "in_stock", "ordered": "ordered", "bestellt": "ordered"}


@dataclass(frozen=True, slots=True)
class _Line:
    """One readable line: which pair, how many, what it cost."""

    variant_id: UUID
    quantity: int
    buying: Buying
    state: str


def import_items(
    session: Session, content: bytes, *, filename: str, currency: str, actor: str, again: bool, now: datetime
) -> Run:
    """Put the pairs of a CSV file into stock; returns the finished run whose log names each refused line.

    `currency` (ISO 4217) is meant where a line names none. Raises InvalidInput for a file that can't be read and
    Conflict for one that was imported before, unless `again`.
    """
    rows = _read(content)
    digest = hashlib.sha256(content).hexdigest()
    _refuse_repetition(session, digest, again)
    run = runs.start(session, "stock_import", actor=actor, params={"file": filename[:200]})
    added = refused = 0
    for number, row in rows:
        try:
            line = _line(session, row, currency)
            items = stock.create_items(
                session, line.variant_id, line.quantity, line.buying, state=line.state, today=now.date()
            )
            added += len(items)
        except SoleFlipError as error:
            refused += 1
            session.add(RunLine(run_id=run.id, outcome="refused", sentence=f"Line {number}: {error}"[:500]))
    run.total = run.done = len(rows)
    run.counts = {"added": added, "refused": refused}
    message = f"{count_of(added, 'pair')} added, {count_of(refused, 'line')} refused."
    session.flush()
    runs.finish(session, run.id, "done", message=message)
    if added:
        session.add(AuditEntry(actor=actor, act="stock import", subject=digest, after={**run.counts, "file": filename}))
    session.flush()
    session.refresh(run)
    return run


def _refuse_repetition(session: Session, digest: str, again: bool) -> None:
    before = session.scalar(
        select(AuditEntry.at).where(AuditEntry.act == "stock import", AuditEntry.subject == digest).limit(1)
    )
    if before is not None and not again:
        raise Conflict(
            f"This very file was imported on {before:%Y-%m-%d}. Tick “import it again” if you bought all of it twice."
        )


def _read(content: bytes) -> list[tuple[int, dict[str, str]]]:
    """Return the lines of a file with their numbers, their fields under our names."""
    if not content.strip():
        raise InvalidInput("The file is empty.", field="file")
    if len(content) > LARGEST:
        raise InvalidInput("The file is larger than 2 MB; split it.", field="file")
    if b"\x00" in content[:4096]:
        raise InvalidInput("This is no CSV file. Save the table as CSV (UTF-8) and try again.", field="file")
    text = _decoded(content)
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
    header = _header(next(reader, []))
    rows = [(reader.line_num, _fields(header, cells)) for cells in reader if any(cell.strip() for cell in cells)]
    if not rows:
        raise InvalidInput("The file has a header but no lines.", field="file")
    if len(rows) > MOST_LINES:
        raise InvalidInput(f"The file has {len(rows):,} lines; at most {MOST_LINES:,} at once.", field="file")
    return rows


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _header(cells: list[str]) -> dict[int, str]:
    """Return our name for each column that has one; raises InvalidInput when a needed one is missing."""
    names = {alias: name for name, aliases in COLUMNS.items() for alias in aliases}
    found = {at: names[cell.strip().casefold()] for at, cell in enumerate(cells) if cell.strip().casefold() in names}
    refuse_twice(cells, [cells[at] for at in found])
    have = set(found.values())
    if "ean" not in have and not {"style_code", "size"} <= have:
        raise InvalidInput(
            "The first line must name the columns: ean, or style_code and size; and cost, currency, date, supplier,"
            " document, quantity where you know them.",
            field="file",
        )
    return found


def _fields(header: Mapping[int, str], cells: list[str]) -> dict[str, str]:
    return {name: clean(cells[at], 200) for at, name in header.items() if at < len(cells)}


def _line(session: Session, row: Mapping[str, str], currency: str) -> _Line:
    variant_id = _variant(session, row)
    cost, beside = read_money(row["cost"]) if row.get("cost") else (None, None)
    named = read_currency(row["currency"]) if row.get("currency") else None
    if named and beside and named != beside:
        raise InvalidInput(f"the cost says {beside}, the currency column {named}")
    return _Line(
        variant_id,
        _quantity(row.get("quantity", "")),
        Buying(
            cost=cost,
            currency=named or beside or currency,
            supplier=row.get("supplier", "")[:120] or None,
            document=row.get("document", "")[:120] or None,
            purchased_on=_date(row.get("date", "")),
        ),
        _state(row.get("state", "")),
    )


def _variant(session: Session, row: Mapping[str, str]) -> UUID:
    """Return the one size that a line means: by its EAN, else by style code and size."""
    gtin = read_gtin(row.get("ean", ""))
    if gtin:
        variant_id = session.scalar(select(Gtin.variant_id).where(Gtin.gtin == gtin))
        if variant_id is not None:
            return variant_id
        if not row.get("style_code"):
            raise InvalidInput(f"the EAN {row['ean']} is not in the catalog")
    if not row.get("style_code") or not row.get("size"):
        raise InvalidInput("there is neither an EAN nor a style code with a size")
    return _by_style(session, row["style_code"], row["size"], row.get("system", ""))


def _by_style(session: Session, code: str, size_text: str, system_text: str) -> UUID:
    system = " ".join(system_text.casefold().replace("_", " ").split()) or None
    if system is not None and system not in SYSTEMS:
        raise InvalidInput(f"{system_text!r} is no size system; write {', '.join(SYSTEMS)}")
    size = read_size(size_text, system)
    products = select(StyleCode.product_id).where(StyleCode.key.in_(style_keys(code)))
    variants = session.scalars(select(Variant).where(Variant.product_id.in_(products))).all()
    if not variants:
        raise InvalidInput(f"the style code {code} is not in the catalog")
    if size.system in (None, "us"):
        # Without a system only StockX's own label is certain.
        fitting = [each for each in variants if each.size.upper() == size.value.upper()]
    else:
        fitting = [each for each in variants if same_size(each.sizes.get(size.system, ""), size.value)]
    if len(fitting) != 1:
        what = "no" if not fitting else "more than one"
        hint = "" if size.system else "; name its system, for example EU 42.5"
        raise InvalidInput(f"{what} size of {code} is {size_text}{hint}")
    return fitting[0].id


def _quantity(text: str) -> int:
    if not text:
        return 1
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MOST_PAIRS:
        raise InvalidInput(f"{text!r} is no quantity: a whole number from 1 to {MOST_PAIRS:,}")
    return int(text)


def _date(text: str) -> date | None:
    if not text:
        return None
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day on a document has no time zone
        except ValueError:
            continue
    raise InvalidInput(f"{text!r} is no date: write it like 2026-03-31 or 31.03.2026")


def _state(text: str) -> str:
    state = _STATES.get(text.casefold())
    if state is None:
        raise InvalidInput(f"{text!r} is no state: write in stock or ordered")
    return state
