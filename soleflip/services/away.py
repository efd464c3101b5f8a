"""Away mode: from when to when, and that no ask goes up meanwhile; `away_asks.py` pauses the asks and brings them back.

At most one time away is in force. It ends by the operator's own hand, when no paused ask waits for a word any more.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, Refused
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, Away, AwayAsk, ListingChange, Run, StockxListing
from soleflip.services import runs, stop

PAUSE = "away"
LOCK = 7420041


class IsAway(Refused):
    """No ask goes up while the operator is away."""


def in_force(session: Session) -> Away | None:
    """Return the time away that is in force, if any."""
    return session.scalar(select(Away).where(Away.state == "away"))


def current(session: Session) -> Away:
    """Return the time away that is in force; raises Conflict when there is none."""
    away = in_force(session)
    if away is None:
        raise Conflict("You are not away.")
    return away


def ensure_home(session: Session) -> None:
    """Raise IsAway while the operator is away; asked before asks go up."""
    away = in_force(session)
    if away is not None:
        raise IsAway("You are away: asks stay down until you have looked at them on the Away page.", guard="away")


def ensure_looked_at(session: Session, run_id: UUID | None) -> None:
    """Raise IsAway for a run that would put asks up while the operator is away, unless they are back by their word."""
    looked_at = select(AwayAsk.listing_id).where(AwayAsk.run_id == run_id, AwayAsk.decision == "back").limit(1)
    if session.scalar(looked_at) is None:
        ensure_home(session)


def begin(session: Session, *, reason: str, ends_at: datetime | None, actor: str, now: datetime) -> Run:
    """Be away from now on; returns the run that pauses every ask. Raises Conflict when already away."""
    away = Away(state="planned", reason=reason or None, starts_at=now, ends_at=ends_at, actor=actor)
    session.add(away)
    session.flush()
    return _start(session, away, actor=actor, now=now)


def plan(
    session: Session, *, reason: str, starts_at: datetime, ends_at: datetime | None, actor: str, now: datetime
) -> Away:
    """Plan a time away; raises InvalidInput for one in the past or that ends before it starts. Times are UTC."""
    if starts_at <= now:
        raise InvalidInput("This moment has passed: choose a later one, or go away now.", field="starts_at")
    if ends_at is not None and ends_at <= starts_at:
        raise InvalidInput("It must end after it starts.", field="ends_at")
    away = Away(state="planned", reason=reason or None, starts_at=starts_at, ends_at=ends_at, actor=actor)
    session.add(away)
    _audit(session, actor, "away planned", away)
    return away


def call_off(session: Session, away_id: UUID, *, actor: str) -> None:
    """Take back a plan; raises Conflict when it is none any more."""
    called_off = update(Away).where(Away.id == away_id, Away.state == "planned").values(state="cancelled")
    if session.execute(called_off.returning(Away.id)).first() is None:
        raise Conflict("This time away has begun, or was called off before.")
    session.add(AuditEntry(actor=actor, act="away called off", subject=str(away_id)))


def start_planned(session: Session, now: datetime) -> Run | None:
    """Begin the plan whose time has come, unless somebody is away already; returns the run to wake."""
    due = session.scalar(
        select(Away)
        .where(Away.state == "planned", Away.starts_at <= now)
        .order_by(Away.starts_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if due is None or in_force(session) is not None:
        return None
    return _start(session, due, actor=due.actor, now=now)


def _start(session: Session, away: Away, *, actor: str, now: datetime) -> Run:
    # One at a time: who comes second waits here, and then sees the first.
    session.execute(select(func.pg_advisory_xact_lock(LOCK)))
    if in_force(session) is not None:
        raise Conflict("You are away already.")
    run = runs.start(session, PAUSE, actor=actor, params={"away_id": str(away.id)})
    away.state, away.began_at, away.run_id = "away", now, run.id
    _audit(session, actor, "away", away)
    return run


def pause_again(session: Session, *, actor: str) -> Run:
    """Pause what came up since; raises Conflict when nobody is away, or asks are being paused."""
    away = current(session)
    if runs.is_open(session, PAUSE):
        raise Conflict("Asks are being paused already.")
    run = runs.start(session, PAUSE, actor=actor, params={"away_id": str(away.id)})
    away.run_id = run.id
    session.flush()
    return run


def pause_late(session: Session) -> Run | None:
    """Pause what came up since the last pause came to its end, say an ask that was only found now; returns the run.

    What StockX refused to pause once is left to the operator, who sees it on the page.
    """
    away = in_force(session)
    if away is None or away.run_id is None or session.get_one(Run, away.run_id).state != "done":
        return None
    back = select(AwayAsk.listing_id).where(AwayAsk.away_id == away.id, AwayAsk.decision == "back")
    tried = select(ListingChange.listing_id).where(
        ListingChange.kind == "deactivate",
        ListingChange.created_at >= away.began_at,
        ListingChange.state.in_(("failed", "refused")),
    )
    up = select(StockxListing.id).where(
        StockxListing.status == "active", StockxListing.id.not_in(back), StockxListing.id.not_in(tried)
    )
    if session.scalar(up.limit(1)) is None or stop.is_stopped(session):
        return None
    return pause_again(session, actor=away.actor)


def come_back(session: Session, *, actor: str, now: datetime) -> Away:
    """End the time away once nothing of it waits for a word; raises Conflict before."""
    away = current(session)
    left = waiting(session, away)
    if left:
        raise Conflict(f"{count_of(left, 'paused ask waits', 'paused asks wait')} for your word.")
    if runs.is_open(session, PAUSE):
        raise Conflict("Asks are still being paused: wait for that, or cancel its run.")
    away.state, away.over_at, away.over_by = "over", now, actor
    _audit(session, actor, "back", away)
    return away


def waiting(session: Session, away: Away) -> int:
    """Return how many asks that it paused wait for the operator's word."""
    query = select(func.count()).select_from(AwayAsk).join(StockxListing)
    query = query.where(AwayAsk.away_id == away.id, AwayAsk.decision.is_(None), StockxListing.status == "inactive")
    return session.scalar(query) or 0


def _audit(session: Session, actor: str, act: str, away: Away) -> None:
    session.flush()
    after = {"starts_at": away.starts_at.isoformat(), "reason": away.reason}
    session.add(AuditEntry(actor=actor, act=act, subject=str(away.id), after=after))
