"""The identity side over HTTP: consent, codes, tokens, and the errors of Auth0."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from soleflip.sandbox import CLIENT_ID, REFRESH_TOKEN
from tests.sandbox.conftest import Caller

BACK = "http://localhost:8000/stockx/callback?from=sandbox"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-0123456789"


def ask(**more: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": BACK,
        "scope": "offline_access openid",
        "audience": "gateway.stockx.com",
        "state": "x&y<z",
    } | more


def decide(caller: Caller, decision: str = "allow", **more: str) -> dict[str, str]:
    """Press a button on the consent page; returns what comes back to the redirect address."""
    page = requests.get(f"{caller.sandbox.auth_url}/authorize", params=ask(**more), timeout=60)
    assert page.status_code == 200
    assert "Allow access" in page.text
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    form = {name: html.unescape(value) for name, value in fields.items()} | {"decision": decision}
    url = f"{caller.sandbox.auth_url}/authorize"
    answer = requests.post(url, data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 302
    target = answer.headers["Location"]
    assert target.startswith(BACK + "&")
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


def test_a_code_becomes_tokens_once(caller: Caller) -> None:
    back = decide(caller)
    assert back["state"] == "x&y<z"
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": BACK}
    tokens = caller.token(**form).json()
    assert (tokens["expires_in"], tokens["token_type"]) == (43_200, "Bearer")
    assert tokens["id_token"].count(".") == 2
    assert caller.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200
    again = caller.token(**form)
    assert (again.status_code, again.json()["error"]) == (403, "invalid_grant")


def test_a_refusal_comes_back_as_an_error(caller: Caller) -> None:
    assert decide(caller, "deny")["error"] == "access_denied"


def test_pkce_is_checked_when_it_is_used(caller: Caller) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
    form = {"grant_type": "authorization_code", "redirect_uri": BACK}
    wrong = caller.token(**form, code=decide(caller, **pkce)["code"], code_verifier="another")
    assert (wrong.status_code, wrong.json()["error"]) == (403, "invalid_grant")
    assert caller.token(**form, code=decide(caller, **pkce)["code"], code_verifier=VERIFIER).status_code == 200


def test_a_code_ends(caller: Caller) -> None:
    code = decide(caller)["code"]
    caller.step(minutes=11)
    assert caller.token(grant_type="authorization_code", code=code, redirect_uri=BACK).status_code == 403


def test_a_refresh_gives_no_new_refresh_token(caller: Caller) -> None:
    tokens = caller.token(grant_type="refresh_token", refresh_token=REFRESH_TOKEN).json()
    assert sorted(tokens) == ["access_token", "expires_in", "id_token", "scope", "token_type"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (
            {"client_secret": "wrong", "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN},
            401,
            "access_denied",
        ),
        ({"client_id": "wrong", "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}, 401, "access_denied"),
        ({"grant_type": "refresh_token", "refresh_token": "wrong"}, 403, "invalid_grant"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "wrong", "redirect_uri": BACK}, 403, "invalid_grant"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request"),
        ({"grant_type": "password"}, 403, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
    ],
    ids=str,
)
def test_errors_have_the_shape_of_the_identity_provider(
    common: Caller, form: dict[str, str], status: int, error: str
) -> None:
    answer = common.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_description"]


def test_a_json_body_is_no_form(common: Caller) -> None:
    answer = requests.post(f"{common.sandbox.auth_url}/oauth/token", json={"grant_type": "refresh_token"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "wrong",
    [{"client_id": "x"}, {"redirect_uri": "nowhere"}, {"response_type": "token"}, {"audience": "x"}],
    ids=str,
)
def test_a_wrong_request_gets_no_consent_page(common: Caller, wrong: dict[str, str]) -> None:
    answer = requests.get(f"{common.sandbox.auth_url}/authorize", params=ask(**wrong), timeout=60)
    assert answer.status_code in (400, 403)
    assert answer.json()["error"]


def test_only_registered_redirects_when_some_are(caller: Caller) -> None:
    caller.sandbox.control("settings", redirect_uris="https://example.test/callback")
    assert requests.get(f"{caller.sandbox.auth_url}/authorize", params=ask(), timeout=60).status_code == 403
    good = ask(redirect_uri="https://example.test/callback")
    assert requests.get(f"{caller.sandbox.auth_url}/authorize", params=good, timeout=60).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "wrong"},
        {"Authorization": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic x"},
    ],
    ids=str,
)
def test_every_call_needs_key_and_token(common: Caller, headers: dict[str, Any]) -> None:
    sent = (dict(common.session.headers) | headers) if headers else {}
    answer = requests.get(f"{common.sandbox.api_url}/selling/listings", headers=sent, timeout=60)
    assert (answer.status_code, answer.json()) == (401, {"statusCode": 401, "message": "Unauthorized"})


def test_an_access_token_lasts_twelve_hours(caller: Caller) -> None:
    caller.sandbox.control("clock", step=43_199)
    caller.get("/selling/listings")
    caller.sandbox.control("clock", step=1)
    caller.get("/selling/listings", expect=401)


def test_revoked_tokens_are_refused_until_restored(caller: Caller) -> None:
    assert caller.sandbox.control("tokens", revoke="all")["revoked"] == 2
    caller.get("/selling/listings", expect=401)
    refused = caller.token(grant_type="refresh_token", refresh_token=REFRESH_TOKEN)
    assert refused.json()["error"] == "invalid_grant"
    caller.sandbox.control("tokens", restore=True)
    caller.connect()


def test_discovery_names_the_endpoints(common: Caller) -> None:
    found = requests.get(f"{common.sandbox.auth_url}/.well-known/openid-configuration", timeout=60).json()
    assert found["token_endpoint"] == f"{common.sandbox.auth_url}/oauth/token"


@pytest.mark.parametrize(
    "odd",
    ["http://[", "http://a/\r\nX-Evil: 1", "http://a/\u4e2d", "http://a/#there", "http://", "ftp://a/", "http://a/ b"],
    ids=ascii,
)
def test_an_address_that_no_browser_can_be_sent_to_is_refused(common: Caller, odd: str) -> None:
    form = ask(redirect_uri=odd) | {"decision": "allow"}
    url = f"{common.sandbox.auth_url}/authorize"
    answer = requests.post(url, data=form, timeout=60, allow_redirects=False)
    assert (answer.status_code, answer.json()["error"]) == (403, "invalid_request")
    assert requests.get(url, params=ask(redirect_uri=odd), timeout=60).status_code == 403


def test_a_challenge_that_is_none_is_refused_at_once(common: Caller) -> None:
    more = {"code_challenge": "\u00e9" * 43, "code_challenge_method": "S256"}
    answer = requests.get(f"{common.sandbox.auth_url}/authorize", params=ask(**more), timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
