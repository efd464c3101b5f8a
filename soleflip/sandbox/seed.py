"""Teaching a world the products of a shop feed, with a market around the shop's prices."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from . import feed as feeds
from . import sizes
from .catalog import check_digit
from .chance import Chance
from .feed import FeedRow
from .records import Product, Variant
from .world import World

# A listing must fetch about 1.17 times the shop's price to pay; with these a good third of the variants does.
LEVEL_MEDIAN = 1.05
LEVEL_SPREAD = 0.24
SIZE_SPREAD = 0.09
BUYERS_MEDIAN = 30.0  # buyers of a product in a week, over all of its sizes
BUYERS_SPREAD = 0.7
MOST_VARIANTS = 24


@dataclass(frozen=True, slots=True)
class SeedReport:
    """How many products and variants a feed named, and how many of them were new."""

    products: int
    variants: int
    new_products: int = 0
    new_variants: int = 0


def seed_world(feed: Path, database: Path, *, seed: int = 1, currency: str = "EUR") -> SeedReport:
    """Teach the world in `database`, made when it is missing, what `feed` offers.

    Prices that name no currency are in `currency`. OSError when the feed cannot be read, StoreUnusable when a
    running sandbox owns the database.
    """
    world = World(database, seed=seed)
    try:
        report = learn(world, feeds.read_file(feed, currency))
        world.save()
    finally:
        world.store.close()
    return report


def learn(world: World, rows: Iterable[FeedRow]) -> SeedReport:
    """Add the products and variants that are missing; what is there stays as it is."""
    groups: dict[str, list[FeedRow]] = {}
    for row in rows:
        key = row.style or re.sub(r"[^a-z0-9]+", "-", f"{row.brand} {row.title}".lower())
        groups.setdefault(key, []).append(row)
    before = len(world.products), len(world.variants)
    named = set()
    for key, offers in groups.items():
        product = _product(world, key, offers)
        for row in offers:
            variant = _variant(world, product, offers, row.eu_size)
            _learn_gtin(world, variant, row.gtin)
            named.add(variant.variant_id)
        for eu_size in sizes.usual(product.brand, product.gender):
            if len(product.variant_ids) < MOST_VARIANTS:
                variant = _variant(world, product, offers, eu_size)
                if not variant.gtins:
                    _learn_gtin(world, variant, _made_up_gtin(world, variant))
        _sort(world, product)
    return SeedReport(len(groups), len(named), len(world.products) - before[0], len(world.variants) - before[1])


def _product(world: World, key: str, offers: list[FeedRow]) -> Product:
    dice = Chance.named(world.seed, "product", key)
    product_id = dice.uuid()
    found = world.products.get(world.styles.get(key, product_id))
    if found is not None:
        return found
    first = offers[0]
    title = first.title if first.brand.lower() in first.title.lower() else f"{first.brand} {first.title}"
    url_key = re.sub(r"[^a-z0-9]+", "-", f"{title} {first.style or ''}".lower()).strip("-")
    year, month, day = 2015 + dice.below(10), 1 + dice.below(12), 1 + dice.below(28)
    product = Product(
        product_id=product_id,
        url_key=url_key,
        style_id=first.style,
        title=title,
        brand=first.brand,
        product_type="sneakers",
        gender=first.gender,
        colorway=first.colour,
        release_date=f"{year}-{month:02d}-{day:02d}",
        retail_price=max(row.retail for row in offers),
    )
    world.add(product)
    return product


def _variant(world: World, product: Product, offers: list[FeedRow], eu_size: str) -> Variant:
    """The variant of that EU size, made when it is missing."""
    dice = Chance.named(world.seed, "variant", product.product_id, eu_size)
    variant_id = dice.uuid()
    if variant_id in world.variants:
        return world.variants[variant_id]
    market = Chance.named(world.seed, "level", product.product_id)
    ratio = LEVEL_MEDIAN * math.exp(LEVEL_SPREAD * market.normal())
    buyers = BUYERS_MEDIAN * math.exp(BUYERS_SPREAD * market.normal())
    us = sizes.us_men(eu_size, product.brand)
    centre = {"women": 6.0, "child": 5.0}.get(product.gender, 9.5)
    weight = math.exp(-(((us - centre) / 2.5) ** 2) / 2) / 12 + 0.01
    variant = Variant(
        variant_id=variant_id,
        product_id=product.product_id,
        value=_free_name(world, product, sizes.name(eu_size, product.brand, product.gender)),
        sizes=sizes.conversions(eu_size, product.brand, product.gender),
        gtins=[],
        level=max(15.0, median(row.price for row in offers) * ratio * math.exp(SIZE_SPREAD * dice.normal())),
        buyers_per_week=buyers * weight,
        born=world.at,
    )
    world.add(variant)
    product.variant_ids.append(variant_id)
    world.touch(product)
    return variant


def _free_name(world: World, product: Product, name: str) -> str:
    """Two EU sizes never share a name within a product, even where the rule of thumb gives the same."""
    taken = {world.variants[key].value for key in product.variant_ids}
    number, mark = re.fullmatch(r"([\d.-]+)(\D*)", name).groups()  # type: ignore[union-attr]
    while name in taken:
        number = f"{float(number) + 0.25:g}"
        name = number + mark
    return name


def _learn_gtin(world: World, variant: Variant, gtin: str | None) -> None:
    if gtin is None or gtin in world.gtins:
        return
    forms = [[gtin, {8: "EAN-8", 12: "UPC", 13: "EAN-13"}.get(len(gtin), "ITF-14")]]
    if len(gtin) == 13 and gtin[0] == "0":
        forms.insert(0, [gtin[1:], "UPC"])
    elif len(gtin) == 12:
        forms.append(["0" + gtin, "EAN-13"])
    for form in forms:
        if form[0] not in world.gtins:
            variant.gtins.append(form)
            world.gtins[form[0]] = variant.variant_id
    world.touch(variant)


def _made_up_gtin(world: World, variant: Variant) -> str:
    """A barcode from the range for use inside of a company, so that it can never be a real one."""
    body = "29" + Chance.named(world.seed, "gtin", variant.variant_id).digits(10)
    return body + check_digit(body)


def _sort(world: World, product: Product) -> None:
    def eu(variant_id: str) -> float:
        return sizes.as_number(world.variants[variant_id].sizes[-1][1].removeprefix("EU "))

    ordered = sorted(product.variant_ids, key=eu)
    if ordered != product.variant_ids:
        product.variant_ids = ordered
        world.touch(product)
