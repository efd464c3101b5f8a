"""Tokens: one refresher among many processes, and an operator who is asked when only he can help."""

from __future__ import annotations

import base64
import hashlib
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet

from soleflip.stockx import (
    RateLimited,
    ReconnectNeeded,
    StockXUnavailable,
    StoredTokens,
    make_pkce,
)
from tests.stockx.processes import FORKS, CountedClock, fetch_token

REDIRECT = "https://soleflip.test/settings/stockx/callback"
GRANTED = {"access_token": "access-9", "refresh_token": "refresh-9", "expires_in": 43200, "token_type": "Bearer"}


def sent(asked) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(asked.body.decode()).items()}


def test_the_sign_in_address_has_what_stockx_asks_for(stockx):
    pkce = make_pkce()
    url = urlsplit(stockx.auth.authorize_url("state-1", REDIRECT, pkce.challenge))
    assert url.path == "/authorize"
    assert {name: value for name, [value] in parse_qs(url.query).items()} == {
        "response_type": "code",
        "client_id": "client-id",
        "redirect_uri": REDIRECT,
        "scope": "offline_access openid",
        "audience": "gateway.stockx.com",
        "state": "state-1",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
    }
    assert "code_challenge" not in stockx.auth.authorize_url("state-1", REDIRECT)


def test_a_pkce_challenge_is_the_hash_of_its_verifier():
    pkce = make_pkce()
    assert 43 <= len(pkce.verifier) <= 128
    digest = hashlib.sha256(pkce.verifier.encode()).digest()
    assert base64.urlsafe_b64decode(pkce.challenge + "=") == digest
    assert pkce.verifier not in repr(pkce)


def test_a_code_becomes_tokens_that_are_kept(script, stockx, tokens, clock):
    tokens.mark_disconnected("revoked")
    script.then_token(GRANTED)
    stockx.auth.exchange_code("code-1", REDIRECT, "verifier-1")
    assert tokens.load() == StoredTokens("refresh-9", clock())
    assert stockx.auth.access_token() == "access-9"
    [asked] = script.token_asked
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert sent(asked) == {
        "grant_type": "authorization_code",
        "client_id": "client-id",
        "client_secret": "client-secret",
        "code": "code-1",
        "redirect_uri": REDIRECT,
        "code_verifier": "verifier-1",
    }


def test_a_wrong_code_asks_to_sign_in_again_and_keeps_the_old_connection(script, stockx, tokens):
    script.then_token({"error": "invalid_grant", "error_description": "Invalid authorization code"}, 403)
    with pytest.raises(ReconnectNeeded, match="Invalid authorization code"):
        stockx.auth.exchange_code("code-1", REDIRECT)
    assert tokens.load() is not None


def test_a_token_is_refreshed_once_and_used_until_shortly_before_its_end(script, stockx, clock):
    assert [stockx.auth.access_token() for _ in range(3)] == ["access-1"] * 3
    clock.pass_by(hours=11, minutes=58)
    assert stockx.auth.access_token() == "access-1"
    clock.pass_by(minutes=1)
    assert stockx.auth.access_token() == "access-2"
    assert sent(script.token_asked[0]) == {
        "grant_type": "refresh_token",
        "client_id": "client-id",
        "client_secret": "client-secret",
        "audience": "gateway.stockx.com",
        "refresh_token": "refresh-secret",
    }


def test_a_token_that_somebody_else_has_renewed_is_taken_over(script, stockx):
    stockx.auth.access_token()
    assert stockx.auth.refresh(stale="an older one") == "access-1"
    assert stockx.auth.refresh(stale="access-1") == "access-2"
    assert len(script.token_asked) == 2


def test_a_new_refresh_token_is_kept(script, stockx, tokens):
    script.then_token(GRANTED)
    stockx.auth.access_token()
    assert tokens.tokens.refresh_token == "refresh-9"


def test_a_revoked_token_disconnects_and_asks_the_operator(script, stockx, tokens):
    script.then_token({"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}, 403)
    with pytest.raises(ReconnectNeeded, match="connect again"):
        stockx.listing("l-1")
    assert tokens.reason == "Unknown or invalid refresh token."
    with pytest.raises(ReconnectNeeded, match="No StockX account"):
        stockx.listing("l-1")
    assert len(script.token_asked) == 1
    assert script.asked == []


def test_a_connection_made_while_the_old_token_was_refused_survives(script, stockx, tokens, clock):
    def reconnect() -> None:
        tokens.save(StoredTokens("refresh-new", clock()))

    script.then_token({"error": "invalid_grant"}, 403, before=reconnect)
    assert stockx.auth.access_token() == "access-2"
    assert tokens.reason is None


def test_a_wrong_client_secret_needs_a_human_but_keeps_the_connection(script, stockx, tokens):
    script.then_token({"error": "access_denied", "error_description": "Unauthorized"}, 401)
    with pytest.raises(ReconnectNeeded, match="client id and secret"):
        stockx.listing("l-1")
    assert tokens.reason is None


@pytest.mark.parametrize(
    "trouble",
    [{"body": {}, "status": 503}, {"body": b"<html>"}, {"body": None}, {"body": {"token_type": "Bearer"}}],
    ids=["503", "html", "dropped", "no-token"],
)
def test_a_sign_in_that_does_not_work_now_is_tried_later(script, stockx, tokens, trouble):
    script.then_token(**trouble)
    with pytest.raises(StockXUnavailable):
        stockx.delete_listing("l-1")
    assert tokens.reason is None
    script.then({"listingId": "l-1"})
    assert stockx.listing("l-1").listing_id == "l-1"


def test_a_sign_in_over_its_limit_says_when_to_come_back(script, stockx, clock):
    script.then_token({}, 429, headers={"Retry-After": "7"})
    with pytest.raises(RateLimited) as limited:
        stockx.delete_listing("l-1")
    assert (limited.value.until - clock()).total_seconds() == 7


def test_the_cached_token_is_sealed_with_the_newest_key_and_survives_rotation(script, redis, make_client):
    old, new, other = (Fernet.generate_key().decode() for _ in range(3))
    assert make_client(script.url, encryption_keys=[old]).auth.access_token() == "access-1"
    assert make_client(script.url, encryption_keys=[new, old]).auth.access_token() == "access-1"
    assert b"access-1" not in b"".join(redis.dump(key) or b"" for key in redis.scan_iter())
    assert make_client(script.url, encryption_keys=[other]).auth.access_token() == "access-2"


def test_a_forgotten_token_is_fetched_anew(script, stockx):
    stockx.auth.access_token()
    stockx.auth.forget()
    assert stockx.auth.access_token() == "access-2"


def test_one_of_eight_processes_refreshes_and_all_share_the_token(script, redis, redis_url):
    start, found = FORKS.Barrier(8), FORKS.Queue()
    arguments = (script.url, redis_url, CountedClock(datetime.now(UTC), time.time()), start, found)
    processes = [FORKS.Process(target=fetch_token, args=arguments) for _ in range(8)]
    for process in processes:
        process.start()
    tokens = [found.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert tokens == ["access-1"] * 8
    assert len(script.token_asked) == 1
