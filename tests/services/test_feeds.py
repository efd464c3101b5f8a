"""Imports: what is written, what is not touched, what is refused, and that no good row is lost."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from bench.world import write_feed
from soleflip.feeds import FeedError, FeedMapping
from soleflip.feeds.demo import COLUMNS, DEMO_FEED, rows
from soleflip.feeds.text import MOST_EMPTY_LINES, TextLines
from soleflip.models import MarketPrice, MarketPriceHistory, Shop
from soleflip.services import feed_merge, feeds

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows of an Awin feed to a CSV file."""

    def write(given: Iterable[dict[str, str]], name: str = "feed.csv") -> Path:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS, restval="")
            table.writeheader()
            table.writerows(given)
        return path

    return write


def _offers(session: Session) -> dict[str, MarketPrice]:
    session.expire_all()
    return {offer.external_id: offer for offer in session.scalars(select(MarketPrice))}


def test_import_takes_every_row_of_the_shipped_feed(session: Session) -> None:
    result = feeds.import_file(session, DEMO_FEED, now=NOW)
    assert (result.rows, result.imported, result.updated, result.unchanged, result.refused) == (300, 300, 0, 0, 0)
    assert session.scalar(select(func.count()).select_from(MarketPrice)) == 300
    assert session.scalars(select(Shop.name)).all() == ["Kantstein Sneakers"]


def test_after_many_new_offers_the_planner_knows_of_them(session: Session, tmp_path: Path) -> None:
    # What an analysis finds while an import is under way: many pages and nothing on them.
    session.execute(text("ANALYZE integration.market_prices"))
    path = write_feed(tmp_path / "many.csv", feed_merge.MANY)
    assert feeds.import_file(session, path, now=NOW).imported == feed_merge.MANY
    planned_for = text("SELECT reltuples FROM pg_class WHERE oid = 'integration.market_prices'::regclass")
    assert session.scalar(planned_for) == feed_merge.MANY


def test_a_second_run_of_the_same_file_writes_nothing(session: Session) -> None:
    feeds.import_file(session, DEMO_FEED, now=NOW)
    places = session.execute(select(MarketPrice.id, func.pg_column_size(MarketPrice.id), _ctid())).all()
    result = feeds.import_file(session, DEMO_FEED, now=NOW + timedelta(hours=1))
    assert (result.imported, result.updated, result.unchanged, result.gone) == (0, 0, 300, 0)
    assert session.execute(select(MarketPrice.id, func.pg_column_size(MarketPrice.id), _ctid())).all() == places
    assert session.scalar(select(func.count()).select_from(MarketPriceHistory)) == 0


def _ctid() -> object:
    from sqlalchemy import literal_column

    return literal_column("market_prices.ctid::text || market_prices.xmin::text")


def test_a_changed_price_keeps_the_old_one_as_history(session: Session, write: Write) -> None:
    first, *rest = rows(count=20)
    feeds.import_file(session, write([first, *rest]), now=NOW)
    later = NOW + timedelta(days=1)
    result = feeds.import_file(session, write([first | {"search_price": "79.95"}, *rest]), now=later)
    assert (result.updated, result.unchanged) == (1, 19)
    offer = _offers(session)[first["aw_product_id"]]
    assert (offer.price, offer.changed_at) == (Decimal("79.95"), later)
    kept = session.scalars(select(MarketPriceHistory)).one()
    assert (kept.price, kept.seen_at) == (Decimal(first["search_price"]), NOW)


def test_offers_missing_from_a_complete_feed_are_gone_and_come_back(session: Session, write: Write) -> None:
    everything = list(rows(count=20))
    feeds.import_file(session, write(everything), now=NOW)
    assert feeds.import_file(session, write(everything[:15]), now=NOW + timedelta(days=1)).gone == 5
    missing = everything[-1]["aw_product_id"]
    assert _offers(session)[missing].gone_at == NOW + timedelta(days=1)
    back = feeds.import_file(session, write(everything), now=NOW + timedelta(days=2))
    assert (back.updated, back.unchanged) == (5, 15)
    assert _offers(session)[missing].gone_at is None


