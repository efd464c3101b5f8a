"""Alerts and the channels that bring them."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Count, Moment, Page, Paged, RunShape, Shape, Started, seal, started, unseal
from soleflip.api.unit import actor, now, runtime, session, wake_after_commit
from soleflip.domain.alerts import KINDS
from soleflip.models import AlertChannel, AlertDelivery
from soleflip.services import alerts, channels, deliveries
from soleflip.services.channels import ChannelForm, ChannelView

bp = Blueprint("alerts", __name__, url_prefix="/alerts")

TAG = "Alerts"
Kind = Annotated[str, Field(pattern=f"^({'|'.join(KINDS)})$")]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:30"])]
ALERT = "<int(max=9223372036854775807):alert_id>"
CHANNEL = "<int(max=2147483647):channel_id>"


class DeliveryShape(Shape):
    """One alert on its way through one channel; its times are real ones."""

    channel: str
    state: str = Field(description="waiting, sending, sent, failed (tried again at `due_at`) or given_up")
    attempts: int
    error: str | None
    due_at: Moment | None
    sent_at: Moment | None

    @classmethod
    def of(cls, delivery: AlertDelivery) -> DeliveryShape:
        """Write a delivery."""
        names = ("state", "attempts", "error", "due_at", "sent_at")
        return cls(channel=delivery.channel.name, **{name: getattr(delivery, name) for name in names})


class AlertShape(Shape):
    """What the operator should hear of; `url` is the path of the page that shows it."""

    id: int
    kind: str
    key: str
    title: str
    body: str
    url: str | None
    raised_at: Moment
    seen_at: Moment | None
    seen_by: str | None
    deliveries: list[DeliveryShape]


class AlertPage(Page[AlertShape]):
    """A page of alerts, newest first."""


class AlertQuery(Paged):
    """Which alerts are wanted."""

    kind: Kind | None = None
    unseen: bool = False


class SeenWanted(Asked):
    """Which alerts were seen; all of them without `ids`."""

    ids: list[Annotated[int, Field(ge=1, lt=2**63)]] | None = Field(default=None, min_length=1, max_length=1000)


class ChannelShape(Shape):
    """A channel: its address is kept encrypted, and only `address_shown` ever leaves."""

    id: int
    name: str
    service: str
    address_shown: str
    kinds: list[str]
    pace: str
    daily_at: str
    quiet_from: str | None
    quiet_to: str | None
    urgent_passes: bool
    is_enabled: bool
    waiting: int = 0
    failed: int = 0
    given_up: int = 0
    last_test: RunShape | None = None

    @classmethod
    def of(cls, channel: AlertChannel, view: ChannelView | None = None) -> ChannelShape:
        """Write a channel, with its standing where it is known."""
        names = ("id", "name", "service", "address_shown", "kinds", "pace", "urgent_passes", "is_enabled")
        shape = cls(
            **{name: getattr(channel, name) for name in names},
            daily_at=f"{channel.daily_at:%H:%M}",
            quiet_from=f"{channel.quiet_from:%H:%M}" if channel.quiet_from is not None else None,
            quiet_to=f"{channel.quiet_to:%H:%M}" if channel.quiet_to is not None else None,
        )
        if view is not None:
            shape.waiting, shape.failed, shape.given_up = view.waiting, view.failed, view.given_up
            shape.last_test = RunShape.of(view.test) if view.test else None
        return shape


class ChannelList(Shape):
    """Every channel, by name."""

    items: list[ChannelShape]


class ChannelWanted(Asked):
    """A channel as it is to be; without an `address` the one that is kept stays. Times are the operator's own."""

    name: str = Field(min_length=1, max_length=80)
    address: str | None = Field(default=None, max_length=2000, description="As Apprise writes it.")
    kinds: list[Kind] = Field(default=list(KINDS), min_length=1)
    pace: Literal["now", "hourly", "daily"] = "now"
    daily_at: Clock = "09:00"
    quiet_from: Clock | None = None
    quiet_to: Clock | None = None
    urgent_passes: bool = True
    is_enabled: bool = True

    def form(self) -> ChannelForm:
        """Return it as the service takes it."""
        return ChannelForm(
            self.name,
            self.address,
            tuple(self.kinds),
            self.pace,
            time.fromisoformat(self.daily_at),
            time.fromisoformat(self.quiet_from) if self.quiet_from else None,
            time.fromisoformat(self.quiet_to) if self.quiet_to else None,
            self.urgent_passes,
            self.is_enabled,
        )


@bp.get("")
@operation(TAG, "read", AlertPage)
def list_alerts(query: AlertQuery) -> AlertPage:
    """List the alerts with their deliveries, newest first."""
    found, cursor = alerts.latest(
        session(), kind=query.kind, unseen=query.unseen, after=unseal(query.cursor), limit=query.limit
    )
    names = [name for name in AlertShape.model_fields if name != "deliveries"]
    items = [
        AlertShape(
            **{name: getattr(alert, name) for name in names},
            deliveries=[DeliveryShape.of(each) for each in alert.deliveries],
        )
        for alert in found
    ]
    return AlertPage(items=items, next_cursor=seal(cursor))


@bp.post("/seen")
@operation(TAG, "list", Count, acts=True)
def mark_alerts_seen(json: SeenWanted) -> Count:
    """Note that alerts were seen."""
    return Count(changed=alerts.mark_seen(session(), json.ids, actor=actor(), now=now()))


@bp.post(f"/{ALERT}/again")
@operation(TAG, "list", Count, acts=True)
def try_alert_again(alert_id: int) -> Count:
    """Have the failed deliveries of an alert tried again now."""
    alerts.get(session(), alert_id)
    return Count(changed=deliveries.try_again(session(), alert_id))


@bp.get("/channels")
@operation(TAG, "read", ChannelList)
def list_channels() -> ChannelList:
    """List the channels, each with its last test and how its messages fare."""
    return ChannelList(items=[ChannelShape.of(view.channel, view) for view in channels.everything(session())])


@bp.post("/channels")
@operation(TAG, "admin", ChannelShape, status=201, acts=True)
def add_channel(json: ChannelWanted) -> Any:
    """Keep a new channel."""
    keys = runtime().settings.encryption_keys
    return ChannelShape.of(channels.add(session(), json.form(), keys=keys, actor=actor())), 201


@bp.put(f"/channels/{CHANNEL}")
@operation(TAG, "admin", ChannelShape, acts=True)
def change_channel(channel_id: int, json: ChannelWanted) -> ChannelShape:
    """Change a channel."""
    keys = runtime().settings.encryption_keys
    return ChannelShape.of(channels.change(session(), channel_id, json.form(), keys=keys, actor=actor()))


@bp.delete(f"/channels/{CHANNEL}")
@operation(TAG, "admin", Count, acts=True)
def remove_channel(channel_id: int) -> Count:
    """Forget a channel and its address."""
    channels.remove(session(), channel_id, actor=actor())
    return Count(changed=1)


@bp.post(f"/channels/{CHANNEL}/test")
@operation(TAG, "admin", Started, status=202, acts=True)
def test_channel(channel_id: int) -> Any:
    """Send a test through a channel at once; the run says what became of it."""
    return started(wake_after_commit(channels.order_test(session(), channel_id, actor=actor())))
