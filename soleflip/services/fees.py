"""The operator's fee figures with their days, the seller level, and how far estimates of payouts were off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.analytics import Period, bounds
from soleflip.domain.days import check_coming
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.fee_book import FeeBook, Figures, LevelFigures, PenaltyFigures
from soleflip.domain.fee_tables import CATEGORIES, PENALTIES, STANDARD, LevelProgress, level_progress, quarter_of
from soleflip.domain.fees import Penalty, estimate_payout
from soleflip.domain.money import ZERO, cents_up
from soleflip.models import StockxOrder
from soleflip.services import rates
from soleflip.services.runs import Books
from soleflip.services.settings import merged, plain, store, stored

KEY = "fees"
PARTS: dict[str, type[Any]] = {"figures": Figures, "levels": LevelFigures, "penalties": PenaltyFigures}
"""What can be entered with a day from which it holds."""


def book(session: Session) -> FeeBook:
    """Return every fee figure of the operator; without any, those of a new seller in the books' currency."""
    kept = stored(session).get(KEY, {})
    home = Figures().in_currency(session.info.get("currency") or Figures().currency)
    parts = {name: tuple(merged(kind(), entry) for entry in kept.get(name, ())) for name, kind in PARTS.items()}
    return FeeBook(home=home, **parts, published_penalty=_published_penalty(home.currency))


def _published_penalty(currency: str) -> Penalty | None:
    """StockX's published penalty in a currency, "or the local equivalent"; None without a rate.

    At the rate of the day on which it was published: an estimate that moved with each day's rate would be no steadier.
    """
    table = PENALTIES[-1]
    found = rates.known(table.currency, currency, table.valid_from)
    return Penalty(table.rate, cents_up(table.minimum * found.value)) if found else None


def currency(session: Session, now: datetime) -> str:
    """Return the currency we list in."""
    return book(session).standard(now.date()).currency


def enter(session: Session, part: str, values: Mapping[str, Any], *, actor: str, now: datetime) -> FeeBook:
    """Add figures that hold from `valid_from` on, or replace those of the same day; raises InvalidInput with the field.

    What is not given is as it was on that day; without a day they hold from today on. Nothing booked changes.
    """
    kind = kind_of_part(part)
    before = book(session)
    wanted = merged(kind(valid_from=now.date()), {name: values.get(name) for name in ("valid_from", "category")})
    held = _in_force(before, part, wanted)
    entry = merged(replace(held, **_keys(wanted)), values)
    check_coming(entry.valid_from, now.date(), "valid_from")
    entry.check()
    if part == "figures" and entry.category != STANDARD:
        standard = before.standard(entry.valid_from).currency
        if entry.currency != standard:
            raise InvalidInput(f"On that day the standard fees are in {standard}: use the same.", field="currency")
    kept = [found for found in getattr(before, part) if found.key != entry.key]
    return _keep(session, before, part, [*kept, entry], (plain(held), plain(entry)), actor)


def remove(session: Session, part: str, valid_from: date, category: str = "", *, actor: str) -> FeeBook:
    """Take figures out; those of the day before hold on. Raises NotFound."""
    kind_of_part(part)
    before = book(session)
    entries = getattr(before, part)
    kept = [found for found in entries if found.key != (category, valid_from)]
    if len(kept) == len(entries):
        raise NotFound("There are no such figures; they may have been removed already.")
    (gone,) = set(entries) - set(kept)
    return _keep(session, before, part, kept, (plain(gone), {}), actor)


def kind_of_part(part: str) -> type[Any]:
    """Return the shape of a part's entries; raises NotFound."""
    if part not in PARTS:
        raise NotFound(f"There is nothing like {part[:40]!r} among the fees: {', '.join(PARTS)}.")
    return PARTS[part]


def in_force(found: FeeBook, part: str, day: date) -> Any:
    """Return the entry of a part as it holds on a day, beginning that day: a start for the next one."""
    return replace(_in_force(found, part, kind_of_part(part)(valid_from=day)), valid_from=day)


