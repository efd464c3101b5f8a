"""One's own account: sessions that can be seen and ended, and the second factor."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import timedelta

import pyotp
import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.models import AuditEntry, RecoveryCode, SecondFactor, User, UserSession
from soleflip.runtime import system_clock
from soleflip.services import second_factor, settings
from soleflip.services.settings import SessionSettings
from tests.web.conftest import EMAIL, PASSWORD, post


@pytest.fixture
def transaction(app):
    @contextmanager
    def begin():
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            yield session

    return begin


def sign_in(app, role="operator", agent="Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"):
    browser = app.test_client()
    browser.environ_base["HTTP_USER_AGENT"] = agent
    return browser, post(browser, "/sign-in", email=EMAIL[role], password=PASSWORD)


def test_sessions_are_listed_with_device_and_address_and_one_can_be_ended(app, cast):
    here, _ = sign_in(app)
    there, _ = sign_in(app, agent="Mozilla/5.0 (iPhone; CPU iPhone OS) Safari/604.1")
    page = here.get("/settings/account").text
    assert "Firefox on Linux" in page
    assert "Safari on iPhone" in page
    assert "127.0.0.1" in page
    (end,) = re.findall(r'action="(/settings/account/sessions/[^"]+/end)"', page)
    assert post(here, end).status_code == 303
    assert there.get("/").status_code == 303
    assert here.get("/").status_code == 200


def test_nobody_ends_the_sessions_of_others(app, cast, transaction):
    stranger, _ = sign_in(app, "viewer")
    mine, _ = sign_in(app, "owner")
    with transaction() as session:
        owner = session.query(User).filter_by(email=EMAIL["owner"]).one()
        (row,) = session.query(UserSession).filter_by(user_id=owner.id)
    assert post(stranger, f"/settings/account/sessions/{row.id}/end").status_code == 404
    assert mine.get("/").status_code == 200


def test_a_copied_cookie_is_worth_nothing_after_signing_out(app, cast):
    browser, _ = sign_in(app)
    copied = browser.get_cookie("soleflip_session").value
    post(browser, "/sign-out")
    thief = app.test_client()
    thief.set_cookie("soleflip_session", copied)
    assert thief.get("/").status_code == 303


@pytest.mark.parametrize("column", ["idle_until", "expires_at"])
def test_a_session_ends_when_idle_and_when_old(app, cast, transaction, column):
    browser, _ = sign_in(app)
    with transaction() as session:
        session.query(UserSession).update({column: system_clock() - timedelta(seconds=1)})
    assert browser.get("/").status_code == 303


def test_use_moves_the_idle_end_on_but_never_the_last_one(app, cast, transaction):
    browser, _ = sign_in(app)
    now = system_clock()
    last = now + timedelta(hours=2)
    with transaction() as session:
        early = {"last_seen_at": now - timedelta(hours=1), "idle_until": now + timedelta(minutes=1), "expires_at": last}
        session.query(UserSession).update(early)
    fragment = {"HX-Request": "true", "HX-Request-Type": "partial"}
    assert browser.get("/runs", headers=fragment).status_code == 200
    with transaction() as session:
        assert session.query(UserSession).one().idle_until < now + timedelta(minutes=2), "a poll is no use"
    assert browser.get("/runs").status_code == 200
    with transaction() as session:
        row = session.query(UserSession).one()
        assert row.idle_until > now + timedelta(hours=71)
        assert row.expires_at == last


def test_limits_that_lock_everybody_out_are_refused(app, session):
    for values in ({"idle_hours": "0"}, {"longest_days": "99999999999"}):
        with pytest.raises(InvalidInput, match="from 1 to"):
            settings.save(session, SessionSettings, values, actor="test")


def set_up(browser):
    """Switch the second factor on; returns the app's generator and the recovery codes."""
    page = browser.get("/settings/account/second-factor").text
    assert "<svg" in page
    assert "style=" not in page.split('class="qr-box"')[1].split("</svg>")[0]
    (secret,) = re.findall(r'<code class="text-break">([A-Z2-7]{32})</code>', page)
    totp = pyotp.TOTP(secret)
    wrong = post(browser, "/settings/account/second-factor", code="000000")
    assert wrong.status_code == 422
    totp.first_code = totp.now()
    done = post(browser, "/settings/account/second-factor", code=totp.first_code)
    assert done.status_code == 200
    codes = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", done.text)
    assert len(codes) == 10
    return totp, codes


