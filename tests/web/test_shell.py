"""The frame: rooms, banners, three ways to ask for a page, assets that are kept, vendored files."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from soleflip.config import PROJECT
from soleflip.models import StockxConnection, StopSwitch
from soleflip.services import settings, stop
from soleflip.web import cells, filters
from soleflip.web.settings_texts import TEXTS

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}
RESTORE = {"HX-Request": "true", "HX-Request-Type": "full", "HX-History-Restore-Request": "true"}
PAGES = ("/", "/runs", "/settings", "/settings/stockx", "/search?q=samba")


@pytest.mark.parametrize("address", PAGES)
def test_a_page_comes_whole_or_as_its_fragment(browser, address):
    whole = browser.get(address)
    fragment = browser.get(address, headers=PARTIAL)
    restored = browser.get(address, headers=RESTORE)
    assert [answer.status_code for answer in (whole, fragment, restored)] == [200, 200, 200]
    assert "<!doctype html>" in whole.text
    assert "<!doctype html>" not in fragment.text
    assert "<!doctype html>" in restored.text
    assert all("HX-Request" in answer.vary for answer in (whole, fragment, restored))


def test_a_fragment_has_one_root_that_the_page_has_too(browser):
    fragment = browser.get("/runs", headers=PARTIAL).text
    name = re.search(r'<div class="table-card" id="([\w-]+)"', fragment)
    assert name
    assert f'id="{name[1]}"' in browser.get("/runs").text


def test_the_frame_links_only_to_rooms_that_are_there(browser, app):
    known = {rule.rule for rule in app.url_map.iter_rules()}
    sidebar = browser.get("/").text.split('<aside class="sidebar">')[1].split("</aside>")[0]
    links = set(re.findall(r'<a[^>]* href="(/[^"]*)"', sidebar))
    assert links >= {"/", "/runs", "/settings"}
    assert links <= known


def test_the_current_room_is_marked(browser):
    assert re.search(r'href="/runs"\s+aria-current="page"', browser.get("/runs").text)


def test_the_sandbox_can_not_be_overlooked(browser):
    page = browser.get("/").text
    assert "banner-sandbox" in page
    assert "60× speed" in page


def test_a_stop_shows_on_every_page_until_resumed(browser, app):
    now = datetime(2026, 3, 2, tzinfo=UTC)
    transaction = app.extensions["soleflip"].transaction
    with app.app_context(), transaction() as session:
        stop.stop(session, actor="the owner", reason="prices look wrong", now=now)
    assert "prices look wrong" in browser.get("/runs").text
    with app.app_context(), transaction() as session:
        stop.resume(session, actor="the owner", now=now)
        assert session.get(StopSwitch, 1) is not None
    assert "banner-stop" not in browser.get("/runs").text


def test_a_lost_account_asks_to_reconnect(browser, app):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.add(StockxConnection(id=1, state="reconnect", reason="StockX said invalid_grant."))
    page = browser.get("/").text
    assert "StockX said invalid_grant." in page
    assert "Reconnect" in page


def test_every_page_has_a_strict_policy(client):
    headers = client.get("/sign-in").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Strict-Transport-Security" not in headers
    assert "Strict-Transport-Security" in client.get("/sign-in", base_url="https://localhost").headers


def test_templates_hold_no_inline_script_or_style():
    inline = re.compile(r'\sstyle="|\son[a-z]+="|hx-on|javascript:|<style|<script(?![^>]*(src=|application/json))')
    guilty = [
        f"{path.relative_to(PROJECT)}: {found[0]}"
        for path in sorted((PROJECT / "templates").rglob("*.html"))
        if (found := inline.search(path.read_text("utf-8")))
    ]
    assert guilty == []


def test_assets_are_named_by_content_and_kept_for_ever(client):
    page = client.get("/sign-in").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"#]+)"', page)
    assert len(addresses) > 5
    for address in addresses:
        answer = client.get(address, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200, address
        assert "v=" in address or address.startswith("/static/vendor/")
        assert answer.cache_control.max_age == 31_536_000
        assert answer.cache_control.immutable
        assert "Set-Cookie" not in answer.headers
        compressed = address.split("?")[0].endswith((".css", ".js", ".svg", ".webmanifest"))
        assert (answer.headers.get("Content-Encoding") == "gzip") == compressed
        answer.close()


def test_assets_come_plain_to_who_does_not_take_gzip(client):
    answer = client.get("/static/css/app.css", headers={"Accept-Encoding": "identity"})
    assert answer.text == (PROJECT / "static/css/app.css").read_text("utf-8")
    assert "immutable" not in answer.headers.get("Cache-Control", "")
    answer.close()


def test_assets_of_every_page_stay_small(client):
    """CSS and JavaScript together under 250 kB compressed; charts load theirs only where they stand."""
    page = client.get("/sign-in").text
    total = 0
    for address in re.findall(r'(?:href|src)="(/static/[^"#]+\.(?:css|js)[^"]*)"', page):
        answer = client.get(address, headers={"Accept-Encoding": "gzip"})
        total += len(answer.data)
        answer.close()
    assert 0 < total < 250_000


def test_vendored_files_are_what_their_list_says():
    folder = PROJECT / "static" / "vendor"
    listed = json.loads((folder / "versions.json").read_text("utf-8"))
    assert {entry["file"] for entry in listed} == {path.name for path in folder.iterdir()} - {"versions.json"}
    for entry in listed:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]


def test_icons_that_templates_ask_for_are_in_the_sprite():
    sprite = (PROJECT / "static/vendor/tabler-icons-3.51.0.svg").read_text("utf-8")
    there = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    texts = [path.read_text("utf-8") for path in (PROJECT / "templates").rglob("*.html")]
    asked = {name for text in texts for name in re.findall(r'(?:icon\(|symbol=)"([\w-]+)"', text)}
    assert asked - there == set()


def test_every_setting_has_its_words():
    for group, kind in settings.GROUPS.items():
        assert set(TEXTS[group]) == {field.name for field in fields(kind)}, group


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(90, "90 seconds"), (60, "1 minute"), (5400, "90 minutes"), (86_400, "1 day"), (129_600, "36 hours")],
)
def test_an_interval_is_told_exactly(app, seconds, shown):
    with app.test_request_context():
        assert filters.interval(timedelta(seconds=seconds)) == shown


def test_what_stands_in_every_row_is_escaped(app: Flask) -> None:
    with app.test_request_context():
        cell = cells.select_row('bulk"', "1", '<Air "One">', checked=True)
        word = cells.badge("x", "<b>")
    assert cell.count("<") == 3
    assert 'form="bulk&#34;"' in cell
    assert 'aria-label="Select &lt;Air &#34;One&#34;&gt;" checked>' in cell
    assert word == '<span class="state state-secondary">&lt;b&gt;</span>'
