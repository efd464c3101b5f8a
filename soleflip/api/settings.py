"""Settings and the StockX account, and the search over everything that has a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from flask import Blueprint
from pydantic import Field, RootModel

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Moment, Page, Paged, ProductShape, Settings, Shape, seal, unseal
from soleflip.api.inventory import ItemShape
from soleflip.api.listing_shapes import ListingShape
from soleflip.api.orders import OrderShape
from soleflip.api.unit import actor, runtime, session, start_run
from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.models import AuditEntry
from soleflip.services import audit, connection, search, settings

bp = Blueprint("settings", __name__)

TAG = "Settings"

Values = dict[str, str | int | bool | None]


class SettingsShape(RootModel[dict[str, Values]]):
    """Every group of settings by its name: amounts and rates as text."""


class SettingValues(Asked):
    """Settings of one group by name; missing ones stay as they are."""

    values: Settings


class AccountShape(Shape):
    """The StockX account: connected, disconnected or reconnect."""

    state: str
    since: Moment | None
    reason: str | None


class AuditQuery(Paged):
    """Whose acts, and which, are wanted."""

    actor: str | None = Field(default=None, max_length=120)
    act: str | None = Field(default=None, max_length=60)


class AuditShape(Shape):
    """Who did what when, before and after."""

    id: int
    actor: str
    act: str
    subject: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    at: Moment


class AuditPage(Page[AuditShape]):
    """A page of the audit log."""


class SearchQuery(Asked):
    """Words, a style code, an order number, a listing id or an EAN."""

    q: str = Field(min_length=2, max_length=100)


class SearchResult(Shape):
    """The best few of each kind."""

    products: list[ProductShape]
    listings: list[ListingShape]
    orders: list[OrderShape]
    items: list[ItemShape]


@bp.get("/settings")
@operation(TAG, "read", SettingsShape)
def show_settings() -> SettingsShape:
    """Show fees, VAT, thresholds, pricing and the rest as they are set."""
    return _settings()


@bp.put("/settings/<group>")
@operation(TAG, "admin", SettingsShape, acts=True)
def save_settings(group: str, json: SettingValues) -> SettingsShape:
    """Store settings of one group; new figures and prices use them from now on."""
    if group not in settings.GROUPS:
        raise NotFound(f"There is no such group of settings; there are {', '.join(settings.GROUPS)}.")
    unknown = sorted(json.values.keys() - {field.name for field in fields(settings.GROUPS[group])})
    if unknown:
        raise InvalidInput(f"There is no such setting among {group}: {', '.join(unknown)}.", field="values")
    settings.save(session(), settings.GROUPS[group], json.values, actor=actor())
    if group in settings.COMPUTED_WITH:
        start_run("compute")
    return _settings()


@bp.get("/settings/stockx")
@operation(TAG, "read", AccountShape)
def show_account() -> AccountShape:
    """Show whether the StockX account is connected; connecting takes a browser."""
    return _account()


@bp.post("/settings/stockx/disconnect")
@operation(TAG, "admin", AccountShape, acts=True)
def disconnect_account() -> AccountShape:
    """Forget the StockX account: nothing is sent until somebody connects again."""
    connection.disconnect(session(), actor=actor())
    runtime().stockx.auth.forget()
    return _account()


@bp.get("/settings/audit")
@operation(TAG, "admin", AuditPage)
def list_audit(query: AuditQuery) -> AuditPage:
    """List who did what when, newest first."""
    found, cursor = _entries(query)
    items = [AuditShape.model_validate(entry) for entry in found]
    return AuditPage(items=items, next_cursor=seal(str(cursor) if cursor else None))


def _entries(query: AuditQuery) -> tuple[Sequence[AuditEntry], int | None]:
    after = unseal(query.cursor)
    return audit.entries(session(), actor=query.actor, act=query.act, after=after, limit=query.limit)


@bp.get("/search")
@operation("Search", "read", SearchResult)
def search_everything(query: SearchQuery) -> SearchResult:
    """Find products, listings, orders and pairs."""
    found = search.find(session(), query.q)
    return SearchResult(
        products=[ProductShape.of(each) for each in found.products],
        listings=[ListingShape.of(each) for each in found.listings],
        orders=[OrderShape.of(each) for each in found.orders],
        items=[ItemShape.of(each) for each in found.items],
    )


def _settings() -> SettingsShape:
    groups: dict[str, Any] = {}
    for name, kind in settings.GROUPS.items():
        values = asdict(settings.load(session(), kind)).items()
        groups[name] = {key: _plain(value) for key, value in values}
    return SettingsShape(groups)


def _plain(value: Any) -> str | int | bool | None:
    """Write one setting: numbers that count money or shares as text."""
    return value if value is None or isinstance(value, bool | int) else str(value)


def _account() -> AccountShape:
    return AccountShape.model_validate(connection.account(session(), sandbox=runtime().settings.sandbox))
