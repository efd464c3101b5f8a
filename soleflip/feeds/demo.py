"""The feed that the project ships: an invented shop with invented models, made by chance from a seed.

`python -m soleflip.feeds.demo` writes `demo.csv.gz` beside this file; the same seed gives the same bytes. The EANs
begin with 20, the range GS1 reserves for numbers without a meaning outside one house; their check digits are right.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from random import Random

from stdnum import ean

DEMO_FEED = Path(__file__).with_name("demo.csv.gz")
SHOP = "Kantstein Sneakers"
SEED = 20260101

_COLUMNS = """
    aw_deep_link product_name aw_product_id merchant_product_id merchant_image_url description merchant_category
    search_price merchant_name merchant_id category_name category_id aw_image_url currency store_price delivery_cost
    merchant_deep_link language last_updated display_price data_feed_id brand_name brand_id colour
    product_short_description specifications condition product_model model_number dimensions keywords promotional_text
    product_type commission_group merchant_product_category_path merchant_product_second_category
    merchant_product_third_category rrp_price saving savings_percent base_price base_price_amount base_price_text
    product_price_old delivery_restrictions delivery_weight warranty terms_of_contract delivery_time in_stock
    stock_quantity valid_from valid_to is_for_sale web_offer pre_order stock_status size_stock_status
    size_stock_amount merchant_thumb_url large_image alternate_image aw_thumb_url alternate_image_two
    alternate_image_three alternate_image_four reviews average_rating rating number_available custom_1 custom_2
    custom_3 custom_4 custom_5 custom_6 custom_7 custom_8 custom_9 ean isbn upc mpn parent_product_id product_GTIN
    basket_link Fashion:suitable_for Fashion:category Fashion:size Fashion:material Fashion:pattern
    Fashion:swatch
"""
COLUMNS = tuple(_COLUMNS.split())
"""The columns of an Awin feed, in Awin's order."""

_HALVES = ("36", "36.5", "37.5", "38", "38.5", "39", "40", "40.5", "41", "42", "42.5", "43", "44", "44.5", "45", "46")
_THIRDS = ("36", "36 2/3", "37 1/3", "38", "38 2/3", "39 1/3", "40", "40 2/3", "41 1/3", "42", "42 2/3", "43 1/3", "44")
_STEPS = ("36", "37", "37.5", "38", "39", "39.5", "40", "40.5", "41.5", "42", "42.5", "43.5", "44", "44.5", "45", "46")

# Brand, its invented models, how its style codes look (A letter, 9 digit), its EU sizes.
_BRANDS = (
    ("Nike", ("Air Harbour 88", "Court Meridian Low", "Zoom Lantern"), "AA9999-999", _HALVES),
    ("Jordan", ("Skyhook Mid", "Rooftop Retro"), "AA9999-999", _HALVES),
    ("adidas", ("Lindenhof OG", "Regatta SPZL", "Tramline 72"), "AA9999", _THIRDS),
    ("ASICS", ("GEL-Morgenrot 11", "GEL-Halyard III"), "1209A999.999", _STEPS),
    ("New Balance", ("1717 Cobblestone", "904R Fieldstone"), "U9999AA", _HALVES),
    ("Salomon", ("XT-Gratweg", "ACS Moraine"), "L99999900", _THIRDS),
)
_COLOURS = ("black", "white", "sail", "navy", "forest green", "silver", "bone", "university red")
_PER_MODEL = (8, 12)
_PRICES = (89, 99, 109, 119, 129, 139, 149, 159, 169, 179, 189, 199)


def rows(seed: int = SEED, count: int = 300) -> Iterator[dict[str, str]]:
    """Yield `count` rows of an invented shop's feed, the same ones for the same seed. Prices are in euros."""
    chance = Random(seed)  # noqa: S311 - sample data, not a secret
    made = 0
    while made < count:
        brand, models, code, sizes = chance.choice(_BRANDS)
        style = _style(chance, code)
        name, colour = f"{brand} {chance.choice(models)}", chance.choice(_COLOURS)
        price, old = _prices(chance)
        amount = min(chance.randint(*_PER_MODEL), count - made, len(sizes))
        for size in sorted(chance.sample(sizes, amount), key=sizes.index):
            made += 1
            yield _row(chance, made, brand=brand, name=name, colour=colour, style=style, size=size) | {
                "search_price": price,
                "display_price": f"EUR{price}",
                "rrp_price": old,
                "product_price_old": old,
            }


def write(path: Path = DEMO_FEED, seed: int = SEED, count: int = 300) -> None:
    """Write the rows as a CSV.GZ of Awin's columns, byte for byte the same for the same seed."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows(seed, count))
    path.write_bytes(gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0))


def _style(chance: Random, pattern: str) -> str:
    letters = {"A": "BCDFGHJKLM", "9": "123456789"}
    # Letters of the pattern stand for themselves where a brand's codes always have them.
    fixed = pattern.startswith(("1209A", "L", "U"))
    return "".join(
        chance.choice(letters[char]) if char == "9" or (char == "A" and not fixed) else char for char in pattern
    )


def _prices(chance: Random) -> tuple[str, str]:
    """Return a price and, for every third model, a higher former price."""
    price = chance.choice(_PRICES)
    old = f"{price + chance.choice((20, 30, 40)):.2f}" if chance.random() < 0.34 else ""
    return f"{price:.2f}", old


def _row(chance: Random, number: int, *, brand: str, name: str, colour: str, style: str, size: str) -> dict[str, str]:
    digits = f"20{chance.randrange(10**10):010d}"
    stock = chance.choice((0, 1, 1, 2, 3, 4, 6, 8, 12))
    page = f"https://www.kantstein-sneakers.example/p/{style.lower()}"
    women = size in ("36", "36 2/3", "36.5", "37", "37 1/3", "37.5")
    category = "Women's Footwear" if women else "Men's Footwear"
    return {
        "aw_deep_link": f"https://www.awin1.com/pclick.php?p={900000000 + number}&a=100000&m=99999",
        "product_name": f"{name}, {colour}",
        "aw_product_id": str(900000000 + number),
        "merchant_product_id": f"K{number:06d}",
        "merchant_image_url": f"{page}.jpg",
        "description": f"{name} in {colour}, a model that nobody makes. | {style}",
        "merchant_category": category,
        "merchant_name": SHOP,
        "merchant_id": "99999",
        "category_name": category,
        "category_id": "194",
        "currency": "EUR",
        "delivery_cost": chance.choice(("0", "0", "4.95")),
        "merchant_deep_link": page,
        "language": "en",
        "data_feed_id": "99999",
        "brand_name": brand,
        "colour": colour,
        "model_number": f"K{number:06d}",
        "delivery_time": "2 to 4 days",
        "in_stock": "1" if stock else "0",
        "stock_quantity": str(stock),
        "is_for_sale": "1",
        "ean": digits + ean.calc_check_digit(digits),
        "Fashion:size": size,
    }


if __name__ == "__main__":
    write()
