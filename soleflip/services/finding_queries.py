"""What the monitor looks for, each kind of finding as one select over everything live.

Every select has the same columns: kind, subject_type, subject_id, title, figures; amounts in figures are text.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    cast,
    exists,
    extract,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import aliased

from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.money import HUNDRED, ONE
from soleflip.domain.orders import STATUSES, Stage
from soleflip.models import (
    Item,
    MarketPrice,
    Opportunity,
    Product,
    Shop,
    StockxListing,
    StockxOrder,
    Variant,
)
from soleflip.services.listing_filter import EXPIRES_SOON, Tables, lowest_of, quote_of, warnings_of
from soleflip.services.order_book import stage_is
from soleflip.services.settings import MonitorSettings
from soleflip.services.stock import TO_BUY

COLUMNS = ("kind", "subject_type", "subject_id", "title", "figures")
TO_SHIP = tuple(name for name, status in STATUSES.items() if status.stage is Stage.SHIP and not status.hold)
LATELY = timedelta(days=30)
"""How long a failure or a wrong estimate is worth a word."""
JUST_NOW = timedelta(days=7)
"""How long a shop's offer that was sold out is said to be back."""


def of_listings(wanted: MonitorSettings, now: datetime, max_age: timedelta) -> list[Select[Any]]:
    """Select what is wrong with live asks."""
    tables = Tables()
    lowest, warnings = lowest_of(tables), warnings_of(tables, now - max_age, now + EXPIRES_SOON)
    listing = StockxListing
    stood_since = func.coalesce(listing.last_price_update, listing.listed_at, listing.created_at)
    is_active = listing.status == "active"
    above = (listing.ask_price / func.nullif(lowest, 0) - 1) * HUNDRED
    too_high = listing.ask_price > lowest * (ONE + wanted.unseen_percent / HUNDRED)
    amounts: dict[str, Any] = {
        "ask": _text(listing.ask_price),
        "lowest": _text(lowest),
        "floor": _text(listing.floor_price),
    }
    amounts |= {"currency": listing.currency}
    error = {"error": func.left(func.coalesce(listing.error, ""), 300)}
    kinds: dict[str, tuple[ColumnElement[bool], dict[str, Any]]] = {
        "never_seen": (
            and_(
                is_active,
                too_high,
                ~warnings["market_below_floor"],
                stood_since < now - timedelta(days=wanted.unseen_days),
            ),
            amounts
            | {"percent": _text(func.round(above)), "days": cast(extract("epoch", now - stood_since) / 86400, Integer)},
        ),
        "market_below_floor": (warnings["market_below_floor"] & ~warnings["below_floor"], amounts),
        "below_floor": (warnings["below_floor"], amounts),
        "expiring": (warnings["expiring"] & is_active, {"expires_at": _when(listing.expires_at)}),
        "failed_listing": (
            or_(
                and_(listing.status == "failed", listing.updated_at > func.now() - LATELY, ~_listed_elsewhere()),
                warnings["failed"] & (listing.status != "review"),
            ),
            error,
        ),
        "listing_review": (listing.status == "review", error),
    }
    return [
        _listings(tables).add_columns(*_columns(kind, "listing", listing.id, _name(), figures)).where(is_so)
        for kind, (is_so, figures) in kinds.items()
    ]


