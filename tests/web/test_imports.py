"""The Imports page: upload, mapping, result, refusals."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.feeds.demo import DEMO_FEED
from soleflip.jobs import tasks
from soleflip.models import FeedImport, MarketPrice, Run, Shop
from tests.web.conftest import token

TABLE = (
    b"Artikel;Name;Preis;Gr\xc3\xb6\xc3\x9fe;EAN\n1;Shoe A;129,95;42;4550457702997\n2;Shoe B;-1,00;43;4550457193528\n"
)


def _upload(browser: Any, content: bytes, name: str = "feed.csv") -> Any:
    data = {"csrf_token": token(browser, "/imports"), "file": (io.BytesIO(content), name)}
    return browser.post("/imports", data=data, content_type="multipart/form-data")


def _rows(app: Any, what: Any) -> list[Any]:
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        return list(session.scalars(select(what)))


def _perform(app: Any) -> None:
    """Read what was uploaded, as a worker would; the look-ups behind it wait, since nobody answers for StockX here."""
    with app.app_context():
        for run in _rows(app, Run):
            tasks.perform(str(run.id))


def test_the_page_says_what_to_do_when_nothing_was_imported(browser: Any) -> None:
    page = browser.get("/imports")
    assert page.status_code == 200
    assert "Nothing imported yet" in page.text
    assert 'enctype="multipart/form-data"' in page.text


def test_the_page_is_asked_three_ways(browser: Any) -> None:
    assert "<html" in browser.get("/imports").text
    assert "<html" not in browser.get("/imports", headers={"HX-Request": "true"}).text
    restored = browser.get("/imports", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in restored.text


def test_an_awin_upload_starts_a_run_and_shows_its_progress(app: Any, browser: Any) -> None:
    answer = _upload(browser, DEMO_FEED.read_bytes(), "shop.csv.gz")
    assert answer.status_code == 303
    shown = browser.get(answer.location)
    assert "shop.csv.gz" in shown.text
    assert "progress-card" in shown.text
    assert [run.kind for run in _rows(app, Run)] == ["feed_import"]
    _perform(app)
    assert len(_rows(app, MarketPrice)) == 300
    assert _rows(app, FeedImport)[0].state == "done"
    assert ">300<" in browser.get(answer.location).text


def test_refused_rows_stand_there_with_line_and_reason(app: Any, browser: Any) -> None:
    import gzip

    text = gzip.decompress(DEMO_FEED.read_bytes()).decode()
    lines = text.splitlines(keepends=True)
    lines[2] = lines[2].replace(",EUR,", ",<script>alert(1)</script>,", 1)
    answer = _upload(browser, "".join(lines).encode())
    _perform(app)
    page = browser.get(answer.location).text
    assert "is no currency code such as EUR" in page
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "The file is empty."), (b"hello", "This is no CSV"), (b"\x89PNG\r\n", "This is no CSV")],
)
def test_a_file_that_is_no_feed_is_refused_at_the_field(app: Any, browser: Any, content: bytes, sentence: str) -> None:
    answer = _upload(browser, content)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert _rows(app, FeedImport) == []
    assert not list((Path(app.extensions["soleflip"].settings.data) / "uploads").iterdir())


def test_without_a_file_the_form_says_so(browser: Any) -> None:
    answer = browser.post("/imports", data={"csrf_token": token(browser, "/imports")})
    assert answer.status_code == 422
    assert "Choose a file first" in answer.text


def test_a_table_is_mapped_once_and_then_remembered(app: Any, browser: Any) -> None:
    answer = _upload(browser, TABLE, "table.csv")
    assert answer.location.endswith("/columns")
    page = browser.get(answer.location).text
    assert "Shoe A" in page
    form = {
        "csrf_token": token(browser, answer.location),
        "shop": "Laden",
        "currency": "EUR",
        "size_system": "eu",
        "notation": "comma",
        "column-external_id": "Artikel",
        "column-title": "Name",
        "column-price": "Preis",
        "column-size": "Größe",
    }
    wrong = browser.post(answer.location, data=form)
    assert wrong.status_code == 422
    assert "The mapping lacks EAN / GTIN or Style code" in wrong.text
    right = browser.post(answer.location, data=form | {"column-gtin": "EAN"})
    assert right.status_code == 303
    _perform(app)
    entry = _rows(app, FeedImport)[0]
    assert (entry.state, entry.imported, entry.refused) == ("done", 1, 1)
    assert _rows(app, Shop)[0].mapping["notation"] == "comma"
    again = _upload(browser, TABLE, "table.csv")
    assert '<option value="EAN" selected>' in browser.get(again.location).text


@pytest.mark.parametrize(
    ("header", "column", "system"),
    [
        ("Size (US)", "Size (US)", "us"),
        ("US Größe", "US Größe", "us"),
        ("UK", "UK", "uk"),
        ("Size US;Size EU", "Size EU", "eu"),
        ("Größe", "Größe", ""),
        ("Size", "Size", ""),
    ],
)
def test_the_form_presumes_a_size_system_only_where_a_column_says_it(
    browser: Any, header: str, column: str, system: str
) -> None:
    cells = ";".join(["9"] * len(header.split(";")))
    answer = _upload(browser, f"Name;EAN;Preis;{header}\nShoe;4550457702997;99,00;{cells}\n".encode(), "table.csv")
    page = browser.get(answer.location).text
    chosen = re.findall(r'<option value="([^"]*)" selected', _select(page, "column-size"))
    assert chosen == [column]
    assert re.findall(r'<option value="([^"]*)" selected', _select(page, "size_system")) == ([system] if system else [])


def _select(page: str, name: str) -> str:
    return page.partition(f'name="{name}"')[2].partition("</select>")[0]


def test_a_viewer_may_look_but_not_import(signed_in: Any) -> None:
    viewer = signed_in("viewer")
    assert viewer.get("/imports").status_code == 200
    assert _upload(viewer, TABLE).status_code == 403


def test_nobody_is_sent_to_sign_in(client: Any) -> None:
    assert client.get("/imports").status_code in (302, 303)


def test_a_feeds_address_is_kept_and_fetched_or_refused_at_its_field(app: Any, browser: Any) -> None:
    form = {"csrf_token": token(browser, "/imports"), "name": "Laden", "url": "ftp://x", "every_hours": "6"}
    wrong = browser.post("/imports/sources", data=form)
    assert wrong.status_code == 422
    assert "must begin with https://" in wrong.text
    assert browser.post("/imports/sources", data=form | {"url": "https://shop.example/feed"}).status_code == 303
    assert [run.kind for run in _rows(app, Run)] == ["feed_fetch"]
    assert "Laden" in browser.get("/imports").text
    assert browser.post("/imports/sources/1/remove", data=form).status_code == 303
    assert "Laden" not in browser.get("/imports").text
