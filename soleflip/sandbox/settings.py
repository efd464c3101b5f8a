"""What the documents leave open, each as a named setting with a default, and the credentials of the sandbox."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105 - public on purpose, it opens nothing real
API_KEY = "sandbox-key"
REFRESH_TOKEN = "sandbox-refresh"  # noqa: S105 - likewise
AUDIENCE = "gateway.stockx.com"


_CHOICES = {
    "parallel_operations": ("refuse", "allow"),
    "omitted_on_update": ("documented", "keep"),
    "list_payout": ("when_paid", "always", "never"),
    "payout_of_failed_orders": ("unchanged", "zero"),
}
_SHARES = (
    *("activation_failure", "batch_item_failure", "canceled", "did_not_ship", "card_failed", "auth_failed"),
    *("returned", "suspended", "payout_failed", "drop_off"),
)


@dataclass(slots=True)
class Settings:
    """Times are sandbox seconds unless the name says otherwise; shares are probabilities between 0 and 1."""

    limits: bool = True
    rate_seconds: float = 1.0
    rate_when_frozen: bool = False
    rate_jitter_ms: float = 0.0  # real milliseconds by which requests may come early on a clock faster than life
    daily_requests: int = 25_000
    batch_window_items: int = 500
    batch_window_seconds: float = 300.0
    batch_daily_items: int = 50_000

    token_seconds: float = 43_200.0
    code_seconds: float = 600.0
    redirect_uris: str = ""  # comma-separated; empty accepts any http(s) address

    operation_seconds: float = 2.0
    batch_start_seconds: float = 2.0
    batch_min_seconds: float = 5.0
    batch_max_seconds: float = 20.0
    activation_failure: float = 0.0
    batch_item_failure: float = 0.0
    parallel_operations: str = "refuse"  # or "allow": a second write while one is pending
    omitted_on_update: str = "documented"  # USD and 999 days, as the document says; or "keep"
    deleted_in_lists: bool = False
    lowest_ask_includes_own: bool = True
    list_payout: str = "when_paid"  # payout in order lists: "when_paid", "always", "never"

    demand: float = 1.0  # multiplies the buyers of every variant
    ship_after_hours: float = 8.0  # negative: the seller never ships by himself
    ship_within_days: float = 3.0
    payout_median_days: float = 4.0
    payout_spread: float = math.log(7.2 / 4.0) / 1.2815515655  # 90 % of payouts within 7.2 days of the sale
    payout_longest_days: float = 17.2
    history_after_hours: float = 12.0
    canceled: float = 0.01
    did_not_ship: float = 0.005
    card_failed: float = 0.005
    auth_failed: float = 0.01
    returned: float = 0.005
    suspended: float = 0.002
    payout_failed: float = 0.003
    payout_of_failed_orders: str = "unchanged"  # or "zero"

    seller_level: int = 1
    drop_off: float = 0.05

    def change(self, values: dict[str, Any]) -> None:
        """Set settings by name, all or none; ValueError names what is unknown or of the wrong type."""
        kinds = {field.name: type(getattr(self, field.name)) for field in dataclasses.fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            kind = kinds.get(name)
            if kind is None:
                raise ValueError(f"Unknown setting {name}. Known: {', '.join(sorted(kinds))}.")
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                raise ValueError(f"Setting {name} takes a {kind.__name__}, not {value!r}.")
            if kind is float and not math.isfinite(value):
                raise ValueError(f"Setting {name} takes a finite number.")
            checked[name] = value
            if name in _CHOICES and value not in _CHOICES[name]:
                raise ValueError(f"Setting {name} takes {' or '.join(_CHOICES[name])}.")
            low, high = _bounds(name)
            if kind in (int, float) and not low <= value <= high:
                raise ValueError(f"Setting {name} takes {low:g} to {high:g}.")
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """All settings by name."""
        return dataclasses.asdict(self)


def _bounds(name: str) -> tuple[float, float]:
    if name == "seller_level":
        return 1, 5
    if name == "ship_after_hours":
        return -1, 10_000
    if name in _SHARES:
        return 0, 1
    return 0, {"days": 1000.0, "hours": 10_000.0}.get(name.rpartition("_")[2], 1e9)
