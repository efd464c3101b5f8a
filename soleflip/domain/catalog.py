"""Style codes in their spellings, and the judgement whether an offer and a variant are the same thing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from soleflip.domain.sizes import SYSTEMS, Size, same_size

_LABELLED = re.compile(r"(?i)\bstyle[ -]?code\s*:?\s*([A-Z0-9][A-Z0-9 ./_-]{4,24}[A-Z0-9_])\s*$")
_CODE = re.compile(r"^[A-Z0-9]{3,12}(?:[ ._/-][A-Z0-9]{2,10}){0,3}$")
_PARTED = re.compile(r"[^A-Z0-9/]+")


def style_keys(code: str | None) -> tuple[str, ...]:
    """Return the comparable keys of a style code: letters and digits only, one per code where two stand together.

    `1203A544.101` and `1203a544-101` have one key; `315121-115/CW2290-111` has two.
    """
    if not code:
        return ()
    parts = (_PARTED.sub("", part) for part in code.upper().split("/"))
    return tuple(dict.fromkeys(part for part in parts if len(part) >= 4))


def read_style_code(text: str | None) -> str | None:
    """Return the style code a text is or ends with: behind its last bar, or behind the words `style code`.

    Only what looks like a code counts (letters and digits, with at least three digits, no words); else None.
    """
    if not text:
        return None
    labelled = _LABELLED.search(text)
    tail = labelled[1] if labelled else text.rsplit("|", 1)[-1]
    code = tail.strip().strip("_.-# ").strip()
    if not 5 <= len(code) <= 30 or sum(char.isdigit() for char in code) < 3:
        return None
    return code if _CODE.match(code.upper()) else None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant that an offer may be: its product's style codes, its sizes by system, its known GTINs, its key."""

    style_keys: frozenset[str]
    sizes: Mapping[str, str]
    gtins: frozenset[str] = frozenset()
    key: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an offer is a variant: firm may be traded on, doubtful waits for the operator; why in one sentence.

    `doubt` names the kind of a doubt, so that one decision can settle all like it: size (the GTIN says another),
    near, system, style, gtin, several.
    """

    state: Literal["firm", "doubtful", "none"]
    reason: str
    doubt: str | None = None


def judge_gtin(size: Size | None, style_key: str | None, found: Candidate) -> Verdict:
    """Judge an offer whose GTIN is that of the variant `found`: size and style code must not contradict it."""
    if size is not None and not _agrees(size, found.sizes):
        return Verdict("doubtful", f"The GTIN says {_chart(found.sizes)}, the shop says {size}.", "size")
    if style_key and found.style_keys and not _related(style_key, found.style_keys):
        codes = ", ".join(sorted(found.style_keys))
        return Verdict("doubtful", f"The GTIN belongs to style {codes}, the shop says {style_key}.", "style")
    return Verdict("firm", "Same GTIN.")


def judge_style(
    size: Size | None, gtin: str | None, candidates: Iterable[Candidate]
) -> tuple[Verdict, Candidate | None]:
    """Judge an offer by its style code: the sizes of every product of that code are the candidates.

    Firm only with a declared size system, exactly one variant of that size, and no other GTIN on either side: men's
    and women's models can share a code.
    """
    if size is None:
        return Verdict("doubtful", "The style code is known, but the shop names no size.", "several"), None
    near = list(candidates)
    exact = [each for each in near if size.system and each.sizes.get(size.system) == size.value]
    if len(exact) == 1 and gtin and exact[0].gtins and gtin not in exact[0].gtins:
        reason = f"Same style code and size {size}, but StockX has another GTIN for it."
        return Verdict("doubtful", reason, "gtin"), exact[0]
    if len(exact) == 1:
        return Verdict("firm", f"Same style code and size {size}."), exact[0]
    if len(exact) > 1:
        return Verdict("doubtful", f"The style code has {len(exact)} variants of size {size}.", "several"), None
    if size.system in (None, "us"):
        loose = [each for each in near if size.value in each.sizes.values()]
        guess = loose[0] if len(loose) == 1 else None
        return Verdict("doubtful", f"The shop does not say which system its size {size.value} is in.", "system"), guess
    same = [each for each in near if same_size(each.sizes.get(size.system, ""), size.value)]
    if len(same) == 1:
        theirs = same[0].sizes[size.system]
        return Verdict("doubtful", f"The shop says {size}, the nearest of this style is {theirs}.", "near"), same[0]
    return Verdict("none", f"This style has no size {size}."), None


def _agrees(size: Size, chart: Mapping[str, str]) -> bool:
    """Tell whether a chart has the size: in its own system, or in any when none is declared."""
    if not chart:
        return False
    if size.system in (None, "us"):
        systems = [name for name in chart if size.system is None or name.startswith("us")]
        return any(chart[name] == size.value for name in systems)
    known = chart.get(size.system)
    return known is not None and same_size(known, size.value)


def _related(key: str, keys: frozenset[str]) -> bool:
    """Tell whether one of the keys is the code, or either is the other without its colour."""
    return any(key == other or key.startswith(other) or other.startswith(key) for other in keys)


def _chart(chart: Mapping[str, str]) -> str:
    return ", ".join(f"{SYSTEMS.get(name, name)} {value}" for name, value in chart.items()) or "no size"