def test_a_file_with_a_handful_of_many_offers_empties_no_shop(session: Session, write: Write) -> None:
    everything = list(rows(count=200))
    feeds.import_file(session, write(everything), now=NOW)
    part = feeds.import_file(session, write(everything[:5]), now=NOW + timedelta(days=1))
    assert (part.unchanged, part.gone) == (5, 0)
    assert "195 offers of this shop are missing in the file" in part.notes[0]
    half = feeds.import_file(session, write(everything[:100]), now=NOW + timedelta(days=2))
    assert (half.gone, half.notes) == (100, [])


def test_another_shops_feed_leaves_this_shops_offers_alone(session: Session, write: Write) -> None:
    ours = list(rows(count=10))
    feeds.import_file(session, write(ours), now=NOW)
    theirs = [row | {"merchant_name": "Zweiter Laden"} for row in ours[:3]]
    result = feeds.import_file(session, write(theirs), now=NOW)
    assert (result.imported, result.gone) == (3, 0)


def test_a_truncated_gzip_keeps_the_rows_before_the_break_and_marks_nothing_gone(
    session: Session, tmp_path: Path
) -> None:
    feeds.import_file(session, DEMO_FEED, now=NOW)
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(DEMO_FEED.read_bytes()[:6000])
    result = feeds.import_file(session, path, now=NOW)
    assert 50 < result.rows < 300
    assert result.problem is not None
    assert "ends in the middle" in result.problem
    assert (result.unchanged, result.gone) == (result.rows - result.refused, 0)


