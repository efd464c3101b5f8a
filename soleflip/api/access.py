"""Who may come in: a bearer token, its scopes, and so many requests a minute."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Response, current_app, g, request
from limits import parse
from limits.errors import StorageError
from redis.exceptions import RedisError

from soleflip.api import problems
from soleflip.api.unit import runtime, session
from soleflip.runtime import system_clock
from soleflip.services import tokens

log = structlog.get_logger()

OPEN_ENDPOINTS = frozenset({"api.openapi", "api.docs"})
LIMIT = "600 per minute"
REALM = 'Bearer realm="SoleFlip"'


def check() -> Response | None:
    """Let a request with a good token pass, and remember the token; else answer 401, 400 or 429."""
    if request.endpoint in OPEN_ENDPOINTS:
        return None
    if "\x00" in request.path:
        return problems.answer(400, "The address has a character in it that no name can have.")
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        why = "Send a token of yours: Authorization: Bearer sf_... Tokens are made in Settings."
        return problems.answer(401, why, WWW_Authenticate=REALM)
    moment = system_clock()
    token = tokens.find(session(), secret.strip(), now=moment)
    if token is None:
        why = "This token is unknown, has ended, or was revoked. Make a new one in Settings."
        return problems.answer(401, why, WWW_Authenticate=f'{REALM}, error="invalid_token"')
    g.token = token
    if tokens.is_use_due(token, moment):
        # Apart from the request, so that it counts when the request fails and never holds a lock.
        with runtime().transaction() as own:
            tokens.note_use(own, token, now=moment)
    return _limited(str(token.id))


def refuse_scope(scope: str) -> Response | None:
    """Answer 403 when the request's token lacks a scope."""
    if tokens.may(g.token, scope):
        return None
    why = f"This token may not do that: it needs the scope {scope}, and it has {', '.join(g.token.scopes)}."
    return problems.answer(403, why, WWW_Authenticate=f'{REALM}, error="insufficient_scope", scope="{scope}"')


def _limited(key: str) -> Response | None:
    """Count the request; answer 429 when the token has had its share. Without its storage nothing is counted."""
    allowed = parse(current_app.config.get("API_RATE_LIMIT", LIMIT))
    # Storage and strategy of the one Flask-Limiter of the application.
    limiter: Any = next(iter(current_app.extensions["limiter"])).limiter
    try:
        if limiter.hit(allowed, "api", key):
            return None
        window = limiter.get_window_stats(allowed, "api", key)
    except (StorageError, RedisError) as error:
        log.warning("api requests are not counted", error=type(error).__name__)
        return None
    wait = max(int(window.reset_time - system_clock().timestamp()) + 1, 1)
    why = f"This token may send {allowed}. Wait {wait} s."
    return problems.answer(429, why, Retry_After=str(wait))
