"""What the Automation page shows: the stop switch, what waits behind it, the timetable and the last decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import Decision
from soleflip.services import readiness, resumption, timetable
from soleflip.services.resumption import Outlook


@dataclass(frozen=True, slots=True)
class AutomationView:
    """The switch with what waits behind it, the timetable, and the last decisions of rules.

    `standing_still` says what keeps it from going on, such as a scheduler that is not there.
    """

    outlook: Outlook
    lines: Sequence[timetable.Line]
    decisions: Sequence[Decision]
    standing_still: Sequence[str]


def view(session: Session, *, sandbox: bool, rate: float) -> AutomationView:
    """Return what the Automation page shows; in the sandbox the timetable's intervals are its own."""
    decisions = select(Decision).options(joinedload(Decision.rule)).order_by(Decision.created_at.desc()).limit(20)
    return AutomationView(
        outlook=resumption.outlook(session, rate=rate),
        lines=timetable.lines(session, sandbox=sandbox),
        decisions=session.scalars(decisions).all(),
        standing_still=tuple(readiness.standing_still(session, None).values()),
    )
