"""The stop switch: one row that halts every write to StockX."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import Refused
from soleflip.models import AuditEntry, StopSwitch
from soleflip.services import alerts


class Stopped(Refused):
    """Every write to StockX is halted until the operator resumes."""


def switch(session: Session) -> StopSwitch | None:
    """Return the stop switch's row: who stopped, when and why; None when it was never touched."""
    return session.get(StopSwitch, 1)


def is_stopped(session: Session) -> bool:
    """Tell whether writes are halted, as this transaction knows it."""
    row = switch(session)
    return row is not None and row.is_stopped


def ensure_running(session: Session) -> None:
    """Raise Stopped when writes are halted; asked right before every write leaves."""
    row = session.get(StopSwitch, 1, populate_existing=True)
    if row is not None and row.is_stopped:
        raise Stopped(
            f"Writes are stopped by {row.actor}: {row.reason}. Resume on the Automation page.", guard="stopped"
        )


def stop(session: Session, *, actor: str, reason: str, now: datetime) -> None:
    """Halt every write to StockX, and raise the alert that says who did and why: others sell here, too.

    That runs stand still by it is no failure of theirs, so that no alert is raised for them.
    """
    was_stopped = is_stopped(session)
    _set(session, True, actor, reason, now)
    if not was_stopped:
        title, key = f"Writes to StockX were stopped by {actor}"[:200], f"halt {now:%Y-%m-%d %H:%M:%S}"
        alerts.raise_alert(session, "halt", key, title, f"{reason}.", "/automation", now)


def resume(session: Session, *, actor: str, now: datetime) -> None:
    """Let writes to StockX go on; where nothing is stopped, nothing changes."""
    if is_stopped(session):
        _set(session, False, actor, "resumed", now)


def _set(session: Session, is_stopped: bool, actor: str, reason: str, now: datetime) -> None:
    values = {"is_stopped": is_stopped, "actor": actor, "reason": reason, "at": now}
    session.execute(insert(StopSwitch).values(id=1, **values).on_conflict_do_update(index_elements=["id"], set_=values))
    session.add(AuditEntry(actor=actor, act="stop" if is_stopped else "resume", after={"reason": reason}))
    session.flush()
