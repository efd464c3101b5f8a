"""Channels: how alerts reach the operator, each with its kinds, its rhythm and a test."""

from __future__ import annotations

from datetime import time
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.alerts import KINDS, PACES
from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.models import AlertChannel
from soleflip.services import channels
from soleflip.services.channels import ChannelForm
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, runtime, wake_after_commit

bp = Blueprint("channels", __name__, url_prefix="/settings/channels")

ID = "int(max=2147483647)"


@bp.get("")
def index() -> Response:
    """List the channels, each with its last test and how its messages fare, and the form for a new one."""
    return _list(ChannelForm(""))


@bp.post("")
def add() -> Response:
    """Keep a new channel."""
    try:
        wanted = _read()
        channel = channels.add(g.session, wanted, keys=runtime().settings.encryption_keys, actor=actor())
    except (InvalidInput, Conflict) as error:
        return _list(_typed(), status=422, error=error)
    flash(f"{channel.name} is there. Send a test through it.", "success")
    return go(url_for("channels.index"))


@bp.get(f"/<{ID}:channel_id>")
def edit(channel_id: int) -> Response:
    """Show one channel's form."""
    return _form(channels.get(g.session, channel_id))


@bp.post(f"/<{ID}:channel_id>")
def change(channel_id: int) -> Response:
    """Change a channel; an empty address leaves the one that is kept."""
    channel = channels.get(g.session, channel_id)
    try:
        channels.change(g.session, channel_id, _read(), keys=runtime().settings.encryption_keys, actor=actor())
    except (InvalidInput, Conflict) as error:
        return _form(channel, typed=_typed(), status=422, error=error)
    flash("Saved.", "success")
    return go(url_for("channels.index"))


@bp.post(f"/<{ID}:channel_id>/remove")
def remove(channel_id: int) -> Response:
    """Forget a channel and its address."""
    name = channels.remove(g.session, channel_id, actor=actor())
    flash(f"{name} is removed; its address is forgotten.", "success")
    return go(url_for("channels.index"))


@bp.post(f"/<{ID}:channel_id>/test")
def test(channel_id: int) -> Response:
    """Send a test through a channel at once."""
    wake_after_commit(channels.order_test(g.session, channel_id, actor=actor()))
    return go(url_for("channels.index", _anchor=f"channel-{channel_id}"))


def _list(typed: ChannelForm, *, status: int = 200, error: Exception | None = None) -> Response:
    view = {"channels": channels.everything(g.session), **_around(typed, error)}
    return page("channels/page.html", "channels/_table.html", status=status, **view)


def _form(
    channel: AlertChannel, *, typed: ChannelForm | None = None, status: int = 200, error: Exception | None = None
) -> Response:
    view = {"channel": channel, **_around(typed or _kept(channel), error)}
    return page("channels/edit.html", "channels/_form.html", status=status, **view)


def _around(typed: ChannelForm, error: Exception | None) -> dict[str, Any]:
    at = getattr(error, "field", None) or ("name" if error else None)
    return {"typed": typed, "error": error, "at": at, "kinds": KINDS, "paces": PACES}


def _kept(channel: AlertChannel) -> ChannelForm:
    names = ("pace", "daily_at", "quiet_from", "quiet_to", "urgent_passes", "is_enabled")
    return ChannelForm(channel.name, None, tuple(channel.kinds), **{name: getattr(channel, name) for name in names})


def _read() -> ChannelForm:
    """Read the form; raises InvalidInput for a time of day that is none."""
    return _typed(strict=True)


def _typed(*, strict: bool = False) -> ChannelForm:
    form = request.form
    return ChannelForm(
        name=form.get("name", ""),
        address=form.get("address", "").strip() or None,
        kinds=tuple(form.getlist("kinds")),
        pace=form.get("pace", "now"),
        daily_at=_time("daily_at", strict) or time(9),
        quiet_from=_time("quiet_from", strict),
        quiet_to=_time("quiet_to", strict),
        urgent_passes=form.get("urgent_passes") == "1",
        is_enabled=form.get("is_enabled") == "1",
    )


def _time(name: str, strict: bool) -> time | None:
    text = request.form.get(name, "").strip()
    try:
        return time.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        if strict:
            raise InvalidInput("A time of day looks like 22:30.", field=name) from None
        return None