def _in_force(found: FeeBook, part: str, wanted: Any) -> Any:
    begun = [each for each in getattr(found, part) if each.valid_from <= wanted.valid_from]
    begun = [each for each in begun if each.key[0] == wanted.key[0]]
    if begun:
        return max(begun, key=lambda each: each.valid_from)
    if part == "figures":
        return _start(found, wanted)
    if part == "penalties" and found.published_penalty is not None:
        return PenaltyFigures(rate=found.published_penalty.rate, minimum=found.published_penalty.minimum)
    return wanted


def _start(found: FeeBook, wanted: Figures) -> Figures:
    """The figures that a category has without any of its own: those of its schedule of that day."""
    if wanted.category not in CATEGORIES:
        return wanted
    now = found.schedule(wanted.category, wanted.valid_from)
    return Figures(
        currency=now.currency,
        transaction_rate=now.transaction_rate,
        minimum_fee=now.minimum_fee,
        processing_rate=now.processing_rate,
        shipping=now.shipping,
    )


def _keys(wanted: Any) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in ("valid_from", "category") if hasattr(wanted, name)}


def _keep(
    session: Session,
    before: FeeBook,
    part: str,
    entries: list[Any],
    told: tuple[dict[str, Any], dict[str, Any]],
    actor: str,
) -> FeeBook:
    """Store the book with a part changed, and the audit entry of the one that did."""
    change: dict[str, Any] = {part: tuple(sorted(entries, key=lambda found: found.key))}
    after = replace(before, **change)
    store(session, KEY, *told, actor, value=written(after))
    return after


def written(found: FeeBook) -> dict[str, Any]:
    """Return a book's figures as JSON keeps and shows them."""
    return {name: [plain(entry) for entry in getattr(found, name)] for name in PARTS}


def seller_level(session: Session, books: Books, now: datetime) -> LevelProgress:
    """Return how far this quarter's sales (not cancelled ones) are towards the next seller level."""
    today = now.astimezone(books.timezone).date()
    first, last = quarter_of(today)
    start, end = bounds(first, last, books.timezone)
    query = (
        select(StockxOrder.currency, func.count(), func.sum(StockxOrder.sale_price))
        .where(StockxOrder.sold_at >= start, StockxOrder.sold_at < end, StockxOrder.order_status != "cancelled")
        .group_by(StockxOrder.currency)
    )
    sales, usd, own = 0, ZERO, ZERO
    for currency, count, total in session.execute(query):
        sales += count
        in_usd, in_own = rates.known(currency, "USD", today), rates.known(currency, books.currency, today)
        usd += total * in_usd.value if in_usd else ZERO
        own += total * in_own.value if in_own else ZERO
    levels, shares = book(session).level_table(today)
    return level_progress(
        sales,
        usd.quantize(Decimal("0.01")),
        sold=own,
        days_gone=(today - first).days + 1,
        days_left=(last - today).days,
        levels=levels,
        rates=shares,
    )


def estimate(found: FeeBook, order: StockxOrder, product_type: str | None) -> Decimal | None:
    """Return what an order should pay by the figures of the day of its sale; None in another currency."""
    schedule = found.schedule(product_type, order.sold_at.date())
    if schedule.currency != order.currency or order.sale_price <= ZERO:
        return None
    return estimate_payout(order.sale_price, schedule).payout


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far estimates of payouts were off, over paid sales: all in `currency`; positive means StockX paid more."""

    currency: str
    sales: int
    total: Decimal
    average: Decimal
    worst: Decimal


def accuracy(session: Session, period: Period, books: Books) -> list[Accuracy]:
    """Compare estimated and paid payouts of the sales of a period, by currency."""
    start, end = bounds(period.first, period.last, books.timezone)
    off = StockxOrder.net_proceeds - StockxOrder.estimated_payout
    query = (
        select(StockxOrder.currency, func.count(), func.sum(off), func.round(func.avg(off), 2), func.min(off))
        .where(StockxOrder.realised_at.is_not(None), StockxOrder.estimated_payout.is_not(None))
        .where(StockxOrder.sold_at >= start, StockxOrder.sold_at < end)
        .group_by(StockxOrder.currency)
        .order_by(func.count().desc())
    )
    return [Accuracy(*row) for row in session.execute(query)]
