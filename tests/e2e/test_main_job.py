"""The main job in a real browser, on the stack that `make run` starts: from a shop's feed to a tax report."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from soleflip.config import PROJECT
from tests.conftest import Stack
from tests.e2e.conftest import Visitor

pytestmark = pytest.mark.e2e

DEMO_FEED = PROJECT / "soleflip" / "feeds" / "demo.csv.gz"
LONG = 120_000


def enter(visit: Callable[..., Visitor], stack: Stack) -> Visitor:
    visitor = visit(stack.address)
    visitor.sign_in(stack.email, stack.password)
    return visitor


def import_feed(visitor: Visitor, feed: Path) -> None:
    visitor.go("/imports")
    visitor.page.get_by_label("File").set_input_files(feed)
    visitor.page.get_by_role("button", name="Import").click()
    expect(visitor.page.get_by_text("opportunities computed")).to_be_visible(timeout=LONG)


def list_all(visitor: Visitor) -> int:
    """List every opportunity that fits, in at most three clicks; returns how many pairs were ordered."""
    visitor.go("/opportunities")
    visitor.count_clicks()
    every = visitor.page.get_by_role("button", name="List all that match")
    if every.count():
        every.click()
    else:
        visitor.page.locator("thead input[type=checkbox]").check()
        visitor.page.get_by_role("button", name="List selected").click()
    confirm = visitor.page.get_by_role("button", name=re.compile(r"List [\d,]+ on StockX"))
    found = re.search(r"List ([\d,]+) on StockX", confirm.inner_text())
    assert found
    expect(visitor.page.get_by_text("Expected profit", exact=True)).to_be_visible()
    confirm.click()
    expect(visitor.page.get_by_text(re.compile(r"\d+ listed\."))).to_be_visible(timeout=LONG)
    assert visitor.clicks <= 3
    return int(found[1].replace(",", ""))


def skip_a_week(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Skip a week of sandbox time").click()
    expect(visitor.page.get_by_text("has passed in the sandbox")).to_be_visible()


def print_a_label(visitor: Visitor) -> None:
    """From the orders to the label of the next one to ship, in at most two clicks."""
    labels = visitor.page.locator("#ship-queue").get_by_role("link", name="PDF")
    for _ in range(10):
        visitor.page.get_by_role("button", name="Skip a day of sandbox time").click()
        expect(visitor.page.get_by_text("has passed in the sandbox")).to_be_visible()
        visitor.page.get_by_role("button", name="Sync now").click()
        expect(visitor.page.get_by_text(re.compile(r"\d+ orders? seen"))).to_be_visible(timeout=LONG)
        visitor.go("/orders")
        if labels.count():
            break
    visitor.count_clicks()
    printed = re.compile(r"/label\.pdf$")
    with visitor.page.context.expect_event("response", lambda answer: printed.search(answer.url)) as answer:
        labels.first.click()
    assert answer.value.header_value("content-type") == "application/pdf"
    assert visitor.clicks <= 2


def download_the_tax_report(visitor: Visitor) -> None:
    """From the dashboard to the file for the accountant, in at most three clicks."""
    visitor.count_clicks()
    visitor.page.locator(".sidebar").get_by_role("link", name="Tax report").click()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="XLSX").click()
    assert download.value.path().read_bytes().startswith(b"PK")
    assert visitor.clicks <= 3


def _sales_in(visitor: Visitor, year: int, tmp_path: Path) -> int:
    """Download a year's tax report from its page and count the rows of sales."""
    visitor.go(f"/tax?year={year}")
    report = visitor.page.get_by_role("link", name="CSV")
    if not report.count():
        return 0
    with visitor.page.expect_download() as download:
        report.click()
    file = tmp_path / f"tax-{year}.csv"
    download.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return sum(row["Order"] != "" for row in csv.DictReader(stream))


def do_the_main_job(visitor: Visitor, feed: Path, tmp_path: Path) -> int:
    """Import, list, reprice, ship, sell, report; returns how many pairs were ordered in three clicks."""
    import_feed(visitor, feed)
    number = list_all(visitor)
    assert number >= 50

    visitor.go("/listings")
    live = re.search(r"[\d,]+", visitor.page.get_by_text("live asks of ours").inner_text())
    assert live
    assert int(live[0].replace(",", "")) >= number * 0.9, "a few may have sold at once"
    visitor.page.get_by_role("button", name="Reprice now").click()
    progress = visitor.page.get_by_role("region", name="Progress of reprice")
    expect(progress.get_by_text("Done", exact=True)).to_be_visible(timeout=LONG)

    visitor.go("/orders")
    print_a_label(visitor)
    for _ in range(3):
        skip_a_week(visitor)
    visitor.page.get_by_role("button", name="Sync now").click()
    expect(visitor.page.get_by_text(re.compile(r"\d+ orders? seen"))).to_be_visible(timeout=LONG)

    visitor.go("/")
    expect(visitor.page.get_by_text("No profit yet")).to_have_count(0)
    expect(visitor.page.locator("canvas, svg.chart, .chart").first).to_be_visible()

    download_the_tax_report(visitor)

    # Skipping weeks may have led into the next year.
    year = datetime.now(UTC).year
    assert sum(_sales_in(visitor, each, tmp_path) for each in (year, year + 1)) > 20
    assert visitor.complaints == []
    return number


def test_the_main_job_on_the_shipped_feed(visit: Callable[..., Visitor], stack: Stack, tmp_path: Path) -> None:
    do_the_main_job(enter(visit, stack), DEMO_FEED, tmp_path)


def test_the_main_job_on_a_real_feed(visit: Callable[..., Visitor], stack: Stack, shared: Path, tmp_path: Path) -> None:
    feed = shared / "data" / "awin-feed-sizeofficial-de.csv.gz"
    stack.flask("sandbox", "seed", "--feed", str(feed))
    assert do_the_main_job(enter(visit, stack), feed, tmp_path) >= 100
