"""The frame around every page: the rooms in the sidebar, the banners, and addresses that keep their filters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from flask import Flask, g, request, url_for
from werkzeug.datastructures import MultiDict

from soleflip.services import shell as house
from soleflip.services.shell import Shell
from soleflip.web.unit import now, runtime

NOTHING = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Room:
    """A page in the navigation: its blueprint (whose `index` is the page), its name and its icon."""

    name: str
    label: str
    icon: str
    on_phone: bool = False

    @property
    def endpoint(self) -> str:
        """The view that shows the room."""
        return f"{self.name}.index"


# Three groups: the daily work, what it earned, the machinery.
ROOMS: tuple[tuple[Room, ...], ...] = (
    (
        Room("dashboard", "Dashboard", "layout-dashboard", on_phone=True),
        Room("opportunities", "Opportunities", "bolt", on_phone=True),
        Room("inventory", "Inventory", "package"),
        Room("listings", "Listings", "tag", on_phone=True),
        Room("pricing", "Pricing", "adjustments-horizontal"),
        Room("orders", "Orders", "truck-delivery", on_phone=True),
    ),
    (
        Room("analytics", "Analytics", "chart-line"),
        Room("tax", "Tax report", "receipt-tax"),
    ),
    (
        Room("imports", "Imports", "file-import"),
        Room("automation", "Automation", "robot"),
        Room("runs", "Runs", "activity"),
        Room("settings", "Settings", "settings"),
    ),
)


def install(app: Flask) -> None:
    """Offer the frame's parts to templates."""
    app.jinja_env.globals.update(
        rooms=ROOMS, shell=shell, url_with=url_with, address_of=address_of, business_now=now, runtime=runtime
    )


def read(session_id: UUID | None = None) -> Shell:
    """Read who asks and what the frame shows, once per request; `session_id` is what the cookie keeps."""
    g.shell = house.shell(g.session, sandbox=runtime().settings.sandbox, session_id=session_id)
    return cast(Shell, g.shell)


def shell() -> Shell:
    """Return what the frame shows on every page."""
    return cast(Shell, g.shell) if "shell" in g else read()


def url_with(**changes: Any) -> str:
    """Return this page's address with some of its query changed; None takes a part out."""
    query: MultiDict[str, Any] = MultiDict(request.args)
    for name, value in changes.items():
        query.poplist(name)
        if isinstance(value, list | tuple):
            query.setlist(name, list(value))
        elif value is not None:
            query[name] = value
    assert request.endpoint is not None  # noqa: S101 - a template renders inside a request that found its view
    values: dict[str, Any] = {**(request.view_args or {}), **query.to_dict(flat=False)}
    return url_for(request.endpoint, **values)


def address_of(endpoint: str, **key: UUID) -> str:
    """Return the address of one of many things, by its id: what stands around the id is put together once a page."""
    ((name, identity),) = key.items()
    known: dict[str, str] = g.setdefault("addresses", {})
    if endpoint not in known:
        anything: dict[str, Any] = {name: NOTHING}
        known[endpoint] = url_for(endpoint, **anything)
    return known[endpoint].replace(str(NOTHING), str(identity))
