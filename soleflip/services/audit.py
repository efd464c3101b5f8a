"""The audit log: who did what when, before and after, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.models import AuditEntry
from soleflip.services import cursors

PAGE = 50


def entries(
    session: Session, *, actor: str | None = None, act: str | None = None, after: str | None = None, limit: int = PAGE
) -> tuple[Sequence[AuditEntry], int | None]:
    """Return a page of the log and the cursor of the next one; raises InvalidInput for a bad cursor."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit + 1)
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if act:
        query = query.where(AuditEntry.act == act)
    if after:
        query = query.where(AuditEntry.id < cursors.read_number(after))
    found = session.scalars(query).all()
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def note(session: Session, actor: str, act: str, subject: str | None = None, **after: Any) -> None:
    """Write that somebody did something."""
    session.add(AuditEntry(actor=actor, act=act, subject=subject, after=after or None))
    session.flush()


def names(session: Session) -> tuple[Sequence[str], Sequence[str]]:
    """Return who stands in the log and what was done, for the filter."""
    actors = session.scalars(select(AuditEntry.actor).distinct().order_by(AuditEntry.actor)).all()
    return actors, session.scalars(select(AuditEntry.act).distinct().order_by(AuditEntry.act)).all()


def changes(entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    """Return what an entry changed: name, before and after of every value that differs."""
    before, now = entry.before or {}, entry.after or {}
    different = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [(name, before.get(name), now.get(name)) for name in different]
