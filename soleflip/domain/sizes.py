"""Shoe sizes: one canonical spelling per size and system, read from what shops and StockX write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from soleflip.domain.errors import InvalidInput

SYSTEMS = {
    "eu": "EU",
    "us": "US",
    "us m": "US men",
    "us w": "US women",
    "us y": "US youth",
    "us c": "US child",
    "uk": "UK",
    "cm": "cm",
    "letter": "letters",
}
"""Every size system we know; `us` alone says neither men nor women and therefore names no single size."""

# The smallest and largest size that exists in a system, from a newborn's to the largest of any shop.
_RANGES = {"eu": (15, 56), "us": (1, 24), "us m": (3, 24), "us w": (3, 24), "us y": (1, 8), "us c": (1, 14)} | {
    "uk": (1, 22),
    "cm": (7, 40),
}
_LETTERS = {"XXS", "XS", "S", "M", "L", "XL", "XXL", "XXXL", "2XL", "3XL", "4XL"}
_SPOKEN = {"2XL": "XXL", "3XL": "XXXL"}
_GLYPHS = {"½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", ",": ".", "⁄": "/"}
_PREFIXES = {
    "EUR": "eu",
    "EU": "eu",
    "DE": "eu",
    "FR": "eu",
    "GRÖSSE": None,
    "GROSSE": None,
    "SIZE": None,
    "GR": None,
    "USM": "us m",
    "USW": "us w",
    "US": "us",
    "UK": "uk",
    "CM": "cm",
    "JP": "cm",
    "W": "us w",
    "M": "us m",
    "WMNS": "us w",
    "WOMENS": "us w",
    "MENS": "us m",
}
_PREFIX = re.compile(r"^([A-ZÖ]+)[.:]?\s*(?=[\d(])")
_SUFFIX = re.compile(r"(?<=[\d/])\s*\(?([A-Z]+)\)?$")
_NUMBER = re.compile(r"^(\d{1,3})(?:\.(\d{1,2}))?$")
_FRACTION = re.compile(r"^(\d{1,3})[ -]+([12])/([23])$")
_SUFFIXES = {
    "EU": "eu",
    "EUR": "eu",
    "UK": "uk",
    "CM": "cm",
    "US": "us",
    "W": "us w",
    "M": "us m",
    "Y": "us y",
    "C": "us c",
    "K": "us c",
}
_PARTS = {
    "5": Fraction(1, 2),
    "50": Fraction(1, 2),
    "3": Fraction(1, 3),
    "33": Fraction(1, 3),
    "34": Fraction(1, 3),
} | {
    "6": Fraction(2, 3),
    "7": Fraction(2, 3),
    "66": Fraction(2, 3),
    "67": Fraction(2, 3),
    "0": Fraction(0),
    "00": Fraction(0),
    "25": Fraction(1, 4),
    "75": Fraction(3, 4),
}


_HEADER_WORDS = {"EU": "eu", "EUR": "eu", "UK": "uk", "GB": "uk", "CM": "cm", "JP": "cm", "US": "us", "USA": "us"}
_HEADER_PEOPLE = (
    dict.fromkeys(("M", "MEN", "MENS", "HERREN", "USM"), "us m")
    | dict.fromkeys(("W", "WOMEN", "WOMENS", "WMNS", "DAMEN", "USW"), "us w")
    | dict.fromkeys(("Y", "GS", "YOUTH"), "us y")
)


class NoSize(InvalidInput):
    """A text that is no size."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size in one system; `value` is canonical (`42.5`, `42 2/3`, `M`). `system` None: nobody declared one."""

    value: str
    system: str | None

    def __str__(self) -> str:
        return f"{SYSTEMS[self.system]} {self.value}" if self.system and self.system != "letter" else self.value


@lru_cache(maxsize=8192)
def read_size(text: str, declared: str | None = None) -> Size:
    """Read a size as a shop or StockX writes it; `declared` is the system that its column is known to be in.

    A system written in the text wins over the declared one. A number that the declared system does not have is
    kept without a system, since it may belong to another. Raises NoSize.
    """
    plain = text.strip().upper()
    for glyph, spelling in _GLYPHS.items():
        plain = plain.replace(glyph, spelling)
    plain = " ".join(plain.split())
    if plain in _LETTERS:
        return Size(_SPOKEN.get(plain, plain), "letter")
    body, system = _take_system(plain)
    value = _value(body)
    if value is None:
        raise NoSize(f"{text.strip()[:40]!r} is no size: write it like 42.5, EU 42 2/3 or US W 8.5", field="size")
    if system is None and declared is not None and _fits(value, declared):
        system = declared
    elif system is not None and not _fits(value, system):
        raise NoSize(f"{text.strip()[:40]!r} is no size: {SYSTEMS[system]} has no such number", field="size")
    elif system is None and not any(_fits(value, known) for known in _RANGES):
        raise NoSize(f"{text.strip()[:40]!r} is no size: there is no shoe of that number", field="size")
    return Size(_spell(value), system)


