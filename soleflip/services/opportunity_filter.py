"""Which opportunities are meant and in which order: read from an address, turned into SQL."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select, text, tuple_
from sqlalchemy import literal as bound

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import plain_number
from soleflip.models import Opportunity, Shop
from soleflip.models.market import FIRST_DAY, NOTHING, SHOWN, SORTED_BY, SORTED_BY_OPTIONAL
from soleflip.services.search import like
from soleflip.services.settings import Thresholds

STATES = ("open", "dismissed", "acted", "gone", "any")
MATCHES = ("firm", "doubtful", "any")

_AMOUNTS: dict[str, Any] = {
    "profit": Opportunity.net_profit,
    "expected": Opportunity.expected_profit,
    "profit_now": Opportunity.net_profit_now,
    "margin": Opportunity.margin,
    "roi": Opportunity.roi,
    "cost": Opportunity.cost,
    "price": Opportunity.price,
    "ask": Opportunity.ask,
    "payout": Opportunity.payout,
    "stock": Opportunity.stock,
    "days": Opportunity.days_to_sell,
    "size": Opportunity.size_rank,
}
_TEXTS: dict[str, Any] = {
    "product": Opportunity.title,
    "brand": Opportunity.brand,
    "shop": Opportunity.shop_name,
    "match": Opportunity.match_state,
}
_TIMES: dict[str, Any] = {"age": Opportunity.quote_at}
SORTS = (*_AMOUNTS, *_TEXTS, *_TIMES)
ALL_SORTS = ("profit", "price", "age")
"""The orders in which everything can be walked through, a million rows too."""
_ALWAYS = ("cost", "price", "size")
"""Amounts that every opportunity has."""


@dataclass(frozen=True, slots=True)
class OpportunityFilter:
    """What to show: amounts in the books' currency, percentages, ages in hours.

    A limit that is None is the operator's threshold; `sort` is a name of SORTS, with a minus for downwards.
    """

    q: str = ""
    shop: int | None = None
    brand: int | None = None
    product: UUID | None = None
    size: str = ""
    state: str = "open"
    watched: bool = False
    match: str = "firm"
    in_stock: bool = True
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    min_profit: Decimal | None = None
    min_roi: Decimal | None = None
    min_margin: Decimal | None = None
    max_age: int | None = None
    max_days: Decimal | None = None
    everything: bool = False
    sort: str = "-profit"
    after: str | None = None

    @classmethod
    def from_args(cls, args: Mapping[str, str]) -> OpportunityFilter:
        """Read a filter from an address; what makes no sense is left out, so that an old bookmark still opens.

        `all=1` shows every opportunity, below the thresholds and out of stock too.
        """
        sort = args.get("sort", "")
        match = args["match"] if args.get("match") in MATCHES else "firm"
        # Firm matches have nothing to be put in order by.
        known = sort.removeprefix("-") in SORTS and not (match == "firm" and sort.removeprefix("-") == "match")
        sort = sort if known else "-profit"
        return cls(
            q=args.get("q", "").strip()[:100],
            shop=_whole(args.get("shop")),
            brand=_whole(args.get("brand")),
            product=_uuid(args.get("product")),
            size=args.get("size", "").strip()[:40],
            state=args["state"] if args.get("state") in STATES else "open",
            watched=args.get("watched") == "1",
            match=match,
            in_stock=args.get("stock") != "any",
            min_price=_amount(args.get("min_price")),
            max_price=_amount(args.get("max_price")),
            min_profit=_amount(args.get("min_profit")),
            min_roi=_amount(args.get("min_roi")),
            min_margin=_amount(args.get("min_margin")),
            max_age=_whole(args.get("max_age")),
            max_days=_amount(args.get("max_days")),
            everything=args.get("all") == "1",
            sort=sort,
            after=args.get("after") or None,
        )

    def first_page(self) -> OpportunityFilter:
        """Return the same filter from its beginning."""
        return replace(self, after=None)

    def sorts(self, thresholds: Thresholds) -> tuple[str, ...]:
        """Return the orders that this filter can be shown in: all of a part that is small or has an index for each."""
        return SORTS if self.is_within(thresholds) or self.watched or self.product else ALL_SORTS

    def in_an_order(self, thresholds: Thresholds) -> OpportunityFilter:
        """Return the same filter, in the order by profit when its own is none of `sorts`."""
        known = self.sort.removeprefix("-") in self.sorts(thresholds)
        return self if known else replace(self, sort="-profit")

    def is_within(self, thresholds: Thresholds) -> bool:
        """Tell whether only such opportunities are meant as the page shows without a filter, or some of them."""
        within = (self.min_profit is None or self.min_profit >= thresholds.min_profit) and (
            self.min_roi is None or self.min_roi >= thresholds.min_roi
        )
        return within and self.state == "open" and self.match == "firm" and self.in_stock and not self.everything


def narrow(query: Select[Any], wanted: OpportunityFilter, thresholds: Thresholds, now: datetime) -> Select[Any]:
    """Keep the opportunities that are meant; the query needs no other table than theirs."""
    conditions: list[ColumnElement[bool]] = [
        *_by_state(wanted, thresholds),
        *_by_numbers(wanted, thresholds),
        *_by_age(wanted, thresholds, now),
        *_by_words(wanted),
    ]
    return query.where(*conditions)


def ordered(query: Select[Any], wanted: OpportunityFilter, thresholds: Thresholds) -> Select[Any]:
    """Sort by the wanted column and then by id, and begin behind the cursor. Raises InvalidInput on a broken one."""
    key = _key(wanted, thresholds)
    down = wanted.sort.startswith("-")
    if wanted.after:
        value, last = _read_cursor(wanted.after, wanted.sort)
        place = tuple_(key, Opportunity.id)
        border = tuple_(bound(value, key.type), bound(last, Opportunity.id.type))
        query = query.where(place < border if down else place > border)
    order = (key.desc(), Opportunity.id.desc()) if down else (key.asc(), Opportunity.id.asc())
    return query.add_columns(key.label("place")).order_by(*order)


def cursor_behind(wanted: OpportunityFilter, place: object, last: UUID) -> str:
    """Return the cursor of the page behind a row; `place` is the row's value of the sort column."""
    plain = json.dumps([wanted.sort, str(place), str(last)])
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _key(wanted: OpportunityFilter, thresholds: Thresholds) -> ColumnElement[Any]:
    """Return the sort column; rows without a value stand at one end, never in between."""
    name = wanted.sort.removeprefix("-")
    if name in _TEXTS:
        return cast("ColumnElement[Any]", _TEXTS[name])
    shown = wanted.is_within(thresholds)
    if name in _TIMES:
        return cast(
            "ColumnElement[Any]", _TIMES[name] if shown else func.coalesce(_TIMES[name], literal_column(FIRST_DAY))
        )
    column: ColumnElement[Any] = _AMOUNTS[name]
    if name in _ALWAYS or (shown and column.key in SORTED_BY):
        # What is shown without a filter has a value of it, and the bare column is what the index is in order of.
        return column
    return func.coalesce(column, literal_column(SORTED_BY_OPTIONAL.get(column.key or "", NOTHING)), type_=column.type)


