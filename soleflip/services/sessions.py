"""Sessions: one row for each browser that is signed in, which ends when idle, when old, or when told to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import NotFound
from soleflip.models import AuditEntry, User, UserSession
from soleflip.services import settings
from soleflip.services.settings import SessionSettings

SEEN_EVERY = timedelta(minutes=5)
"""How exact `last_seen_at` is: a page that is looked at does not write each time."""

KEPT_FOR = timedelta(days=90)
_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")


def begin(session: Session, user_id: UUID, *, address: str | None, device: str | None, now: datetime) -> UserSession:
    """Begin a session of an account; `now` is the real time (UTC). Old rows of the account are cleared away."""
    limits = settings.load(session, SessionSettings)
    session.execute(delete(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at < now - KEPT_FOR))
    made = UserSession(
        user_id=user_id,
        address=(address or "")[:60] or None,
        device=(device or "")[:300] or None,
        last_seen_at=now,
        idle_until=now + timedelta(hours=limits.idle_hours),
        expires_at=now + timedelta(days=limits.longest_days),
    )
    session.add(made)
    session.flush()
    return made


def touch(session: Session, here: UserSession, *, address: str | None, now: datetime) -> None:
    """Note that a session is used, at most every few minutes."""
    if now - here.last_seen_at < SEEN_EVERY:
        return
    idle = timedelta(hours=settings.load(session, SessionSettings).idle_hours)
    session.execute(
        update(UserSession)
        .where(UserSession.id == here.id)
        .values(last_seen_at=now, idle_until=now + idle, address=(address or "")[:60] or None)
    )


def alive(session: Session, user_id: UUID, *, now: datetime) -> Sequence[UserSession]:
    """Return the account's sessions that still count, the one used last first."""
    return session.scalars(
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.ended_at.is_(None),
            UserSession.idle_until > now,
            UserSession.expires_at > now,
        )
        .order_by(UserSession.last_seen_at.desc(), UserSession.id)
    ).all()


def end(session: Session, session_id: UUID, user_id: UUID, *, now: datetime) -> UserSession:
    """End one session of an account; raises NotFound for one of somebody else."""
    row = session.get(UserSession, session_id)
    if row is None or row.user_id != user_id:
        raise NotFound("There is no such session of yours.")
    row.ended_at = row.ended_at or now
    session.flush()
    return row


def end_all(session: Session, user_id: UUID, *, now: datetime, but: UUID | None = None) -> int:
    """End every session of an account, except one where it is named; returns how many."""
    ended = session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None), UserSession.id != but)
        .values(ended_at=now)
        .returning(UserSession.id)
    ).all()
    return len(ended)


def sign_out_everywhere(session: Session, user: User, *, now: datetime) -> int:
    """End every session of an account, and write it down."""
    ended = end_all(session, user.id, now=now)
    session.add(
        AuditEntry(actor=user.email, act="signed out everywhere", subject=user.email, after={"sessions": ended})
    )
    session.flush()
    return ended


def device_name(device: str | None) -> str:
    """Return a browser's User-Agent in a few words, such as "Firefox on Linux"."""
    text = device or ""
    browser = next((name for mark, name in _BROWSERS if f"{mark}/" in text), None)
    system = next((name for name in _SYSTEMS if name in text), None)
    if browser is None:
        return re.split(r"[\s(]", text, maxsplit=1)[0][:40] or "Unknown"
    return f"{browser} on {system.replace('Mac OS X', 'Mac')}" if system else browser
