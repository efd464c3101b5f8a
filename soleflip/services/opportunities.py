"""Opportunities: which pairs would pay, found, summed up, dismissed and bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, select, update
from sqlalchemy.orm import Session, aliased, contains_eager, defer

from soleflip.domain.errors import NotFound
from soleflip.domain.money import ZERO, cents
from soleflip.domain.opportunities import break_even, lines_of, sale_of
from soleflip.models import (
    AuditEntry,
    Brand,
    Item,
    MarketPrice,
    MarketPriceHistory,
    Opportunity,
    Product,
    Quote,
    Shop,
    Variant,
)
from soleflip.services import market, stock
from soleflip.services.evaluation import terms_of
from soleflip.services.listing_query import MOST_COUNTED
from soleflip.services.opportunity_filter import OpportunityFilter as OpportunityFilter
from soleflip.services.opportunity_filter import cursor_behind, narrow, ordered
from soleflip.services.settings import Thresholds, load

PAGE = 50
BACK_FOR = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class OpportunityPage:
    """One page of rows with everything they show loaded; `next` is the cursor of the page behind it.

    What the shop has again since `back_since` is said to be back.
    """

    rows: Sequence[Opportunity]
    next: str | None
    filter: OpportunityFilter
    thresholds: Thresholds
    back_since: datetime

    @property
    def sorts(self) -> tuple[str, ...]:
        """The orders that the page can be put in."""
        return self.filter.sorts(self.thresholds)


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over opportunities: amounts in the books' currency, ROI in percent, averages over `count`."""

    name: str
    key: str
    count: int
    profit: Decimal
    average_profit: Decimal | None
    average_roi: Decimal | None
    best_profit: Decimal | None
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Detail:
    """One opportunity with its neighbours: the shop's and the market's prices over time, what was bought of it.

    `break_even` is the highest price, delivery included, in the books' currency, at which buying loses nothing.
    """

    opportunity: Opportunity
    shop_prices: Sequence[MarketPriceHistory]
    quotes: Sequence[Quote]
    break_even: Decimal | None
    items: Sequence[Item]

    @property
    def free_items(self) -> list[Item]:
        """The pairs bought of it that are ready to list."""
        return [item for item in self.items if item.state in stock.FREE_STATES]

    @property
    def shop_points(self) -> list[tuple[datetime, Decimal]]:
        """The shop's price over time in the books' currency, at the rate of the last computation."""
        rate_used = Decimal((self.opportunity.arithmetic.get("rate") or [0, 0, 1])[2])
        points = [(old.seen_at, old.price) for old in self.shop_prices]
        points.append((self.opportunity.offer_seen_at, self.opportunity.offer.price))
        return [(at, cents(price * rate_used)) for at, price in points]

    @property
    def expected_now(self) -> Decimal | None:
        """What is left of selling into the highest bid after VAT due and the allowance for failed sales."""
        after = (amount for _, amount in lines_of(self.opportunity.arithmetic, "now_after"))
        profit = self.opportunity.net_profit_now
        return None if profit is None else sum(after, profit)


def search(session: Session, wanted: OpportunityFilter, *, now: datetime, limit: int = PAGE) -> OpportunityPage:
    """Return one page of opportunities in one statement beside the settings. Raises InvalidInput on a broken cursor.

    The rows are chosen by an index of their own table before anything is joined to them. An order that the filter
    has none for becomes the one by profit; `filter` of the page says which it is.
    """
    thresholds = load(session, Thresholds)
    wanted = wanted.in_an_order(thresholds)
    chosen = narrow(select(Opportunity), wanted, thresholds, now)
    page = ordered(chosen, wanted, thresholds).limit(limit + 1).subquery()
    row = aliased(Opportunity, page)
    order = (page.c.place.desc(), page.c.id.desc()) if wanted.sort.startswith("-") else (page.c.place, page.c.id)
    query = _loaded(row).add_columns(page.c.place).order_by(*order).options(defer(row.arithmetic))
    rows = session.execute(query).all()
    cursor = cursor_behind(wanted, rows[limit - 1].place, rows[limit - 1][0].id) if len(rows) > limit else None
    return OpportunityPage([row[0] for row in rows[:limit]], cursor, wanted, thresholds, now - BACK_FOR)