def _by_state(wanted: OpportunityFilter, thresholds: Thresholds) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.is_within(thresholds):
        # Written out word by word, because the planner must know that the partial indexes hold what is meant.
        conditions.append(cast("ColumnElement[bool]", text(SHOWN)))
    # Words of ours written into the statement, for the same reason.
    if wanted.state in STATES[:-1]:
        conditions.append(Opportunity.state == literal_column(f"'{wanted.state}'"))
    if wanted.match in MATCHES[:-1]:
        conditions.append(Opportunity.match_state == literal_column(f"'{wanted.match}'"))
    if wanted.in_stock and not wanted.everything:
        conditions.append(cast("ColumnElement[bool]", Opportunity.is_current))
    if wanted.watched:
        conditions.append(Opportunity.watched_at.is_not(None))
    return conditions


def _by_numbers(wanted: OpportunityFilter, thresholds: Thresholds) -> list[ColumnElement[bool]]:
    """Keep what is above the limits: the operator's own where the filter names none."""
    conditions: list[ColumnElement[bool]] = []
    if not wanted.everything and wanted.state == "open":
        if wanted.min_profit is None:
            conditions.append(Opportunity.expected_profit >= thresholds.min_profit)
        if wanted.min_roi is None:
            conditions.append(Opportunity.roi >= thresholds.min_roi)
    limits = (
        (Opportunity.net_profit, wanted.min_profit),
        (Opportunity.roi, wanted.min_roi),
        (Opportunity.margin, wanted.min_margin),
        (Opportunity.price, wanted.min_price),
    )
    conditions += [column >= least for column, least in limits if least is not None]
    if wanted.max_price is not None:
        conditions.append(Opportunity.price <= wanted.max_price)
    if wanted.max_days is not None:
        conditions.append(Opportunity.days_to_sell <= wanted.max_days)
    return conditions


def _by_age(wanted: OpportunityFilter, thresholds: Thresholds, now: datetime) -> list[ColumnElement[bool]]:
    """Leave out what is too old to be believed: nothing is called profitable on old data."""
    if wanted.everything:
        return []
    hours = thresholds.max_quote_age_hours if wanted.max_age is None else wanted.max_age
    oldest = now - timedelta(hours=thresholds.max_offer_age_hours)
    seen = select(Shop.id).where(Shop.seen_at >= oldest).scalar_subquery()
    return [
        Opportunity.quote_at >= now - timedelta(hours=min(hours, thresholds.max_quote_age_hours)),
        or_(Opportunity.offer_seen_at >= oldest, Opportunity.shop_id.in_(seen)),
    ]


def _by_words(wanted: OpportunityFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.shop is not None:
        conditions.append(Opportunity.shop_id == wanted.shop)
    if wanted.brand is not None:
        conditions.append(Opportunity.brand_id == wanted.brand)
    if wanted.product is not None:
        conditions.append(Opportunity.product_id == wanted.product)
    if wanted.size:
        size = wanted.size.upper().removeprefix("EU").strip()
        conditions.append(or_(func.upper(Opportunity.size) == size, Opportunity.size_eu == size))
    for word in wanted.q.lower().split()[:6]:
        conditions.append(Opportunity.words.like(like(word)))
    return conditions


def _read_cursor(cursor: str, sort: str) -> tuple[Any, UUID]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        made_for, value, last = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        if made_for != sort:
            raise ValueError("another order")
        return _read_place(sort.removeprefix("-"), str(value)), UUID(last)
    except (ValueError, TypeError, InvalidOperation, binascii.Error) as error:
        raise InvalidInput("This page's address is broken; go back to the first page.", field="after") from error


def _read_place(name: str, value: str) -> Any:
    if name in _TEXTS:
        return value
    return datetime.fromisoformat(value) if name in _TIMES else Decimal(value)


def _amount(text: str | None) -> Decimal | None:
    try:
        number = plain_number((text or "").replace(",", "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < -Decimal(NOTHING) else None


def _whole(text: str | None) -> int | None:
    plain = (text or "").strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 10 else None


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
