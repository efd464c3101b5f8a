"""Catalog: products, their variants (sizes), and what the market says of them."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from pydantic import BeforeValidator, Field

from soleflip.domain.errors import InvalidInput
from soleflip.stockx.budget import Lane
from soleflip.stockx.paging import Calls
from soleflip.stockx.transport import Call
from soleflip.stockx.wire import MARKET_CURRENCIES, Amount, Answer, Flag, Maybe, Page, Text, entries, rows

SEARCH_PAGE = 50


class ProductAttributes(Answer):
    """What the catalog knows of a product; `retail_price` comes without a currency."""

    gender: Text = None
    season: Text = None
    release_date: Text = None
    retail_price: Amount = None
    colorway: Text = None
    color: Text = None


class SizeConversion(Answer):
    """One size in one system, such as `EU 38` of type `eu`; charts of products have a name instead of a size."""

    size: Text = None
    name: Text = None
    type: Text = None


class SizeChart(Answer):
    """The size systems of a product, or one size in all of them."""

    available_conversions: Annotated[tuple[SizeConversion, ...], BeforeValidator(entries(SizeConversion))] = ()
    default_conversion: Maybe[SizeConversion] = None


class Product(Answer):
    """A product; a `style_id` can hold two codes with a slash between them."""

    product_id: str
    url_key: Text = None
    style_id: Text = None
    product_type: Text = None
    title: Text = None
    brand: Text = None
    product_attributes: Maybe[ProductAttributes] = None
    size_chart: Maybe[SizeChart] = None
    is_flex_eligible: Flag = None
    is_direct_eligible: Flag = None


class SearchPage(Page):
    """One page of search results."""

    products: Annotated[tuple[Product, ...], BeforeValidator(rows(Product))]


class Gtin(Answer):
    """A trade number of a variant and its kind, such as UPC or EAN-13."""

    identifier: Text = None
    type: Text = None


class Variant(Answer):
    """One product in one size: the unit of trade; `variant_value` is the size as StockX writes it."""

    variant_id: str
    product_id: Text = None
    variant_name: Text = None
    variant_value: Text = None
    size_chart: Maybe[SizeChart] = None
    gtins: Annotated[tuple[Gtin, ...], BeforeValidator(entries(Gtin))] = ()
    is_flex_eligible: Flag = None
    is_direct_eligible: Flag = None


class ChannelMarketData(Answer):
    """The market of one selling channel; beat_us may undercut our own ask."""

    lowest_ask: Amount = None
    highest_bid_amount: Amount = None
    sell_faster: Amount = None
    earn_more: Amount = None
    beat_us: Amount = Field(default=None, alias="beatUS")


class MarketData(Answer):
    """What the market says of one variant now, in `currency_code`, which can differ from the one asked for."""

    product_id: str
    variant_id: str
    currency_code: str
    lowest_ask_amount: Amount = None
    highest_bid_amount: Amount = None
    sell_faster_amount: Amount = None
    earn_more_amount: Amount = None
    flex_lowest_ask_amount: Amount = None
    standard_market_data: Maybe[ChannelMarketData] = None
    flex_market_data: Maybe[ChannelMarketData] = None
    direct_market_data: Maybe[ChannelMarketData] = None


_read_variants = rows(Variant)
_read_market = rows(MarketData)


class CatalogCalls(Calls):
    """The seven catalog calls; quotes of what we hold or are about to list belong into Lane.HOT."""

    def search(self, query: str, *, limit: int = 10, lane: Lane = Lane.COLD) -> list[Product]:
        """Search by free text, GTIN or style code, at most `limit` products; the match is fuzzy, check it."""
        if not 1 <= len(query) <= 100:
            raise InvalidInput("A search takes 1 to 100 characters: shorten the text.", field="query")
        call = Call("search", "GET", "/catalog/search", lane, params={"query": query})
        size = min(max(limit, 1), SEARCH_PAGE)
        found = self._walk(
            call,
            SearchPage.model_validate,
            lambda page: page.products,
            lambda product: product.product_id,
            page_size=size,
        )
        return list(islice(found, limit))

    def product(self, product_id: str, *, lane: Lane = Lane.COLD) -> Product:
        """Fetch one product."""
        path = "/catalog/products/{product_id}"
        call = Call("product", "GET", path, lane, subject={"product_id": product_id})
        return self._transport.read(call, Product.model_validate)

    def variants(self, product_id: str, *, lane: Lane = Lane.COLD) -> list[Variant]:
        """Fetch all variants of a product."""
        path = "/catalog/products/{product_id}/variants"
        call = Call("variants", "GET", path, lane, subject={"product_id": product_id})
        return self._transport.read(call, _read_variants)

    def variant(self, product_id: str, variant_id: str, *, lane: Lane = Lane.COLD) -> Variant:
        """Fetch one variant."""
        path = "/catalog/products/{product_id}/variants/{variant_id}"
        subject = {"product_id": product_id, "variant_id": variant_id}
        return self._transport.read(Call("variant", "GET", path, lane, subject=subject), Variant.model_validate)

    def variant_by_gtin(self, gtin: str, *, lane: Lane = Lane.COLD) -> Variant:
        """Fetch the variant that carries a GTIN (UPC, EAN)."""
        call = Call("variant_by_gtin", "GET", "/catalog/products/variants/gtins/{gtin}", lane, subject={"gtin": gtin})
        return self._transport.read(call, Variant.model_validate)

    def market_data(self, product_id: str, currency: str, *, lane: Lane = Lane.HOT) -> list[MarketData]:
        """Fetch the market of all variants of a product by one call; its suggestions ignore our own asks."""
        call = Call(
            "market_data",
            "GET",
            "/catalog/products/{product_id}/market-data",
            lane,
            subject={"product_id": product_id},
            params={"currencyCode": _currency(currency)},
        )
        return self._transport.read(call, _read_market)

    def variant_market_data(
        self, product_id: str, variant_id: str, currency: str, *, lane: Lane = Lane.HOT
    ) -> MarketData:
        """Fetch the market of one variant; its suggestions take our own live asks into account."""
        call = Call(
            "variant_market_data",
            "GET",
            "/catalog/products/{product_id}/variants/{variant_id}/market-data",
            lane,
            subject={"product_id": product_id, "variant_id": variant_id},
            params={"currencyCode": _currency(currency)},
        )
        return self._transport.read(call, MarketData.model_validate)


def _currency(code: str) -> str:
    if code not in MARKET_CURRENCIES:
        raise InvalidInput(f"StockX has no market data in {code!r}: choose another currency.", field="currency")
    return code
