"""Approved decisions carried out: one at a time in the whole house, inside every limit, each exactly once.

What a decision does and that it is done are written in one transaction, so whoever is killed in between did nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.domain.automation import Spent, room
from soleflip.domain.errors import SoleFlipError
from soleflip.domain.money import ZERO
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, AutomatedPair, Decision, Item, Opportunity, Run, StockxListing
from soleflip.services import (
    alerts,
    asks,
    automation_rules,
    away,
    decisions,
    listings,
    placing,
    settings,
    stock,
    stop,
    wishes,
)
from soleflip.services.pairs import from_opportunities
from soleflip.services.rule_facts import Seen
from soleflip.services.runs import Books
from soleflip.services.settings import AutomationSettings

ROUND = 500
"""So many decisions are carried out in one transaction at most."""
HOUR = timedelta(hours=1)
AWAY = "You are away: it waits until you are back."
SOLD = ("sold", "written_off")


@dataclass(slots=True)
class Carried:
    """What came of a round: decisions by outcome, the runs that were started for them, and a line for each."""

    runs: list[Run] = field(default_factory=list)
    done: int = 0
    waiting: int = 0
    failed: int = 0
    expired: int = 0
    notes: list[tuple[str, UUID, str]] = field(default_factory=list)

    def note(self, decision: Decision, title: str = "") -> None:
        """Remember what became of a decision, for the log of a run."""
        about = f"{decision.rule_name}, {title}" if title else decision.rule_name
        self.notes.append((decision.state, decision.subject_id, f"{about}: {decision.outcome}"))


@dataclass(frozen=True, slots=True)
class Task:
    """A decision that may go now, for so many pairs, with what was seen of its subject a moment ago."""

    decision: Decision
    rule: automation.Rule
    seen: Seen
    pairs: int

    @property
    def actor(self) -> str:
        """Who acts: the rule, on the word of whoever decided."""
        return f"rule {self.decision.rule_name}"[:120]


def carry_out(session: Session, ids: Sequence[UUID] | None, *, books: Books, now: datetime) -> Carried:
    """Carry out approved decisions, all (None) or some, as far as the limits leave room.

    1. While writes are stopped nothing is done; what is approved waits. While the operator is away nothing is bought.
    2. One at a time in the house: the lock holds until the transaction ends, so limits are counted on firm ground.
    3. What has moved since ends; what finds no room waits and says what for; the rest is done.
    """
    carried = Carried()
    if stop.is_stopped(session):
        return carried
    automation_rules.alone(session)
    best_first = (Decision.decided_at, Decision.created_at.desc(), Decision.id)
    query = select(Decision).where(Decision.state == "approved").order_by(*best_first)
    if ids is not None:
        query = query.where(Decision.id.in_(ids))
    approved = session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()
    standing, ended = decisions.without_stale(session, approved, now)
    carried.expired = len(ended)
    tasks = _inside_limits(session, standing, carried, books, now)
    by_act: dict[tuple[str, str | None], list[Task]] = {}
    for task in tasks:
        by_act.setdefault((task.rule.action, task.rule.settings.strategy), []).append(task)
    for (action, _), group in by_act.items():
        _ACTS[action](session, group, carried, books, now)
    for decision in ended:
        carried.note(decision)
    for task in tasks:
        carried.note(task.decision, f"{task.seen.title}, size {task.seen.size}")
    session.flush()
    return carried


def _inside_limits(
    session: Session, standing: Sequence[tuple[Decision, Seen]], carried: Carried, books: Books, now: datetime
) -> list[Task]:
    """Take decisions in the order of their approval as long as there is room; the others wait, each saying for what."""
    most = settings.load(session, AutomationSettings).money_per_day
    ledger = Used.of(session, books, now)
    is_away = away.in_force(session) is not None
    tasks: list[Task] = []
    for decision, seen in standing:
        if decision.rule_id is None or len(tasks) == ROUND:
            continue
        rule = automation_rules.read(automation_rules.get(session, decision.rule_id))
        if decision.is_autopilot and rule.spends and seen.too_cheap:
            automation_rules.ask_again(session, Decision.id == decision.id, why=seen.too_cheap)
            carried.waiting += 1
            continue
        if is_away and rule.spends:
            decision.outcome = AWAY
            carried.waiting += 1
            continue
        spent = ledger.spent(decision.rule_id, seen.product_id)
        free = room(rule, spent, cost=seen.cost, pairs=decision.pairs, money_per_day=most)
        if free.pairs == 0:
            decision.outcome = free.why
            carried.waiting += 1
            continue
        ledger.take(decision.rule_id, seen.product_id, free.pairs, seen.cost if rule.spends else None)
        tasks.append(Task(decision, rule, seen, free.pairs))
    return tasks


@dataclass(slots=True)
class Used:
    """What rules have used of their limits, from what is done, plus what a round takes."""

    money: dict[UUID | None, Decimal]
    actions: dict[UUID | None, int]
    pairs: dict[tuple[UUID | None, UUID | None], int]

    @classmethod
    def of(cls, session: Session, books: Books, now: datetime) -> Used:
        """Count what was done today (the operator's day), in the last hour, and what is bought and unsold."""
        midnight = now.astimezone(books.timezone).replace(hour=0, minute=0, second=0, microsecond=0)
        money = (
            select(Decision.rule_id, func.coalesce(func.sum(Decision.amount), 0))
            .where(Decision.state == "done", Decision.done_at >= midnight)
            .group_by(Decision.rule_id)
        )
        actions = (
            select(Decision.rule_id, func.count())
            .where(Decision.state == "done", Decision.done_at > now - HOUR)
            .group_by(Decision.rule_id)
        )
        pairs = (
            select(Decision.rule_id, Item.product_id, func.count())
            .join(AutomatedPair, AutomatedPair.decision_id == Decision.id)
            .join(Item, Item.id == AutomatedPair.item_id)
            .where(Item.state.not_in(SOLD))
            .group_by(Decision.rule_id, Item.product_id)
        )
        return cls(
            {rule: amount or ZERO for rule, amount in session.execute(money)},
            dict(session.execute(actions).all()),
            {(rule, product): number for rule, product, number in session.execute(pairs)},
        )

    def spent(self, rule_id: UUID | None, product_id: UUID | None = None) -> Spent:
        """Return what counts against a rule's next decision, on a product where one is named."""
        return Spent(
            money=self.money.get(rule_id, ZERO),
            money_of_all=sum(self.money.values(), ZERO),
            actions=self.actions.get(rule_id, 0),
            pairs_of_product=self.pairs.get((rule_id, product_id), 0),
        )

    def take(self, rule_id: UUID | None, product_id: UUID, pairs: int, cost: Decimal | None) -> None:
        """Count what is about to be done."""
        self.actions[rule_id] = self.actions.get(rule_id, 0) + 1
        if cost is not None:
            self.money[rule_id] = self.money.get(rule_id, ZERO) + cost * pairs
            self.pairs[rule_id, product_id] = self.pairs.get((rule_id, product_id), 0) + pairs


def _buy(session: Session, tasks: Sequence[Task], carried: Carried, books: Books, now: datetime) -> None:
    """Commit to pairs: items in state ordered at the offer's price, which the operator then orders at the shop."""
    offered = {pair.id: pair for pair in from_opportunities(session, [task.seen.id for task in tasks])}
    for task in tasks:
        pair = offered.get(task.seen.id)
        if pair is None or pair.blocked or pair.item is not None:
            why = "It was bought or listed in the meantime." if pair is None or pair.item else str(pair.blocked)
            _fail(task, why, carried)
            continue
        number = min(task.pairs, pair.most)
        rows = [
            stock.yet_to_buy(pair.variant, pair.cost, books.currency, state="ordered", opportunity_id=task.seen.id)
            for _ in range(number)
        ]
        session.execute(insert(Item), rows)
        session.get_one(Opportunity, task.seen.id).state = "acted"
        _done(session, task, carried, now, [row["id"] for row in rows], pair.cost)
        task.decision.outcome = f"{_pairs(number)} to be ordered at {pair.shop}."


def _list(session: Session, tasks: Sequence[Task], carried: Carried, books: Books, now: datetime) -> None:
    """Buy and list in one go, by the way that every listing takes: preview, order, run."""
    by_source = {task.seen.id: task for task in tasks}
    strategy = tasks[0].rule.settings.strategy
    shown = asks.preview(
        session,
        now=now,
        local_hour=now.astimezone(books.timezone).hour,
        opportunity_ids=list(by_source),
        strategy=strategy,
        quantities={key: min(task.pairs, max(task.seen.stock or 1, 1)) for key, task in by_source.items()},
    )
    rows = {row.opportunity_id: row for row in shown.rows if row.item_id is None}
    listable = []
    for key, task in by_source.items():
        row = rows.get(key)
        # A cost above the one the limits were asked about is not covered by their answer.
        if row is None or row.refused or row.cost is None or task.seen.cost is None or row.cost > task.seen.cost:
            _fail(task, row.refused if row and row.refused else "It was bought or listed in the meantime.", carried)
        else:
            listable.append(row)
    if not listable:
        return
    plan = asks.Preview(tuple(listable), shown.strategy, shown.rate, by_rules=strategy is None)
    actor = "rules" if len(tasks) > 1 else tasks[0].actor
    run = placing.order(session, plan, actor=actor, now=now, created_from="quickflip")
    carried.runs.append(run)
    made: dict[UUID | None, list[UUID]] = {}
    placed = select(StockxListing.source_opportunity_id, StockxListing.item_id).where(StockxListing.run_id == run.id)
    for source, item_id in session.execute(placed):
        if item_id is not None:
            made.setdefault(source, []).append(item_id)
    for row in listable:
        task = by_source[row.source]
        task.decision.run_id = run.id
        _done(session, task, carried, now, made[row.source], row.cost, keep=True)
        task.decision.outcome = f"{_pairs(row.quantity)} bought, to be listed at {row.ask} {row.currency}: {row.reason}"


def _set_strategy(session: Session, tasks: Sequence[Task], carried: Carried, books: Books, now: datetime) -> None:
    strategy = str(tasks[0].rule.settings.strategy)
    for task in tasks:
        if listings.set_strategy(session, [task.seen.id], strategy, {}, actor=task.actor):
            _done(session, task, carried, now)
            task.decision.outcome = f"Its prices are made by {strategy} from now on."
        else:
            _fail(task, "The listing is no longer live.", carried)


def _delist(session: Session, tasks: Sequence[Task], carried: Carried, books: Books, now: datetime) -> None:
    ids = [task.seen.id for task in tasks]
    try:
        ordered = wishes.change_state(
            session, ids, "delete", actor="rules", now=now, sentence=f"Rule {tasks[0].decision.rule_name}."
        )
    except SoleFlipError as error:
        for task in tasks:
            _fail(task, str(error), carried)
        return
    carried.runs.append(ordered.run)
    for task in tasks:
        refused = ordered.asked.refused.get(task.seen.id)
        if refused is not None:
            _fail(task, refused, carried)
        else:
            task.decision.run_id = ordered.run.id
            _done(session, task, carried, now)
            task.decision.outcome = "Taken off StockX."


def _alert(session: Session, tasks: Sequence[Task], carried: Carried, books: Books, now: datetime) -> None:
    for task in tasks:
        is_offer = task.rule.subject == automation.OPPORTUNITY
        path = f"/opportunities/{task.seen.id}" if is_offer else f"/listings/{task.seen.id}"
        title = f"{task.decision.rule_name}: {task.seen.title}, size {task.seen.size}"
        kind = "opportunity" if is_offer else "finding"
        key = f"rule {task.decision.rule_id} {task.seen.id}"
        alerts.raise_alert(session, kind, key, title, task.decision.sentence, path, now)
        _done(session, task, carried, now)
        task.decision.outcome = "Told."


_ACTS = {"buy": _buy, "list": _list, "strategy": _set_strategy, "delist": _delist, "alert": _alert}


def _done(
    session: Session,
    task: Task,
    carried: Carried,
    now: datetime,
    items: Sequence[UUID] = (),
    cost: Decimal | None = None,
    *,
    keep: bool = False,
) -> None:
    """Write that a decision is done, what it committed, and which pairs it made."""
    decision = task.decision
    decision.state, decision.done_at = "done", now
    if items:
        decision.pairs, decision.amount = len(items), (cost or ZERO) * len(items)
        strategy = task.rule.settings.strategy
        session.add_all(
            AutomatedPair(item_id=item, decision_id=decision.id, unit=unit, strategy=strategy, is_kept_listed=keep)
            for unit, item in enumerate(items)
        )
    session.add(
        AuditEntry(
            actor=task.actor,
            act=f"rule: {task.rule.action}",
            subject=str(task.seen.id),
            after={"decision": str(decision.id), "pairs": len(items), "by": decision.decided_by},
        )
    )
    carried.done += 1


def _fail(task: Task, why: str, carried: Carried) -> None:
    task.decision.state, task.decision.outcome = "failed", why
    carried.failed += 1


def _pairs(number: int) -> str:
    return "One pair" if number == 1 else count_of(number, "pair")