def matching_ids(session: Session, wanted: OpportunityFilter, *, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of everything a filter means, best first, at most `limit`."""
    thresholds = load(session, Thresholds)
    wanted = wanted.first_page().in_an_order(thresholds)
    query = narrow(select(Opportunity.id), wanted, thresholds, now)
    return list(session.scalars(ordered(query, wanted, thresholds).limit(limit)))


def counted(session: Session, wanted: OpportunityFilter, *, now: datetime, most: int = MOST_COUNTED) -> Select[int]:
    """Select how many opportunities a filter means, up to `most`: then there are at least so many."""
    query = narrow(select(Opportunity.id), wanted.first_page(), load(session, Thresholds), now)
    return select(func.count()).select_from(query.limit(most).subquery())


def summary(session: Session, wanted: OpportunityFilter, *, now: datetime) -> Summary:
    """Sum up everything a filter means."""
    return _sums(session, wanted, now, None, None)[0]


def by_source(session: Session, wanted: OpportunityFilter, *, now: datetime) -> list[Summary]:
    """Sum up per shop, the most profitable first."""
    return _sums(session, wanted, now, Opportunity.shop_name, Opportunity.shop_id)


def by_product(session: Session, wanted: OpportunityFilter, *, now: datetime, limit: int = 100) -> list[Summary]:
    """Sum up per product, the most profitable first."""
    return _sums(session, wanted, now, Opportunity.title, Opportunity.product_id, limit)


def count(session: Session, wanted: OpportunityFilter, *, now: datetime) -> int:
    """Count what a filter means, up to one more than MOST_COUNTED: counting never reads through everything."""
    return session.scalar(counted(session, wanted, now=now, most=MOST_COUNTED + 1)) or 0


@dataclass(frozen=True, slots=True)
class Choices:
    """What the page offers to choose from: shops and brands with their ids, by name."""

    shop: list[tuple[int, str]]
    brand: list[tuple[int, str]]


def choices(session: Session) -> Choices:
    """Return shops and brands, in one statement."""
    shops = select(literal("shop"), Shop.id, Shop.name)
    brands = select(literal("brand"), Brand.id, Brand.name)
    found = Choices([], [])
    for kind, key, name in session.execute(shops.union_all(brands)):
        (found.shop if kind == "shop" else found.brand).append((key, name))
    for entries in (found.shop, found.brand):
        entries.sort(key=lambda entry: entry[1].casefold())
    return found


def get(session: Session, opportunity_id: UUID) -> Opportunity:
    """Return an opportunity with offer, shop, variant and product; raises NotFound."""
    found: Opportunity | None = session.scalar(_loaded().where(Opportunity.id == opportunity_id))
    if found is None:
        raise NotFound("There is no such opportunity.")
    return found


def detail(session: Session, opportunity_id: UUID) -> Detail:
    """Return everything there is to know of one opportunity; raises NotFound."""
    found = get(session, opportunity_id)
    terms = terms_of(session, found.computed_at.date(), found.variant.product.product_type)
    prices = session.scalars(
        select(MarketPriceHistory)
        .where(MarketPriceHistory.market_price_id == found.market_price_id)
        .order_by(MarketPriceHistory.seen_at, MarketPriceHistory.id)
    ).all()
    items = session.scalars(select(Item).where(Item.opportunity_id == found.id).order_by(Item.created_at)).all()
    quotes = market.history_of(session, found.variant_id, found.currency)
    most = break_even(sale_of(found.ask, found.cost, terms), terms) if found.ask is not None else None
    return Detail(found, prices, quotes, most, items)


def dismiss(session: Session, ids: Sequence[UUID], *, actor: str, now: datetime) -> int:
    """Put opportunities away until the shop's price moves; returns how many were open."""
    price = select(MarketPrice.price).where(MarketPrice.id == Opportunity.market_price_id).scalar_subquery()
    done = session.scalars(
        update(Opportunity)
        .where(Opportunity.id.in_(ids), Opportunity.state == "open")
        .values(state="dismissed", dismissed_price=price, updated_at=now)
        .returning(Opportunity.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.add(AuditEntry(actor=actor, act="dismiss opportunities", after={"ids": [str(each) for each in done]}))
    session.flush()
    return len(done)


def watch(session: Session, ids: Sequence[UUID], *, on: bool, now: datetime) -> int:
    """Begin or stop watching opportunities, whatever their state; returns how many changed."""
    watched = Opportunity.watched_at
    done = session.scalars(
        update(Opportunity)
        .where(Opportunity.id.in_(ids), watched.is_(None) if on else watched.is_not(None))
        .values(watched_at=now if on else None, updated_at=now)
        .returning(Opportunity.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.flush()
    return len(done)


def reopen(session: Session, ids: Sequence[UUID], *, actor: str, now: datetime) -> int:
    """Take dismissed opportunities, and those acted on, back into the open ones; returns how many."""
    done = session.scalars(
        update(Opportunity)
        .where(Opportunity.id.in_(ids), Opportunity.state.in_(("dismissed", "acted")))
        .values(state="open", dismissed_price=None, updated_at=now)
        .returning(Opportunity.id)
        .execution_options(synchronize_session=False)
    ).all()
    session.add(AuditEntry(actor=actor, act="reopen opportunities", after={"ids": [str(each) for each in done]}))
    session.flush()
    return len(done)


def _loaded(row: type[Opportunity] = Opportunity) -> Select[Any]:
    """Select opportunities with everything a row shows, in one statement."""
    query = (
        select(row)
        .join(row.offer)
        .join(MarketPrice.shop)
        .join(row.variant)
        .join(Variant.product)
        .outerjoin(Product.brand)
    )
    return query.options(
        contains_eager(row.offer).contains_eager(MarketPrice.shop),
        contains_eager(row.variant).contains_eager(Variant.product).contains_eager(Product.brand),
    )


def _sums(
    session: Session, wanted: OpportunityFilter, now: datetime, name: Any, key: Any, limit: int = 1000
) -> list[Summary]:
    profit = func.coalesce(func.sum(Opportunity.net_profit), ZERO)
    columns: list[Any] = [
        func.count(Opportunity.id),
        profit,
        func.round(func.avg(Opportunity.net_profit), 2),
        func.round(func.avg(Opportunity.roi), 2),
        func.max(Opportunity.net_profit),
        func.coalesce(func.sum(Opportunity.cost), ZERO),
    ]
    query = narrow(select(*columns), wanted, load(session, Thresholds), now)
    if name is None:
        return [Summary("all", "", *session.execute(query).one())]
    query = query.add_columns(name, key).group_by(name, key).order_by(profit.desc(), name).limit(limit)
    return [Summary(row[6], str(row[7]), *row[:6]) for row in session.execute(query)]
