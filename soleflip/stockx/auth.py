"""Tokens: signing in at StockX, and one access token shared by all processes, refreshed by one of them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

import redis
import requests
import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from redis.exceptions import LockError

from soleflip.stockx.budget import reachable
from soleflip.stockx.connection import Connection, error_text, read_json, retry_after
from soleflip.stockx.errors import RateLimited, ReconnectNeeded, StockXUnavailable

AUDIENCE = "gateway.stockx.com"
SCOPE = "offline_access openid"
# An access token is given up this long before it ends, so that it doesn't end on the way.
EARLY = timedelta(seconds=60)
DEFAULT_LIFE = 43_200
LOCK_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """What has to be kept to stay connected: the refresh token, and when StockX gave it (UTC)."""

    refresh_token: str = field(repr=False)
    obtained_at: datetime


class TokenStore(Protocol):
    """Where the refresh token lives, encrypted at rest."""

    def load(self) -> StoredTokens | None:
        """Return the tokens, or None when nobody has connected or the connection is marked as lost."""
        ...

    def save(self, tokens: StoredTokens) -> None:
        """Keep the tokens and mark the account as connected."""
        ...

    def mark_disconnected(self, reason: str) -> None:
        """Note that StockX refuses the token, so that every page asks the operator to reconnect."""
        ...


@dataclass(frozen=True, slots=True)
class Pkce:
    """The two halves of a PKCE proof (S256): the challenge goes out with the browser, the verifier stays here."""

    verifier: str = field(repr=False)
    challenge: str


def make_pkce() -> Pkce:
    """Make a new PKCE pair."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


@dataclass(frozen=True, slots=True)
class _Access:
    """An access token and the time (UTC, the client's clock) at which it ends."""

    token: str = field(repr=False)
    ends_at: datetime


