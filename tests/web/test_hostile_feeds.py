"""Hostile feeds, fetched over HTTP as the timetable does: each is told in words, good rows stay, nothing is harmed."""

from __future__ import annotations

import csv
import gzip
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from soleflip.models import FeedImport, FeedRefusal, FeedSource, MarketPrice, Run
from soleflip.services import feed_sources, feeds, settings
from soleflip.services.settings import FeedSettings
from tests.services.market_data import make_market
from tests.services.test_feed_sources import run_feed

HEADER = "Nr;Name;Code;EAN;Größe EU;Preis"
GOOD = ["1;Shoe A;AB1234-100;;42;99,00", "2;Shoe B;AB1234-100;;43;89,00"]
MAPPING = {
    "columns": {
        "external_id": "Nr",
        "title": "Name",
        "style_code": "Code",
        "gtin": "EAN",
        "size": "Größe EU",
        "price": "Preis",
    },
    "shop": "Laden",
    "currency": "EUR",
    "notation": "comma",
}


@dataclass
class Server:
    """A shop's web server; what it answers is set by the test."""

    url: str = ""
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def says(self, *lines: str, encoding: str = "utf-8", header: str = HEADER) -> None:
        """Answer with a table of these rows between the two good ones."""
        self.body = "\n".join([header, GOOD[0], *lines, GOOD[1], ""]).encode(encoding)


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on this machine."""
    shop = Server()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(shop.status)
            for name, value in {"Content-Length": str(len(shop.body)), **shop.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(shop.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        shop.url = f"http://127.0.0.1:{listening.server_address[1]}/feed"
        yield shop
        listening.shutdown()
        thread.join()


@dataclass
class Told:
    """What the operator reads after a fetch."""

    run: Run
    source: FeedSource
    entry: FeedImport | None
    refused: list[tuple[int, str | None, str]]
    titles: list[str]


@pytest.fixture
def fetched(app: Any, server: Server) -> Iterator[Any]:
    """Fetches what the server has, and tells what became of it; no file of it may stay."""
    runtime = app.extensions["soleflip"]

    def fetch() -> Told:
        with runtime.transaction() as session:
            settings.save(session, FeedSettings, {"private_addresses": "yes"}, actor="test")
            source = feed_sources.add(session, name="Shop", url=server.url, every_hours=6, actor="test")
            source.mapping = MAPPING
            source_id = source.id
        run = run_feed(app, source_id)
        with runtime.transaction() as session:
            refusals = session.scalars(select(FeedRefusal).order_by(FeedRefusal.id)).all()
            return Told(
                run,
                session.get_one(FeedSource, source_id),
                session.scalars(select(FeedImport)).one_or_none(),
                [(each.line, each.field, each.reason) for each in refusals],
                list(session.scalars(select(MarketPrice.title).order_by(MarketPrice.external_id))),
            )

    with app.app_context():
        yield fetch
        assert not list((runtime.settings.data / "uploads").glob("address-*"))


BAD_ROWS = {
    "a price of zero": ("9;Bad;AB1234-100;;44;0", "price", "zero"),
    "a price of zero cents": ("9;Bad;AB1234-100;;44;0,00", "price", "zero"),
    "a negative price": ("9;Bad;AB1234-100;;44;-5,00", "price", "negative"),
    "a price that is not a number": ("9;Bad;AB1234-100;;44;NaN", "price", "no price"),
    "an infinite price": ("9;Bad;AB1234-100;;44;Infinity", "price", "no price"),
    "a price beyond all numbers": ("9;Bad;AB1234-100;;44;1e999", "price", "no price"),
    "a price in powers": ("9;Bad;AB1234-100;;44;1E2", "price", "no price"),
    "a price of a hundred digits": (f"9;Bad;AB1234-100;;44;{'9' * 100}", "price", "larger than any price"),
    "a price with a formula": ("9;Bad;AB1234-100;;44;=1+1", "price", "no price"),
    "an EAN with letters": ("9;Bad;AB1234-100;45504577O2997;44;99", "gtin", "digits"),
    "an EAN in other digits": ("9;Bad;AB1234-100;٤٥٥٠٤٥٧٧٠٢٩٩٧;44;99", "gtin", "digits"),
    "an EAN that was rounded": ("9;Bad;AB1234-100;4.55046E+12;44;99", "gtin", "spreadsheet"),
    "a size of nobody": ("9;Bad;AB1234-100;;999;99", "size", "no size"),
    "other delimiters": ("9,Bad,AB1234-100,,44,99", None, "1 column, the first line has 6"),
    "too many columns": ("9;Bad;AB1234-100;;44;99;more", None, "7 columns"),
    "a field of ten megabytes": (f"9;{'x' * 10_000_000};AB1234-100;;44;99", None, "longer than 1 MB"),
    "a quote that never ends": ('9;"Bad;AB1234-100;;44;99', None, "quote"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_told_with_line_and_field_and_the_good_ones_stay(fetched: Any, server: Server, name: str) -> None:
    line, at, reason = BAD_ROWS[name]
    server.says(line)
    told = fetched()
    assert told.titles == ["Shoe A", "Shoe B"]
    ((number, where, why),) = told.refused
    assert (number, where) == (3, at)
    assert reason in why
    assert (told.entry.state, told.entry.refused) == ("done", 1)


ODD_FILES = {
    "a mark before the header": ("﻿" + HEADER, "utf-8", None),
    "Windows-1252": (HEADER, "cp1252", "1 line is not UTF-8, read as Windows-1252."),
    "a header with a column twice": (HEADER + ";Preis", "utf-8", "The column Preis is there 2 times; the first one"),
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_an_odd_file_is_read_and_it_is_said_how(fetched: Any, server: Server, name: str) -> None:
    header, encoding, note = ODD_FILES[name]
    more = ";1" * (header.count(";") - HEADER.count(";"))
    lines = [line + more for line in GOOD]
    server.body = "\n".join([header, *lines, ""]).encode(encoding)
    told = fetched()
    assert (told.titles, told.refused) == (["Shoe A", "Shoe B"], [])
    assert (note in told.entry.note) if note else told.entry.note is None


def test_nul_bytes_and_control_characters_are_left_out(fetched: Any, server: Server) -> None:
    server.says("9;Sh\x00oe\x1b[31m \u202eC;AB1234-100;;44;99")
    titles = fetched().titles
    assert len(titles) == 3
    assert not any(char in "".join(titles) for char in "\x00\x1b")


def _bomb(name: str, megabytes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        with book.open(name, "w") as entry:
            for _ in range(megabytes):
                entry.write(bytes(1024**2))
    return file.getvalue()


def _no_sheet() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as book:
        book.writestr("feed.csv", HEADER)
    return file.getvalue()


BAD_FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "The file is empty."),
    "only a header": (HEADER.encode() + b"\n", "no rows below it"),
    "a web page": (b"<!doctype html><title>Sign in</title>", "looks like a web page"),
    "UTF-16": ("\n".join([HEADER, *GOOD]).encode("utf-16"), "UTF-16"),
    "NUL bytes": (bytes(5000), "binary data"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(99), "no CSV"),
    "a gzip bomb": (gzip.compress(HEADER.encode() + b"\n" + bytes(40 * 1024**2)), "unpacks to more than"),
    "a gzip bomb of empty lines": (gzip.compress(HEADER.encode() + b"\n" * 1024**2), "empty lines in a row"),
    "an XLSX bomb": (_bomb("xl/sharedStrings.xml", 65), "unpacks to"),
    "a ZIP that is no workbook": (_no_sheet(), "This is a ZIP file, not an XLSX file."),
    "half a workbook": (_bomb("xl/workbook.xml", 1)[:700], "damaged"),
    "columns of another table": (b"a;b\n1;2\n", "file has no column"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_told_and_changes_nothing(fetched: Any, server: Server, name: str) -> None:
    server.body, reason = BAD_FILES[name]
    told = fetched()
    assert told.titles == []
    waits = told.entry is not None and told.entry.state == "mapping"
    # A table with other columns waits for the operator to say what they are.
    assert waits if name == "columns of another table" else reason in (told.source.error or "")
    assert waits or reason in (told.run.message or "")


@pytest.mark.parametrize(
    "place", ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]/", "file:///etc/passwd"]
)
def test_a_redirect_that_leads_elsewhere_is_told_and_not_followed(fetched: Any, server: Server, place: str) -> None:
    server.status, server.headers = 302, {"Location": place}
    told = fetched()
    assert told.titles == []
    assert "no feed can have" in told.source.error or "must begin with" in told.source.error


def test_the_content_decides_and_not_what_the_server_calls_it(fetched: Any, server: Server) -> None:
    server.says()
    server.headers = {"Content-Type": "image/png", "Content-Disposition": 'attachment; filename="../../x.exe"'}
    told = fetched()
    assert (told.titles, told.source.error) == (["Shoe A", "Shoe B"], None)


FORMULAS = ["=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x")', "\t=1", "＝1+1"]


def test_script_and_formulas_in_names_are_text_on_the_pages_and_in_the_exports(
    fetched: Any, server: Server, app: Any, signed_in: Any
) -> None:
    named = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", *FORMULAS]
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in named]
    server.says(*(f"{n};{name};CD{n:04}-100;;44;99" for n, name in enumerate(quoted, start=10)))
    assert len(fetched().titles) == 2 + len(named)
    with app.extensions["soleflip"].transaction() as session:
        assert make_market(session, datetime.now(UTC)) >= len(named)
    browser = signed_in("operator")
    page = browser.get("/opportunities?all=1&state=any").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "{{ 7 * 7 }}" in page
    rows = csv.reader(io.StringIO(browser.get("/tables/opportunities.csv?all=1&state=any").text.removeprefix("\ufeff")))
    cells = [cell for row in list(rows)[1:] for cell in row]
    assert any("cmd|" in cell for cell in cells)
    for cell in cells:
        assert cell[:1] not in ("=", "+", "@", "\t", "\r", "＝"), cell
        assert not cell.startswith("-") or cell.lstrip("-").replace(".", "").isdigit(), cell


def test_a_workbook_of_formulas_is_read_by_its_values(fetched: Any, server: Server) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(HEADER.split(";"))
    sheet.append([1, "Shoe A", "AB1234-100", None, 42, "99,00"])
    sheet.append([9, '=HYPERLINK("http://x")', "AB1234-100", None, 44, "=1+1"])
    file = io.BytesIO()
    book.save(file)
    book.close()
    server.body = file.getvalue()
    told = fetched()
    assert told.titles == ["Shoe A"]
    assert told.refused[0][:2] == (3, "title")


def test_bad_rows_beyond_the_list_are_counted(fetched: Any, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_REFUSALS", 5)
    server.says(*(f"{n};Bad;AB1234-100;;44;NaN" for n in range(10, 30)))
    told = fetched()
    assert (told.entry.refused, len(told.refused), told.titles) == (20, 5, ["Shoe A", "Shoe B"])
