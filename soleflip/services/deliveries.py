"""Deliveries: alerts on their way through channels, each until it is sent or given up, and never thought sent.

A delivery is claimed in one transaction, sent, and recorded in another. One that was cut off in between is sent again:
it may arrive twice, and never not at all. Deliveries live in real time, also in the sandbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, joinedload

from soleflip.channels import Message, Outcome
from soleflip.domain.alerts import KINDS, Rhythm, due, end_of_quiet, pause_after
from soleflip.domain.errors import Conflict
from soleflip.domain.words import count_of
from soleflip.models import Alert, AlertChannel, AlertDelivery
from soleflip.services import alerts, channels
from soleflip.services.runs import NOW, Work
from soleflip.services.settings import AlertSettings, load

OPEN = ("waiting", "sending", "failed")
ENDS = ("sent", "failed", "given_up")
TOGETHER = 20
LEASE = timedelta(minutes=5)
"""After this long a delivery whose sender never said how it ended is sent again."""


def deliver(work: Work) -> str:
    """Send everything that is due, what is due together as one message (run kind `deliver_alerts`)."""
    with work.transaction() as session:
        _plan(session, work.books.timezone)
        site = load(session, AlertSettings)
    tally: Counter[str] = Counter()
    tried: set[int] = set()
    while (parcel := _claim(work, tried)) is not None:
        outcome = channels.send(
            parcel.channel,
            parcel.message(site.site),
            keys=work.settings.encryption_keys if work.settings else (),
            allow_private=site.private_addresses == "yes",
        )
        with work.transaction() as session:
            tally.update(_record(session, parcel, outcome, work.books.timezone))
        if not outcome.is_sent:
            tried.add(parcel.channel.id)
            work.note("failed", f"{parcel.channel.name}: {outcome.why}")
        counts = {state: tally[state] for state in ENDS}
        work.progress(done=sum(counts.values()), message=None, total=None, **counts)
    return f"{tally['sent']} sent, {tally['failed']} to be tried again, {tally['given_up']} given up."


@dataclass(frozen=True, slots=True)
class Parcel:
    """Alerts that leave through one channel as one message."""

    channel: AlertChannel
    deliveries: Sequence[AlertDelivery]

    def message(self, site: str) -> Message:
        """Return the message; its links lead to the pages below `site`, where that is known."""
        told = [each.alert for each in self.deliveries]
        is_urgent = any(KINDS[alert.kind].is_urgent for alert in told)
        if len(told) == 1:
            return Message(told[0].title, _text(told[0], site) or told[0].title, is_urgent)
        lines = [f"• {alert.title}\n{_text(alert, site)}".rstrip() for alert in told]
        return Message(f"SoleFlip: {count_of(len(told), 'alert')}", "\n".join(lines), is_urgent)


def is_due(session: Session) -> bool:
    """Tell whether a delivery waits for the next run."""
    now_due = (AlertDelivery.due_at <= NOW) | AlertDelivery.due_at.is_(None)
    query = select(AlertDelivery.id).join(AlertDelivery.channel).where(AlertChannel.is_enabled, _open(), now_due)
    return session.scalar(query.limit(1)) is not None


def try_again(session: Session, alert_id: int) -> int:
    """Have the failed deliveries of an alert tried again now; raises Conflict when there are none."""
    again = session.scalars(
        update(AlertDelivery)
        .where(AlertDelivery.alert_id == alert_id, AlertDelivery.state.in_(("failed", "given_up")))
        .values(state="failed", attempts=0, due_at=NOW)
        .returning(AlertDelivery.id)
    ).all()
    if not again:
        raise Conflict("Nothing of this alert failed: there is nothing to try again.")
    alerts.have_delivered(session)
    return len(again)


def _open() -> ColumnElement[bool]:
    return AlertDelivery.state.in_(OPEN)


def _plan(session: Session, zone: ZoneInfo) -> None:
    """Give every new delivery its time, by its kind and its channel's rhythm."""
    moment = _now(session)
    new = (AlertDelivery.state == "waiting", AlertDelivery.due_at.is_(None))
    query = select(AlertChannel, Alert.kind).join(AlertDelivery, AlertDelivery.channel_id == AlertChannel.id)
    for channel, kind in session.execute(query.join(AlertDelivery.alert).where(*new).distinct()).all():
        of_kind = AlertDelivery.alert_id.in_(select(Alert.id).where(Alert.kind == kind))
        session.execute(
            update(AlertDelivery)
            .where(*new, AlertDelivery.channel_id == channel.id, of_kind)
            .values(due_at=due(moment, kind, rhythm_of(channel), zone))
            .execution_options(synchronize_session=False)
        )


def rhythm_of(channel: AlertChannel) -> Rhythm:
    """Return when a channel speaks."""
    return Rhythm(channel.pace, channel.daily_at, channel.quiet_from, channel.quiet_to, channel.urgent_passes)


def _claim(work: Work, tried: Iterable[int]) -> Parcel | None:
    """Take what is due in one channel, so that no other worker sends it; None when nothing is."""
    with work.transaction() as session:
        is_due = (_open(), AlertDelivery.due_at <= NOW)
        first = (
            select(AlertDelivery.channel_id)
            .join(AlertDelivery.channel)
            .where(*is_due, AlertChannel.is_enabled, AlertDelivery.channel_id.not_in(list(tried)))
            .order_by(AlertDelivery.due_at, AlertDelivery.id)
            .with_for_update(of=AlertDelivery, skip_locked=True)
            .limit(1)
            .scalar_subquery()
        )
        found = session.scalars(
            select(AlertDelivery)
            .where(*is_due, AlertDelivery.channel_id == first)
            .order_by(AlertDelivery.id)
            .limit(TOGETHER)
            .options(joinedload(AlertDelivery.alert), joinedload(AlertDelivery.channel))
            .with_for_update(of=AlertDelivery, skip_locked=True)
        ).all()
        if not found:
            return None
        moment = _now(session)
        for each in found:
            each.state, each.tried_at, each.due_at = "sending", moment, moment + LEASE
            each.attempts += 1
        return Parcel(found[0].channel, found)


def _record(session: Session, parcel: Parcel, outcome: Outcome, zone: ZoneInfo) -> list[str]:
    """Write what became of a parcel and return the state of each delivery; a failure gets its next time."""
    moment = _now(session)
    states = []
    for each in parcel.deliveries:
        delivery = session.get(AlertDelivery, each.id, with_for_update=True)
        if delivery is None:
            continue  # its channel was removed meanwhile
        pause = pause_after(delivery.attempts)
        if outcome.is_sent:
            delivery.state, delivery.error, delivery.sent_at = "sent", None, moment
        elif pause is None:
            delivery.state, delivery.error = "given_up", outcome.why
        else:
            delivery.state, delivery.error = "failed", outcome.why
            delivery.due_at = _next_try(moment + pause, each.alert.kind, rhythm_of(parcel.channel), zone)
        states.append(delivery.state)
    return states


def _next_try(moment: datetime, kind: str, rhythm: Rhythm, zone: ZoneInfo) -> datetime:
    passes = KINDS[kind].is_urgent and rhythm.urgent_passes
    return moment if passes else end_of_quiet(moment, rhythm, zone)


def _text(alert: Alert, site: str) -> str:
    link = f"{site.rstrip('/')}{alert.url}" if site and alert.url else ""
    return "\n".join(part for part in (alert.body, link) if part)


def _now(session: Session) -> datetime:
    moment: datetime = session.execute(select(NOW)).scalar_one()
    return moment
