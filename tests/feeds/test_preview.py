"""The preview of a file that is no table: refused in words before anybody is asked what its columns mean."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from soleflip.feeds import FeedError, preview

HEADER = b"Nr;Name;Preis\n"
MB = 1024**2


def write(path: Path, pieces: Iterable[bytes], *, packed: bool) -> Path:
    with gzip.open(path, "wb", compresslevel=6) if packed else path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
    return path


@pytest.mark.parametrize("zero", [b"\0", b"0"])
@pytest.mark.parametrize("header", [HEADER, b""])
def test_a_bomb_of_one_endless_line_is_refused(tmp_path: Path, zero: bytes, header: bytes) -> None:
    path = write(tmp_path / "bomb.csv.gz", [header, *[zero * MB] * 60], packed=True)
    with pytest.raises(FeedError, match=r"unpacks to more than|longer than 1 MB|binary data"):
        preview(path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"1;" + b"x" * 2 * MB + b";9\n", "in line 2 the line is longer than 1 MB"),
        (b"1;A\0B;9\n", "in line 2 the line holds NUL bytes"),
    ],
)
def test_a_table_without_a_row_that_can_be_read_is_refused(tmp_path: Path, line: bytes, why: str) -> None:
    with pytest.raises(FeedError, match=why):
        preview(write(tmp_path / "feed.csv", [HEADER, line], packed=False))
    seen = preview(write(tmp_path / "mixed.csv", [HEADER, line, b"2;Shoe;9\n"], packed=False))
    assert seen.rows == [["2", "Shoe", "9"]]


def test_a_first_line_without_an_end_is_named(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="first line is longer than 1 MB"):
        preview(write(tmp_path / "feed.csv", [b"a;b;" * MB, b"\n1;2;3\n"], packed=False))
