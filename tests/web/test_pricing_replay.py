"""Replay in the browser: sales come in from a file, a strategy is played by a run, and the result is shown."""

from __future__ import annotations

import io
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from soleflip.jobs import tasks
from soleflip.models import PastSale, Replay, Run
from tests.web.conftest import post
from tests.web.test_listings import FRAGMENT, book, make_variant

__all__ = ["book"]

START = date(2020, 1, 1)
MEMORY = [f"AM1-100,9,{START + timedelta(days=day)},{200 + day % 7}" for day in range(120)]
FILE = [f"{START + timedelta(days=day)},Shoe,9,{200 + day % 7}" for day in range(120)]


def upload(lines: list[str], head: str) -> tuple[io.BytesIO, str]:
    return io.BytesIO("\n".join([head, *lines]).encode()), "sales.csv"


def play(app, book, location: str) -> Run:
    with book() as session:
        run_id = session.scalars(select(Run.id).where(Run.kind == "replay")).one()
    with app.app_context():
        tasks.perform(str(run_id))
    with book() as session:
        return session.get_one(Run, run_id)


def test_a_sales_file_becomes_memory_and_its_refused_rows_are_named(browser, book):
    with book() as session:
        make_variant(session, style="AM1-100").product.style_key = "AM1100"
    lines = [*MEMORY, "AM1-100,9,2020-01-01,free", "NO-1000,9,2020-01-01,100"]
    shown = post(browser, "/pricing/replay/sales", file=upload(lines, "style_code,size,sold_on,price"))
    assert "122 rows: 120 sales new, 0 known before, 2 refused." in shown.text
    for words in ("is no price", "The catalog has no product", '<td class="text-end tabular">122</td>'):
        assert words in shown.text
    with book() as session:
        assert len(session.scalars(select(PastSale)).all()) == 120
    wrong = post(browser, "/pricing/replay/sales", file=upload(["1"], "one"))
    assert (wrong.status_code, "The file has no column" in wrong.text) == (422, True)
    assert post(browser, "/pricing/replay/sales").status_code == 422


@pytest.mark.parametrize("source", ["memory", "file"])
def test_a_strategy_is_played_on_memory_or_a_file(browser, book, app, source):
    with book() as session:
        make_variant(session, style="AM1-100").product.style_key = "AM1100"
    post(browser, "/pricing/replay/sales", file=upload(MEMORY, "style_code,size,sold_on,price"))
    sales = upload(FILE, "sold_on,product,size_us,sale_price_usd")
    fields = {
        "strategy": "patient",
        "day_value": "0.5",
        "sells_into_bid": ["no", "yes"],
        "source": source,
        "episodes": "200",
        "sales": sales,
    }
    started = post(browser, "/pricing/replay", **fields)
    assert started.status_code == 303
    with book() as session:
        assert session.scalars(select(Replay)).one().settings["sells_into_bid"] is True
    run = play(app, book, started.location)
    assert run.state == "done", run.error
    with book() as session:
        row = session.scalars(select(Replay)).one()
        assert row.sales is None
        assert row.settings["day_value"] == "0.5"
        assert set(row.result["results"]) == {"patient", "static", "follow"}
        assert row.result["currency"] == ("EUR" if source == "memory" else "USD")
    shown = browser.get(started.location).text
    for words in ("What was earned", "Most profit per pair", "times static per day at work", "chart-curve-option"):
        assert words in shown
    part = browser.get(started.location, headers=FRAGMENT).text
    assert part.lstrip().startswith('<div class="stack" id="pricing-replayed"')
    assert "every 2s" not in part
    assert started.location in browser.get("/pricing/replay").text


def test_too_few_sales_fail_with_a_sentence(browser, book, app):
    started = post(browser, "/pricing/replay", strategy="hold", source="memory", episodes="200")
    assert play(app, book, started.location).state == "failed"
    assert "There is no episode to play" in browser.get(started.location).text


def test_what_cannot_be_played_is_refused_at_its_field(browser, book):
    wrong = post(browser, "/pricing/replay", strategy="patient", day_value="soon", source="memory", episodes="200")
    assert (wrong.status_code, 'value="soon"' in wrong.text) == (422, True)
    for fields in ({"strategy": "magic"}, {"source": "file"}, {"episodes": "7"}):
        good = {"strategy": "hold", "source": "memory", "episodes": "200"}
        assert post(browser, "/pricing/replay", **good | fields).status_code == 422
    assert (
        browser.get("/pricing/replay", headers=FRAGMENT)
        .text.lstrip()
        .startswith('<div class="stack" id="pricing-replay">')
    )
