"""Decisions of rules: proposed, shown, approved, rejected, and dropped when what they rest on has moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.domain.errors import Conflict, NotFound
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, Decision, Product, Rule, Variant
from soleflip.services import alerts, automation_rules, cursors
from soleflip.services.automation_rules import OPEN_STATES
from soleflip.services.rule_facts import Match, Seen, matches

STATES = ("waiting", "approved", "done", "rejected", "failed", "expired")
PAGE = 50
MOST_WAITING = 200
"""So many decisions of one rule wait at most: nobody reads more."""
KEPT_FOR = timedelta(days=30)
"""Expired decisions come and go with every quote; nobody reads old ones."""
UNANSWERED_FOR = timedelta(days=7)
TRIED_AGAIN_AFTER = timedelta(hours=12)
"""What failed at a price, for instance for being sold out, may be decided at the same price once more."""
AUTOPILOT = "autopilot"


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision with the name of what it is about."""

    decision: Decision
    title: str | None
    size: str | None


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of decisions; `next` is the cursor of the page behind it, `counts` how many are in each state."""

    entries: Sequence[Entry]
    next: str | None
    counts: dict[str, int]


def queue(
    session: Session,
    *,
    state: str | None = "waiting",
    rule_id: UUID | None = None,
    after: str | None = None,
    limit: int = PAGE,
) -> Queue:
    """Return a page of decisions, newest first; raises InvalidInput on a broken cursor."""
    query = (
        select(Decision, Product.title, Variant.size)
        .outerjoin(Product, Product.id == Decision.product_id)
        .outerjoin(Variant, Variant.id == Decision.variant_id)
        .order_by(Decision.created_at.desc(), Decision.id.desc())
        .limit(limit + 1)
    )
    if state is not None:
        query = query.where(Decision.state == state)
    if rule_id is not None:
        query = query.where(Decision.rule_id == rule_id)
    if after:
        query = query.where(tuple_(Decision.created_at, Decision.id) < cursors.read(after))
    rows = session.execute(query).all()
    counted = select(Decision.state, func.count()).group_by(Decision.state)
    if rule_id is not None:
        counted = counted.where(Decision.rule_id == rule_id)
    last = rows[limit - 1][0] if len(rows) > limit else None
    return Queue(
        entries=[Entry(*row) for row in rows[:limit]],
        next=cursors.write(last.created_at, last.id) if last else None,
        counts=dict(session.execute(counted).all()),
    )


def get(session: Session, decision_id: UUID) -> Decision:
    """Return a decision; raises NotFound."""
    found = session.get(Decision, decision_id)
    if found is None:
        raise NotFound("There is no such decision.")
    return found


def propose(session: Session, now: datetime, *, run_id: UUID | None = None, rule_id: UUID | None = None) -> int:
    """Let every rule that is on (or one of them) look at everything and write down what it wants; returns how many.

    What it decided before at the same price, and what another rule has under way, it does not decide again.
    """
    query = select(Rule).where(Rule.is_enabled).order_by(Rule.created_at, Rule.name)
    if rule_id is not None:
        query = query.where(Rule.id == rule_id)
    return sum(_propose(session, rule, now, run_id) for rule in session.scalars(query).all())


def _propose(session: Session, rule: Rule, now: datetime, run_id: UUID | None) -> int:
    read = automation_rules.read(rule)
    counted = select(Decision.state, func.count()).where(Decision.rule_id == rule.id, Decision.state.in_(OPEN_STATES))
    open_: dict[str, int] = dict(session.execute(counted.group_by(Decision.state)).all())
    # An autopilot decides no more than it may carry out within the hour: the rest would only grow old.
    room = {
        True: read.limits.actions_per_hour - open_.get("approved", 0),
        False: MOST_WAITING - open_.get("waiting", 0),
    }
    if room[rule.autopilot or read.only_tells] <= 0:
        return 0
    new = _new_ones(session, rule, matches(session, read, now), now)
    fitting = [
        match
        for by_itself, left in room.items()
        for match in [each for each in new if _goes_by_itself(rule, read, each.seen) is by_itself][: max(left, 0)]
    ]
    if not fitting:
        return 0
    # The best of a round is the newest by a hair: newest first is also best first.
    values = [
        _row(rule, read, match, now, run_id) | {"created_at": now - timedelta(microseconds=place)}
        for place, match in enumerate(fitting)
    ]
    written = session.scalars(insert(Decision).values(values).on_conflict_do_nothing().returning(Decision.id)).all()
    asked = [match for match in fitting if not _goes_by_itself(rule, read, match.seen)]
    if written and asked:
        title = f"{rule.name}: {count_of(len(asked), 'decision waits', 'decisions wait')} for your word"
        sentence = asked[0].seen.too_cheap or asked[0].verdict.sentence
        alerts.raise_alert(session, "decision", str(rule.id), title, sentence, "/automation/decisions", now)
    return len(written)


def _goes_by_itself(rule: Rule, read: automation.Rule, seen: Seen) -> bool:
    """Tell whether nobody is asked: what changes nothing, and what an autopilot does at a price to be believed."""
    return read.only_tells or (rule.autopilot and not (read.spends and seen.too_cheap))


def _new_ones(session: Session, rule: Rule, fitting: list[Match], now: datetime) -> list[Match]:
    """Leave out what this rule decided at the same price (failed on it: a while ago), and what is under way."""
    ids = [match.seen.id for match in fitting]
    known = select(Decision.subject_id, Decision.basis, Decision.rule_id, Decision.state).where(
        Decision.subject_id.in_(ids),
        Decision.state.in_(OPEN_STATES)
        | (
            (Decision.rule_id == rule.id)
            & (Decision.state != "expired")
            & ((Decision.state != "failed") | (Decision.created_at > now - TRIED_AGAIN_AFTER))
        ),
    )
    rows = session.execute(known).all()
    decided = {(row.subject_id, row.basis) for row in rows if row.rule_id == rule.id}
    busy = {row.subject_id for row in rows if row.state in OPEN_STATES} if rule.action != "alert" else set()
    return [
        match for match in fitting if (match.seen.id, match.seen.basis) not in decided and match.seen.id not in busy
    ]


def _row(rule: Rule, read: automation.Rule, match: Match, now: datetime, run_id: UUID | None) -> dict[str, Any]:
    seen = match.seen
    pairs = min(read.settings.pairs, max(seen.stock or 1, 1)) if read.spends else 1
    by_itself = _goes_by_itself(rule, read, seen)
    return {
        "rule_id": rule.id,
        "rule_name": rule.name,
        "run_id": run_id,
        "subject": read.subject,
        "subject_id": seen.id,
        "product_id": seen.product_id,
        "variant_id": seen.variant_id,
        "action": read.action,
        "basis": seen.basis,
        "state": "approved" if by_itself else "waiting",
        "is_autopilot": by_itself,
        "pairs": pairs,
        "amount": seen.cost * pairs if read.spends and seen.cost is not None else None,
        "currency": seen.facts.currency,
        "sentence": match.verdict.sentence,
        "outcome": seen.too_cheap if read.spends else None,
        "detail": seen.inputs,
        "decided_by": AUTOPILOT if by_itself else None,
        "decided_at": now if by_itself else None,
    }


def drop_stale(session: Session, now: datetime) -> int:
    """End what is open but rests on a price that has moved, or no longer fits its rule; returns how many.

    What ended so long ago is forgotten.
    """
    automation_rules.alone(session)
    session.execute(delete(Decision).where(Decision.state == "expired", Decision.created_at < now - KEPT_FOR))
    open_ = session.scalars(select(Decision).where(Decision.state.in_(OPEN_STATES)).with_for_update()).all()
    return len(without_stale(session, open_, now, waiting_too=True)[1])


def without_stale(
    session: Session, decisions: Sequence[Decision], now: datetime, *, waiting_too: bool = False
) -> tuple[list[tuple[Decision, Seen]], list[Decision]]:
    """Put decisions to their rules once more: those that stand, each with what is seen now, and those ended by this.

    One that still waits for the operator must show what is so now: with `waiting_too` it ends when a quote moved,
    and after a week without an answer.
    """
    by_rule: dict[UUID, list[Decision]] = {}
    for decision in decisions:
        if decision.rule_id is not None:
            by_rule.setdefault(decision.rule_id, []).append(decision)
    standing: list[tuple[Decision, Seen]] = []
    ended: list[Decision] = [each for each in decisions if each.rule_id is None]
    for rule_id, of_rule in by_rule.items():
        read = automation_rules.read(automation_rules.get(session, rule_id))
        now_seen = {
            match.seen.id: match.seen for match in matches(session, read, now, {each.subject_id for each in of_rule})
        }
        for decision in of_rule:
            seen = now_seen.get(decision.subject_id)
            why = _moved(decision, seen, now, waiting_too=waiting_too)
            if why is None and seen is not None:
                standing.append((decision, seen))
            else:
                decision.state, decision.outcome = "expired", why
                ended.append(decision)
    session.flush()
    return standing, ended


def _moved(decision: Decision, seen: Seen | None, now: datetime, *, waiting_too: bool) -> str | None:
    """Say why a decision no longer stands, or None."""
    if seen is None:
        return "It no longer fits the rule: a price moved, the shop sold out, or it was acted on."
    if seen.basis != decision.basis:
        return f"The price it rests on moved from {decision.basis} to {seen.basis}."
    if waiting_too and decision.state == "waiting":
        if now - decision.created_at > UNANSWERED_FOR:
            return "Nobody answered within a week."
        moved = [name for name in ("profit", "ask", "strategy") if seen.inputs.get(name) != decision.detail.get(name)]
        if moved:
            return f"The quote moved: {moved[0]} was {decision.detail.get(moved[0])}, is {seen.inputs.get(moved[0])}."
    return None


def approve(
    session: Session, ids: Sequence[UUID] | None, *, actor: str, now: datetime, rule_id: UUID | None = None
) -> list[UUID]:
    """Take the operator's word that waiting decisions, all (None; of one rule) or some, be carried out; returns ids.

    Raises Conflict when none of them waits any more.
    """
    return _decide(session, ids, "approved", "approve decisions", actor=actor, now=now, rule_id=rule_id)


def reject(
    session: Session, ids: Sequence[UUID] | None, *, actor: str, now: datetime, rule_id: UUID | None = None
) -> list[UUID]:
    """Take the operator's no on decisions, all that wait (None; of one rule) or some; their rules ask at new prices."""
    return _decide(session, ids, "rejected", "reject decisions", actor=actor, now=now, rule_id=rule_id)


def _decide(
    session: Session,
    ids: Sequence[UUID] | None,
    state: str,
    act: str,
    *,
    actor: str,
    now: datetime,
    rule_id: UUID | None,
) -> list[UUID]:
    automation_rules.alone(session)
    # Approved ones that wait for room can still be called back, never approved twice.
    can = ("waiting",) if state == "approved" or ids is None else OPEN_STATES
    query = update(Decision).where(Decision.state.in_(can))
    if ids is not None:
        query = query.where(Decision.id.in_(ids))
    if rule_id is not None:
        query = query.where(Decision.rule_id == rule_id)
    done = session.scalars(
        query.values(state=state, decided_by=actor, decided_at=now, outcome=None)
        .returning(Decision.id)
        .execution_options(synchronize_session=False)
    ).all()
    if not done:
        raise Conflict("None of these decisions waits any more: they were decided, or their prices moved.")
    session.expire_all()
    session.add(AuditEntry(actor=actor, act=act, after={"ids": [str(each) for each in done]}))
    session.flush()
    return list(done)
