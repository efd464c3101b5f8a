"""`flask keys ...` and `flask operator rescue`, as they are typed."""

from __future__ import annotations

import pytest

from soleflip.config import new_encryption_key
from soleflip.models import StockxConnection, User
from soleflip.services import accounts, keyring


@pytest.fixture
def flask(app):
    """Type a command; returns what it says."""

    def typed(*words: str) -> str:
        done = app.test_cli_runner().invoke(args=list(words))
        assert done.exit_code == 0, done.output
        return done.output

    return typed


def test_rotating_says_what_was_done_and_what_still_needs_an_older_key(app, settings, flask):
    old, lost = settings.encryption_keys[0], new_encryption_key()
    flask("backup")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.add(StockxConnection(id=1, state="connected", refresh_token_encrypted=keyring.encrypt([old], "x")))
    assert "0 secrets were encrypted" in flask("keys", "rotate")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.get_one(StockxConnection, 1).refresh_token_encrypted = keyring.encrypt([lost], "x")
    said = flask("keys", "rotate")
    assert "1 in auth.stockx_connection.refresh_token_encrypted can't be read" in said
    assert "still need an older key" not in said
    for key in (old, lost):
        assert key not in said


def test_a_key_from_the_environment_is_printed_for_it(flask):
    assert "ENCRYPTION_KEY comes from the environment" in flask("keys", "add")


def test_an_owner_is_let_in_again(app, flask):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        accounts.create_operator(session, "out@soleflip.test", "a forgotten password", "owner").is_enabled = False
    flask("operator", "rescue", "--email", "out@soleflip.test", "--password", "a new password")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        assert session.query(User).one().is_enabled