def stale_quotes(now: datetime, max_age: timedelta) -> Select[Any]:
    """Select one row when live asks go by old quotes: how many, and of when the oldest is."""
    tables = Tables()
    oldest = func.min(tables.quote.at)
    hours = int(max_age.total_seconds() // 3600)
    figures = {"count": func.count(), "oldest": _when(oldest), "hours": literal(hours)}
    rows = select(*_columns("stale_quotes", "market", literal("quotes"), literal("Quotes"), figures))
    rows = rows.select_from(StockxListing).outerjoin(tables.item, tables.item.id == StockxListing.item_id)
    rows = rows.outerjoin(tables.quote, quote_of(tables)).where(
        warnings_of(tables, now - max_age, now + EXPIRES_SOON)["stale"]
    )
    return rows.having(func.count() > 0)


def of_orders(wanted: MonitorSettings, now: datetime, wait: timedelta) -> list[Select[Any]]:
    """Select what is wrong with sales: deadlines, payouts, pairs, estimates. `wait` is how long payouts take."""
    order = StockxOrder
    title = func.coalesce(order.title, "A sale")
    number = {"number": order.stockx_order_number, "currency": order.currency}
    off = order.net_proceeds - order.estimated_payout
    far_off = func.greatest(ONE, func.abs(order.estimated_payout) * wanted.estimate_percent / HUNDRED)
    days = cast(extract("epoch", now - order.sold_at) / 86400, Integer)
    kinds: dict[str, tuple[ColumnElement[bool], dict[str, Any]]] = {
        "to_ship": (
            and_(
                order.order_status == "pending",
                order.stockx_status.in_(TO_SHIP),
                order.ship_by <= now + timedelta(hours=wanted.ship_hours),
            ),
            number
            | {"ship_by": _when(order.ship_by), "hours": cast(extract("epoch", order.ship_by - now) / 3600, Integer)},
        ),
        "payout_overdue": (stage_is("overdue", now - wait), number | {"days": days, "price": _text(order.sale_price)}),
        "order_review": (order.match_state == "review", number),
        "estimate_off": (
            and_(order.realised_at > now - LATELY, func.abs(off) > far_off),
            number | {"paid": _text(order.net_proceeds), "off": _text(off)},
        ),
    }
    return [
        select(*_columns(kind, "order", order.id, title, figures)).where(is_so)
        for kind, (is_so, figures) in kinds.items()
    ]


def of_pairs_to_buy(now: datetime) -> list[Select[Any]]:
    """Select the pairs that are still to be bought and that their shop has sold out of, or has again."""
    offer, live = MarketPrice, aliased(StockxListing)
    gone = or_(~offer.in_stock, offer.gone_at.is_not(None), func.coalesce(offer.stock, 1) == 0)
    is_back = and_(~gone, Opportunity.restocked_at > now - JUST_NOW)
    figures = {
        "shop": Shop.name,
        "price": _text(offer.price),
        "currency": offer.currency,
        "listing_id": cast(live.id, String),
    }
    title = func.concat_ws(", ", Product.title, Variant.size)
    kinds = {"sold_out": gone, "back_in_stock": is_back}
    return [
        select(*_columns(kind, "item", Item.id, title, figures))
        .select_from(Item)
        .join(Opportunity, Opportunity.id == Item.opportunity_id)
        .join(offer, offer.id == Opportunity.market_price_id)
        .join(Shop, Shop.id == offer.shop_id)
        .join(Variant, Variant.id == Item.variant_id)
        .join(Product, Product.id == Item.product_id)
        .outerjoin(live, and_(live.item_id == Item.id, live.status.in_(sorted(LIVE_STATES))))
        .where(Item.note == TO_BUY, Item.state.in_(("ordered", "reserved", "listed", "sold")), is_so)
        for kind, is_so in kinds.items()
    ]


def of_watched_offers(now: datetime) -> Select[Any]:
    """Select the opportunities the operator watches whose shop has the pair again."""
    figures = {"shop": Opportunity.shop_name, "price": _text(MarketPrice.price), "currency": MarketPrice.currency}
    title = func.concat_ws(", ", Product.title, Variant.size)
    return (
        select(*_columns("watched_is_back", "opportunity", Opportunity.id, title, figures))
        .join(MarketPrice, MarketPrice.id == Opportunity.market_price_id)
        .join(Variant, Variant.id == Opportunity.variant_id)
        .join(Product, Product.id == Variant.product_id)
        .where(
            Opportunity.watched_at.is_not(None),
            Opportunity.state == "open",
            Opportunity.is_current,
            Opportunity.restocked_at > now - JUST_NOW,
        )
    )


def literal_row(kind: str, subject_type: str, subject_id: str, title: str, figures: dict[str, Any]) -> Select[Any]:
    """Select one row of what was found elsewhere."""
    return select(*_columns(kind, subject_type, literal(subject_id), literal(title), figures))


def _listings(tables: Tables) -> Select[Any]:
    return (
        select()
        .select_from(StockxListing)
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Variant, Variant.id == StockxListing.catalog_variant_id)
        .outerjoin(tables.item, tables.item.id == StockxListing.item_id)
        .outerjoin(tables.quote, quote_of(tables))
    )


def _listed_elsewhere() -> ColumnElement[bool]:
    """Whether the pair of a failed listing has a live one by now."""
    other = aliased(StockxListing)
    return exists().where(other.item_id == StockxListing.item_id, other.status.in_(sorted(LIVE_STATES)))


def _name() -> ColumnElement[str]:
    return func.concat_ws(", ", Product.title, Variant.size)


def _columns(kind: str, subject_type: str, subject_id: Any, title: Any, figures: dict[str, Any]) -> list[Any]:
    pairs = [part for name, value in figures.items() for part in (literal(name), _json(value))]
    return [
        literal(kind, String).label("kind"),
        literal(subject_type, String).label("subject_type"),
        cast(subject_id, String).label("subject_id"),
        func.left(title, 300).label("title"),
        type_coerce(func.jsonb_build_object(*pairs), JSONB).label("figures"),
    ]


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return literal(str(value))
    return null() if value is None else (literal(value) if isinstance(value, str | int) else value)


def _when(moment: Any) -> ColumnElement[str]:
    return func.to_char(func.timezone("UTC", moment), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')


def _text(amount: Any) -> ColumnElement[str]:
    return cast(amount, String)
