"""Automatic halts: what in the books makes the stop switch go on by itself, asked before each batch and at every look.

A run whose fall of prices the operator has seen and accepted on resuming carries `fall_accepted` in its params.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, exists, func, literal, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from soleflip.domain import halts
from soleflip.domain.automation import SPENDS
from soleflip.domain.halts import Fall, HaltSettings
from soleflip.domain.words import count_of
from soleflip.models import (
    AuditEntry,
    Decision,
    LatestQuote,
    ListingChange,
    ListingMove,
    Run,
    Setting,
    StockxBatch,
    StockxListing,
)
from soleflip.services import automation_rules, settings, stop, timetable
from soleflip.services.runs import NOW, OPEN_STATES, Books, Work
from soleflip.services.settings import AutomationSettings
from soleflip.services.stop import Stopped

ACTOR = "automatic halt"
ACCEPTED = "fall_accepted"
KNOWN_LIMITED = "halts_limited"
"""The setting that keeps how many refusals of a day have halted everything already."""
LATE = 3
"""So many intervals of the timetable may pass without a look at the market before its age counts."""


def before_batch(work: Work) -> None:
    """Halt everything, and raise Stopped, when the next batch of a run would do harm; asked before each is claimed."""
    with work.transaction() as session:
        if stop.is_stopped(session) or not has_left(session, work.run_id):
            return
        limits = settings.load(session, HaltSettings)
        why = _of_errors(session, limits)
        if _sends_amounts(session, work.run_id):
            accepted = bool(work.params.get(ACCEPTED))
            why = why or (None if accepted else _of_run(session, work.run_id, limits))
            why = why or _of_quotes(session, work.clock(), limits)
        if why is not None:
            halt(session, why, work.clock())
    if why is not None:
        raise Stopped(f"Writes are stopped by {ACTOR}: {why}. Resume on the Automation page.", guard="stopped")


def look(session: Session, *, now: datetime, limited: int, books: Books) -> str | None:
    """Halt everything when something in the books asks for it; returns why, or None. `limited` counts today's 429s."""
    if stop.is_stopped(session):
        return None
    limits = settings.load(session, HaltSettings)
    why = (
        _of_errors(session, limits)
        or _of_quotes(session, now, limits)
        or _of_limited(session, limited, now, limits)
        or _of_spending(session, now, books)
    )
    if why is not None:
        halt(session, why, now)
    return why


def before_offers(session: Session, fall: Fall, limits: HaltSettings, now: datetime) -> None:
    """Halt everything when a feed's offers fall all at once, in the transaction that takes them in.

    What rules were about to buy waits for the operator then, so that resuming buys nothing by itself.
    """
    why = halts.of_fall("offers of a feed", fall, limits)
    if why is None:
        return
    asked = automation_rules.ask_again(session, Decision.action.in_(SPENDS), why=f"Writes halted: {why}.")
    if asked:
        why += f"; {count_of(asked, 'purchase')} of rules wait for your approval once more"
    if not stop.is_stopped(session):
        halt(session, why, now)


def halt(session: Session, why: str, now: datetime) -> None:
    """Set the stop switch in the program's own name."""
    stop.stop(session, actor=ACTOR, reason=why, now=now)


def since(session: Session) -> datetime | None:
    """Return when writes were last resumed: what was before it was known to the operator then."""
    row = stop.switch(session)
    return row.at if row is not None and not row.is_stopped else None


def has_left(session: Session, run_id: UUID) -> bool:
    """Tell whether a run has anything left to send."""
    changes = exists().where(ListingChange.run_id == run_id, ListingChange.state == "waiting")
    asks = exists().where(StockxListing.run_id == run_id, StockxListing.status == "pending")
    return bool(session.scalar(select(changes | asks)))


def _sends_amounts(session: Session, run_id: UUID) -> bool:
    """Tell whether a run is about to send prices: taking asks down never waits for them."""
    changes = exists().where(
        ListingChange.run_id == run_id, ListingChange.state == "waiting", ListingChange.new_price.is_not(None)
    )
    asks = exists().where(StockxListing.run_id == run_id, StockxListing.status == "pending")
    return bool(session.scalar(select(changes | asks)))


def _of_run(session: Session, run_id: UUID, limits: HaltSettings) -> str | None:
    """Compare the amounts of a run with what they replace, and new asks with what the market bids or asks."""
    changed = select(ListingChange.old_price, ListingChange.new_price).where(
        ListingChange.run_id == run_id,
        ListingChange.new_price.is_not(None),
        ListingChange.old_price.is_not(None),
        ListingChange.state.in_(("waiting", "sending", "done")),
    )
    pairs = ((old, new) for old, new in session.execute(changed) if old is not None and new is not None)
    fall = halts.fall_of(pairs, limits)
    why = halts.of_fall("asks of a run", fall, limits)
    if why is not None:
        return why
    market = func.coalesce(LatestQuote.highest_bid, LatestQuote.lowest_ask)
    listed = (
        select(market, StockxListing.ask_price)
        .join(
            LatestQuote,
            (LatestQuote.variant_id == StockxListing.catalog_variant_id)
            & (LatestQuote.currency == StockxListing.currency),
        )
        .where(StockxListing.run_id == run_id, StockxListing.status == "pending", market.is_not(None))
    )
    below = halts.fall_of(((market, ask) for market, ask in session.execute(listed)), limits)
    return halts.of_fall("new asks, beside what the market bids,", below, limits)


