"""Rows as shops write them, through import and match: each is labelled with its variant, or with none."""

from __future__ import annotations

import csv
import itertools
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session
from stdnum import ean

from soleflip.feeds import FeedMapping
from soleflip.models import MarketPrice
from soleflip.services import catalog, feeds
from soleflip.services.products import remember
from soleflip.stockx import catalog as stockx

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
# Style code as StockX has it, EU sizes with their US ones, and whether StockX knows their GTINs.
CATALOG = {
    "1203A544-101": ({"40": "7", "40.5": "7.5", "41.5": "8", "42": "8.5", "42.5": "9"}, True),
    "315121-115/CW2290-111": ({"40": "7", "41": "8", "42": "8.5", "43": "9.5", "44.5": "10.5"}, False),
    "IG6192": ({"40 2/3": "7.5", "41 1/3": "8", "42": "8.5", "42 2/3": "9", "43 1/3": "9.5"}, False),
}
SPELLINGS = {
    "1203A544-101": ("1203A544-101", "1203A544.101", "1203a544 101", "1203A544_101", "1203A544101"),
    "315121-115/CW2290-111": ("315121-115", "CW2290-111", "cw2290 111", "315121.115", "CW2290111"),
    "IG6192": ("IG6192", "ig6192", " IG6192 ", "A shoe in white | IG6192"),
}
MAPPING = FeedMapping(
    {"external_id": "No", "title": "Shoe", "style_code": "Code", "gtin": "EAN", "size": "Size", "price": "Price"},
    shop="Labels",
    currency="EUR",
    size_system="eu",
)
Row = tuple[str, str, str, str | None]
"""Code, EAN, size as written, and the id of the variant it is; None: no variant is certain."""


def _gtin(code: str, size: str) -> str:
    digits = f"20{sum(ord(char) * (place + 7) for place, char in enumerate(code + size)):010d}"
    return digits + ean.calc_check_digit(digits)


def _id(code: str, size: str) -> str:
    return f"v-{code}-{size}"


def _sizes(eu: str, us: str) -> list[str]:
    """The same size in the notations of shops."""
    whole, _, part = eu.partition(" ")
    glyph = {"1/3": "⅓", "2/3": "⅔"}.get(part)
    return [eu, f"EU {eu}", f"{whole}{glyph}" if glyph else eu.replace(".", ","), f"EUR {eu}", f"US M {us}"]


def _good() -> list[Row]:
    """Every size in every notation, its code in one spelling after the other; with its EAN where StockX has those."""
    rows: list[Row] = []
    for code, (chart, has_gtin) in CATALOG.items():
        for eu, us in chart.items():
            for number, text in enumerate(_sizes(eu, us)):
                for spelling in SPELLINGS[code][number % 2 :: 2]:
                    number_ = _gtin(code, eu) if has_gtin else ""
                    rows.append((spelling, number_, text, _id(code, eu)))
    return rows


def _broken() -> list[Row]:
    """Codes and sizes that are near to one, of two, or of none; and EANs that contradict what stands beside them."""
    rows: list[Row] = []
    for code, (chart, has_gtin) in CATALOG.items():
        sizes = list(chart)
        one = code.partition("/")[0]
        wrong_codes = (one[:-1], f"{one}9", f"X{one[1:]}", one[::-1], "SALE-50")
        rows += [(wrong, "", size, None) for wrong in wrong_codes for size in sizes[:3]]
        rows += [(code, "", text, None) for text in ("39", "47 1/3", "US W 9", "UK 3", "M", "6C", "30 cm")]
        if has_gtin:
            rows += [(code, _gtin(code, its), other, None) for its, other in itertools.pairwise(sizes)]
            rows += [("IG6192", _gtin(code, size), size, None) for size in sizes]
            rows += [(code, _gtin("another shoe", size), size, None) for size in sizes]
    return rows


def test_no_wrong_match_is_firm_and_every_clear_row_is(session: Session, tmp_path: Path) -> None:
    for code, (chart, has_gtin) in CATALOG.items():
        product = stockx.Product.model_validate(
            {"productId": f"p-{code}", "urlKey": "x", "styleId": code, "title": code, "brand": "x"}
        )
        remember(session, product, [_variant(code, eu, us, has_gtin=has_gtin) for eu, us in chart.items()])
    labelled = _good() + _broken()
    assert len(labelled) >= 200
    feeds.import_file(session, _write(tmp_path / "rows.csv", labelled), now=NOW, mapping=MAPPING)
    catalog.match(session, NOW)
    offers = {int(offer.external_id): offer for offer in session.scalars(select(MarketPrice))}
    wrong, missed = [], []
    for number, (code, number_, size, label) in enumerate(labelled):
        offer = offers.get(number)
        found = offer.variant.stockx_variant_id if offer and offer.match_state == "firm" and offer.variant else None
        if found is not None and found != label:
            wrong.append((code, number_, size, found))
        if label is not None and found is None:
            missed.append((code, number_, size, offer and (offer.match_state, offer.match_reason)))
    assert wrong == []
    assert missed == []


def _variant(code: str, eu: str, us: str, *, has_gtin: bool) -> stockx.Variant:
    sizes = [{"size": f"EU {eu}", "type": "eu"}, {"size": f"US M {us}", "type": "us m"}]
    return stockx.Variant.model_validate(
        {
            "variantId": _id(code, eu),
            "variantValue": us,
            "sizeChart": {"availableConversions": sizes},
            "gtins": [{"identifier": _gtin(code, eu), "type": "EAN-13"}] if has_gtin else [],
        }
    )


def _write(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["No", "Shoe", "Code", "EAN", "Size", "Price"])
        for number, (code, number_, size, _) in enumerate(rows):
            table.writerow([number, "A shoe", code, number_, size, "99.95"])
    return path
