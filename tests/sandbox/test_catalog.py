"""Search, products, variants, barcodes and market data over HTTP."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Caller


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("AB1234-100", "AB1234-100"),
        ("1203A544.101", "1203A544-101"),
        ("4006381333962", "1203A544-101"),
        ("beta court", "GX9876"),
    ],
)
def test_search_finds_by_style_gtin_and_words(common: Caller, query: str, first: str) -> None:
    assert common.get("/catalog/search", query=query)["products"][0]["styleId"] == first


def test_search_for_nothing_known_is_an_empty_page(common: Caller) -> None:
    assert common.get("/catalog/search", query="zzz") == {
        "count": 0,
        "pageSize": 0,
        "pageNumber": 1,
        "hasNextPage": False,
        "products": [],
    }


def test_pages_follow_each_other_without_gap(common: Caller) -> None:
    pages = [common.get("/catalog/search", query="nike adidas asics 100", pageSize=1, pageNumber=n) for n in (1, 2)]
    assert pages[0]["hasNextPage"] is (pages[0]["count"] > 1)
    both = [product["productId"] for page in pages for product in page["products"]]
    assert len(set(both)) == len(both)


@pytest.mark.parametrize(
    ("gtin", "value", "eu"),
    [
        ("4006381333931", "9", "EU 42.5"),
        ("0012345678905", "7.5W", "EU 38 2/3"),
        ("012345678905", "7.5W", "EU 38 2/3"),
        ("4006381333962", "10.5", "EU 44.5"),
    ],
)
def test_a_feeds_barcode_is_that_of_the_variant_in_its_eu_size(common: Caller, gtin: str, value: str, eu: str) -> None:
    variant = common.get(f"/catalog/products/variants/gtins/{gtin}")
    assert variant["variantValue"] == value
    assert {"size": eu, "type": "eu"} in variant["sizeChart"]["availableConversions"]
    assert common.get(f"/catalog/products/{variant['productId']}/variants/{variant['variantId']}") == variant


def test_a_product_comes_in_more_sizes_than_the_feed_has(common: Caller) -> None:
    variants = common.variants("AB1234-100")
    assert len(variants) > 10
    assert len({variant["variantValue"] for variant in variants}) == len(variants)
    product = common.get(f"/catalog/products/{variants[0]['productId']}")
    assert product["title"] == "Nike Alpha Runner"


def test_a_wrong_barcode_is_refused_and_an_unknown_one_is_not_found(common: Caller) -> None:
    common.get("/catalog/products/variants/gtins/4006381333930", expect=400)
    common.get("/catalog/products/variants/gtins/96385074", expect=404)


def test_a_variant_of_another_product_is_refused(common: Caller) -> None:
    one, other = common.variants("AB1234-100")[0], common.variants("GX9876")[0]
    path = f"/catalog/products/{one['productId']}/variants/{other['variantId']}"
    common.get(path, expect=400)
    common.get(f"{path}/market-data", expect=400)


def test_what_does_not_exist_is_not_found(common: Caller) -> None:
    common.get("/catalog/products/none", expect=404)
    common.get("/catalog/products/none/variants", expect=404)
    common.get("/catalog/products/none/market-data", expect=404)


def test_market_data_speaks_every_listing_currency_in_whole_units(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [100, 120], [80])
    product = common.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
    path = f"/catalog/products/{product}/variants/{variant_id}/market-data"
    assert common.get(path)["currencyCode"] == "USD"
    found = {currency: common.get(path, currencyCode=currency) for currency in ("EUR", "USD", "GBP", "JPY")}
    assert [found[key]["lowestAskAmount"] for key in found] == ["100", "110", "85", "16000"]
    assert [found[key]["highestBidAmount"] for key in found] == ["80", "88", "68", "12800"]


def test_an_empty_book_has_no_prices(common: Caller, variant_id: str) -> None:
    product = common.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
    data = common.get(f"/catalog/products/{product}/variants/{variant_id}/market-data", currencyCode="EUR")
    assert data["lowestAskAmount"] is None
    assert data["highestBidAmount"] is None


def test_only_the_variant_call_spares_our_own_ask_in_its_suggestions(common: Caller, variant_id: str) -> None:
    common.quiet_market(variant_id, [200, 210], [])
    common.list_one(variant_id, 150)
    product = common.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
    single = common.get(f"/catalog/products/{product}/variants/{variant_id}/market-data", currencyCode="EUR")
    every = common.get(f"/catalog/products/{product}/market-data", currencyCode="EUR")
    same = next(entry for entry in every if entry["variantId"] == variant_id)
    assert single["lowestAskAmount"] == same["lowestAskAmount"] == "150"
    assert int(single["sellFasterAmount"]) > int(same["sellFasterAmount"])
    assert single["standardMarketData"]["beatUS"] == "149"


def test_the_country_parameter_is_refused_as_the_live_interface_does(common: Caller, variant_id: str) -> None:
    product = common.get("/catalog/search", query="AB1234-100")["products"][0]["productId"]
    common.get(f"/catalog/products/{product}/variants/{variant_id}/market-data", expect=400, country="DE")
