"""Bulk listing in a real browser: select, preview, confirm, close the tab, come back, see it done, undo it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Stack, running_stack
from tests.e2e.conftest import Visitor
from tests.e2e.test_main_job import DEMO_FEED, LONG, enter, import_feed

pytestmark = pytest.mark.e2e


@pytest.fixture
def own_stack(test_folder: Path) -> Iterator[Stack]:
    """A stack whose opportunities nobody has listed yet."""
    with running_stack(test_folder / "bulk-listing") as running:
        yield running


def test_a_bulk_listing_goes_on_without_its_tab_and_is_undone(visit: Callable[..., Visitor], own_stack: Stack) -> None:
    stack = own_stack
    first = enter(visit, stack)
    import_feed(first, DEMO_FEED)
    first.go("/opportunities?q=Nike")
    first.page.locator("thead input[type=checkbox]").check()
    first.page.get_by_role("button", name="List selected").click()
    confirm = first.page.get_by_role("button", name=re.compile(r"List \d+ on StockX"))
    number = int(re.sub(r"\D", "", confirm.inner_text().replace("StockX", "")))
    assert number >= 5
    confirm.click()
    first.page.wait_for_url(re.compile(r"/listings/runs/"))
    address = first.page.url.removeprefix(stack.address)
    first.page.context.close()

    second = enter(visit, stack)
    second.go(address)
    expect(second.page.get_by_text(f"{number} listed.")).to_be_visible(timeout=LONG)
    second.page.on("dialog", lambda dialog: dialog.accept())
    second.page.get_by_role("button", name="Undo: delist what it listed").click()
    expect(second.page.get_by_text(re.compile(r"\d+ changed"))).to_be_visible(timeout=LONG)
    second.go(address)
    expect(second.page.get_by_text("Delisted").first).to_be_visible()
    assert second.complaints == []
