"""Shoe sizes of the sandbox's catalog: what an EU size is called in the other systems, by brand and gender."""

from __future__ import annotations

import re

_CHARTS = {
    "adidas": "3.5:35.5 4:36 4.5:36 2/3 5:37 1/3 5.5:38 6:38 2/3 6.5:39 1/3 7:40 7.5:40 2/3 8:41 1/3 8.5:42 9:42 2/3 "
    "9.5:43 1/3 10:44 10.5:44 2/3 11:45 1/3 11.5:46 12:46 2/3 12.5:47 1/3 13:48 14:49 1/3",
    "asics": "3.5:35.5 4:36 4.5:37 5:37.5 5.5:38 6:39 6.5:39.5 7:40 7.5:40.5 8:41.5 8.5:42 9:42.5 9.5:43.5 10:44 "
    "10.5:44.5 11:45 11.5:46 12:46.5 12.5:47 13:48 14:49",
    "new balance": "3.5:35.5 4:36 4.5:37 5:37.5 5.5:38 6:38.5 6.5:39.5 7:40 7.5:40.5 8:41.5 8.5:42 9:42.5 9.5:43 10:44 "
    "10.5:44.5 11:45 11.5:45.5 12:46.5 12.5:47 13:47.5 14:49",
    "": "3.5:35.5 4:36 4.5:36.5 5:37.5 5.5:38 6:38.5 6.5:39 7:40 7.5:40.5 8:41 8.5:42 9:42.5 9.5:43 10:44 "
    "10.5:44.5 11:45 11.5:45.5 12:46 12.5:47 13:47.5 13.5:48 14:48.5 15:49.5",
}
_ENTRY = re.compile(r"([\d.]+):(\d+(?:\.5| [12]/3)?)(?= |$)")
_EU = re.compile(r"(?:EU|EUR)?\s*(\d{2})(?:[.,](\d)|\s*([12])/3|\s*([⅓⅔½]))?")
_OTHER = re.compile(r"(US|UK)\s*(\d{1,2}(?:[.,]5)?)")
_FRACTIONS = {"⅓": " 1/3", "⅔": " 2/3", "½": ".5"}
WOMEN_OVER_MEN = 1.5


def parse_eu(text: str, brand: str) -> str | None:
    """The EU size of a shop's size text as `42`, `42.5` or `42 2/3`; None when it names no shoe size."""
    plain = text.strip().upper()
    other = _OTHER.fullmatch(plain)
    if other:
        us = float(other[2].replace(",", ".")) + (other[1] == "UK")
        return next((eu for size, eu in chart(brand) if size == us), None)
    match = _EU.fullmatch(plain)
    if match is None or not 15 <= int(match[1]) <= 52:
        return None
    if match[2] and match[2] != "0":
        return f"{match[1]}.{match[2]}"
    if match[3]:
        return f"{match[1]} {match[3]}/3"
    return match[1] + _FRACTIONS.get(match[4] or "", "")


def chart(brand: str) -> list[tuple[float, str]]:
    """US men's sizes and their EU sizes of a brand, smallest first."""
    name = next((known for known in _CHARTS if known and known in brand.lower()), "")
    return [(float(us), eu) for us, eu in _ENTRY.findall(_CHARTS[name])]


def us_men(eu: str, brand: str) -> float:
    """The US men's size of an EU size: from the chart of the brand, else by rule of thumb."""
    for us, known in chart(brand):
        if known == eu:
            return us
    return round((4 + (as_number(eu) - 36) * 0.75) * 2) / 2


def as_number(eu: str) -> float:
    """An EU size as a number, thirds included."""
    whole, _, third = eu.partition(" ")
    return float(whole) + ({"1/3": 1 / 3, "2/3": 2 / 3}[third] if third else 0.0)


def name(eu: str, brand: str, gender: str) -> str:
    """What StockX calls the size: `9.5`, `8W` for women, `5Y` and `10C` for children."""
    if gender == "women":
        return f"{us_men(eu, brand) + WOMEN_OVER_MEN:g}W"
    if gender == "child":
        number = as_number(eu)
        if number < 32:
            return f"{round(((number - 17) * 0.78 + 2) * 2) / 2:g}C"
        if number < 35.5:
            return f"{max(1.0, round((number - 32) * 1.4 + 2) / 2):g}Y"
        return f"{us_men(eu, brand):g}Y"
    return f"{us_men(eu, brand):g}"


def conversions(eu: str, brand: str, gender: str) -> list[list[str]]:
    """The size chart of a variant as [type, size], its own system first."""
    us = us_men(eu, brand)
    if gender == "child" and as_number(eu) < 35.5:
        return [["us m", f"US M {name(eu, brand, gender)}"], ["eu", f"EU {eu}"]]
    offset = 0.5 if "adidas" in brand.lower() or "new balance" in brand.lower() else 1.0
    men, women = ["us m", f"US M {us:g}"], ["us w", f"US W {us + WOMEN_OVER_MEN:g}"]
    first = [women, men] if gender == "women" else [men, women]
    return [*first, ["uk", f"UK {us - offset:g}"], ["cm", f"CM {us + 18:g}"], ["eu", f"EU {eu}"]]


def usual(brand: str, gender: str) -> list[str]:
    """The EU sizes in which such a shoe is usually made."""
    low, high = {"women": (3.5, 8.5), "child": (3.5, 7.0)}.get(gender, (6.0, 13.0))
    return [eu for us, eu in chart(brand) if low <= us <= high]
