"""What letting writes go on would mean: what waits to be sent, what of it stood still, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, literal, or_, select, update
from sqlalchemy.orm import Session

from soleflip.domain.automation import SPENDS
from soleflip.domain.halts import HaltSettings
from soleflip.domain.money import HUNDRED
from soleflip.models import Decision, ListingChange, MarketPrice, Opportunity, Run, StockxListing, StopSwitch
from soleflip.services import halts, runs, settings, stop
from soleflip.services.asks import BATCH, REQUESTS_PER_BATCH
from soleflip.services.rule_facts import price_before

WORDS = {
    "list": "new asks",
    "price": "price changes",
    "activate": "asks to go up again",
    "deactivate": "asks to pause",
    "delete": "asks to delist",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits of one kind: `amount` is the sum of its asks in `currency`, `largest_fall` in percent.

    `goes_by_itself` is false for what belongs to runs that stood still: it goes only if they are let go on.
    """

    kind: str
    goes_by_itself: bool
    currency: str
    count: int
    amount: Decimal | None
    oldest: datetime
    largest_fall: Decimal | None

    @property
    def words(self) -> str:
        """What it is, in the plural."""
        return WORDS[self.kind]

    @property
    def requests(self) -> int:
        """How many requests to StockX it takes at least."""
        return -(-self.count // BATCH) * REQUESTS_PER_BATCH


@dataclass(frozen=True, slots=True)
class Decided:
    """What of one rule is approved: so many decisions, to buy `pairs` for `amount` in `currency` where they spend."""

    rule_name: str
    action: str
    count: int
    pairs: int
    amount: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What happens on resuming; `rate` is the allowed requests a second.

    `approved` is what the next automation run carries out inside the limits of its rules. `fallen` counts the
    opportunities that still rest on prices as they made everything halt by itself.
    """

    switch: StopSwitch | None
    waiting: Sequence[Waiting]
    halted: Sequence[Run]
    approved: Sequence[Decided]
    fallen: int
    rate: float

    @property
    def decisions(self) -> int:
        """How many decisions are approved."""
        return sum(each.count for each in self.approved)

    @property
    def is_stopped(self) -> bool:
        """Whether writes to StockX are halted."""
        return self.switch is not None and self.switch.is_stopped

    @property
    def count(self) -> int:
        """How many listings and changes wait."""
        return sum(each.count for each in self.waiting)

    @property
    def requests(self) -> int:
        """How many requests to StockX all of it takes."""
        return sum(each.requests for each in self.waiting)

    @property
    def minutes(self) -> Decimal:
        """How long that takes at the allowed rate."""
        return (Decimal(self.requests) / Decimal(str(self.rate)) / 60).quantize(Decimal("0.1"))


def outlook(session: Session, *, rate: float) -> Outlook:
    """Return what resuming would let out now, in five statements; seven after a halt by itself."""
    waiting, switch = [*_listings(session), *_changes(session)], stop.switch(session)
    return Outlook(switch, waiting, halted(session), _approved(session), _fallen(session, switch), rate)


def halted(session: Session) -> Sequence[Run]:
    """Return the failed runs of which something is left to send: listings not put up, changes not made."""
    listings = select(StockxListing.run_id).where(StockxListing.status.in_(("pending", "submitting")))
    changes = select(ListingChange.run_id).where(ListingChange.state.in_(("waiting", "sending")))
    left = or_(Run.id.in_(listings), Run.id.in_(changes))
    return session.scalars(select(Run).where(Run.state == "failed", left).order_by(Run.created_at)).all()


def resume(session: Session, *, go_on: bool, actor: str, now: datetime) -> Sequence[Run]:
    """Let writes go on; with `go_on` the halted runs are queued again. Returns the runs to wake.

    Without it the prices that halted repricings had planned are dropped, for the next one plans by a newer market.

    Who lets a run go on has seen what it does to prices, so that it halts for that no second time.
    """
    stop.resume(session, actor=actor, now=now)
    if not go_on:
        planned = select(Run.id).where(Run.state == "failed", Run.kind == "reprice")
        left = (ListingChange.state == "waiting", ListingChange.kind == "price", ListingChange.run_id.in_(planned))
        dropped = {"state": "cancelled", "error": "Dropped on resuming.", "finished_at": now}
        session.execute(update(ListingChange).where(*left).values(dropped))
        return ()
    reopened = [runs.reopen(session, run.id) for run in halted(session)]
    for run in reopened:
        run.params = {**run.params, halts.ACCEPTED: True}
    session.flush()
    return reopened


def _approved(session: Session) -> list[Decided]:
    spends = Decision.action.in_(SPENDS)
    of = (Decision.rule_name, Decision.action, Decision.currency)
    query = (
        select(
            Decision.rule_name,
            Decision.action,
            func.count(),
            func.coalesce(func.sum(Decision.pairs).filter(spends), 0),
            func.sum(Decision.amount).filter(spends),
            Decision.currency,
        )
        .where(Decision.state == "approved", Decision.action != "alert")
        .group_by(*of)
        .order_by(*of)
    )
    return [Decided(*row) for row in session.execute(query)]


def _fallen(session: Session, switch: StopSwitch | None) -> int:
    if switch is None or not switch.is_stopped or switch.actor != halts.ACTOR or switch.at is None:
        return 0
    kept = HUNDRED - settings.load(session, HaltSettings).fall_percent
    query = (
        select(func.count())
        .select_from(Opportunity)
        .join(MarketPrice, MarketPrice.id == Opportunity.market_price_id)
        .where(
            Opportunity.state == "open",
            Opportunity.is_worth,
            MarketPrice.price * HUNDRED < price_before(switch.at) * kept,
        )
    )
    return session.scalars(query).one()


def _listings(session: Session) -> list[Waiting]:
    is_open = Run.state.in_(runs.OPEN_STATES)
    query = (
        select(
            literal("list"),
            is_open,
            StockxListing.currency,
            func.count(),
            func.sum(StockxListing.ask_price),
            func.min(StockxListing.created_at),
            literal(None),
        )
        .join(Run, Run.id == StockxListing.run_id)
        .where(StockxListing.status == "pending")
        .group_by(is_open, StockxListing.currency)
    )
    return [Waiting(*row) for row in session.execute(query)]


def _changes(session: Session) -> list[Waiting]:
    is_open = Run.state.in_(runs.OPEN_STATES)
    fall = (ListingChange.old_price - ListingChange.new_price) / func.nullif(ListingChange.old_price, 0) * HUNDRED
    query = (
        select(
            ListingChange.kind,
            is_open,
            StockxListing.currency,
            func.count(),
            func.sum(ListingChange.new_price),
            func.min(ListingChange.created_at),
            func.greatest(func.max(fall), 0),
        )
        .join(Run, Run.id == ListingChange.run_id)
        .join(StockxListing, StockxListing.id == ListingChange.listing_id)
        .where(ListingChange.state == "waiting")
        .group_by(ListingChange.kind, is_open, StockxListing.currency)
        .order_by(ListingChange.kind)
    )
    return [Waiting(*row) for row in session.execute(query)]