def forget_steps(transaction):
    """As if the next half minute had begun."""
    with transaction() as session:
        session.query(SecondFactor).update({"last_step": 0})


def test_with_a_second_factor_the_password_alone_opens_nothing(app, cast, transaction):
    browser, _ = sign_in(app)
    totp, _ = set_up(browser)
    forget_steps(transaction)
    other, answer = sign_in(app)
    assert answer.location == "/sign-in/code"
    assert other.get("/").status_code == 303
    assert post(other, "/sign-in/code", code="123").status_code == 422
    assert post(other, "/sign-in/code", code=totp.now()).location == "/"
    assert other.get("/").status_code == 200


def test_a_code_counts_once(app, cast, transaction):
    browser, _ = sign_in(app)
    totp, codes = set_up(browser)
    second, _ = sign_in(app)
    assert post(second, "/sign-in/code", code=totp.first_code).status_code == 422, "it was used to set it up"
    assert post(second, "/sign-in/code", code=codes[0].upper().replace("-", " ")).status_code == 303
    third, _ = sign_in(app)
    assert "used before" in post(third, "/sign-in/code", code=codes[0]).text
    assert post(third, "/sign-in/code", code=codes[1]).status_code == 303
    assert "8 recovery codes are left" in third.get("/settings/account").text


def test_neither_secret_nor_codes_are_kept_readably(app, cast, transaction):
    browser, _ = sign_in(app)
    totp, codes = set_up(browser)
    with transaction() as session:
        assert totp.secret not in session.query(SecondFactor).one().secret_encrypted
        hashes = {row.code_hash for row in session.query(RecoveryCode)}
    assert not hashes & set(codes)


def test_wrong_codes_lock_like_wrong_passwords_and_a_right_password_does_not_reset_them(app, cast):
    browser, _ = sign_in(app)
    set_up(browser)
    stranger = app.test_client()
    for _ in range(5):
        answer = post(stranger, "/sign-in", email=EMAIL["operator"], password=PASSWORD)
        assert answer.location == "/sign-in/code"
        last = post(stranger, "/sign-in/code", code="000000")
    assert "can be tried again in" in last.text
    locked = post(stranger, "/sign-in", email=EMAIL["operator"], password=PASSWORD)
    assert "can be tried again in" in locked.text


def test_a_half_sign_in_is_over_after_minutes(app, cast, transaction):
    browser, _ = sign_in(app)
    totp, _ = set_up(browser)
    forget_steps(transaction)
    other, _ = sign_in(app)
    with other.session_transaction() as cookie:
        late = system_clock() - timedelta(minutes=6)
        cookie["half_signed_in"] = {**cookie["half_signed_in"], "at": late.isoformat()}
    assert post(other, "/sign-in/code", code=totp.now()).location == "/sign-in"


def test_switching_off_asks_for_the_password(app, cast, transaction):
    browser, _ = sign_in(app)
    set_up(browser)
    assert post(browser, "/settings/account/second-factor/remove", password="no").status_code == 422
    assert post(browser, "/settings/account/second-factor/codes", password="no").status_code == 422
    assert post(browser, "/settings/account/second-factor/codes", password=PASSWORD).status_code == 200
    assert post(browser, "/settings/account/second-factor/remove", password=PASSWORD).status_code == 303
    assert sign_in(app)[1].location == "/"
    with transaction() as session:
        acts = {entry.act for entry in session.query(AuditEntry)}
    assert {"second factor on", "second factor off"} <= acts


def test_a_neighbouring_step_counts_for_clocks_that_differ(session):
    secret, now = pyotp.random_base32(), system_clock()
    totp = pyotp.TOTP(secret)
    taken = [
        second_factor._step_of(secret, totp.at(now + timedelta(seconds=30 * n)), now) is not None for n in range(-3, 4)
    ]
    assert taken == [False, False, True, True, True, False, False]
