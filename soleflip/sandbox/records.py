"""What a world remembers: plain records of JSON values, times in sandbox milliseconds, asks in whole units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Product:
    """A product of the catalog and its variants."""

    product_id: str
    url_key: str
    style_id: str | None
    title: str
    brand: str
    product_type: str
    gender: str
    colorway: str
    release_date: str | None
    retail_price: float | None
    variant_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Variant:
    """A product in one size, with what its market starts from: a price level in euros and buyers per week."""

    variant_id: str
    product_id: str
    value: str
    sizes: list[list[str]]
    gtins: list[list[str]]
    level: float
    buyers_per_week: float
    born: int
    # What bench/sandbox_calibration.py fits to the median real product: the drift of a day, the noise of a sale.
    volatility: float = 0.02
    spread: float = 0.02


@dataclass(slots=True)
class Listing:
    """An ask of ours; it is live while `ask_id` is set, the status is ACTIVE and it has not expired."""

    listing_id: str
    product_id: str
    variant_id: str
    status: str
    amount: int
    currency: str
    inventory_type: str
    created: int
    updated: int
    expires: int
    number: int = 0
    ask_id: str | None = None
    ask_created: int = 0
    ask_updated: int = 0
    expired: bool = False
    batch_id: str | None = None
    task_id: str | None = None
    order_number: str | None = None
    operation_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Operation:
    """One asynchronous change of one listing; `wish` is what it will do when it is due."""

    operation_id: str
    listing_id: str
    type: str
    status: str
    created: int
    updated: int
    due: int
    changes: dict[str, Any]
    wish: dict[str, Any] = field(default_factory=dict)
    by: str = "USER"
    via: str = "PUBLIC-API"
    error: str | None = None


@dataclass(slots=True)
class Batch:
    """A bulk change; items are dicts of item_id, status, due, input, result, error."""

    batch_id: str
    kind: str
    status: str
    created: int
    updated: int
    completed: int | None
    starts: int
    items: list[dict[str, Any]]


@dataclass(slots=True)
class Order:
    """A sale of ours; `plan` holds the coming [time, status] steps."""

    order_number: str
    listing_id: str
    ask_id: str
    product_id: str
    variant_id: str
    amount: int
    currency: str
    inventory_type: str
    status: str
    created: int
    updated: int
    ship_by: int
    tracking_number: str
    shipping_id: str
    payout: dict[str, Any]
    plan: list[list[Any]]
    number: int = 0
    failure_notes: str | None = None
    history: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class Token:
    """An authorization code, an access token or a refresh token."""

    token: str
    kind: str
    created: int
    expires: int | None
    revoked: bool = False
    redirect_uri: str | None = None
    challenge: str | None = None
    scope: str = "offline_access openid"


@dataclass(slots=True)
class Fault:
    """A fault to inject into the next matching requests."""

    fault_id: str
    kind: str
    route: str
    method: str | None
    count: int
    skip: int
    options: dict[str, Any] = field(default_factory=dict)
    number: int = 0
    hits: int = 0
