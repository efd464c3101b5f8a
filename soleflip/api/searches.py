"""Saved views over the API: filters of the big tables, kept by name."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Shape
from soleflip.api.unit import now, session
from soleflip.services import searches

bp = Blueprint("searches", __name__, url_prefix="/searches")

TAG = "Saved views"
Room = Literal["opportunities", "listings", "inventory", "orders", "runs"]


class SearchShape(Shape):
    """A kept filter: the query behind the question mark of its room's page."""

    id: int
    room: str
    name: str
    query: str
    alerts: bool = Field(description="Whether what passes it for the first time is told.")


class SearchList(Shape):
    """The kept filters by room and name."""

    items: list[SearchShape]


class NewSearch(Asked):
    """A filter to keep; one of the room with the same name is replaced."""

    room: Room = "opportunities"
    name: str = Field(min_length=1, max_length=80)
    query: str = Field(max_length=2000, examples=["min_profit=20&sort=-roi"])
    alerts: bool = Field(default=False, description="Tell what passes it from now on; of opportunities only.")


class AlertsOfSearch(Asked):
    """Whether what is new in a kept filter is told."""

    on: bool


@bp.get("")
@operation(TAG, "read", SearchList)
def list_searches() -> SearchList:
    """List the kept filters."""
    return _searches()


@bp.post("")
@operation(TAG, "list", SearchList, acts=True)
def keep_search(json: NewSearch) -> SearchList:
    """Keep a filter of a room under a name."""
    searches.save(session(), json.room, json.name, json.query, now=now(), has_alerts=json.alerts)
    return _searches()


@bp.post("/<int(max=2147483647):search_id>/alerts")
@operation(TAG, "list", SearchList, acts=True, names={"alerts": "on"})
def alert_search(search_id: int, json: AlertsOfSearch) -> SearchList:
    """Begin or stop telling what is new in a kept filter of opportunities."""
    searches.set_alerts(session(), search_id, on=json.on, now=now())
    return _searches()


@bp.delete("/<int(max=2147483647):search_id>")
@operation(TAG, "list", SearchList, acts=True)
def forget_search(search_id: int) -> SearchList:
    """Forget a kept filter; answers with those that are left."""
    searches.forget(session(), search_id)
    return _searches()


def _searches() -> SearchList:
    return SearchList(items=[SearchShape.model_validate(each) for each in searches.everything(session())])
