"""Secrets at rest: encrypted with the newest of ENCRYPTION_KEY's keys, readable with any of them."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


def encrypt(keys: Sequence[str], text: str) -> str:
    """Return a text encrypted with the newest key."""
    return _fernet(keys).encrypt(text.encode()).decode()


def decrypt(keys: Sequence[str], secret: str) -> str | None:
    """Return an encrypted text in the clear, or None when none of the keys opens it."""
    try:
        return _fernet(keys).decrypt(secret).decode()
    except InvalidToken:
        return None


def encrypt_anew(keys: Sequence[str], secret: str) -> str:
    """Return an encrypted text encrypted anew with the newest key; raises InvalidToken for one that none opens."""
    return _fernet(keys).rotate(secret.encode()).decode()


def _fernet(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