def _of_errors(session: Session, limits: HaltSettings) -> str | None:
    """Count failures among the newest outcomes since writes were resumed, whatever they were."""
    if not limits.error_count:
        return None
    start = since(session)
    changes = _outcomes(ListingChange.finished_at, ListingChange.state == "failed", start).where(
        ListingChange.state.in_(("done", "failed"))
    )
    created = _outcomes(ListingMove.at, ListingMove.to_status == "failed", start).where(
        ListingMove.from_status == "submitting", ListingMove.to_status.in_(("active", "failed"))
    )
    lost = _outcomes(StockxBatch.sent_at, literal(True), start).where(StockxBatch.trouble.is_not(None))
    newest = [each.limit(limits.error_count).subquery() for each in (changes, created, lost)]
    every = union_all(*(select(each) for each in newest)).subquery()
    last = select(every).order_by(every.c.at.desc()).limit(limits.error_count).subquery()
    writes, failed = session.execute(select(func.count(), func.coalesce(func.sum(last.c.failed), 0))).one()
    return halts.of_errors(int(failed), int(writes), limits)


def _outcomes(
    at: InstrumentedAttribute[Any], failed: ColumnElement[bool], start: datetime | None
) -> Select[datetime, int]:
    query = select(at.label("at"), case((failed, 1), else_=0).label("failed"))
    query = query.where(at.is_not(None)).order_by(at.desc())
    return query.where(at > start) if start is not None else query


def _of_quotes(session: Session, now: datetime, limits: HaltSettings) -> str | None:
    """Compare the newest quote of anything live with its limit, unless the market is being asked as it should be."""
    if not limits.stale_hours or _is_market_asked(session):
        return None
    newest, asks = session.execute(
        select(func.max(LatestQuote.at), func.count(StockxListing.id.distinct()))
        .select_from(StockxListing)
        .join(LatestQuote, LatestQuote.variant_id == StockxListing.catalog_variant_id)
        .where(StockxListing.status == "active")
    ).one()
    return halts.of_quotes(newest, asks, now, limits)


def _is_market_asked(session: Session) -> bool:
    """Tell whether a look at the market is under way, or the last one went well not long ago, in real time.

    In the sandbox a week can pass in a moment: then every quote is old, and the next look mends it.
    """
    kinds = ("quotes", "reprice", "feed_import", "detect")
    longest = max(entry.every for entry in timetable.TIMETABLE if entry.kind in kinds)
    fine = Run.state.in_(OPEN_STATES) | (
        (Run.state == "done") & (Run.finished_at > NOW - timedelta(seconds=LATE * longest))
    )
    known = select(Run.id).where(Run.kind.in_(kinds))
    return bool(session.scalar(select(exists(known.where(fine)) | ~exists(known))))


def _of_limited(session: Session, limited: int, now: datetime, limits: HaltSettings) -> str | None:
    """Compare StockX's refusals of the UTC day with their limit, less those that halted everything before."""
    day = now.astimezone(UTC).date().isoformat()
    known = session.get(Setting, KNOWN_LIMITED)
    before = known.value["count"] if known is not None and known.value["day"] == day else 0
    why = halts.of_limited(limited - before, limits)
    if why is not None:
        session.merge(Setting(key=KNOWN_LIMITED, value={"day": day, "count": limited}))
    return why


def _of_spending(session: Session, now: datetime, books: Books) -> str | None:
    """Compare what rules committed on the operator's day with their limit, unless that was changed in the last day.

    Who resumed knew what had been committed until then: it halts once more when rules commit more.
    """
    local = now.astimezone(books.timezone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    changed = exists().where(
        AuditEntry.act == "settings", AuditEntry.subject == "automation", AuditEntry.at > NOW - timedelta(days=1)
    )
    spent = session.scalar(
        select(func.coalesce(func.sum(Decision.amount), 0)).where(
            Decision.state == "done", Decision.done_at >= midnight, ~changed
        )
    )
    resumed = since(session)
    more = select(exists().where(Decision.state == "done", Decision.done_at > (resumed or midnight)))
    if not session.scalar(more):
        return None
    limit = settings.load(session, AutomationSettings).money_per_day
    return halts.of_spending(Decimal(spent or 0), limit, books.currency)
