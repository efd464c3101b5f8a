"""The owner's room: who may sign in and as what; the last owner stays."""

from __future__ import annotations

import re

import pytest

from soleflip.domain.errors import Conflict
from soleflip.models import AuditEntry, User
from soleflip.runtime import system_clock
from soleflip.services import accounts, second_factor
from tests.web.conftest import EMAIL, PASSWORD, post


def id_of(app, role):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        return session.query(User).filter_by(email=EMAIL[role]).one().id


def test_an_account_is_made_with_a_password_shown_once(app, signed_in):
    owner = signed_in("owner")
    made = post(owner, "/settings/accounts", email="new@soleflip.test", role="viewer")
    (password,) = re.findall(r'id="made-password"[^>]*value="([^"]+)"', made.text)
    assert password not in owner.get("/settings/accounts").text
    browser = app.test_client()
    assert post(browser, "/sign-in", email="new@soleflip.test", password=password).location == "/"
    assert post(owner, "/settings/accounts", email="new@soleflip.test", role="viewer").status_code == 422
    assert post(owner, "/settings/accounts", email="other@soleflip.test", role="king").status_code == 422


def test_a_role_changes_at_once_and_is_written_down(app, signed_in):
    owner, operator = signed_in("owner"), signed_in("operator")
    post(owner, f"/settings/accounts/{id_of(app, 'operator')}/role", role="viewer")
    assert post(operator, "/settings/fees/figures", shipping="1.00").status_code == 403
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        entry = session.query(AuditEntry).filter_by(act="role").one()
        assert (entry.actor, entry.before, entry.after) == (EMAIL["owner"], {"role": "operator"}, {"role": "viewer"})


def test_a_closed_account_is_out_and_may_come_back(app, signed_in):
    owner, viewer = signed_in("owner"), signed_in("viewer")
    address = f"/settings/accounts/{id_of(app, 'viewer')}"
    post(owner, f"{address}/close")
    assert viewer.get("/").status_code == 303
    stranger = app.test_client()
    assert post(stranger, "/sign-in", email=EMAIL["viewer"], password=PASSWORD).status_code == 422
    post(owner, f"{address}/open")
    assert post(stranger, "/sign-in", email=EMAIL["viewer"], password=PASSWORD).status_code == 303
    assert viewer.get("/").status_code == 303, "an ended session stays ended"


def test_the_last_owner_stays(app, signed_in):
    owner = signed_in("owner")
    mine = f"/settings/accounts/{id_of(app, 'owner')}"
    for path, fields in (("close", {}), ("role", {"role": "viewer"})):
        answer = post(owner, f"{mine}/{path}", **fields)
        assert answer.status_code == 409
        assert "last owner" in answer.text
    post(owner, f"/settings/accounts/{id_of(app, 'operator')}/role", role="owner")
    assert post(owner, f"{mine}/role", role="viewer").status_code == 303


def test_a_closed_owner_does_not_count_as_one(session):
    first = accounts.create_operator(session, "first@soleflip.test", PASSWORD, "owner")
    second = accounts.create_operator(session, "second@soleflip.test", PASSWORD, "owner")
    accounts.set_enabled(session, first.id, False, actor="test", now=system_clock())
    with pytest.raises(Conflict, match="last owner"):
        accounts.set_role(session, second.id, "viewer", actor="test")


def test_somebody_whose_phone_is_gone_is_let_in_by_the_owner(app, signed_in):
    keys = app.extensions["soleflip"].settings.encryption_keys
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        user = session.query(User).filter_by(email=EMAIL["operator"]).one()
        second_factor.begin(session, user, keys)
        session.flush()
        session.get(second_factor.SecondFactor, user.id).confirmed_at = system_clock()
    post(signed_in("owner"), f"/settings/accounts/{id_of(app, 'operator')}/second-factor/remove")
    browser = app.test_client()
    assert post(browser, "/sign-in", email=EMAIL["operator"], password=PASSWORD).location == "/"


def test_the_console_lets_the_owner_in_whatever_happened(session):
    user = accounts.create_operator(session, "out@soleflip.test", PASSWORD, "owner")
    user.is_enabled, user.failed_sign_ins, user.locked_until = False, 30, system_clock().replace(year=2999)
    second_factor.begin(session, user, ["MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="])
    session.get(second_factor.SecondFactor, user.id).confirmed_at = system_clock()
    accounts.rescue(session, "Out@soleflip.test", "another password", now=system_clock())
    outcome = accounts.sign_in(session, "out@soleflip.test", "another password", system_clock())
    assert outcome.user is user
    assert not outcome.wants_code
