"""Secrets at rest: encrypted with the newest of ENCRYPTION_KEY's keys, readable with any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Column, select, update

from soleflip.db import Base, EncryptedText, Transaction


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: how many secrets were sealed anew, and which columns hold some that no key opens."""

    renewed: int
    unreadable: dict[str, int]


def encrypt(keys: Sequence[str], text: str) -> str:
    """Return a text encrypted with the newest key."""
    return _fernet(keys).encrypt(text.encode()).decode()


def decrypt(keys: Sequence[str], secret: str) -> str | None:
    """Return an encrypted text in the clear, or None when none of the keys opens it."""
    try:
        return _fernet(keys).decrypt(secret).decode()
    except InvalidToken:
        return None


def columns() -> list[Column[Any]]:
    """Return every column of every table that holds secrets: those of the type EncryptedText."""
    return [
        column
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, EncryptedText)
    ]


def rotate(transaction: Transaction, keys: Sequence[str]) -> Rotation:
    """Seal every secret anew that the newest key does not open; killed in between, it goes on the next time."""
    renewed, unreadable = 0, {}
    for column in columns():
        done, left = _rotate(transaction, column, keys)
        renewed += done
        if left:
            unreadable[f"{column.table.fullname}.{column.name}"] = left
    return Rotation(renewed, unreadable)


def _rotate(transaction: Transaction, column: Column[Any], keys: Sequence[str]) -> tuple[int, int]:
    key = column.table.primary_key.columns.values()
    renewed = unreadable = 0
    with transaction() as session:
        places = session.execute(select(*key).where(column.is_not(None))).all()
    for place in places:
        here = [part == value for part, value in zip(key, place, strict=True)]
        with transaction() as session:
            sealed = session.scalar(select(column).where(*here).with_for_update())
            if sealed is None or decrypt(keys[:1], sealed) is not None:
                continue
            secret = decrypt(keys, sealed)
            if secret is None:
                unreadable += 1
                continue
            session.execute(update(column.table).where(*here).values({column: encrypt(keys, secret)}))
            renewed += 1
    return renewed, unreadable


def _fernet(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
