"""The frame: rooms, banners, three ways to ask for a page, assets."""

from __future__ import annotations


def test_pages_open(browser):
    for address in ("/", "/runs", "/settings", "/settings/stockx", "/settings/password", "/search", "/search?q=samba"):
        answer = browser.get(address)
        assert answer.status_code == 200, (address, answer.text[-3000:])
