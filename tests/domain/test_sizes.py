"""Sizes in every notation that shops and StockX use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleflip.domain.sizes import NoSize, Size, read_chart, read_size, same_size, system_named

READ = {
    "42.5": ("42.5", "eu"),
    "42,5": ("42.5", "eu"),
    "42½": ("42.5", "eu"),
    "42 1/2": ("42.5", "eu"),
    "42.0": ("42", "eu"),
    "EU 42 2/3": ("42 2/3", "eu"),
    "EU42 2/3": ("42 2/3", "eu"),
    "42⅔": ("42 2/3", "eu"),
    "42 ⅔": ("42 2/3", "eu"),
    "42-2/3": ("42 2/3", "eu"),
    "42.67": ("42 2/3", "eu"),
    "42.66": ("42 2/3", "eu"),
    "43 1/3": ("43 1/3", "eu"),
    "43.33": ("43 1/3", "eu"),
    "EUR 38.5": ("38.5", "eu"),
    "38.5 EU": ("38.5", "eu"),
    "Gr. 42": ("42", "eu"),
    "Größe 42": ("42", "eu"),
    "US W 8.5": ("8.5", "us w"),
    "US WMNS 8.5": ("8.5", "us w"),
    "W 8.5": ("8.5", "us w"),
    "8.5W": ("8.5", "us w"),
    "US M 10": ("10", "us m"),
    "US MENS 9.5": ("9.5", "us m"),
    "US 9": ("9", "us"),
    "9.5 US": ("9.5", "us"),
    "4Y": ("4", "us y"),
    "US 6.5Y": ("6.5", "us y"),
    "10.5C": ("10.5", "us c"),
    "UK 7.5": ("7.5", "uk"),
    "7.5 UK": ("7.5", "uk"),
    "26.5 cm": ("26.5", "cm"),
    "CM 26.5": ("26.5", "cm"),
    "M": ("M", "letter"),
    "2xl": ("XXL", "letter"),
    # Not one of a European size run, so nobody declared what it is.
    "8.5": ("8.5", None),
    "9": ("9", None),
}


@pytest.mark.parametrize("text", READ)
def test_a_size_is_read_in_its_notation(text: str) -> None:
    assert read_size(text, "eu") == Size(*READ[text])


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "blau",
        "999",
        "-5",
        "0",
        "EU 99",
        "EU 8",
        "US 77",
        "42 3/3",
        "42 5/3",
        "42.9",
        "one",
        "4/2",
        "42/43",
        "1e3",
    ],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(NoSize):
        read_size(text, "eu")


def test_two_systems_in_one_size_are_refused() -> None:
    with pytest.raises(NoSize, match="both"):
        read_size("EU 42 UK", None)


def test_without_a_declared_system_a_bare_number_has_none() -> None:
    assert read_size("42.5", None) == Size("42.5", None)


@given(st.integers(15, 56), st.sampled_from(["", " 1/3", " 2/3", ".5"]))
def test_reading_a_canonical_size_gives_itself(whole: int, part: str) -> None:
    if whole == 56 and part:
        return
    assert read_size(f"{whole}{part}", "eu").value == f"{whole}{part}"


def test_halves_and_thirds_of_one_size_are_the_same() -> None:
    assert same_size("42.5", "42 2/3")
    assert same_size("43.5", "43 1/3")
    assert not same_size("42", "42 1/3")
    assert not same_size("42", "42.5")
    assert not same_size("", "42")


def test_stockx_charts_are_read_by_system() -> None:
    chart = {"us m": "US M 9", "us w": "US W 10.5", "uk": "UK 8", "cm": "CM 27", "eu": "EU 42.5", "kr": "KR 270"}
    assert read_chart(chart) == {"us m": "9", "us w": "10.5", "uk": "8", "cm": "27", "eu": "42.5"}
    assert read_chart({"us m": "9", "us w": "6.5W", "eu": "EU 42 2/3", "us": "odd"}) == {
        "us m": "9",
        "us w": "6.5",
        "eu": "42 2/3",
    }


@pytest.mark.parametrize(
    ("header", "system"),
    [
        *(
            ("Size (US)", "us"),
            ("US Größe", "us"),
            ("UK", "uk"),
            ("Größe EU", "eu"),
            ("size_eu", "eu"),
            ("SizeEUR", "eu"),
        ),
        *(("US Men", "us m"), ("us_womens_size", "us w"), ("Damen US", "us w"), ("Size US (GS)", "us y"), ("CM", "cm")),
        *(("Size", None), ("Größe", None), ("Men", None), ("EU/US", None), ("Blues", None), ("status", None)),
        *(("US Men/Women", "us"), ("", None)),
    ],
)
def test_a_columns_name_declares_a_system_or_none(header: str, system: str | None) -> None:
    assert system_named(header) == system