def system_named(header: str) -> str | None:
    """Return the size system that a column's name declares (`Size (US)`, `Größe EU`, `us_men`); None: none, or several.

    What says US and neither men, women nor youth is `us`.
    """
    spaced = re.sub(r"(?<=[a-zß-ÿ])(?=[A-Z])", " ", header)
    words = [word for word in re.split(r"[^A-Za-zÀ-ÿ]+", spaced.upper()) if word]
    systems = {_HEADER_WORDS[word] for word in words if word in _HEADER_WORDS}
    systems |= {"us" for word in words if word in ("USM", "USW")}
    if len(systems) != 1:
        return None
    people = {_HEADER_PEOPLE[word] for word in words if word in _HEADER_PEOPLE}
    system = systems.pop()
    return people.pop() if system == "us" and len(people) == 1 else system


def same_size(one: str, other: str) -> bool:
    """Tell whether two canonical values of one system are notations of the same size, 42.5 for 42 2/3 included.

    Makers step by thirds, shops round to halves: values at most a quarter apart are one size, since no maker has
    two sizes that near. Only for pairs that something else (a GTIN) already says are the same.
    """
    if one == other:
        return True
    first, second = _value(one), _value(other)
    return first is not None and second is not None and abs(first - second) <= Fraction(1, 4)


def rank(chart: Mapping[str, str], label: str) -> Decimal:
    """Return a number that puts sizes in order: the EU size of a chart, else the first number of its label, else 0."""
    value = _value(chart.get("eu", ""))
    if value is not None:
        return Decimal(round(float(value) * 100)) / 100
    found = re.search(r"\d{1,3}(\.\d{1,2})?", label)
    return Decimal(found[0]) if found else Decimal(0)


def read_chart(conversions: Mapping[str, str]) -> dict[str, str]:
    """Return canonical sizes by system from StockX's (`{"eu": "EU 42.5", "us m": "9"}`); odd ones are left out."""
    chart: dict[str, str] = {}
    for kind, text in conversions.items():
        system = " ".join(kind.lower().replace("_", " ").split())
        if system not in SYSTEMS:
            continue
        try:
            size = read_size(_without_system(text), system)
        except NoSize:
            continue
        chart[system] = size.value
    return chart


def _without_system(text: str) -> str:
    """Drop a system's name from a size whose system is already known, such as `US M 9` or `6.5W`."""
    return re.sub(r"(?i)\b(us|uk|eu|eur|cm|jp|m|w|y|c)\b[.:]?|(?<=\d)[mwyc]\b", " ", text).strip()


def _take_system(plain: str) -> tuple[str, str | None]:
    """Split a text into its number and the system that it names before or behind the number."""
    system: str | None = None
    body = plain
    while found := _PREFIX.match(body):
        word = found[1]
        if word not in _PREFIXES:
            break
        body = body[found.end() :].strip()
        system = _joined(system, _PREFIXES[word])
    # Two words before the number: `US W 8.5`, `US MENS 9`.
    two = re.match(r"^(US|UK|EU)[ /.-]+([A-Z]+)[.:]?\s*(?=\d)", body)
    if two and two[2] in _PREFIXES:
        body = body[two.end() :].strip()
        system = _joined(_PREFIXES[two[1]], _PREFIXES[two[2]])
    while found := _SUFFIX.search(body):
        if found[1] not in _SUFFIXES:
            break
        body = body[: found.start()].strip()
        system = _joined(system, _SUFFIXES[found[1]])
    return body, system


def _joined(one: str | None, other: str | None) -> str | None:
    """Put two hints together: `us` and `us w` are `us w`."""
    if one is None or other is None or one == other:
        return other or one
    if one == "us" or other == "us":
        return other if one == "us" else one
    raise NoSize(f"a size can't be both {SYSTEMS[one]} and {SYSTEMS[other]}", field="size")


def _value(body: str) -> Fraction | None:
    if found := _NUMBER.match(body):
        part = _PARTS.get(found[2] or "0")
        return None if part is None else int(found[1]) + part
    if found := _FRACTION.match(body):
        part = Fraction(int(found[2]), int(found[3]))
        return int(found[1]) + part if part < 1 else None
    return None


def _fits(value: Fraction, system: str) -> bool:
    low, high = _RANGES.get(system, (1, 0))
    return low <= value <= high


def _spell(value: Fraction) -> str:
    whole, part = divmod(value, 1)
    if part == 0:
        return str(whole)
    if part.denominator == 3:
        return f"{whole} {part.numerator}/3"
    return f"{float(value):g}"