BAD_ROWS = {
    "negative price": ({"search_price": "-5.00"}, "price", "negative"),
    "negative price as accountants write it": ({"search_price": "5.00-"}, "price", "negative"),
    "price of zero": ({"search_price": "0.00"}, "price", "zero"),
    "no price": ({"search_price": ""}, "price", "empty"),
    "price that is none": ({"search_price": "call us"}, "price", "no price"),
    "ambiguous price": ({"search_price": "1.299"}, "price", "two ways"),
    "too precise": ({"search_price": "12.3456"}, "price", "two decimals"),
    "wrong check digit": ({"ean": "4550457702998"}, "gtin", "wrong check digit"),
    "short EAN": ({"ean": "45504577"[:7]}, "gtin", "7 digits"),
    "EAN of a spreadsheet": ({"ean": "4.55046E+12"}, "gtin", "spreadsheet"),
    "no size": ({"Fashion:size": "blau"}, "size", "no size"),
    "impossible size": ({"Fashion:size": "EU 99"}, "size", "no size"),
    "no currency": ({"currency": "", "display_price": ""}, "currency", "empty"),
    "unknown currency": ({"currency": "EUX"}, "currency", "no currency"),
    "negative delivery": ({"delivery_cost": "-3"}, "delivery", "negative"),
    "stock in words": ({"stock_quantity": "many"}, "stock", "no number"),
    "nothing to know it by": ({"ean": "", "description": "A shoe."}, "gtin", "neither"),
    "no number": ({"aw_product_id": ""}, "external_id", "product number"),
    "no title": ({"product_name": "  "}, "title", "title"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_refused_with_line_field_and_reason(session: Session, write: Write, name: str) -> None:
    change, field, reason = BAD_ROWS[name]
    good = list(rows(count=5))
    result = feeds.import_file(session, write([*good[:2], good[2] | change, *good[3:]]), now=NOW)
    assert (result.rows, result.imported, result.refused) == (5, 4, 1)
    refusal = result.refusals[0]
    assert (refusal.line, refusal.field) == (4, field)
    assert reason in refusal.reason
    assert result.as_json()["refused"][0]["line"] == 4


GOOD_NOTATIONS = {
    "1.299,00": Decimal("1299.00"),
    "1,299.00": Decimal("1299.00"),
    "1 299,00": Decimal("1299.00"),
    "EUR160.00": Decimal("160.00"),
    "160,00 €": Decimal("160.00"),
    "€ 160": Decimal("160.00"),
    "160.5": Decimal("160.50"),
    "76.0000": Decimal("76.00"),
    "1.234.567,89": Decimal("1234567.89"),
}


@pytest.mark.parametrize("notation", GOOD_NOTATIONS)
def test_a_price_is_read_in_the_shops_notation(session: Session, write: Write, notation: str) -> None:
    row = next(rows(count=1)) | {"search_price": notation}
    assert feeds.import_file(session, write([row]), now=NOW).imported == 1
    assert _offers(session)[row["aw_product_id"]].price == GOOD_NOTATIONS[notation]


def test_the_same_product_number_twice_counts_once(session: Session, write: Write) -> None:
    first, second = rows(count=2)
    result = feeds.import_file(session, write([first, second, first | {"search_price": "1.00"}]), now=NOW)
    assert (result.rows, result.imported, result.refused) == (3, 2, 1)
    assert (result.refusals[0].line, result.refusals[0].reason) == (4, "the same product number as in line 2")


def test_an_unclosed_quote_costs_one_row(session: Session, write: Write) -> None:
    good = list(rows(count=6))
    path = write(good)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    lines[3] = lines[3].replace(f",{good[2]['ean']},", f',"{good[2]["ean"]},')
    path.write_text("".join(lines), "utf-8")
    result = feeds.import_file(session, path, now=NOW)
    assert (result.imported, result.refused) == (5, 1)
    assert result.refusals[0].line == 4
    assert "quote" in result.refusals[0].reason


def test_a_field_of_ten_megabytes_costs_one_row(session: Session, write: Write) -> None:
    good = list(rows(count=4))
    good[1] |= {"description": "x" * 10_000_000}
    result = feeds.import_file(session, write(good), now=NOW)
    assert (result.imported, result.refused) == (3, 1)
    assert result.refusals[0].line == 3


def test_line_breaks_inside_quotes_keep_the_line_numbers_right(session: Session, write: Write) -> None:
    good = list(rows(count=3))
    good[0] |= {"specifications": "one\ntwo\nthree"}
    good[2] |= {"search_price": "-1"}
    result = feeds.import_file(session, write(good), now=NOW)
    assert result.imported == 2
    assert result.refusals[0].line == 6


def test_windows_1252_is_read_and_said(session: Session, write: Write) -> None:
    row = next(rows(count=1)) | {"product_name": "Läufer für Männer"}
    path = write([row])
    path.write_bytes(path.read_text("utf-8").encode("cp1252"))
    result = feeds.import_file(session, path, now=NOW)
    assert (result.imported, result.notes) == (1, ["1 line is not UTF-8, read as Windows-1252."])
    assert _offers(session)[row["aw_product_id"]].title == "Läufer für Männer"


def test_control_characters_and_script_links_do_no_harm(session: Session, write: Write) -> None:
    row = next(rows(count=1)) | {
        "product_name": "Shoe\x00\x1b[31m<script>alert(1)</script>",
        "aw_deep_link": "javascript:alert(1)",
    }
    assert feeds.import_file(session, write([row]), now=NOW).imported == 1
    offer = _offers(session)[row["aw_product_id"]]
    assert "\x00" not in offer.title
    assert "\x1b" not in offer.title
    assert offer.link is None


FILES = {
    "empty": (b"", "empty"),
    "blank": (b"\n \n", "empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(200), "no CSV"),
    "a web page": (b"<!doctype html><html><body>Not found</body></html>", "no CSV"),
    "a text": (b"Dear Sir or Madam\nplease find attached", "no CSV"),
    "utf-16": ("aw_product_id,search_price\n1,2\n".encode("utf-16"), "UTF-16"),
    "an empty gzip": (gzip.compress(b""), "empty"),
    "a gzip cut at once": (gzip.compress(b"aw_product_id,search_price\n" * 99)[:15], "ends in the middle"),
    "a gzip that is none": (b"\x1f\x8bnot really a gzip file", "damaged"),
    "a zip": (b"PK\x03\x04 not really a zip file", "damaged"),
    "another table": (b"name,price\nShoe,12\n", "aw_product_id"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_feed_is_refused_with_a_sentence(session: Session, tmp_path: Path, name: str) -> None:
    content, reason = FILES[name]
    path = tmp_path / "feed.csv"
    path.write_bytes(content)
    with pytest.raises(FeedError, match=reason):
        feeds.import_file(session, path, now=NOW)
    assert session.scalar(select(func.count()).select_from(MarketPrice)) == 0


@pytest.mark.parametrize("column", ["ean", "search_price", "Fashion:size", "product_name", "currency"])
def test_a_missing_column_is_named(session: Session, tmp_path: Path, column: str) -> None:
    path = tmp_path / "feed.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [name for name in COLUMNS if name != column], extrasaction="ignore", restval="")
        table.writeheader()
        table.writerows(rows(count=2))
    missing = "ean" if column == "ean" else column
    if column == "ean":
        # Two more columns may hold the number; without any of the three it is named.
        text = path.read_text("utf-8").replace("product_GTIN", "x1", 1).replace("upc", "x2", 1)
        path.write_text(text, "utf-8")
    with pytest.raises(FeedError, match=missing):
        feeds.import_file(session, path, now=NOW)


def test_a_zip_bomb_is_refused(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"aw_product_id,search_price\n")
        for _ in range(100):
            file.write(bytes(b"a" * 1024 * 1024))
    with pytest.raises(FeedError):
        feeds.import_file(session, path, now=NOW)


def test_a_file_of_empty_lines_is_not_read_to_its_end(session: Session, tmp_path: Path) -> None:
    """Hundreds of megabytes of them fit into a file that takes a second to send: counted in lines, not in bytes."""
    path = tmp_path / "empty.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(",".join(COLUMNS).encode() + b"\n")
        for _ in range(64):
            file.write(b"\n" * 1024**2)
    with pytest.raises(FeedError, match="empty lines in a row"):
        feeds.import_file(session, path, now=NOW)
    with closing(TextLines(path)) as lines:
        assert sum(1 for _ in lines) == MOST_EMPTY_LINES + 1


def test_a_table_is_read_by_its_mapping(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "Artikel;Name;Preis;Größe;EAN;Menge\n1;Shoe A;1.299,00;US W 8.5;4550457702997;3\n2;Shoe B;89,95;42⅔;;1\n",
        "utf-8",
    )
    mapping = FeedMapping(
        {
            "external_id": "Artikel",
            "title": "Name",
            "price": "Preis",
            "size": "Größe",
            "gtin": "EAN",
            "stock": "Menge",
        },
        shop="Mein Laden",
        currency="EUR",
        notation="comma",
    )
    result = feeds.import_file(session, path, now=NOW, mapping=mapping)
    assert (result.imported, result.refused) == (1, 1)
    offer = _offers(session)["1"]
    assert (offer.price, offer.size, offer.size_system, offer.stock) == (Decimal("1299.00"), "8.5", "us w", 3)


SIZES = FeedMapping(
    {"title": "Name", "style_code": "Code", "gtin": "EAN", "size": "Size EU", "price": "Price"},
    shop="Sizes",
    currency="EUR",
)
NUMBERED = replace(SIZES, columns={**SIZES.columns, "external_id": "Code"})


def _table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["Name;Code;EAN;Size EU;Price", *lines, ""]), "utf-8")
    return path


@pytest.mark.parametrize("mapping", [SIZES, NUMBERED])
def test_every_size_of_one_style_code_is_an_offer(session: Session, tmp_path: Path, mapping: FeedMapping) -> None:
    """With no number of its own a row is its EAN, else its style code in its size; so it is with a model's number."""
    path = _table(
        tmp_path / "table.csv",
        "Shoe;AB1234-100;;41;99.00",
        "Shoe;AB1234-100;;42 2/3;99.00",
        "Shoe;AB1234-100;4550457702997;42;99.00",
        "Shoe;AB1234-100;4550457193528;43;99.00",
        "Shoe;AB1234-100;;EU 41;89.00",
    )
    result = feeds.import_file(session, path, now=NOW, mapping=mapping)
    assert (result.rows, result.imported, result.refused) == (5, 4, 1)
    (refusal,) = result.refusals
    assert (refusal.line, refusal.field, refusal.reason) == (
        6,
        "style_code",
        "the same style code and size as in line 2",
    )
    again = feeds.import_file(session, path, now=NOW + timedelta(hours=1), mapping=mapping)
    assert (again.imported, again.updated, again.unchanged, again.gone) == (0, 0, 4, 0)
    assert {offer.size for offer in _offers(session).values()} == {"41", "42 2/3", "42", "43"}


def test_a_number_that_turns_out_to_be_a_models_costs_no_offer_its_past(session: Session, tmp_path: Path) -> None:
    """First one size is there, then two, then the other: each stays the offer that it was."""
    first, second = "Shoe;AB1234-100;;41;99.00", "Shoe;AB1234-100;;42;99.00"
    for day, lines, counts in (
        (0, [first], (1, 0, 0, 0)),
        (1, [first, second], (1, 0, 1, 0)),
        (2, [second], (0, 0, 1, 1)),
        (3, [second, first], (0, 1, 1, 0)),
    ):
        path = _table(tmp_path / "table.csv", *lines)
        result = feeds.import_file(session, path, now=NOW + timedelta(days=day), mapping=NUMBERED)
        assert (result.imported, result.updated, result.unchanged, result.gone) == counts
    assert len({offer.id for offer in _offers(session).values()}) == 2


def test_a_size_is_only_in_the_system_that_somebody_declared(session: Session, tmp_path: Path) -> None:
    """By the column's name, else by the operator, else by nobody: then no size is firm by a guess."""
    systems = []
    for header, chosen in (("Size (US)", None), ("UK", None), ("Size", None), ("Size", "eu"), ("US Größe", "uk")):
        path = tmp_path / "table.csv"
        path.write_text(f"Name;Code;{header};Price\nShoe {header} {chosen};AB1234-100;8;99.00\n", "utf-8")
        columns = {"title": "Name", "style_code": "Code", "size": header, "price": "Price"}
        mapping = FeedMapping(columns, shop=f"{header} {chosen}", currency="EUR", size_system=chosen)
        assert feeds.import_file(session, path, now=NOW, mapping=mapping).imported == 1
        systems.append(session.scalars(select(MarketPrice).order_by(MarketPrice.id.desc())).first().size_system)
    # There is no EU 8: it may be of another system, so it is kept without one.
    assert systems == ["us", "uk", None, None, "uk"]


def test_a_workbook_is_read_by_its_mapping(session: Session, tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.append(["id", "name", "price", "style", "size", "ean"])
    sheet.append([1, "Shoe", 99.95, "1203A544.101", 42.5, 4550457702997])
    sheet.append([2, "Shoe", "n/a", "1203A544.101", 43, None])
    path = tmp_path / "table.xlsx"
    book.save(path)
    book.close()
    columns = {"external_id": "id", "title": "name", "price": "price", "style_code": "style", "size": "size"}
    mapping = FeedMapping(columns | {"gtin": "ean"}, shop="Laden", currency="EUR")
    result = feeds.import_file(session, path, now=NOW, mapping=mapping)
    assert (result.imported, result.refused, result.refusals[0].line) == (1, 1, 3)
    offer = _offers(session)["1"]
    assert (offer.size, offer.gtin, offer.style_key) == ("42.5", "04550457702997", "1203A544101")


def test_every_row_of_the_real_feed_is_taken(session: Session, shared: Path) -> None:
    path = shared / "data" / "awin-feed-sizeofficial-de.csv.gz"
    result = feeds.import_file(session, path, now=NOW)
    assert (result.rows, result.imported, result.refused) == (569, 569, 0)
    assert sum(offer.in_stock for offer in _offers(session).values()) == 518


def test_memory_stays_flat_over_many_rows(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        table.writerows(rows(count=20_000))
    tracemalloc.start()
    result = feeds.import_file(session, path, now=NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (result.rows, result.imported) == (20_000, 20_000)
    assert peak < 40 * 1024 * 1024


def test_a_file_of_bad_rows_only_keeps_a_bounded_list(
    session: Session, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MOST_REFUSALS", 10)
    result = feeds.import_file(session, write(row | {"ean": "1"} for row in rows(count=50)), now=NOW)
    assert (result.refused, len(result.refusals), result.imported) == (50, 10, 0)
    assert io.StringIO(result.sentence()).read().startswith("50 rows")
