"""Sealed files: encrypted and authenticated with ENCRYPTION_KEY, written and read as streams.

A file is a line that names the format, a line of JSON (readable, but not changeable), and chunks sealed with
AES-256-GCM under a key of this file alone (HKDF of the newest ENCRYPTION_KEY and a random salt). A chunk's nonce is its
number and whether it is the last, so that nothing can be cut off, swapped or put in: the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizar (2015).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from soleflip.domain.errors import InvalidInput

MAGIC = b"SOLEFLIP SEALED 1\n"
CHUNK = 1 << 20
TAG = 16
"""How many bytes the proof behind each chunk takes."""

_LONGEST_HEADER = 64 * 1024
DAMAGED = "This file is damaged: it was changed or cut off. Take another one."
BAD_HEAD = "This file is damaged: its head can't be read. Take another one."


def key_name(key: str) -> str:
    """Return a short name of a key, which tells nothing about it."""
    return hashlib.sha256(b"soleflip key name" + base64.urlsafe_b64decode(key)).hexdigest()[:12]


def seal(file: IO[bytes], key: str, facts: dict[str, Any], content: Iterable[bytes]) -> None:
    """Write content sealed with a key; `facts` stand in the clear before it."""
    salt = secrets.token_bytes(16)
    header = json.dumps({**facts, "key": key_name(key), "salt": salt.hex()}).encode() + b"\n"
    file.write(MAGIC + header)
    cipher = AESGCM(_file_key(key, salt))
    waiting: bytes | None = None
    number = 0
    for chunk in _chunks(content):
        if waiting is not None:
            _write(file, cipher, header, number, False, waiting)
            number += 1
        waiting = chunk
    _write(file, cipher, header, number, True, waiting or b"")


def facts_of(file: IO[bytes]) -> dict[str, Any]:
    """Read the facts at the head of a sealed file; nothing has proved them yet. Raises InvalidInput."""
    facts: dict[str, Any] = json.loads(_header(file))
    return facts


def unseal(file: IO[bytes], keys: Sequence[str]) -> tuple[dict[str, Any], Iterator[bytes]]:
    """Return the facts and the content of a sealed file; raises InvalidInput where it was changed or cut off."""
    header = _header(file)
    facts = json.loads(header)
    salt = _salt(facts)
    key = next((key for key in keys if key_name(key) == facts["key"]), None)
    if key is None:
        raise InvalidInput("This file was sealed with a key that is not in ENCRYPTION_KEY. Add that key at its end.")
    return facts, _contents(file, AESGCM(_file_key(key, salt)), header)


def _contents(file: IO[bytes], cipher: AESGCM, header: bytes) -> Iterator[bytes]:
    length = file.read(4)
    number = 0
    while length:
        size = int.from_bytes(length, "big")
        sealed = file.read(min(size, CHUNK + TAG))  # a damaged length must not have gigabytes read
        length = file.read(4)
        if len(sealed) != size:
            raise InvalidInput(DAMAGED)
        try:
            yield cipher.decrypt(_nonce(number, not length), sealed, header)
        except InvalidTag:
            raise InvalidInput(DAMAGED) from None
        number += 1
    if number == 0:
        raise InvalidInput("This file is damaged: it has no content. Take another one.")


def _header(file: IO[bytes]) -> bytes:
    if file.read(len(MAGIC)) != MAGIC:
        raise InvalidInput("This is no file that SoleFlip has sealed.")
    header = file.readline(_LONGEST_HEADER)
    try:
        facts = json.loads(header)
        if {"key", "salt"} <= facts.keys():
            return header
    except (ValueError, AttributeError):
        pass
    raise InvalidInput(BAD_HEAD)


def _salt(facts: dict[str, Any]) -> bytes:
    try:
        return bytes.fromhex(facts["salt"])
    except (TypeError, ValueError):
        raise InvalidInput(BAD_HEAD) from None


def _write(file: IO[bytes], cipher: AESGCM, header: bytes, number: int, last: bool, chunk: bytes) -> None:
    sealed = cipher.encrypt(_nonce(number, last), chunk, header)
    file.write(len(sealed).to_bytes(4, "big") + sealed)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(content: Iterable[bytes]) -> Iterator[bytes]:
    """Cut content into pieces of at most CHUNK bytes."""
    for block in content:
        for start in range(0, len(block), CHUNK):
            yield block[start : start + CHUNK]


def _file_key(key: str, salt: bytes) -> bytes:
    raw = base64.urlsafe_b64decode(key)
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"soleflip sealed file").derive(raw)
