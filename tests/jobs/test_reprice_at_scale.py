"""Repricing at an operator's size, counted in requests."""

from __future__ import annotations

from collections.abc import Callable

import requests
from sqlalchemy import func, select, update

from soleflip.models import ListingChange, Product, Run, StockxListing, Variant
from soleflip.services import runs
from tests.selling import Selling

PRODUCTS, SIZES = 200, 5
HEAD = "product_name,brand_name,ean,Fashion:size,search_price,currency,description,merchant_category\n"


def reprice(selling: Selling, **params: object) -> Run:
    with selling.runtime.transaction() as session:
        run_id = runs.start(session, "reprice", actor="test", params=params).id
    return selling.perform(run_id)


def teach(selling: Selling) -> None:
    """Give the sandbox and the catalog 200 products in five sizes each, in place of those of the feed."""
    lines = [
        f"Scale {product:03d} Runner,Nike,,{40 + size},120.00,EUR,A shoe. | SC{product:04d}-100,Men's Footwear\n"
        for product in range(PRODUCTS)
        for size in range(SIZES)
    ]
    answer = requests.post(
        f"{selling.sandbox.auth_url}/_sandbox/seed", data=(HEAD + "".join(lines)).encode(), timeout=60
    )
    answer.raise_for_status()
    found = {
        each.product_id: each
        for each in selling.runtime.stockx.search("Scale", limit=500)
        if "Scale" in str(each.title)
    }
    assert len(found) == PRODUCTS
    with selling.runtime.transaction() as session:
        session.query(Variant).delete()
        session.query(Product).delete()
        for product_id, each in found.items():
            product = Product(title=str(each.title), style_code=each.style_id, stockx_product_id=product_id)
            session.add(product)
            session.flush()
            for variant in selling.runtime.stockx.variants(product_id):
                size = variant.variant_value or variant.variant_id
                session.add(Variant(product_id=product.id, stockx_variant_id=variant.variant_id, size=size, sizes={}))


def test_a_thousand_listings_take_one_call_per_product_and_one_write_per_hundred_changes(
    selling: Selling, requests_of: Callable[[str], int]
) -> None:
    teach(selling)
    selling.sandbox.control("clock", speed=60)
    run_id = selling.order(PRODUCTS * SIZES)
    assert selling.perform(run_id).state == "done"
    with selling.runtime.transaction() as session:
        resting = select(StockxListing.id).order_by(StockxListing.id).limit(400).scalar_subquery()
        session.execute(
            update(StockxListing).where(StockxListing.id.in_(resting)).values(strategy="hold", strategy_from="listing")
        )
    assert requests_of("UpdateListings") == 0
    quotes, everything = requests_of("GetProductMarketData"), len(selling.sandbox.look("requests", limit=100_000))
    run = reprice(selling)
    with selling.runtime.transaction() as session:
        changed = session.scalar(select(func.count()).where(ListingChange.state == "done"))
        products = session.scalar(select(func.count(StockxListing.product_id.distinct()))) or 0
    assert run.counts["looked_at"] == PRODUCTS * SIZES
    assert 570 <= (changed or 0) <= 600  # where nobody else asks, the lowest ask is ours and stays
    calls, writes = requests_of("GetProductMarketData") - quotes, requests_of("UpdateListings")
    assert (calls, writes) == (products, 6)
    assert products <= PRODUCTS
    sent = selling.sandbox.look("requests", limit=100_000)[everything:]
    assert len(sent) == run.requests_used
    polls = [line for line in sent if line["route"] not in ("GetProductMarketData", "UpdateListings")]
    assert len(sent) == calls + writes + len(polls)
    assert {line["route"] for line in polls} <= {"GetListingUpdateBatch", "GetListingUpdateBatchItems"}
    assert len(polls) <= 12 * writes
