"""A market for tests: the offers of a feed become known products with sizes, GTINs and quotes, without StockX."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.feeds import demo
from soleflip.models import LatestQuote, MarketPrice, Variant
from soleflip.services import catalog, evaluation
from soleflip.services.market import keep_quotes
from soleflip.services.products import remember
from soleflip.stockx import catalog as stockx
from soleflip.stockx.catalog import MarketData


def write_feed(path: Path, count: int) -> Path:
    """Write a feed of so many rows of the invented shop."""
    demo.write(path, count=count)
    return path


def know_products(session: Session, offers: Iterable[MarketPrice] | None = None) -> None:
    """Teach the catalog every style code of the offers, with their sizes and GTINs as StockX would tell them."""
    given = list(offers if offers is not None else session.scalars(select(MarketPrice)))
    styles: dict[str, list[MarketPrice]] = {}
    for offer in given:
        styles.setdefault(offer.style_code or offer.external_id, []).append(offer)
    for code, of_style in styles.items():
        product = stockx.Product.model_validate(
            {"productId": f"p-{code}", "urlKey": code.lower(), "styleId": code, "title": of_style[0].title}
            | {"brand": of_style[0].brand, "productType": "sneakers"}
        )
        remember(session, product, [_variant(code, offer) for offer in of_style])


def _variant(code: str, offer: MarketPrice) -> stockx.Variant:
    gtins = [{"identifier": offer.gtin[1:], "type": "EAN-13"}] if offer.gtin else []
    sizes = [{"size": f"EU {offer.size}", "type": "eu"}]
    return stockx.Variant.model_validate(
        {
            "variantId": f"v-{code}-{offer.size}",
            "variantValue": f"EU {offer.size}",
            "sizeChart": {"availableConversions": sizes},
            "gtins": gtins,
        }
    )


def quote_everything(session: Session, now: datetime, *, ask: Decimal, bid: Decimal | None = None) -> None:
    """Give every matched variant of the offers a quote that is `ask` times (and `bid` times) the offer's price, EUR."""
    products: dict[UUID, list[MarketData]] = {}
    query = select(MarketPrice.price, Variant.product_id, Variant.stockx_variant_id)
    for price, product_id, stockx_id in session.execute(query.join(Variant, Variant.id == MarketPrice.variant_id)):
        answer = {
            "productId": "p",
            "variantId": stockx_id,
            "currencyCode": "EUR",
            "lowestAskAmount": str(int(price * ask)),
            "highestBidAmount": str(int(price * bid)) if bid is not None else None,
        }
        products.setdefault(product_id, []).append(MarketData.model_validate(answer))
    for product_id, answers in products.items():
        keep_quotes(session, product_id, answers, now)


def make_market(
    session: Session, now: datetime, *, ask: Decimal = Decimal("1.5"), bid: Decimal | None = Decimal("1.2")
) -> int:
    """Match, quote and compute the offers that are there; returns how many opportunities were computed."""
    know_products(session)
    catalog.match(session, now)
    quote_everything(session, now, ask=ask, bid=bid)
    return evaluation.recompute(session, now)


def quotes(session: Session) -> dict[object, LatestQuote]:
    """Return the latest quotes by variant."""
    return {quote.variant_id: quote for quote in session.scalars(select(LatestQuote))}
