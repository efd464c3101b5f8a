"""Alerts: raised in the transaction of what they tell, once per kind and key, and shown until they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from soleflip.domain.alerts import KINDS
from soleflip.domain.errors import NotFound
from soleflip.models import Alert, AlertChannel, AlertDelivery, Run
from soleflip.services import cursors, runs

PAGE = 50
DELIVERY = "deliver_alerts"
OWN_KINDS = frozenset({DELIVERY, "test_channel"})
"""Runs of whose failure no alert is raised: it would go the way that failed."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert to be raised: `key` is what it is about, `url` the path of the page that shows it."""

    kind: str
    key: str
    title: str
    body: str = ""
    url: str | None = None


def raise_alert(session: Session, kind: str, key: str, title: str, body: str, url: str | None, now: datetime) -> bool:
    """Raise one alert in the caller's transaction; False when the same was said already (`domain/alerts.py`)."""
    return raise_alerts(session, [Raised(kind, key, title, body, url)], now) == 1


def raise_alerts(session: Session, wanted: Sequence[Raised], now: datetime) -> int:
    """Raise alerts in the caller's transaction, each unless the same was said already; returns how many were new.

    1. What was said long enough ago may be said again.
    2. The database takes one current alert per kind and key, so of two workers one raises it.
    3. Each new alert gets a delivery per channel that wants its kind, and a run to carry them out.
    """
    rows = {(each.kind, each.key[:200]): each for each in wanted}
    if not rows:
        return 0
    session.execute(
        update(Alert)
        .where(Alert.is_current, tuple_(Alert.kind, Alert.key).in_(list(rows)), _may_be_said_again(now))
        .values(is_current=False)
    )
    values = [
        {
            "kind": kind,
            "key": key,
            "title": each.title[:200],
            "body": each.body,
            "url": each.url and each.url[:300],
            "raised_at": now,
        }
        for (kind, key), each in sorted(rows.items())
    ]
    statement = insert(Alert).values(values)
    new = session.execute(
        statement.on_conflict_do_nothing(index_elements=["kind", "key"], index_where=text("is_current")).returning(
            Alert.id, Alert.kind
        )
    ).all()
    if new:
        _hand_over(session, [(row.id, row.kind) for row in new])
    return len(new)


def _may_be_said_again(now: datetime) -> ColumnElement[bool]:
    kinds = [(name, kind.again_after) for name, kind in KINDS.items() if kind.again_after is not None]
    return or_(*(and_(Alert.kind == name, Alert.raised_at <= now - after) for name, after in kinds))


def _hand_over(session: Session, alerts: Sequence[tuple[int, str]]) -> None:
    """Write a delivery for each alert and channel that wants it, and have them carried out."""
    channels = session.execute(select(AlertChannel.id, AlertChannel.kinds).where(AlertChannel.is_enabled)).all()
    rows = [
        {"alert_id": alert_id, "channel_id": channel.id}
        for alert_id, kind in alerts
        for channel in channels
        if kind in channel.kinds
    ]
    if not rows:
        return
    session.execute(insert(AlertDelivery).values(rows))
    have_delivered(session)


def have_delivered(session: Session) -> None:
    """Write a run that carries deliveries out, unless one waits already; the edge or the scheduler wakes it."""
    if not waiting_runs(session):
        runs.start(session, DELIVERY, actor="alerts")


def waiting_runs(session: Session) -> Sequence[UUID]:
    """Return the runs of deliveries that wait for a worker."""
    return session.scalars(select(Run.id).where(Run.kind == DELIVERY, Run.state == "queued")).all()


def latest(
    session: Session, *, kind: str | None = None, unseen: bool = False, after: str | None = None, limit: int = PAGE
) -> tuple[Sequence[Alert], str | None]:
    """Return a page of alerts with their deliveries, newest first, and the cursor of the next; raises InvalidInput."""
    query = (
        select(Alert)
        .options(selectinload(Alert.deliveries).joinedload(AlertDelivery.channel))
        .order_by(Alert.id.desc())
        .limit(limit + 1)
    )
    if kind:
        query = query.where(Alert.kind == kind)
    if unseen:
        query = query.where(Alert.seen_at.is_(None))
    if after:
        query = query.where(Alert.id < cursors.read_number(after))
    found = session.scalars(query).all()
    return found[:limit], str(found[limit - 1].id) if len(found) > limit else None


def get(session: Session, alert_id: int) -> Alert:
    """Return an alert; raises NotFound."""
    alert = session.get(Alert, alert_id)
    if alert is None:
        raise NotFound("There is no such alert.")
    return alert


def mark_seen(session: Session, ids: Sequence[int] | None, *, actor: str, now: datetime) -> int:
    """Note that alerts were seen, all of them without `ids`; returns how many were not seen before."""
    statement = update(Alert).where(Alert.seen_at.is_(None)).values(seen_at=now, seen_by=actor)
    if ids is not None:
        statement = statement.where(Alert.id.in_(ids))
    return len(session.scalars(statement.returning(Alert.id)).all())
