"""What the Automation page shows: the stop switch, what waits behind it, the timetable and the last decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import Decision
from soleflip.services import resumption, timetable
from soleflip.services.resumption import Outlook
from soleflip.services.runs import NOW


@dataclass(frozen=True, slots=True)
class AutomationView:
    """The switch with what waits behind it, the timetable, and the last decisions of rules.

    `is_unattended`: what is due is not started, so no scheduler is up.
    """

    outlook: Outlook
    lines: Sequence[timetable.Line]
    decisions: Sequence[Decision]
    is_unattended: bool


def view(session: Session, *, sandbox: bool, rate: float) -> AutomationView:
    """Return what the Automation page shows; in the sandbox the timetable's intervals are its own."""
    decisions = select(Decision).options(joinedload(Decision.rule)).order_by(Decision.created_at.desc()).limit(20)
    lines = timetable.lines(session, sandbox=sandbox)
    at = session.scalars(select(NOW)).one()
    return AutomationView(
        outlook=resumption.outlook(session, rate=rate),
        lines=lines,
        decisions=session.scalars(decisions).all(),
        is_unattended=any(line.is_late(at) for line in lines),
    )
