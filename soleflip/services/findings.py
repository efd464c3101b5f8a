"""Findings as the operator works through them: listed, put off, and mended by the service that can."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict
from soleflip.domain.fee_tables import category_of
from soleflip.domain.findings import ACTS, FINDINGS, say
from soleflip.models import AuditEntry, Finding, Run
from soleflip.services import cursors, fees, runs, wishes
from soleflip.services.monitor import FEE_PARTS

PAGE = 50
PUT_OFF_FOR = timedelta(days=7)
PAGES = {
    "listing": "/listings/{}",
    "order": "/orders/{}",
    "item": "/inventory/{}",
    "opportunity": "/opportunities/{}",
    "fee": "/settings/fees",
    "market": "/listings?warning=stale",
}


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding with its sentence, the path of the page that solves it, and the act that mends it, if there is one."""

    finding: Finding
    label: str
    sentence: str
    url: str
    act: str | None
    act_label: str | None


@dataclass(frozen=True, slots=True)
class Findings:
    """A page of open findings, how many there are of each kind, how many are put off, and the last look."""

    lines: Sequence[FindingLine]
    next: str | None
    counts: dict[str, int]
    put_off: int
    last: Run | None

    @property
    def total(self) -> int:
        """How many wait."""
        return sum(self.counts.values())


def is_waiting(now: datetime) -> ColumnElement[bool]:
    """Say in SQL whether a finding is open and not put off."""
    return and_(Finding.solved_at.is_(None), or_(Finding.dismissed_until.is_(None), Finding.dismissed_until <= now))


def overview(
    session: Session,
    now: datetime,
    zone: ZoneInfo,
    *,
    kind: str | None = None,
    put_off: bool = False,
    after: str | None = None,
    limit: int = PAGE,
) -> Findings:
    """Return a page of findings, what matters most first, then the newest; raises InvalidInput for a bad cursor."""
    waiting = is_waiting(now)
    is_put_off = and_(Finding.solved_at.is_(None), ~waiting)
    counted = select(Finding.kind, waiting.label("waits"), func.count()).where(Finding.solved_at.is_(None))
    counts: dict[str, int] = {}
    left = 0
    for name, waits, count in session.execute(counted.group_by(Finding.kind, waiting)):
        if waits:
            counts[name] = count
        else:
            left += count
    weight = case({name: place for place, name in enumerate(FINDINGS)}, value=Finding.kind, else_=len(FINDINGS))
    query = select(Finding, weight).where(is_put_off if put_off else waiting).order_by(weight, Finding.id.desc())
    if kind:
        query = query.where(Finding.kind == kind)
    if after:
        place, _, behind = after.partition("~")
        at, below = cursors.read_number(place), cursors.read_number(behind)
        query = query.where(or_(weight > at, and_(weight == at, Finding.id < below)))
    found = session.execute(query.limit(limit + 1)).all()
    last = found[limit - 1] if len(found) > limit else None
    return Findings(
        lines=[line(each, zone) for each, _ in found[:limit]],
        next=f"{last[1]}~{last[0].id}" if last is not None else None,
        counts={name: counts[name] for name in FINDINGS if name in counts},
        put_off=left,
        last=next(iter(runs.latest(session, 1, "monitor")), None),
    )


def line(finding: Finding, zone: ZoneInfo) -> FindingLine:
    """Return a finding as it is shown, its times in a time zone."""
    words = FINDINGS[finding.kind]
    act = _act(finding)
    return FindingLine(
        finding=finding,
        label=words.label,
        sentence=say(finding.kind, finding.title, finding.figures, zone),
        url=PAGES[finding.subject_type].format(finding.subject_id),
        act=act,
        act_label=ACTS[act] if act else None,
    )


def _act(finding: Finding) -> str | None:
    """Return what can be done about a finding; a pair without an ask can't be delisted."""
    act = FINDINGS[finding.kind].act
    can = act != "delist" or finding.subject_type == "listing" or bool(finding.figures.get("listing_id"))
    return act if can else None


def put_off(session: Session, ids: Sequence[int], *, actor: str, now: datetime) -> int:
    """Put findings off for a week; one that is solved and comes back before is shown again. Returns how many."""
    found = session.scalars(select(Finding).where(Finding.id.in_(ids), Finding.solved_at.is_(None))).all()
    for finding in found:
        finding.dismissed_until, finding.dismissed_by = now + PUT_OFF_FOR, actor
    if found:
        session.add(AuditEntry(actor=actor, act="put findings off", after={"findings": [each.id for each in found]}))
    session.flush()
    return len(found)


def mend(session: Session, ids: Sequence[int], *, actor: str, now: datetime) -> list[Run]:
    """Do what findings propose, together where one run can; returns the runs, none when all is done already.

    Raises Conflict when they are solved, or propose nothing.
    """
    found = session.scalars(select(Finding).where(Finding.id.in_(ids), Finding.solved_at.is_(None))).all()
    by_act: dict[str | None, list[Finding]] = defaultdict(list)
    for finding in found:
        by_act[_act(finding)].append(finding)
    if not found:
        raise Conflict("This is solved already.")
    if not by_act.keys() - {None}:
        raise Conflict("Nothing can be done about this by itself: open its page.")
    for finding in by_act["accept_fee"]:
        _accept_fee(session, finding, actor=actor, now=now)
    started = []
    if by_act["quotes"]:
        started.append(runs.start(session, "quotes", actor=actor))
    if by_act["reprice"]:
        chosen = sorted({finding.subject_id for finding in by_act["reprice"]})
        started.append(runs.start(session, "reprice", actor=actor, params={"listing_ids": chosen}))
    if by_act["delist"]:
        listings = {UUID(str(each.figures.get("listing_id") or each.subject_id)) for each in by_act["delist"]}
        started.append(wishes.change_state(session, sorted(listings), "delete", actor=actor, now=now).run)
    return started


def _accept_fee(session: Session, finding: Finding, *, actor: str, now: datetime) -> None:
    """Take what StockX took into the operator's figures of today; a rate of one's own ends the published level."""
    product_type = finding.figures.get("product_type")
    schedule = fees.book(session).schedule(product_type, now.date())
    field = FEE_PARTS[finding.subject_id]
    values: dict[str, Any] = {"valid_from": now.date().isoformat(), field: finding.figures["value"]}
    if field != "shipping":
        own = ("transaction_rate", "processing_rate", "minimum_fee", "shipping")
        values = (
            {"level": "0", "category": category_of(product_type)}
            | {name: str(getattr(schedule, name)) for name in own}
            | values
        )
    fees.enter(session, "figures", values, actor=actor, now=now)
    finding.solved_at = now
    session.flush()
