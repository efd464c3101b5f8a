"""Single fields of a feed: check digits as python-stdnum works them out, text that COPY could misread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from soleflip.domain.errors import InvalidInput
from soleflip.feeds.base import OFFER_COLUMNS, FeedMapping, RowReader
from soleflip.feeds.fields import read_gtin


@given(st.sampled_from((8, 12, 13, 14)).flatmap(lambda length: st.text("0123456789", min_size=length, max_size=length)))
def test_a_gtin_is_taken_exactly_when_its_check_digit_is_right(digits: str) -> None:
    if not digits.strip("0"):
        assert read_gtin(digits) is None
    elif ean.calc_check_digit(digits[:-1]) == digits[-1]:
        assert read_gtin(digits) == digits.zfill(14)
    else:
        with pytest.raises(InvalidInput, match="check digit"):
            read_gtin(digits)


@pytest.mark.parametrize("title", ["C:\\new\\table", "\\N", "\\.", "ends with \\", "tab\there"])
def test_text_that_copy_could_misread_is_escaped(title: str) -> None:
    columns = ["number", "title", "style", "price", "shop"]
    named = {"external_id": "number", "title": "title", "style_code": "style", "price": "price", "shop": "shop"}
    row = RowReader(columns, FeedMapping(named, currency="EUR")).read(2, ["1", title, "AB1234-100", "9.90", "Shop"])
    cells = row.values.split("\t")
    assert len(cells) == len(OFFER_COLUMNS)
    assert cells[2].replace("\\\\", "\\") == title.replace("\t", " ")
    assert cells[4] == r"\N"
