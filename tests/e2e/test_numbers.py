"""Numbers on the dashboard lead to lists of as many rows."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.e2e


def test_what_needs_the_operator_leads_to_as_many_rows(house, visit):
    visitor = visit(house.address)
    visitor.sign_in()
    links = visitor.page.locator("#needs a")
    found = {
        links.nth(number).get_attribute("href"): int(links.nth(number).locator(".needs-count").inner_text())
        for number in range(links.count())
    }
    rows = {
        "/orders?stage=ship": "#ship-queue tbody tr",
        "/opportunities": 'main input[name="ids"]',
        "/runs?state=unseen": "#runs-table tbody tr",
    }
    assert rows.keys() <= found.keys()
    for address, selector in rows.items():
        visitor.go(address)
        assert visitor.page.locator(selector).count() == found[address], address
    for address in found:
        assert address
        assert visitor.page.goto(house.address + address).status == 200
