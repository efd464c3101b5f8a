"""Rules of automation as they are stored: made, changed, switched and removed, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.models import AuditEntry, Decision, Rule
from soleflip.services import settings
from soleflip.services.settings import AutomationSettings

MOST = 100
OPEN_STATES = ("waiting", "approved")
LOCK = 7420021


def stored(session: Session) -> Sequence[Rule]:
    """Return all rules by name."""
    return session.scalars(select(Rule).order_by(func.lower(Rule.name), Rule.id)).all()


def get(session: Session, rule_id: UUID, *, lock: bool = False) -> Rule:
    """Return a rule, locked when it is about to change; raises NotFound."""
    rule = session.get(Rule, rule_id, with_for_update=lock or None)
    if rule is None:
        raise NotFound("There is no such rule.")
    return rule


def read(rule: Rule) -> automation.Rule:
    """Return a stored rule as the domain takes it."""
    return automation.read_rule(rule.subject, rule.conditions, rule.action, rule.action_settings, rule.limits)


def lower_limit(session: Session, rule: automation.Rule) -> Decimal | None:
    """Return the day's money of all rules together where it is less than a rule's own, which then never counts."""
    house = settings.load(session, AutomationSettings).money_per_day
    return house if rule.spends and house < rule.limits.money_per_day else None


def waiting(session: Session, rule_id: UUID) -> int:
    """Return how many decisions of a rule wait for the operator's word."""
    query = select(func.count()).where(Decision.rule_id == rule_id, Decision.state == "waiting")
    return session.scalar(query) or 0


def counts(session: Session) -> dict[UUID, dict[str, int]]:
    """Return how many decisions of each rule are in each state."""
    found: dict[UUID, dict[str, int]] = {}
    query = select(Decision.rule_id, Decision.state, func.count()).group_by(Decision.rule_id, Decision.state)
    for rule_id, state, number in session.execute(query):
        if rule_id is not None:
            found.setdefault(rule_id, {})[state] = number
    return found


def save(
    session: Session, rule_id: UUID | None, name: str, wanted: automation.Rule, *, autopilot: bool, actor: str
) -> Rule:
    """Make a rule, or change one: when its words changed, what it decided and nobody carried out yet is dropped.

    Raises InvalidInput for a missing or taken name, too many rules, or one that would buy at a loss.
    """
    if not wanted.asks_for_gain:
        raise InvalidInput("A rule that buys needs a least profit or a least ROI of 0 or more.", field="min_profit")
    shown = _name(session, name, rule_id)
    if rule_id is None:
        if (session.scalar(select(func.count()).select_from(Rule)) or 0) >= MOST:
            raise InvalidInput(f"There are {MOST} rules already; remove one first.", field="name")
        rule, before = Rule(is_enabled=True), None
    else:
        rule = get(session, rule_id, lock=True)
        before = _facts(rule)
    rule.name, rule.autopilot = shown, autopilot
    for column, value in wanted.stored().items():
        setattr(rule, column, value)
    session.add(rule)
    session.flush()
    if before is not None and _words(before) != _words(_facts(rule)):
        drop_open(session, rule.id, "The rule was changed.")
    _ask_again(session, rule)
    _audit(session, rule, actor, before=before, after=_facts(rule))
    return rule


def switch(session: Session, rule_id: UUID, *, enabled: bool, autopilot: bool, actor: str) -> Rule:
    """Switch a rule on or off, and its autopilot; what waits of a rule that is switched off is dropped.

    What waits when its autopilot begins keeps waiting: it was shown to the operator, who alone answers it.
    """
    rule = get(session, rule_id, lock=True)
    before = _facts(rule)
    rule.is_enabled, rule.autopilot = enabled, autopilot
    session.flush()
    if not enabled:
        drop_open(session, rule.id, "The rule was switched off.")
    _ask_again(session, rule)
    _audit(session, rule, actor, before=before, after=_facts(rule))
    return rule


def remove(session: Session, rule_id: UUID, *, actor: str) -> None:
    """Take a rule away; what it did stays in the list of decisions, what waits of it is dropped."""
    rule = get(session, rule_id, lock=True)
    drop_open(session, rule.id, "The rule was removed.")
    session.add(AuditEntry(actor=actor, act="automation rule removed", subject=rule.name, before=_facts(rule)))
    session.delete(rule)
    session.flush()


def alone(session: Session) -> None:
    """Let this transaction be the only one in the house that moves decisions, until it ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def drop_open(session: Session, rule_id: UUID, why: str) -> int:
    """End what a rule decided and nobody carried out; returns how many."""
    alone(session)
    dropped = session.execute(
        update(Decision)
        .where(Decision.rule_id == rule_id, Decision.state.in_(OPEN_STATES))
        .values(state="expired", outcome=why)
        .returning(Decision.id)
    )
    return len(dropped.all())


def _name(session: Session, name: str, rule_id: UUID | None) -> str:
    shown = " ".join(name.split())
    if not shown or len(shown) > 120:
        raise InvalidInput("A rule needs a name, of at most 120 characters.", field="name")
    taken = session.scalar(select(Rule.id).where(func.lower(Rule.name) == shown.lower()))
    if taken is not None and taken != rule_id:
        raise InvalidInput("Another rule has this name.", field="name")
    return shown


def _facts(rule: Rule) -> Mapping[str, Any]:
    names = ("name", "subject", "conditions", "action", "action_settings", "limits", "autopilot", "is_enabled")
    return {name: getattr(rule, name) for name in names}


def ask_again(session: Session, *which: ColumnElement[bool], why: str | None = None) -> int:
    """Let approved decisions that nobody carried out wait for the operator, and say why; returns how many."""
    alone(session)
    asked = {"state": "waiting", "is_autopilot": False, "decided_by": None, "decided_at": None, "outcome": why}
    changed = update(Decision).where(Decision.state == "approved", *which).values(asked)
    return len(session.scalars(changed.returning(Decision.id)).all())


def _ask_again(session: Session, rule: Rule) -> None:
    """Let what the autopilot approved wait for the operator, once the rule has none any more."""
    if not rule.autopilot and not read(rule).only_tells:
        ask_again(session, Decision.rule_id == rule.id, Decision.is_autopilot.is_(True))


def _words(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of a rule makes its decisions: all but its name and who decides."""
    return {name: value for name, value in facts.items() if name not in ("name", "autopilot")}


def _audit(session: Session, rule: Rule, actor: str, *, before: Any, after: Any) -> None:
    session.add(AuditEntry(actor=actor, act="automation rule", subject=rule.name, before=before, after=after))
    session.flush()
