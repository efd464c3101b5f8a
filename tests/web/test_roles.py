"""Who may what: every address of the pages, asked by nobody, a viewer, an operator and the owner, against one table."""

from __future__ import annotations

import pytest

from soleflip.services import accounts
from tests.web.conftest import token

READ, ACT = "GET", "POST"
NOBODY = {
    ("auth.sign_in", READ),
    ("auth.sign_in", ACT),
    ("auth.code", READ),
    ("auth.code", ACT),
    ("health.healthz", READ),
    ("health.readyz", READ),
    ("health.show_metrics", READ),
    ("static", READ),
}
VIEWERS_ACTS = {
    "account.confirm",
    "account.end_session",
    "account.new_codes",
    "account.password",
    "account.remove_factor",
    "account.sign_out_everywhere",
    "auth.sign_out",
    "tables.choose",
}
NOT_FOR_VIEWERS = {"settings.connect"}
OWNERS = {
    "accounts.add",
    "accounts.close",
    "accounts.index",
    "accounts.open_",
    "accounts.remove_factor",
    "accounts.role",
    "backups.download",
    "backups.download_export",
    "backups.export",
    "erasure.erase",
    "erasure.index",
    "sandbox.start_anew",
}


# These answer with the way to the sign-in also where they are allowed.
LEAD_TO_THE_SIGN_IN = {"auth.sign_out", "account.sign_out_everywhere", "auth.code"}


def may(role: str, endpoint: str, method: str) -> bool:
    """The table in words."""
    if (endpoint, method) in NOBODY:
        return True
    if role == "nobody":
        return False
    if endpoint in OWNERS:
        return role == "owner"
    if role == "viewer":
        return endpoint not in NOT_FOR_VIEWERS and (method == READ or endpoint in VIEWERS_ACTS)
    return True


def addresses(app):
    """Every address of the pages with each of its methods."""
    example = {"UUIDConverter": "00000000-0000-4000-8000-000000000000", "IntegerConverter": 1}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            continue
        values = {name: example.get(type(kind).__name__, "x") for name, kind in rule._converters.items()}
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield rule.endpoint, method, app.url_map.bind("localhost").build(rule.endpoint, values, method=method)


def refused(answer) -> bool:
    """Was it the door that said no?"""
    return answer.status_code == 403 or (
        (answer.status_code == 303 and answer.location.startswith("/sign-in?next=")) or answer.location == "/sign-in"
    )


@pytest.mark.parametrize("role", ["nobody", *accounts.ROLES])
def test_every_address_lets_in_exactly_whom_the_table_says(app, signed_in, role):
    wrong = []
    browser, csrf = None, ""
    for endpoint, method, address in addresses(app):
        if browser is None or (method == ACT and role != "nobody"):
            browser = app.test_client() if role == "nobody" else signed_in(role)
            csrf = token(browser, "/settings/password" if role != "nobody" else "/sign-in")
        answer = browser.open(address, method=method, data={"csrf_token": csrf} if method != READ else None)
        answer.close()
        if endpoint in LEAD_TO_THE_SIGN_IN:
            browser = None
        elif refused(answer) == may(role, endpoint, method):
            wrong.append((method, address, answer.status_code, answer.location))
    assert wrong == []


def test_the_table_names_no_address_that_is_not_there(app):
    there = {endpoint for endpoint, _, _ in addresses(app)}
    named = {endpoint for endpoint, _ in NOBODY} | VIEWERS_ACTS | NOT_FOR_VIEWERS | OWNERS
    assert named <= there
