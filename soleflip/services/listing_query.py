"""Pages of listings, equal units as one line.

A page takes as long for a hundred listings as for a hundred thousand: an index gives the first unit of each line in
the wanted order (`heads`), and only those lines are folded. What the index is over has to read here as it does there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Integer,
    Numeric,
    Select,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql import ColumnElement, Subquery

from soleflip.domain.errors import InvalidInput
from soleflip.models import Item, LatestQuote, ListingChange, Product, StockxListing, Variant
from soleflip.services.listing_filter import (
    EXPIRES_SOON,
    WARNINGS,
    ListingFilter,
    Tables,
    conditions_of,
    lowest_of,
    place_of,
    quote_of,
    warnings_of,
)

MOST_COUNTED = 10_000
"""So many are counted; beyond, a page says that there are more."""
NOWHERE = "-99999999"
_OF_UNITS = ("lowest", "bid", "gap", "floor", "profit", "listed")
"""What a line is ordered by that its units may differ in."""


def page_of(wanted: ListingFilter, now: datetime, max_age: timedelta, limit: int) -> tuple[Select[Any], dict[str, Any]]:
    """Return the statement of a page of lines behind the cursor, and its values.

    Raises InvalidInput for a cursor that does not fit.
    """
    values = moments(now, max_age)
    if wanted.after:
        values["place"], values["head"] = _read_cursor(wanted)
    return _lines_page(replace(wanted, after="given" if wanted.after else None), limit), values


def moments(now: datetime, max_age: timedelta) -> dict[str, Any]:
    """Return what a filter compares times with: a quote older than `max_age` is stale."""
    return {"stale_before": now - max_age, "expires_before": now + EXPIRES_SOON}


@lru_cache(maxsize=256)
def _lines_page(wanted: ListingFilter, limit: int) -> Select[Any]:
    """Put the statement together, once for all pages of a filter: that takes longer than to send it."""
    down = wanted.sort.startswith("-")
    first = heads(wanted).limit(limit).cte("heads")
    lines = groups(units(wanted, StockxListing.line.in_(select(first.c.line))))
    ends = (first.c.sorting, first.c.head)
    query = select(lines, *ends).join(first, first.c.line == lines.c.line)
    return query.order_by(*(each.desc() if down else each for each in ends))


def heads(wanted: ListingFilter) -> Select[Any]:
    """Select the lines in the wanted order, each where its lowest unit stands, behind the cursor."""
    tables = Tables.renamed()
    place, key = _place_in_order(tables, wanted.column), tables.listing.id
    query = _chosen(tables, wanted, tables.listing.line, place.label("sorting"), key.label("head"))
    query = query.where(~_stands_lower(tables, wanted))
    if wanted.after:
        query = query.where(_behind(wanted, place, key))
    return query.order_by(*((place.desc(), key.desc()) if wanted.sort.startswith("-") else (place, key)))


@lru_cache(maxsize=256)
def counted(wanted: ListingFilter) -> Select[int, int]:
    """Select how many lines and units a filter leaves, of so many units as are counted at all."""
    tables = Tables.renamed()
    some = _chosen(tables, wanted, tables.listing.line).limit(MOST_COUNTED + 1).subquery()
    each = select(func.count().label("units")).select_from(some).group_by(some.c.line).subquery()
    return select(func.count().label("lines"), cast(func.sum(each.c.units), Integer).label("units")).select_from(each)


def _chosen(tables: Tables, wanted: ListingFilter, *columns: Any) -> Select[Any]:
    """Select columns of the listings that are meant; a table that nothing is asked of costs nothing."""
    listing, product = tables.listing, tables.product
    query = select(*columns).select_from(listing)
    if wanted.column == "title" or wanted.brand is not None or wanted.text:
        query = query.join(product, product.id == listing.product_id)
    query = query.outerjoin(tables.item, tables.item.id == listing.item_id)
    return query.outerjoin(tables.quote, quote_of(tables)).where(*conditions_of(tables, wanted))


def _stands_lower(tables: Tables, wanted: ListingFilter) -> ColumnElement[bool]:
    """Whether another unit of the line stands lower in the order: then the line stands there."""
    others = Tables.renamed()
    mine, theirs = tables.listing.id, others.listing.id
    if wanted.column in _OF_UNITS:
        mine = tuple_(_place_in_order(tables, wanted.column), mine)
        theirs = tuple_(_place_in_order(others, wanted.column), theirs)
    found = _chosen(others, wanted, literal(1))
    return found.where(others.listing.line == tables.listing.line, theirs < mine).exists()


def _place_in_order(tables: Tables, column: str) -> ColumnElement[Any]:
    """Return what the page is ordered by; what is not known stands below everything."""
    listing = tables.listing
    if column == "title":
        return func.lower(tables.product.title)
    plain: dict[str, ColumnElement[Any]] = {"ask": listing.ask_price, "state": listing.status}
    if column in plain:
        return plain[column]
    if column == "listed":
        return func.coalesce(listing.listed_at, listing.created_at)
    amounts = {
        "lowest": listing.current_lowest_ask,
        "bid": listing.current_highest_bid,
        "gap": listing.ask_price - listing.current_lowest_ask,
        "floor": listing.floor_price,
        "profit": listing.expected_profit,
    }
    return func.coalesce(amounts[column], literal_column(NOWHERE, Numeric))


def _behind(wanted: ListingFilter, place: ColumnElement[Any], key: Any) -> ColumnElement[bool]:
    """Begin behind the cursor. Titles are of another table than the key, so their index has to be told by itself."""
    value, head = bindparam("place", type_=place.type), bindparam("head", type_=key.type)
    down = wanted.sort.startswith("-")
    if wanted.column == "title":
        beyond = or_(place < value, key < head) if down else or_(place > value, key > head)
        return and_(place <= value if down else place >= value, beyond)
    here, there = tuple_(place, key), tuple_(value, head)
    return here < there if down else here > there


def _read_cursor(wanted: ListingFilter) -> tuple[Any, UUID]:
    text, _, head = (wanted.after or "").rpartition("~")
    try:
        if wanted.column == "listed":
            return datetime.fromisoformat(text), UUID(head)
        return text if wanted.column in ("title", "state") else Decimal(text), UUID(head)
    except (ValueError, ArithmeticError) as error:
        raise InvalidInput("This page of the list is no longer there: start at the first one.") from error


def cursor_behind(row: Any) -> str:
    """Return the cursor of the page behind a row of such a page."""
    return f"{row.sorting}~{row.head}"


def units(wanted: ListingFilter, *only: ColumnElement[bool]) -> Subquery:
    """Select one row per listing that the filter leaves, with its market and its warnings."""
    tables = Tables()
    lowest = lowest_of(tables)
    query = (
        select(
            StockxListing.id,
            StockxListing.line,
            Product.title,
            Product.style_code,
            Variant.size,
            Variant.sizes["eu"].astext.label("size_eu"),
            StockxListing.status,
            StockxListing.currency,
            StockxListing.ask_price.label("ask"),
            lowest.label("lowest"),
            func.coalesce(LatestQuote.highest_bid, StockxListing.current_highest_bid).label("bid"),
            LatestQuote.at.label("quoted_at"),
            place_of(tables).label("place"),
            (StockxListing.ask_price - lowest).label("gap"),
            StockxListing.floor_price.label("floor"),
            StockxListing.expected_profit.label("profit"),
            StockxListing.listed_at,
            StockxListing.created_at,
            StockxListing.strategy,
            func.coalesce(StockxListing.error, StockxListing.outside_change).label("note"),
            ListingChange.kind.label("under_way"),
            ListingChange.new_price,
            *(column.label(f"warn_{name}") for name, column in warnings_of(tables).items()),
        )
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Variant, Variant.id == StockxListing.catalog_variant_id)
        .outerjoin(Item, Item.id == StockxListing.item_id)
        .outerjoin(LatestQuote, quote_of(tables))
        .outerjoin(
            ListingChange,
            and_(ListingChange.listing_id == StockxListing.id, ListingChange.state.in_(("waiting", "sending"))),
        )
    )
    return query.where(*conditions_of(tables, wanted), *only).subquery("units")


def groups(rows: Subquery) -> Subquery:
    """Fold equal units into lines."""
    c = rows.c
    folded = select(
        c.line,
        func.min(cast(c.id, String)).label("key"),
        func.array_agg(aggregate_order_by(c.id, c.created_at, c.id)).label("ids"),
        func.count().label("quantity"),
        c.status.label("state"),
        c.currency,
        c.ask,
        func.array_agg(c.strategy.distinct()).label("strategies"),
        *(func.min(c[each]).label(each) for each in ("title", "style_code", "size", "size_eu", "lowest", "bid", "gap")),
        *(func.min(c[each]).label(each) for each in ("quoted_at", "place", "floor", "profit", "listed_at", "note")),
        *(func.min(c[each]).label(each) for each in ("under_way", "new_price")),
        *(func.bool_or(c[f"warn_{each}"]).label(f"warn_{each}") for each in WARNINGS),
    )
    return folded.group_by(c.line, c.status, c.ask, c.currency).subquery("lines")
