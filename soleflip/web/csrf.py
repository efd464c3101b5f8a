"""The token of every form: Flask-WTF's, under a mask of its own in each answer.

Pages travel compressed and repeat what was searched for; a secret that stood the same in each of them could be found
out from their lengths (BREACH). Under a fresh random mask it never stands the same twice.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

from flask import Flask, g
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf


class MaskedCSRF(CSRFProtect):  # type: ignore[misc]
    """Flask-WTF's protection, which takes masked tokens and nothing else."""

    def init_app(self, app: Flask) -> None:
        """Protect an application; templates ask `csrf_token()`."""
        super().init_app(app)
        app.jinja_env.globals["csrf_token"] = masked_token
        app.context_processor(lambda: {"csrf_token": masked_token})

    def _get_csrf_token(self) -> str | None:
        found: Any = super()._get_csrf_token()
        return unmasked(str(found)) if found else None


def masked_token() -> str:
    """Return the token under a mask, the same one all over an answer."""
    if "masked_csrf" not in g:
        token = generate_csrf().encode()
        mask = secrets.token_bytes(len(token))
        g.masked_csrf = base64.urlsafe_b64encode(mask + _mixed(token, mask)).decode()
    return str(g.masked_csrf)


def unmasked(text: str) -> str:
    """Return the token under a mask; what is none becomes a token that is not valid."""
    try:
        both = base64.urlsafe_b64decode(text.encode("ascii"))
        return _mixed(both[: len(both) // 2], both[len(both) // 2 :]).decode("ascii")
    except (ValueError, binascii.Error):
        return "no token"


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
