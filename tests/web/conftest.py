"""What web tests share: the cast, signed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from werkzeug.test import TestResponse

from soleflip.models import AuditEntry, FeedSource, SavedSearch, User
from soleflip.runtime import system_clock
from soleflip.services import accounts, feeds, profit_days, runs, sessions
from soleflip.services.order_snapshots import record, record_detail
from soleflip.stockx.orders import OrderDetail
from tests.services.market_data import make_market, write_feed
from tests.services.sales import entry, make_listing, payout, shipment, snapshot

PASSWORD = "correct horse battery"
EMAIL = {role: f"{role}@soleflip.test" for role in accounts.ROLES}


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of the cast's password: made once, since it takes long on purpose."""
    return PasswordHasher().hash(PASSWORD)


@pytest.fixture
def cast(app: Any, password_hash: str) -> None:
    """The owner, an operator and a viewer have accounts."""
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        for role, email in EMAIL.items():
            session.add(User(email=email, role=role, password_hash=password_hash))


@pytest.fixture
def signed_in(app: Any, cast: None) -> Callable[..., Any]:
    """Return a browser that is signed in: `signed_in("viewer")`."""

    def enter(role: str = "operator") -> Any:
        browser = app.test_client()
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            user = session.query(User).filter_by(email=EMAIL[role]).one()
            begun = sessions.begin(session, user.id, address=None, device="Firefox/1.0 Linux", now=system_clock())
        with browser.session_transaction() as cookie:
            cookie["_user_id"] = str(begun.id)
        return browser

    return enter


@pytest.fixture
def browser(signed_in: Callable[..., Any]) -> Any:
    """The operator's browser."""
    return signed_in()


def token(browser: Any, address: str = "/sign-in") -> str:
    """Read the CSRF token of a page."""
    page = browser.get(address, follow_redirects=True).text
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found, page[:500]
    return found[1]


def post(browser: Any, address: str, /, headers: dict[str, str] | None = None, **fields: Any) -> TestResponse:
    """Send a form with its CSRF token."""
    return browser.post(address, data={"csrf_token": token(browser), **fields}, headers=headers)


@pytest.fixture
def house(app: Any, tmp_path: Path) -> Any:
    """A house in which no list is empty."""
    parts = app.extensions["soleflip"]
    with app.app_context(), parts.transaction() as session:
        now = parts.clock()
        feeds.import_file(session, write_feed(tmp_path / "feed.csv.gz", 60), now=now)
        make_market(session, now)
        for number in range(60):
            make_listing(session, f"L{number}", style=f"A{number}")
        day = now.date().isoformat()
        for number in range(2):
            paid = payout("48.94", "38.03")
            sold = entry(f"{number}-1", "COMPLETED", listing=f"L{number}", created=f"{day}T00:00:01Z", payout=paid)
            record(session, [sold], parts.books, now, actor="test")
            shown = snapshot(f"{number}-2", listing=f"L{number + 2}", created=f"{day}T00:00:01Z", shipment=shipment())
            shown["payout"] = paid
            record_detail(session, OrderDetail.model_validate(shown), parts.books, now, actor="test")
        for kind in ("order_sync", "feed_import", "list", "reprice"):
            runs.start(session, kind, actor="test")
            feeds.register(session, filename=f"{kind}.csv")
        session.add_all([AuditEntry(actor="test", act=act, before={"a": 1}, after={"a": 2}) for act in ("one", "two")])
        session.add(SavedSearch(name="Good ones", query="min_roi=10"))
        session.add(FeedSource(name="Shop", url="https://feeds.example/shop.csv", every_hours=24))
        profit_days.refresh_all(session, parts.books, now)
    return app
