"""The keyboard: through tables, to the search, and anywhere by the command palette."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e


@pytest.fixture
def at_work(house, visit):
    visitor = visit(house.address)
    visitor.sign_in()
    return visitor


def test_slash_goes_to_the_search_and_finds(at_work):
    at_work.page.keyboard.press("/")
    at_work.page.keyboard.type("b75806")
    at_work.page.keyboard.press("Enter")
    at_work.page.wait_for_url("**/search?q=b75806")
    expect(at_work.page.get_by_text("adidas Samba OG").first).to_be_visible()


def test_rows_are_walked_and_opened(at_work):
    at_work.go("/runs")
    at_work.page.keyboard.press("j")
    at_work.page.keyboard.press("j")
    at_work.page.keyboard.press("k")
    row = at_work.page.locator("tr.row-current")
    expect(row).to_have_count(1)
    target = row.locator("a").first.get_attribute("href")
    at_work.page.keyboard.press("Enter")
    at_work.page.wait_for_url(f"**{target}")


def test_the_palette_leads_to_rooms_and_things(at_work):
    page = at_work.page
    page.keyboard.press("Control+k")
    page.keyboard.type("sett")
    expect(page.locator("#palette-rooms li:visible")).to_have_count(1)
    serious = [v for v in Axe().run(page).response["violations"] if v["impact"] in ("serious", "critical")]
    assert serious == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")
    page.keyboard.press("Control+k")
    page.keyboard.type("pair 3")
    page.locator("#palette-found a").first.wait_for()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    assert at_work.complaints == []


def test_the_keys_are_listed(at_work):
    at_work.page.keyboard.press("?")
    expect(at_work.page.get_by_role("heading", name="Keys")).to_be_visible()
    at_work.page.keyboard.press("Escape")
    at_work.page.keyboard.press("/")
    at_work.page.keyboard.type("?j")
    expect(at_work.page.locator("#search")).to_have_value("?j")


def test_selecting_counts_and_ranges(house, at_work):
    page = at_work.page
    at_work.go("/opportunities")
    boxes = page.locator('main input[name="ids"]')
    expect(boxes).not_to_have_count(0)
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator("[data-bulk-count]")).to_contain_text("3 opportunities selected")
    page.locator("[data-select-all]").check()
    expect(page.locator("[data-bulk-count]")).to_contain_text(f"{boxes.count()} opportunities selected")
    page.locator("[data-select-all]").uncheck()
    expect(page.locator(".bulk-actions button").first).to_be_disabled()
