"""What web tests share: the cast, signed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from argon2 import PasswordHasher
from werkzeug.test import TestResponse

from soleflip.models import User
from soleflip.runtime import system_clock
from soleflip.services import accounts, sessions

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
