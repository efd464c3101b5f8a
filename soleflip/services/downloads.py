"""Lists as CSV: what a filter leaves of a table, walked page by page, so that the longest list needs no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from soleflip.models import Opportunity, StockxOrder
from soleflip.services import listing_overview, opportunities, order_book, settings, stock_overview
from soleflip.services.exports import Cell, csv_lines
from soleflip.services.listing_filter import ListingFilter
from soleflip.services.listing_overview import Line
from soleflip.services.opportunity_filter import OpportunityFilter
from soleflip.services.order_book import OrderFilter
from soleflip.services.settings import Thresholds
from soleflip.services.stock_overview import StockFilter, StockRow

PAGE = 1000


class Table(NamedTuple):
    """A list: how its filter and a page of it are read, its heads with blanks between, and the cells of one row."""

    read: Callable[[Mapping[str, str]], Any]
    page: Callable[[Session, Any, datetime], tuple[Sequence[Any], str | None]]
    heads: str
    cells: Callable[[Any], tuple[Cell, ...]]


def as_csv(session: Session, name: str, args: Mapping[str, str], now: datetime) -> Iterator[str]:
    """Write the whole list of that name behind a filter, in the table's order; raises InvalidInput.

    Names: opportunities, listings, inventory, orders. Times are UTC, amounts stand before their currency.
    """
    table = TABLES[name]
    return csv_lines(table.heads.split(), map(table.cells, _walk(session, table, args, now)))


def _walk(session: Session, table: Table, args: Mapping[str, str], now: datetime) -> Iterator[Any]:
    wanted = replace(table.read(args), after=None)
    while True:
        rows, cursor = table.page(session, wanted, now)
        yield from rows
        if cursor is None:
            return
        session.expunge_all()  # what was written is not needed again
        wanted = replace(wanted, after=cursor)


def _opportunities(
    session: Session, wanted: OpportunityFilter, now: datetime
) -> tuple[Sequence[Opportunity], str | None]:
    found = opportunities.search(session, wanted, now=now, limit=PAGE)
    return found.rows, found.next


def _listings(session: Session, wanted: ListingFilter, now: datetime) -> tuple[list[Line], str | None]:
    max_age = timedelta(hours=settings.load(session, Thresholds).max_quote_age_hours)
    return listing_overview.lines(session, wanted, now, max_age, limit=PAGE)


def _inventory(session: Session, wanted: StockFilter, _now: datetime) -> tuple[list[StockRow], str | None]:
    return stock_overview.pairs(session, wanted, limit=PAGE)


def _orders(session: Session, wanted: OrderFilter, now: datetime) -> tuple[Sequence[StockxOrder], str | None]:
    return order_book.sales(session, wanted, now, limit=PAGE)


def _opportunity(row: Opportunity) -> tuple[Cell, ...]:
    named = (row.title, row.brand, row.offer.style_code, row.size, row.size_eu, row.shop_name)
    market = (row.net_profit, row.margin, row.roi, row.bid, row.net_profit_now, row.days_to_sell)
    return (*named, row.price, row.cost, row.ask, row.payout, *market, row.currency, row.stock, row.quote_at, row.state)


def _line(row: Line) -> tuple[Cell, ...]:
    named = (row.title, row.style_code, row.size, row.size_eu, row.state, ", ".join(row.strategies), row.quantity)
    market = (row.ask, row.lowest, row.bid, row.floor, row.profit)
    return (*named, *market, row.currency, row.place, row.listed_at, row.quoted_at)


def _pair(row: StockRow) -> tuple[Cell, ...]:
    item, bought = row.item, row.item.purchase
    named = (item.product.title, item.product.style_code, item.variant.size, item.variant.sizes.get("eu"), item.state)
    purchase = (bought.supplier, bought.document) if bought else (None, None)
    return (*named, item.cost, item.currency, *purchase, row.ask, item.created_at)


def _order(row: StockxOrder) -> tuple[Cell, ...]:
    named = (row.stockx_order_number, row.title, row.style_code, row.size, row.stockx_status, row.sold_at)
    money = (row.sale_price, row.net_proceeds, row.original_buy_price, row.net_profit, row.actual_margin, row.roi)
    return (*named, *money, row.currency, row.ship_by, row.tracking_number, row.paid_at)


TABLES: dict[str, Table] = {
    "opportunities": Table(
        OpportunityFilter.from_args,
        _opportunities,
        (
            "title brand style_code size size_eu shop price cost ask payout net_profit margin roi "
            "highest_bid net_profit_now days_to_sell currency stock quoted_at state"
        ),
        _opportunity,
    ),
    "listings": Table(
        ListingFilter.from_args,
        _listings,
        (
            "title style_code size size_eu state strategy pairs ask lowest_ask highest_bid floor profit_each "
            "currency place listed_at quoted_at"
        ),
        _line,
    ),
    "inventory": Table(
        StockFilter.from_args,
        _inventory,
        ("title style_code size size_eu state cost currency supplier document ask added_at"),
        _pair,
    ),
    "orders": Table(
        OrderFilter.from_args,
        _orders,
        (
            "order_number title style_code size status sold_at sale_price payout cost net_profit margin roi "
            "currency ship_by tracking_number paid_at"
        ),
        _order,
    ),
}
