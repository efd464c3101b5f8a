"""Channels that bring alerts to the operator: their addresses encrypted, their kinds, their rhythm, and a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from soleflip import channels
from soleflip.channels import Message
from soleflip.domain.alerts import KINDS, PACES
from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import AlertChannel, AlertDelivery, AuditEntry, Run
from soleflip.services import runs
from soleflip.services.keyring import decrypt, encrypt
from soleflip.services.runs import Work
from soleflip.services.settings import AlertSettings, load

TEST = "test_channel"
UNREADABLE = "Its address can't be read with ENCRYPTION_KEY as it is set now: enter it again."


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """What the operator says of a channel; without an `address` the one that is kept stays."""

    name: str
    address: str | None = None
    kinds: tuple[str, ...] = tuple(KINDS)
    pace: str = "now"
    daily_at: time = time(9)
    quiet_from: time | None = None
    quiet_to: time | None = None
    urgent_passes: bool = True
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel with its last test and how its deliveries stand."""

    channel: AlertChannel
    test: Run | None
    waiting: int
    failed: int
    given_up: int

    @property
    def is_testing(self) -> bool:
        """Whether its test is under way."""
        return self.test is not None and self.test.state in runs.OPEN_STATES

    @property
    def is_test_sent(self) -> bool:
        """Whether the service took the last test."""
        return self.test is not None and bool(self.test.counts.get("sent"))


def everything(session: Session) -> list[ChannelView]:
    """Return the channels by name, each with its last test and how many deliveries stand where."""
    states: dict[int, dict[str, int]] = {}
    counted = (
        select(AlertDelivery.channel_id, AlertDelivery.state, func.count())
        .where(AlertDelivery.state != "sent")
        .group_by(AlertDelivery.channel_id, AlertDelivery.state)
    )
    for channel_id, state, count in session.execute(counted):
        states.setdefault(channel_id, {})[state] = count
    of_channel: ColumnElement[str] = literal_column("ops.runs.params ->> 'channel_id'")
    newest = select(Run).where(Run.kind == TEST).ext(distinct_on(of_channel))
    newest = newest.order_by(of_channel, Run.created_at.desc())
    tests = {run.params["channel_id"]: run for run in session.scalars(newest)}
    return [
        ChannelView(channel, tests.get(channel.id), *_standing(states.get(channel.id, {})))
        for channel in session.scalars(select(AlertChannel).order_by(AlertChannel.name))
    ]


def _standing(states: Mapping[str, int]) -> tuple[int, int, int]:
    return states.get("waiting", 0) + states.get("sending", 0), states.get("failed", 0), states.get("given_up", 0)


def get(session: Session, channel_id: int) -> AlertChannel:
    """Return a channel; raises NotFound."""
    channel = session.get(AlertChannel, channel_id)
    if channel is None:
        raise NotFound("There is no such channel.")
    return channel


def add(session: Session, form: ChannelForm, *, keys: Sequence[str], actor: str) -> AlertChannel:
    """Keep a channel; raises InvalidInput with the field, Conflict for a name that is taken."""
    if not form.address:
        raise InvalidInput("Give the address of the service.", field="address")
    channel = AlertChannel(**_values(session, form, keys, None))
    session.add(channel)
    session.flush()
    session.add(AuditEntry(actor=actor, act="add channel", subject=channel.name, after=_shown(channel)))
    return channel


def change(session: Session, channel_id: int, form: ChannelForm, *, keys: Sequence[str], actor: str) -> AlertChannel:
    """Change a channel; what still waits in it follows its new rhythm. Raises as `add` does, and NotFound."""
    channel = get(session, channel_id)
    before = _shown(channel)
    for name, value in _values(session, form, keys, channel_id).items():
        setattr(channel, name, value)
    waiting = (AlertDelivery.channel_id == channel_id, AlertDelivery.state == "waiting")
    session.execute(update(AlertDelivery).where(*waiting).values(due_at=None))
    session.add(
        AuditEntry(actor=actor, act="change channel", subject=channel.name, before=before, after=_shown(channel))
    )
    session.flush()
    return channel


def remove(session: Session, channel_id: int, *, actor: str) -> str:
    """Forget a channel with its address and its deliveries; returns its name. Raises NotFound."""
    channel = get(session, channel_id)
    session.add(AuditEntry(actor=actor, act="remove channel", subject=channel.name, before=_shown(channel)))
    session.delete(channel)
    session.flush()
    return channel.name


def order_test(session: Session, channel_id: int, *, actor: str) -> Run:
    """Start a run that sends a test through a channel at once; raises NotFound."""
    channel = get(session, channel_id)
    return runs.start(session, TEST, actor=actor, params={"channel_id": channel.id})


def test(work: Work) -> str:
    """Send a test through the channel of `params` and say what became of it (run kind `test_channel`)."""
    with work.transaction() as session:
        channel = get(session, int(work.params["channel_id"]))
        allow_private = load(session, AlertSettings).private_addresses == "yes"
    message = Message("SoleFlip: a test", f"This is how alerts arrive through {channel.name}.")
    keys = work.settings.encryption_keys if work.settings is not None else ()
    outcome = send(channel, message, keys=keys, allow_private=allow_private)
    work.progress(done=1, sent=int(outcome.is_sent))
    return outcome.why


def send(channel: AlertChannel, message: Message, *, keys: Sequence[str], allow_private: bool) -> channels.Outcome:
    """Send a message through a channel and return what became of it."""
    address = decrypt(keys, channel.address_encrypted)
    if address is None:
        return channels.Outcome(False, UNREADABLE)
    return channels.send(address, message, allow_private=allow_private)


def _values(session: Session, form: ChannelForm, keys: Sequence[str], channel_id: int | None) -> dict[str, Any]:
    """Check what the operator said and return it as columns."""
    name = " ".join(form.name.split())[:80]
    if not name:
        raise InvalidInput("Give the channel a name.", field="name")
    taken = select(AlertChannel.id).where(AlertChannel.name == name, AlertChannel.id.is_distinct_from(channel_id))
    if session.scalar(taken) is not None:
        raise Conflict(f"There is a channel called {name!r} already.")
    kinds = [kind for kind in KINDS if kind in form.kinds]
    if not kinds:
        raise InvalidInput("Tick at least one kind of alert.", field="kinds")
    if form.pace not in PACES:
        raise InvalidInput("Choose when alerts are sent.", field="pace")
    if (form.quiet_from is None) != (form.quiet_to is None):
        raise InvalidInput("Quiet hours need a beginning and an end, or neither.", field="quiet_from")
    values: dict[str, Any] = {
        "name": name,
        "kinds": kinds,
        "pace": form.pace,
        "daily_at": form.daily_at,
        "quiet_from": form.quiet_from,
        "quiet_to": form.quiet_to,
        "urgent_passes": form.urgent_passes,
        "is_enabled": form.is_enabled,
    }
    if form.address:
        read = channels.read(form.address)
        values |= {"service": read.service[:60], "address_shown": read.shown}
        values["address_encrypted"] = encrypt(keys, form.address.strip())
    return values


def _shown(channel: AlertChannel) -> dict[str, Any]:
    """Return what of a channel the audit log may keep."""
    names = ("name", "address_shown", "kinds", "pace", "urgent_passes", "is_enabled")
    times = ("daily_at", "quiet_from", "quiet_to")
    plain = {name: getattr(channel, name) for name in names}
    return plain | {name: str(getattr(channel, name) or "") for name in times}
