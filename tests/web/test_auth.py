"""Signing in: who gets in where, what wrong passwords cost, where `next` may lead."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from soleflip.models import User
from soleflip.services import accounts
from soleflip.web import auth
from tests.web.conftest import EMAIL, PASSWORD, post, token

OPEN = {"/sign-in", "/sign-in/code", "/healthz", "/readyz", "/metrics", "/static/<path:filename>"}


def test_every_address_is_closed_to_nobody(app, client):
    """Walk all routes without a session: only the listed ones answer with more than the way to sign in."""
    csrf = token(client)
    for rule in app.url_map.iter_rules():
        if rule.rule in OPEN or rule.rule.startswith("/api/"):
            continue
        values = {name: _example(converter) for name, converter in rule._converters.items()}
        with app.test_request_context():
            address = app.url_map.bind("localhost").build(rule.endpoint, values, method=_method(rule))
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            answer = client.open(address, method=method, data={"csrf_token": csrf} if method != "GET" else None)
            assert answer.status_code == 303, (method, address, answer.status_code)
            assert answer.location.startswith("/sign-in"), (method, address)


def _method(rule) -> str:
    return sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})[0]


def _example(converter) -> object:
    kind = type(converter).__name__
    uuid = "00000000-0000-4000-8000-000000000000"
    return {"UUIDConverter": uuid, "IntegerConverter": 1}.get(kind, "x")


def test_every_form_asks_for_its_token(app, signed_in):
    """All routes that take a form refuse one without the token, whoever sends it."""
    browser = signed_in("owner")
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
            if rule.rule.startswith("/api/"):
                continue
            values = {name: _example(converter) for name, converter in rule._converters.items()}
            address = app.url_map.bind("localhost").build(rule.endpoint, values, method=method)
            answer = browser.open(address, method=method)
            assert answer.status_code == 400, (method, address, answer.status_code)
            assert "too old" in answer.text


def test_a_viewer_may_look_but_not_act(signed_in):
    browser = signed_in("viewer")
    assert browser.get("/settings").status_code == 200
    assert post(browser, "/settings/fees/figures", shipping="1.00").status_code == 403
    assert post(browser, "/settings/stockx/disconnect").status_code == 403
    assert browser.get("/settings/stockx/connect").status_code == 403
    assert post(browser, "/sign-out").status_code == 303


@pytest.mark.parametrize(("email", "password"), [(EMAIL["owner"], "wrong password"), ("no@soleflip.test", PASSWORD)])
def test_a_wrong_sign_in_tells_nothing_about_which_part_was_wrong(client, cast, email, password):
    answer = post(client, "/sign-in", email=email, password=password)
    assert answer.status_code == 422
    assert "The e-mail or the password is wrong." in answer.text


def test_signing_in_leads_to_where_one_wanted_to_go(client, cast):
    wanted = client.get("/runs?state=failed")
    assert wanted.status_code == 303
    answer = post(client, wanted.location, email=EMAIL["operator"], password=PASSWORD)
    assert answer.location == "/runs?state=failed"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "",
        "runs",
    ],
)
def test_next_never_leads_away(app, target):
    with app.test_request_context():
        assert auth.safe_next(target) == "/"


def test_an_htmx_request_without_a_session_is_sent_to_the_sign_in(client):
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": "http://localhost/runs"}
    answer = client.get("/runs", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/sign-in?next=/runs"


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(client, cast):
    plain = post(client, "/sign-in", email=EMAIL["operator"], password=PASSWORD)
    cookies = {cookie.split("=")[0]: cookie for cookie in plain.headers.getlist("Set-Cookie")}
    assert {"soleflip_session", "soleflip_device"} <= set(cookies)
    for cookie in cookies.values():
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
    encrypted = client.get("/", base_url="https://localhost")
    assert all("Secure" in cookie for cookie in encrypted.headers.getlist("Set-Cookie"))


def test_a_session_from_before_the_sign_in_is_thrown_away(client, cast):
    with client.session_transaction() as planted:
        planted["planted"] = "yes"
    post(client, "/sign-in", email=EMAIL["operator"], password=PASSWORD)
    with client.session_transaction() as session:
        assert "planted" not in session


def test_signing_out_ends_the_session(browser):
    assert post(browser, "/sign-out").location == "/sign-in"
    assert browser.get("/").location.startswith("/sign-in")


def test_signing_out_everywhere_ends_other_sessions(signed_in):
    here, there = signed_in(), signed_in()
    post(here, "/settings/account/sign-out-everywhere")
    assert there.get("/").status_code == 303


def test_a_disabled_account_is_out_at_once(app, browser):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.query(User).filter_by(email=EMAIL["operator"]).one().is_enabled = False
    assert browser.get("/").status_code == 303


def test_the_password_can_be_changed_and_other_sessions_end(app, signed_in, client):
    here, there = signed_in(), signed_in()
    new = "a much better password"
    wrong = post(here, "/settings/password", old="nope", password=new, again=new)
    assert wrong.status_code == 422
    assert "This is not your password." in wrong.text
    short = post(here, "/settings/password", old=PASSWORD, password="short", again="short")
    assert "10 to 200 characters" in short.text
    done = post(here, "/settings/password", old=PASSWORD, password=new, again=new)
    assert done.status_code == 303
    assert "Your password is changed" in here.get("/settings/account").text
    assert there.get("/").status_code == 303
    assert post(client, "/sign-in", email=EMAIL["operator"], password=new).status_code == 303


def test_five_wrong_passwords_lock_the_account_for_a_while(client, cast):
    for _ in range(5):
        post(client, "/sign-in", email=EMAIL["owner"], password="wrong password")
    answer = post(client, "/sign-in", email=EMAIL["owner"], password=PASSWORD)
    assert answer.status_code == 422
    assert re.search(r"can be tried again in \d+ seconds", answer.text)


def test_a_lock_holds_nobody_out_who_was_here_before(app, cast):
    known = app.test_client()
    assert post(known, "/sign-in", email=EMAIL["owner"], password=PASSWORD).status_code == 303
    post(known, "/sign-out")
    stranger = app.test_client()
    for _ in range(6):
        post(stranger, "/sign-in", email=EMAIL["owner"], password="wrong password")
    assert post(known, "/sign-in", email=EMAIL["owner"], password=PASSWORD).status_code == 303


def test_locks_grow_but_never_beyond_a_quarter_of_an_hour(session):
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    accounts.create_operator(session, "slow@soleflip.test", PASSWORD)
    waits = []
    for _ in range(12):
        outcome = accounts.sign_in(session, "slow@soleflip.test", "wrong", now)
        waits.append(outcome.locked_until - now if outcome.locked_until else timedelta(0))
        now = max(now, outcome.locked_until or now) + timedelta(seconds=1)
    assert waits[:4] == [timedelta(0)] * 4
    assert waits[4:7] == [timedelta(seconds=30), timedelta(seconds=60), timedelta(seconds=120)]
    assert max(waits) == timedelta(minutes=15)
    assert accounts.sign_in(session, "slow@soleflip.test", PASSWORD, now).user is not None


def test_many_tries_from_one_address_are_slowed_down(client, cast):
    csrf = token(client)
    answers = [
        client.post("/sign-in", data={"csrf_token": csrf, "email": "x", "password": ""}).status_code for _ in range(22)
    ]
    assert answers[:20] == [422] * 20
    assert answers[20:] == [429, 429]


def test_the_first_account_is_made_once(session):
    assert accounts.ensure_first_operator(session, "Owner@SoleFlip.test", PASSWORD).role == "owner"
    assert accounts.ensure_first_operator(session, "second@soleflip.test", PASSWORD) is None


def test_passwords_are_kept_as_argon2id(session):
    user = accounts.create_operator(session, "hash@soleflip.test", PASSWORD)
    assert user.password_hash.startswith("$argon2id$")
