"""The identity side: consent page, authorization codes, access and refresh tokens, in the shapes of Auth0."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import re
from typing import Any
from urllib.parse import urlencode, urlsplit

from .clock import SECOND
from .records import Token
from .settings import AUDIENCE, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from .world import World

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sandbox: allow access</title>
<style>body{{font:16px system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem}}</style>
</head><body><main><h1>Allow access to your sandbox account?</h1>
<p>The application <strong>{client}</strong> wants to sell for the sandbox account. Nothing here is real.</p>
<form method="post" action="/authorize">{fields}
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>
</main></body></html>"""
_PASSED_ON = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "audience",
    "state",
    "code_challenge",
    "code_challenge_method",
)


class OAuthError(Exception):
    """An error in the shape of the identity provider."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


def consent_page(world: World, given: dict[str, str]) -> str:
    """The page that a person answers; refuses what could not end in a code."""
    _check_request(world, given)
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{html.escape(given[name])}">'
        for name in _PASSED_ON
        if name in given
    )
    return _PAGE.format(client=html.escape(given["client_id"]), fields=fields)


def decide(world: World, given: dict[str, str]) -> str:
    """The address to go back to, with a code and the state, or with the refusal."""
    _check_request(world, given)
    answer = {"error": "access_denied", "error_description": "User did not authorize the request"}
    if given.get("decision") == "allow":
        code = Token(
            token=_secret(world),
            kind="code",
            created=world.at,
            expires=world.at + int(world.settings.code_seconds * SECOND),
            redirect_uri=given["redirect_uri"],
            challenge=given.get("code_challenge"),
            scope=given.get("scope", "openid"),
        )
        world.add(code)
        answer = {"code": code.token}
    if "state" in given:
        answer["state"] = given["state"]
    joint = "&" if urlsplit(given["redirect_uri"]).query else "?"
    return given["redirect_uri"] + joint + urlencode(answer)


def _check_request(world: World, given: dict[str, str]) -> None:
    if given.get("client_id") != CLIENT_ID:
        raise OAuthError(403, "invalid_request", f"Unknown client: {given.get('client_id', '')}")
    known = [uri for uri in world.settings.redirect_uris.split(",") if uri]
    target = given.get("redirect_uri", "")
    if not _is_web_address(target) or (known and target not in known):
        raise OAuthError(403, "invalid_request", "Callback URL mismatch: the redirect_uri is not a registered one")
    if given.get("response_type") != "code":
        raise OAuthError(400, "unsupported_response_type", "Only response_type=code is supported")
    if given.get("audience", AUDIENCE) != AUDIENCE:
        raise OAuthError(403, "access_denied", f"Service not found: {given['audience']}")
    if not re.fullmatch(r"[\w=.~-]*", given.get("code_challenge", ""), re.ASCII):
        raise OAuthError(400, "invalid_request", "code_challenge must be base64url")
    if "code_challenge" in given and given.get("code_challenge_method") != "S256":
        raise OAuthError(400, "invalid_request", "Only code_challenge_method=S256 is supported")


def _is_web_address(text: str) -> bool:
    """Whether a browser can be sent there as it is: it goes into a header, and code and state come behind it."""
    if not re.fullmatch(r"[!-~]+", text) or "#" in text:
        return False
    try:
        address = urlsplit(text)
    except ValueError:
        return False
    return address.scheme in ("http", "https") and bool(address.netloc)


def exchange(world: World, given: dict[str, str], issuer: str) -> dict[str, Any]:
    """The token endpoint: a code or a refresh token for an access token."""
    if given.get("client_id") != CLIENT_ID or given.get("client_secret") != CLIENT_SECRET:
        raise OAuthError(401, "access_denied", "Unauthorized")
    match given.get("grant_type"):
        case "authorization_code":
            return _from_code(world, given, issuer)
        case "refresh_token":
            return _from_refresh(world, given, issuer)
        case None | "":
            raise OAuthError(400, "invalid_request", "Missing required parameter: grant_type")
        case other:
            raise OAuthError(403, "unsupported_grant_type", f"Unsupported grant type: {other}")


def _from_code(world: World, given: dict[str, str], issuer: str) -> dict[str, Any]:
    if not given.get("code"):
        raise OAuthError(400, "invalid_request", "Missing required parameter: code")
    code = world.tokens.get(given["code"])
    if code is None or code.kind != "code" or code.revoked or (code.expires or 0) <= world.at:
        raise OAuthError(403, "invalid_grant", "Invalid authorization code")
    if code.redirect_uri != given.get("redirect_uri"):
        raise OAuthError(403, "invalid_grant", "The redirect URI is wrong")
    if code.challenge is not None:
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if not hmac.compare_digest(_base64(digest), code.challenge.rstrip("=")):
            raise OAuthError(403, "invalid_grant", "Failed to verify code verifier")
    code.revoked = True
    world.touch(code)
    refresh = Token(_secret(world), "refresh", world.at, None, scope=code.scope)
    world.add(refresh)
    return _access(world, code.scope, issuer) | {"refresh_token": refresh.token}


def _from_refresh(world: World, given: dict[str, str], issuer: str) -> dict[str, Any]:
    if not given.get("refresh_token"):
        raise OAuthError(400, "invalid_request", "Missing required parameter: refresh_token")
    refresh = world.tokens.get(given["refresh_token"])
    if refresh is None or refresh.kind != "refresh" or refresh.revoked:
        raise OAuthError(403, "invalid_grant", "Unknown or invalid refresh token.")
    if given.get("audience", AUDIENCE) != AUDIENCE:
        raise OAuthError(403, "access_denied", f"Service not found: {given['audience']}")
    # No new refresh token: the old one stays valid.
    return _access(world, refresh.scope, issuer)


def _access(world: World, scope: str, issuer: str) -> dict[str, Any]:
    seconds = int(world.settings.token_seconds)
    expires = world.at + seconds * SECOND
    claims = {"iss": issuer, "sub": "sandbox-account", "iat": world.at // SECOND, "exp": expires // SECOND}
    access = _jwt(claims | {"aud": AUDIENCE, "jti": world.dice.uuid()})
    world.add(Token(access, "access", world.at, expires, scope=scope))
    identity = _jwt(claims | {"aud": CLIENT_ID})
    return {"access_token": access, "expires_in": seconds, "id_token": identity, "scope": scope, "token_type": "Bearer"}


def is_valid(world: World, token: str) -> bool:
    """Whether an access token opens the interface now."""
    found = world.tokens.get(token)
    return found is not None and found.kind == "access" and not found.revoked and (found.expires or 0) > world.at


def revoke(world: World, which: str) -> int:
    """Revoke one token, or all of a kind (`access`, `refresh`, `all`); returns how many."""
    kinds = {"access": ("access",), "refresh": ("refresh",), "all": ("access", "refresh", "code")}.get(which)
    chosen = [t for t in world.tokens.values() if not t.revoked and (t.kind in kinds if kinds else t.token == which)]
    for token in chosen:
        token.revoked = True
        world.touch(token)
    return len(chosen)


def restore(world: World) -> None:
    """Make the pre-authorised refresh token valid again."""
    token = world.tokens[REFRESH_TOKEN]
    token.revoked = False
    world.touch(token)


def metadata(issuer: str) -> dict[str, Any]:
    """The discovery document."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "offline_access"],
    }


def _secret(world: World) -> str:
    return world.dice.uuid().replace("-", "") + world.dice.digits(11)


def _jwt(claims: dict[str, Any]) -> str:
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = ".".join(_base64(part) for part in parts)
    return f"{signed}.{_base64(hmac.digest(CLIENT_SECRET.encode(), signed.encode(), 'sha256'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
