"""What automation did in a stretch of time: bought, listed, repriced, sold, earned, refused and halted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO
from soleflip.models import (
    Alert,
    AutomatedPair,
    Decision,
    Item,
    LedgerEntry,
    ListingChange,
    PricingHistory,
    StockxListing,
    StockxOrder,
)
from soleflip.services.runs import Books

LONGEST = 366
"""So many days a report spans at most."""
HALTS = 50


@dataclass(frozen=True, slots=True)
class Halt:
    """One automatic halt: when, and why."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the pairs that rules bought, in a stretch of days; amounts in the books' currency.

    `earned` is what their orders booked in it: payouts - cost, from the ledger. `decisions` counts those of the
    stretch by what became of them. `refused` counts prices that a guard held back on their way out.
    """

    first: date
    last: date
    currency: str
    bought: int
    spent: Decimal
    listed: int
    repriced: int
    sold: int
    sales: Decimal
    payouts: Decimal
    cost_of_sold: Decimal
    decisions: Mapping[str, int]
    refused: int
    halts: Sequence[Halt]

    @property
    def earned(self) -> Decimal:
        """Payouts less cost of what was booked."""
        return self.payouts - self.cost_of_sold


def report(session: Session, first: date, last: date, books: Books) -> Report:
    """Return what automation did from one day of the operator's to another, both included; raises InvalidInput."""
    if last < first or last - first > timedelta(days=LONGEST):
        raise InvalidInput(f"Choose from 1 to {LONGEST} days.", field="last")
    start = datetime.combine(first, time(), tzinfo=books.timezone)
    end = datetime.combine(last + timedelta(days=1), time(), tzinfo=books.timezone)
    pairs = select(AutomatedPair.item_id)
    listings = select(StockxListing.id).where(StockxListing.item_id.in_(pairs))
    entries = (LedgerEntry.booked_at >= start, LedgerEntry.booked_at < end, LedgerEntry.item_id.in_(pairs))
    decided = (Decision.done_at >= start, Decision.done_at < end)
    row = session.execute(
        select(
            select(func.count())
            .select_from(AutomatedPair)
            .join(Decision, Decision.id == AutomatedPair.decision_id)
            .where(*decided)
            .scalar_subquery(),
            select(func.coalesce(func.sum(Item.cost), ZERO))
            .join(AutomatedPair, AutomatedPair.item_id == Item.id)
            .join(Decision, Decision.id == AutomatedPair.decision_id)
            .where(*decided)
            .scalar_subquery(),
            _count(StockxListing.listed_at, start, end, StockxListing.item_id.in_(pairs)),
            _count(PricingHistory.created_at, start, end, PricingHistory.listing_id.in_(listings)),
            _count(StockxOrder.sold_at, start, end, StockxOrder.item_id.in_(pairs)),
            select(func.coalesce(func.sum(StockxOrder.sale_price), ZERO))
            .where(StockxOrder.sold_at >= start, StockxOrder.sold_at < end, StockxOrder.item_id.in_(pairs))
            .scalar_subquery(),
            _booked(LedgerEntry.kind.in_(("sale", "adjustment")), *entries),
            _booked(LedgerEntry.kind == "cost", *entries),
            _count(ListingChange.finished_at, start, end, ListingChange.state == "refused"),
        )
    ).one()
    by_state = select(Decision.state, func.count()).where(Decision.created_at >= start, Decision.created_at < end)
    halts = select(Alert.raised_at, Alert.body).where(
        Alert.kind == "halt", Alert.raised_at >= start, Alert.raised_at < end
    )
    return Report(
        first=first,
        last=last,
        currency=books.currency,
        bought=row[0],
        spent=row[1],
        listed=row[2],
        repriced=row[3],
        sold=row[4],
        sales=row[5],
        payouts=row[6],
        cost_of_sold=-row[7],
        refused=row[8],
        decisions=dict(session.execute(by_state.group_by(Decision.state).order_by(Decision.state)).all()),
        halts=[Halt(at, body) for at, body in session.execute(halts.order_by(Alert.raised_at).limit(HALTS))],
    )


def _count(moment: object, start: datetime, end: datetime, *conditions: object) -> ScalarSelect[int]:
    query = select(func.count()).where(moment >= start, moment < end, *conditions)  # type: ignore[operator, arg-type]
    return query.scalar_subquery()


def _booked(*conditions: object) -> ScalarSelect[Decimal]:
    query = select(func.coalesce(func.sum(LedgerEntry.books_amount), ZERO)).where(*conditions)  # type: ignore[arg-type]
    return query.scalar_subquery()
