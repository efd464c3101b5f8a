"""Settings pages: stored by group, refused at the field, StockX's sign-in bound to the session."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from soleflip.models import AuditEntry, Run, StockxConnection
from soleflip.services import keyring, settings
from soleflip.services.connection import DatabaseTokens
from soleflip.services.settings import VatSettings
from soleflip.stockx import StoredTokens
from tests.web.conftest import EMAIL, post


def test_a_group_is_stored_with_an_audit_entry(app, browser):
    answer = post(browser, "/settings/vat", treatment="none", rate="20")
    assert answer.status_code == 303
    assert "Saved." in browser.get("/settings").text
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert settings.load(session, VatSettings).rate == Decimal(20)
        entry = session.query(AuditEntry).filter_by(act="settings").one()
        assert [run.kind for run in session.query(Run)] == ["compute"], "stored opportunities follow at once"
    assert entry.actor == EMAIL["operator"]
    assert (entry.before["rate"], entry.after["rate"]) == ("19", "20")


def test_a_value_that_makes_no_sense_is_refused_at_its_field_and_nothing_typed_is_lost(browser):
    answer = post(browser, "/settings/thresholds", min_profit="six", min_roi="7.77")
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert "is not a number" in answer.text
    assert 'value="six"' in answer.text
    assert 'value="7.77"' in answer.text


def test_an_unknown_group_is_not_there(browser):
    assert post(browser, "/settings/nonsense", x="1").status_code == 404


def test_connecting_goes_to_stockx_with_state_and_proof_and_back_only_with_the_same_state(browser):
    away = browser.get("/settings/stockx/connect")
    query = parse_qs(urlsplit(away.location).query)
    assert query["redirect_uri"] == ["http://localhost/settings/stockx/callback"]
    assert query["code_challenge_method"] == ["S256"]
    forged = browser.get("/settings/stockx/callback?code=abc&state=forged")
    assert forged.status_code == 303
    page = browser.get("/settings/stockx").text
    assert "was not begun here" in page
    # The state was used up by the forged try.
    again = browser.get(f"/settings/stockx/callback?code=abc&state={query['state'][0]}")
    assert again.status_code == 303
    assert "was not begun here" in browser.get("/settings/stockx").text


def test_a_refusal_at_stockx_changes_nothing(browser):
    away = browser.get("/settings/stockx/connect")
    state = parse_qs(urlsplit(away.location).query)["state"][0]
    browser.get(f"/settings/stockx/callback?error=access_denied&error_description=No&state={state}")
    assert "StockX did not allow it (No)" in browser.get("/settings/stockx").text


def test_disconnecting_stops_everything_until_one_connects_again(app, browser):
    tokens = app.extensions["soleflip"].stockx.auth._tokens
    with app.app_context():
        assert tokens.load() is not None  # the sandbox's own
    post(browser, "/settings/stockx/disconnect")
    with app.app_context():
        assert tokens.load() is None
    assert "banner-reconnect" in browser.get("/").text


def test_the_refresh_token_is_encrypted_and_its_key_can_be_rotated(app):
    from cryptography.fernet import Fernet

    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    transaction = app.extensions["soleflip"].transaction
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    with app.app_context():
        DatabaseTokens(transaction, [old], lambda: moment).save(StoredTokens("a refresh token", moment))
        with transaction() as session:
            assert "a refresh token" not in (session.get(StockxConnection, 1).refresh_token_encrypted or "")
        assert keyring.rotate(transaction, [new, old]).renewed == 1
        assert DatabaseTokens(transaction, [new], lambda: moment).load() == StoredTokens("a refresh token", moment)
        # With the wrong key the account counts as lost, and the page says why.
        assert DatabaseTokens(transaction, [old], lambda: moment).load() is None
        with transaction() as session:
            row = session.get(StockxConnection, 1)
            assert (row.state, "ENCRYPTION_KEY" in row.reason) == ("reconnect", True)
