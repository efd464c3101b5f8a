"""Finding products and reading their market: search, barcodes, market data."""

from __future__ import annotations

import re
from typing import Any

from .errors import ApiError
from .payouts import ask_from_euros, bid_from_euros
from .records import Product, Variant
from .world import World

_WORD = re.compile(r"[a-z0-9]+")


def is_gtin(text: str) -> bool:
    """Whether a text is a GTIN of 8, 12, 13 or 14 digits with a right check digit."""
    if not re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", text):
        return False
    return check_digit(text[:-1]) == text[-1]


def check_digit(body: str) -> str:
    """The GTIN check digit of the digits before it."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)


def by_gtin(world: World, gtin: str) -> Variant | None:
    """The variant of a GTIN, however many zeros stand before it."""
    key = gtin.lstrip("0")
    found = (
        world.gtins.get(gtin)
        or world.gtins.get(key)
        or world.gtins.get(key.zfill(12))
        or world.gtins.get(key.zfill(13))
    )
    return world.variants[found] if found else None


def search(world: World, query: str) -> list[Product]:
    """Products that fit a text, best first: by GTIN, by style id, else by how many words they share."""
    text = query.strip()
    if is_gtin(text):
        found = by_gtin(world, text)
        return [world.products[found.product_id]] if found else []
    style = world.styles.get(_style(text))
    wanted = set(_WORD.findall(text.lower()))
    hits: list[tuple[float, str, Product]] = []
    for product in world.products.values():
        words = set(_WORD.findall(f"{product.title} {product.brand} {product.style_id}".lower()))
        shared = len(wanted & words)
        # The search is fuzzy: half of the words are enough, and neighbours of a style id come with it.
        if product.product_id == style or (shared and shared * 2 >= len(wanted)):
            hits.append((-99.0 if product.product_id == style else -shared / len(wanted), product.product_id, product))
    return [product for _, _, product in sorted(hits, key=lambda hit: hit[:2])]


def _style(text: str) -> str:
    return text.upper().replace(".", "-").replace(" ", "-")


def product(world: World, product_id: str, missing: int) -> Product:
    """A product by id."""
    found = world.products.get(product_id)
    if found is None:
        raise ApiError(missing, "Product not found")
    return found


def variant(world: World, product_id: str, variant_id: str, missing: int) -> Variant:
    """A variant of that product; 400 when it belongs to another one."""
    owner = product(world, product_id, missing)
    found = world.variants.get(variant_id)
    if found is None:
        raise ApiError(missing, "Variant not found")
    if found.product_id != owner.product_id:
        raise ApiError(400, "The variant does not belong to the product")
    return found


def market_data(world: World, record: Variant, currency: str, *, spare_own: bool) -> dict[str, Any]:
    """Best prices and suggestions; `spare_own` leaves our asks out of what the suggestions undercut."""
    book = world.book(record.variant_id)
    own = [ask[0] for ask in world.own_asks(record.variant_id)]
    rivals = [float(ask[0]) for ask in book.asks]
    every = sorted(rivals + own)
    seen = every if world.settings.lowest_ask_includes_own else rivals
    base = rivals if spare_own else every
    lowest = ask_from_euros(seen[0], currency) if seen else None
    highest = bid_from_euros(book.bids[0][0], currency) if book.bids else None
    # Duties and taxes make the American ask a different one; for some variants it is far off.
    abroad = 0.4 if record.variant_id[0] == "0" else (0.93, 0.95, 0.97)[int(record.variant_id[1], 16) % 3]
    faster = ask_from_euros(base[0] * abroad, currency) - 1 if base else None
    more = ask_from_euros(base[min(1, len(base) - 1)], currency) if base else None
    beat = ask_from_euros(every[0], currency) - 1 if every else None
    flex = ask_from_euros(rivals[-1], currency) if len(rivals) > 6 else None
    return {
        "productId": record.product_id,
        "variantId": record.variant_id,
        "currencyCode": currency,
        "lowestAskAmount": _text(lowest),
        "highestBidAmount": _text(highest),
        "sellFasterAmount": _text(faster),
        "earnMoreAmount": _text(more),
        "flexLowestAskAmount": _text(flex),
        "standardMarketData": _channel(lowest, highest, faster, more, beat),
        "flexMarketData": _channel(flex, highest, None, None, flex - 1 if flex else None),
        "directMarketData": _channel(None, highest, None, None, None),
    }


def _channel(
    lowest: int | None, highest: int | None, faster: int | None, more: int | None, beat: int | None
) -> dict[str, str | None]:
    return {
        "beatUS": _text(beat),
        "earnMore": _text(more),
        "sellFaster": _text(faster),
        "highestBidAmount": _text(highest),
        "lowestAsk": _text(lowest),
    }


def _text(amount: int | None) -> str | None:
    return None if amount is None or amount < 1 else str(amount)
