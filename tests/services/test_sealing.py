"""Sealed files: readable with their key only, and never half."""

from __future__ import annotations

import io

import pytest

from soleflip.config import new_encryption_key
from soleflip.domain.errors import InvalidInput
from soleflip.services import sealing

KEY, OLDER = new_encryption_key(), new_encryption_key()
CONTENT = [b"secret words " * 100_000, b"", b"and more"]


def sealed(key=KEY, content=CONTENT) -> bytes:
    file = io.BytesIO()
    sealing.seal(file, key, {"made": "today"}, content)
    return file.getvalue()


def unsealed(raw: bytes, *keys: str) -> bytes:
    _, content = sealing.unseal(io.BytesIO(raw), keys or (KEY,))
    return b"".join(content)


def test_what_was_sealed_comes_back_and_is_not_readable_in_between():
    raw = sealed()
    assert b"secret words" not in raw
    assert unsealed(raw) == b"".join(CONTENT)
    assert sealing.facts_of(io.BytesIO(raw))["made"] == "today"
    assert unsealed(sealed(content=[])) == b""


def test_an_older_key_still_opens_and_no_key_says_so():
    assert unsealed(sealed(OLDER), KEY, OLDER) == b"".join(CONTENT)
    with pytest.raises(InvalidInput, match="not in ENCRYPTION_KEY"):
        unsealed(sealed(OLDER))


@pytest.mark.parametrize("where", [5, 40, 200, 700_000, -1])
def test_a_changed_byte_is_noticed(where):
    raw = bytearray(sealed())
    raw[where] ^= 1
    with pytest.raises(InvalidInput):
        unsealed(bytes(raw))


def test_a_file_that_was_cut_off_between_two_chunks_is_noticed():
    raw = sealed()
    header = raw.index(b"\n", len(sealing.MAGIC)) + 1
    first = 4 + int.from_bytes(raw[header : header + 4], "big")
    for length in (header, header + first, len(raw) - 1):
        with pytest.raises(InvalidInput, match="damaged"):
            unsealed(raw[:length])


def test_chunks_of_another_file_do_not_fit():
    one, other = sealed(), sealed()
    header = one.index(b"\n", len(sealing.MAGIC)) + 1
    with pytest.raises(InvalidInput, match="damaged"):
        unsealed(one[:header] + other[header:])


def test_whatever_byte_is_damaged_it_is_said_in_words():
    raw = sealed(content=[b"a few words"])
    for where in range(len(raw)):
        for flipped in (1, 0x80):
            damaged = bytearray(raw)
            damaged[where] ^= flipped
            with pytest.raises(InvalidInput):
                unsealed(bytes(damaged))


def test_wherever_a_file_is_cut_off_it_is_said_in_words():
    raw = sealed(content=[b"a few words"])
    for length in range(len(raw)):
        with pytest.raises(InvalidInput):
            unsealed(raw[:length])


def test_a_piece_longer_than_any_is_not_read():
    raw = sealed(content=[b"a few words"])
    header = raw.index(b"\n", len(sealing.MAGIC)) + 1
    file = io.BytesIO(raw[:header] + b"\xff\xff\xff\xff" + bytes(3 * sealing.CHUNK))
    with pytest.raises(InvalidInput, match="damaged"):
        list(sealing.unseal(file, (KEY,))[1])
    assert file.tell() < 2 * sealing.CHUNK