class Auth:
    """Signing in, and the shared access token.

    The access token is cached in Redis under Fernet keys (newest first); without keys one is derived from the client
    secret, so that whoever reads Redis alone can't use it.
    """

    def __init__(
        self,
        *,
        auth_url: str,
        client_id: str,
        client_secret: str,
        tokens: TokenStore,
        connection: Connection,
        cache: redis.Redis,
        name: str,
        clock: Callable[[], datetime],
        speed: float = 1.0,
        encryption_keys: Sequence[str] = (),
    ) -> None:
        self._url = auth_url.rstrip("/")
        self._id = client_id
        self._secret = client_secret
        self._tokens = tokens
        self._connection = connection
        self._redis = cache
        self._key = f"{{{name}-token}}:access"
        self._lock_key = f"{{{name}-token}}:refreshing"
        self._clock = clock
        self._speed = speed
        self._fernet = MultiFernet([Fernet(key) for key in encryption_keys or (_derived_key(client_secret),)])

    def authorize_url(self, state: str, redirect_uri: str, code_challenge: str | None = None) -> str:
        """Return the address at StockX where the operator signs in and consents."""
        query = {
            "response_type": "code",
            "client_id": self._id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "audience": AUDIENCE,
            "state": state,
        }
        if code_challenge:
            query |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
        return f"{self._url}/authorize?{urlencode(query)}"

    def exchange_code(self, code: str, redirect_uri: str, verifier: str | None = None) -> StoredTokens:
        """Trade the code of a sign-in for tokens, keep and return them; raises ReconnectNeeded when refused."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        if verifier:
            form["code_verifier"] = verifier
        try:
            answer = self._ask(form)
        except _InvalidGrant as error:
            raise ReconnectNeeded(f"StockX did not accept the sign-in ({error}): start it again.") from None
        if not isinstance(answer.get("refresh_token"), str):
            raise ReconnectNeeded("StockX gave no refresh token: sign in again and allow offline access.")
        stored = StoredTokens(answer["refresh_token"], self._clock())
        self._tokens.save(stored)
        self._keep(answer)
        return stored

    def access_token(self) -> str:
        """Return a token that works, refreshed when needed; raises ReconnectNeeded when nobody is connected."""
        access = self._cached()
        return access.token if access else self.refresh(stale=None)

    def refresh(self, *, stale: str | None) -> str:
        """Return a token other than `stale`, asking StockX unless another process just did."""
        lock = self._redis.lock(self._lock_key, timeout=LOCK_SECONDS, sleep=0.05, blocking_timeout=LOCK_SECONDS)
        try:
            with reachable(LockError), lock:
                access = self._cached()
                if access and access.token != stale:
                    return access.token
                return self._refresh().token
        except LockError as error:
            raise StockXUnavailable("Another process is still refreshing the StockX token: try again.") from error

    def forget(self) -> None:
        """Drop the cached access token: the operator disconnects."""
        with reachable():
            self._redis.delete(self._key)

    def _refresh(self) -> _Access:
        stored = self._tokens.load()
        if stored is None:
            raise ReconnectNeeded("No StockX account is connected: connect one in Settings.")
        form = {"grant_type": "refresh_token", "audience": AUDIENCE, "refresh_token": stored.refresh_token}
        try:
            answer = self._ask(form)
        except _InvalidGrant as error:
            newer = self._tokens.load()
            if newer is not None and newer.refresh_token != stored.refresh_token:
                # Somebody connected anew while we asked with the old token: that one must not be marked as lost.
                return self._refresh()
            self._tokens.mark_disconnected(str(error))
            self.forget()
            raise ReconnectNeeded(f"StockX ended the connection ({error}): connect again in Settings.") from None
        renewed = answer.get("refresh_token")
        if isinstance(renewed, str) and renewed and renewed != stored.refresh_token:
            self._tokens.save(StoredTokens(renewed, self._clock()))
        log.info("stockx_token_refreshed")
        return self._keep(answer)

    def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        """Post to the token endpoint once and return its answer."""
        form = form | {"client_id": self._id, "client_secret": self._secret}
        try:
            response = self._connection.send("POST", f"{self._url}/oauth/token", headers={}, form=form, fresh=True)
        except requests.RequestException as error:
            raise StockXUnavailable(f"StockX's sign-in does not answer ({type(error).__name__}).") from error
        log.info("stockx_call", operation=form["grant_type"], lane="token", status=response.status_code)
        if response.status_code == 429:
            until = retry_after(response, self._clock(), self._speed) or self._clock() + EARLY
            raise RateLimited("StockX's sign-in asks us to pause.", until=until)
        try:
            answer = read_json(response)
        except ValueError:
            answer = None
        if response.status_code in (400, 401, 403) and isinstance(answer, dict) and "error" in answer:
            if answer["error"] == "invalid_grant":
                raise _InvalidGrant(error_text(response))
            raise ReconnectNeeded(
                f"StockX refuses this application ({error_text(response)}): check client id and secret, then reconnect."
            )
        if not response.ok or not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            raise StockXUnavailable(f"StockX's sign-in answered {response.status_code} and no token.")
        return answer

    def _keep(self, answer: dict[str, Any]) -> _Access:
        life = _seconds(answer.get("expires_in"))
        access = _Access(answer["access_token"], self._clock() + timedelta(seconds=life))
        plain = json.dumps({"token": access.token, "ends_at": access.ends_at.timestamp()})
        with reachable():
            self._redis.set(self._key, self._fernet.encrypt(plain.encode()), ex=max(1, life))
        return access

    def _cached(self) -> _Access | None:
        with reachable():
            sealed = self._redis.get(self._key)
        if not isinstance(sealed, str | bytes):
            return None
        try:
            kept = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            return None  # sealed with a key that was rotated away
        access = _Access(kept["token"], datetime.fromtimestamp(kept["ends_at"], UTC))
        return access if self._clock() < access.ends_at - EARLY else None


class _InvalidGrant(Exception):
    """StockX no longer knows the code or refresh token."""


def _derived_key(secret: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(b"stockx access token cache\0" + secret.encode()).digest()).decode()


def _seconds(value: object) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else DEFAULT_LIFE
