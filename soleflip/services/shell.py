"""The frame around every page: who is signed in and the state of the house, in one statement a request.

To show something new on every page, add a field to Shell and its scalar subquery, at the same place, to `_columns`:
counts that an index answers, since fragments pay for them too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, literal, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from soleflip.models import Alert, Run, SavedSearch, Setting, StockxConnection, StopSwitch, User, UserSession
from soleflip.services import settings
from soleflip.services.connection import CONNECTED, DISCONNECTED
from soleflip.services.runs import OPEN_STATES


@dataclass(frozen=True, slots=True)
class Shell:
    """Who asks and by which session (None: nobody), stop switch, StockX account, open runs, unseen alerts, filters."""

    user: User | None
    sign_in: UserSession | None
    is_stopped: bool
    stopped_by: str | None
    stop_reason: str | None
    connection: str
    connection_reason: str | None
    open_runs: int
    unseen_alerts: int
    searches: list[dict[str, Any]]
    """The kept filters of all rooms by name: id, room, name, query, alerts."""


def shell(session: Session, *, sandbox: bool, session_id: UUID | None = None) -> Shell:
    """Read the frame's state in one statement.

    `session_id` is what a cookie keeps. A session that ended, was idle too long or is too old is nobody's, and so is
    one of an account that was closed.
    """
    one = select(literal(1).label("one")).subquery()
    alive = and_(
        UserSession.id == session_id,
        UserSession.ended_at.is_(None),
        UserSession.idle_until > func.now(),
        UserSession.expires_at > func.now(),
    )
    known = and_(User.id == UserSession.user_id, User.is_enabled)
    query = select(User, UserSession, *_columns(), _settings()).select_from(one)
    *row, stored = session.execute(query.outerjoin(UserSession, alive).outerjoin(User, known)).one()
    settings.keep(session, stored or {})
    state: dict[str, Any] = dict(zip(Shell.__slots__, row, strict=True))
    state["is_stopped"] = bool(state["is_stopped"])
    state["connection"] = state["connection"] or (CONNECTED if sandbox else DISCONNECTED)
    return Shell(**state)


def _columns() -> tuple[Any, ...]:
    """Return one scalar subquery for each field of Shell behind `sign_in`, in its order."""
    return (
        select(StopSwitch.is_stopped).scalar_subquery(),
        select(StopSwitch.actor).scalar_subquery(),
        select(StopSwitch.reason).scalar_subquery(),
        select(StockxConnection.state).scalar_subquery(),
        select(StockxConnection.reason).scalar_subquery(),
        select(func.count()).select_from(Run).where(Run.state.in_(OPEN_STATES)).scalar_subquery(),
        select(func.count()).select_from(Alert).where(Alert.seen_at.is_(None)).scalar_subquery(),
        _searches(),
    )


def _searches() -> Any:
    names = ("id", "room", "name", "query", "alerts")
    pairs = [part for name in names for part in (literal(name), getattr(SavedSearch, name))]
    every = func.jsonb_agg(aggregate_order_by(func.jsonb_build_object(*pairs), func.lower(SavedSearch.name)))
    return select(func.coalesce(every, text("'[]'::jsonb"))).scalar_subquery()


def _settings() -> Any:
    """All settings come along: nearly every page asks for some."""
    return select(func.jsonb_object_agg(Setting.key, Setting.value)).scalar_subquery()
