"""Style codes and the judgement whether an offer is a variant: never a wrong match called firm."""

from __future__ import annotations

import itertools

import pytest

from soleflip.domain.catalog import Candidate, judge_gtin, judge_style, read_style_code, style_keys
from soleflip.domain.sizes import NoSize, Size, read_size, same_size

CODES = {
    "1203A544.101": ("1203A544101",),
    "1203A537-104": ("1203A537104",),
    "1203a537 104": ("1203A537104",),
    "315121-115/CW2290-111": ("315121115", "CW2290111"),
    "DZ5485-402_": ("DZ5485402",),
    "BY9109": ("BY9109",),
    "": (),
    None: (),
    "A-1": (),
}


@pytest.mark.parametrize("code", CODES)
def test_the_keys_of_a_code_are_the_same_in_every_spelling(code: str | None) -> None:
    assert style_keys(code) == CODES[code]


TEXTS = {
    "A shoe | 1203A544.101": "1203A544.101",
    "A | B | DZ5485-402_": "DZ5485-402",
    "... TRUSSTIC-System - Stylecode: 1203A607-300": "1203A607-300",
    "... Normale Passform - Style-Code: 1203A779-700": "1203A779-700",
    "1203A537-104": "1203A537-104",
    "CW2290 111": "CW2290 111",
    "A shoe | Unser Model ist 1,85 m groß und trägt Größe M.": None,
    "JDN 3 ZURÜCK BP": None,
    "A shoe without a code.": None,
    "": None,
    None: None,
    "Size 42": None,
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_style_code_is_found_where_there_is_one(text: str | None) -> None:
    assert read_style_code(text) == TEXTS[text]


# The labelled rows: one adidas in thirds, one ASICS in halves, men's and women's charts beside them.
_ADIDAS = {"41 1/3": "7.5", "42": "8", "42 2/3": "8.5", "43 1/3": "9", "44": "9.5"}
_ASICS = {"41.5": "8", "42": "8.5", "42.5": "9", "43.5": "9.5", "44": "10"}


def _variants(eu_to_us: dict[str, str]) -> list[Candidate]:
    return [
        Candidate(frozenset(), {"eu": eu, "us m": us, "us w": str(float(us) + 1.5).removesuffix(".0"), "uk": us})
        for eu, us in eu_to_us.items()
    ]


def _spellings(eu: str) -> list[str]:
    whole, _, part = eu.partition(" ")
    glyphs = {"1/3": "⅓", "2/3": "⅔"}
    thirds = (
        [f"{whole} {part}", f"{whole}{glyphs[part]}", f"EU {eu}"] if part else [eu, eu.replace(".", ","), f"EU {eu}"]
    )
    return [*thirds, f"EUR {eu}", f"Gr. {eu}", f"{eu} EU"]


LABELLED = [
    (chart, text, eu)
    for chart in (_ADIDAS, _ASICS)
    for eu in chart
    for text in (*_spellings(eu), f"US M {chart[eu]}", f"US MENS {chart[eu]}")
]
BROKEN = [
    (chart, text)
    for chart, text in itertools.product(
        (_ADIDAS, _ASICS),
        # Bare numbers of no declared system, sizes nobody makes, neighbours, other systems' numbers, nonsense.
        """8.5;9;US 8;US 9.5;8;10;50;EU 39;40.25;41;43;45 1/3;37.5;4Y;M;XL;UK 14;UK 3;26.5 cm;28 cm;US W 5;US M 15;41.67
        44.33;44 2/3;35;36⅔;49.5""".replace("\n", ";").split(";"),
    )
]


def test_there_are_enough_labelled_rows() -> None:
    assert len(LABELLED) + 2 * len(BROKEN) >= 190


@pytest.mark.parametrize(("chart", "text", "eu"), LABELLED)
def test_a_well_written_size_finds_its_variant(chart: dict[str, str], text: str, eu: str) -> None:
    verdict, chosen = judge_style(read_size(text, "eu"), None, _variants(chart))
    assert verdict.state == "firm"
    assert chosen is not None
    assert chosen.sizes["eu"] == eu


@pytest.mark.parametrize(("chart", "text"), BROKEN)
def test_no_broken_size_is_called_firm(chart: dict[str, str], text: str) -> None:
    try:
        size = read_size(text, "eu")
    except NoSize:
        return
    verdict, _ = judge_style(size, None, _variants(chart))
    assert verdict.state != "firm"


@pytest.mark.parametrize(("chart", "text"), BROKEN)
def test_no_gtin_overrules_a_contradicting_size(chart: dict[str, str], text: str) -> None:
    try:
        size = read_size(text, "eu")
    except NoSize:
        return
    for candidate in _variants(chart):
        if judge_gtin(size, None, candidate).state == "firm":
            # 41.67 is 41.5, and a size without a system agrees when the variant has that number in some system.
            assert any(same_size(size.value, known) for known in candidate.sizes.values())


def test_a_gtin_with_the_same_size_is_firm() -> None:
    found = Candidate(frozenset({"1203A544101"}), {"eu": "42.5"})
    assert judge_gtin(Size("42.5", "eu"), "1203A544101", found).state == "firm"
    assert judge_gtin(None, None, found).state == "firm"
    # Shops round thirds to halves.
    assert judge_gtin(Size("42.5", "eu"), None, Candidate(frozenset(), {"eu": "42 2/3"})).state == "firm"
    # A code without its colour contradicts nothing.
    assert judge_gtin(Size("42.5", "eu"), "1203A544", found).state == "firm"


def test_a_gtin_with_another_size_or_style_is_doubtful() -> None:
    found = Candidate(frozenset({"1203A544101"}), {"eu": "42.5"})
    size = judge_gtin(Size("43.5", "eu"), "1203A544101", found)
    assert (size.state, size.reason) == ("doubtful", "The GTIN says EU 42.5, the shop says EU 43.5.")
    style = judge_gtin(Size("42.5", "eu"), "DZ5485402", found)
    assert style.state == "doubtful"
    assert "1203A544101" in style.reason
    assert judge_gtin(Size("42.5", "eu"), None, Candidate(frozenset(), {})).state == "doubtful"


def test_two_products_of_one_code_are_doubtful() -> None:
    twice = [*_variants(_ASICS), *_variants(_ASICS)]
    verdict, chosen = judge_style(Size("42", "eu"), None, twice)
    assert (verdict.state, chosen) == ("doubtful", None)


def test_a_style_without_that_size_is_no_match() -> None:
    assert judge_style(Size("50", "eu"), None, _variants(_ASICS))[0].state == "none"
    assert judge_style(None, None, _variants(_ASICS))[0].state == "doubtful"


def test_a_style_with_another_gtin_is_doubtful() -> None:
    known = Candidate(frozenset(), {"eu": "42.5"}, frozenset({"04550457702997"}))
    assert judge_style(Size("42.5", "eu"), "04570158408318", [known])[0].state == "doubtful"
    assert judge_style(Size("42.5", "eu"), "04550457702997", [known])[0].state == "firm"
    assert judge_style(Size("42.5", "eu"), None, [known])[0].state == "firm"
    assert (
        judge_style(Size("42.5", "eu"), "04570158408318", [Candidate(frozenset(), {"eu": "42.5"})])[0].state == "firm"
    )
