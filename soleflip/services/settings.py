"""The operator's stored settings, typed: VAT, thresholds, guard rails, strategy; fees have a book of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, cast, get_type_hints

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.backups import KeepingPlan
from soleflip.domain.errors import InvalidInput
from soleflip.domain.halts import HaltSettings
from soleflip.domain.money import kept_number
from soleflip.domain.opportunities import TREATMENTS
from soleflip.domain.pricing import STRATEGIES, GuardSettings, read_settings, written
from soleflip.models import AuditEntry, Setting


@dataclass(frozen=True, slots=True)
class VatSettings:
    """How the operator is taxed: none, vat_registered, small_business or margin_scheme; `rate` in percent."""

    treatment: str = "none"
    rate: Decimal = Decimal("19")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as an opportunity: amounts in the books' currency, percentages, ages in hours.

    `failure_rate` is the share of sales that come back, each at `failure_cost`; `unshipped_rate` is the share that we
    fail to ship, each at StockX's penalty of the day.
    """

    min_profit: Decimal = Decimal("5.00")
    min_roi: Decimal = Decimal("5")
    max_quote_age_hours: int = 24
    max_offer_age_hours: int = 168
    default_delivery: Decimal = Decimal("0.00")
    failure_rate: Decimal = Decimal("0.02")
    failure_cost: Decimal = Decimal("15.00")
    unshipped_rate: Decimal = Decimal("0.005")
    reopen_percent: Decimal = Decimal("5")


@dataclass(frozen=True, slots=True)
class PricingSettings:
    """The strategy of new listings, for how many days an ask is put up, and what the timetable's repricing does.

    `repricing` is send, or propose: then new prices wait on the Pricing page.
    """

    strategy: str = "profit_maximization"
    expires_after_days: int = 30
    repricing: str = "send"


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """Where feeds may be fetched from: `private_addresses` is yes or no."""

    private_addresses: str = "no"


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Of how many days, weeks and months a backup is kept."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 12

    @property
    def plan(self) -> KeepingPlan:
        """The same as the rule that decides."""
        return KeepingPlan(self.daily, self.weekly, self.monthly)


@dataclass(frozen=True, slots=True)
class AutomationSettings:
    """What all rules of automation together may do: money per operator's day, in the books' currency.

    What costs less than `least_price_percent` of its market no rule buys unasked; 0 asks nothing.
    """

    money_per_day: Decimal = Decimal("1000.00")
    least_price_percent: Decimal = Decimal(30)

    def __post_init__(self) -> None:
        if not 0 <= self.least_price_percent <= 100:
            raise InvalidInput("A share lies from 0 to 100 %.", field="least_price_percent")


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts may be sent to, and the address of this SoleFlip, for links in messages; empty for none.

    `private_addresses` is yes or no.
    """

    site: str = ""
    private_addresses: str = "no"

    def __post_init__(self) -> None:
        if self.site and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", self.site):
            raise InvalidInput("An address looks like https://soleflip.example.org.", field="site")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How long a browser stays signed in: unused, in hours, and at most, in days."""

    idle_hours: int = 72
    longest_days: int = 30

    def __post_init__(self) -> None:
        """Refuse what would lock everybody out, or nobody ever."""
        for name, most in (("idle_hours", 24 * 365), ("longest_days", 3650)):
            if not 1 <= getattr(self, name) <= most:
                raise InvalidInput(f"This must be from 1 to {most}.", field=name)


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """When the monitor speaks up: days and percent above the lowest ask, hours before a ship-by date, percent off."""

    unseen_days: int = 7
    unseen_percent: Decimal = Decimal("10")
    ship_hours: int = 12
    estimate_percent: Decimal = Decimal("2")


GROUPS: dict[str, type[Any]] = {
    "vat": VatSettings,
    "thresholds": Thresholds,
    "pricing": PricingSettings,
    "feeds": FeedSettings,
    "backups": BackupSettings,
    "automation": AutomationSettings,
    "alerts": AlertSettings,
    "monitor": MonitorSettings,
    "sessions": SessionSettings,
    "halts": HaltSettings,
}
_YES_OR_NO = ("yes", "no")
_CHOICES: Mapping[str, Mapping[str, Collection[str]]] = {
    "vat": {"treatment": TREATMENTS},
    "pricing": {"strategy": STRATEGIES, "repricing": ("send", "propose")},
    "feeds": {"private_addresses": _YES_OR_NO},
    "alerts": {"private_addresses": _YES_OR_NO},
}
_MOST: Mapping[str, Mapping[str, int]] = {
    "vat": {"rate": 100},
    "thresholds": {
        "max_quote_age_hours": 24 * 365,
        "max_offer_age_hours": 24 * 365,
        "failure_rate": 1,
        "unshipped_rate": 1,
    },
    "pricing": {"expires_after_days": 3650},
}
_MOST_OF_ANY = 1_000_000
"""No amount, percentage, count or time among the settings is larger than this; some have a limit of their own."""
_KEPT = "settings"
_READERS: Mapping[type, Callable[[str], Any]] = {
    Decimal: kept_number,
    date: date.fromisoformat,
}
Shape = TypeVar("Shape")
COMPUTED_WITH = frozenset({"vat", "thresholds", "pricing"})
"""Groups that stored opportunities rest on: they are computed anew when one of these changes."""
Group = TypeVar(
    "Group",
    VatSettings,
    Thresholds,
    PricingSettings,
    FeedSettings,
    BackupSettings,
    AutomationSettings,
    AlertSettings,
    SessionSettings,
    MonitorSettings,
    HaltSettings,
)


def load(session: Session, group: type[Group]) -> Group:
    """Return one group of settings: the stored values over the defaults."""
    key = next(name for name, cls in GROUPS.items() if cls is group)
    return merged(group(), stored(session).get(key, {}))


def load_guards(session: Session) -> GuardSettings:
    """Return the guard rails that apply where neither listing nor brand says otherwise."""
    return read_settings(GuardSettings, stored(session).get("guards", {}))


def stored(session: Session) -> Mapping[str, Any]:
    """Return what is stored, by key: read once in a transaction, since a page or a computation asks for several."""
    read_in, values = session.info.get(_KEPT, (None, None))
    if read_in is None or read_in is not session.get_transaction():
        values = {row.key: row.value for row in session.execute(select(Setting.key, Setting.value))}
        keep(session, values)
    return cast(Mapping[str, Any], values)


def keep(session: Session, values: Mapping[str, Any]) -> None:
    """Take what is stored from a statement of this transaction that read it already."""
    session.info[_KEPT] = (session.get_transaction(), values)


def forget(session: Session) -> None:
    """Read what is stored anew the next time; whoever writes a setting calls this."""
    session.info.pop(_KEPT, None)


def save_guards(session: Session, values: dict[str, Any], *, actor: str) -> GuardSettings:
    """Store the default guard rails; raises InvalidInput with the field."""
    guards = read_settings(GuardSettings, values)
    store(session, "guards", written(load_guards(session)), written(guards), actor)
    return guards


def save(session: Session, group: type[Group], values: dict[str, Any], *, actor: str) -> Group:
    """Store changed values of a group and write the audit entry; raises InvalidInput with the field."""
    key = next(name for name, cls in GROUPS.items() if cls is group)
    before = load(session, group)
    after = merged(before, values)
    for name, known in _CHOICES.get(key, {}).items():
        if (given := getattr(after, name)) not in known:
            raise InvalidInput(f"{given[:40]!r} can't be chosen here; there are {', '.join(known)}.", field=name)
    for name in values:
        most, number = _MOST.get(key, {}).get(name, _MOST_OF_ANY), getattr(after, name, None)
        if isinstance(number, int | Decimal) and number > most:
            raise InvalidInput(f"This can't be more than {most:,}.", field=name)
    store(session, key, plain(before), plain(after), actor)
    return after


def plain(group: Any) -> dict[str, Any]:
    """Return a group's values as JSON keeps them: decimals and days as text."""
    return {name: str(value) if isinstance(value, Decimal | date) else value for name, value in asdict(group).items()}


def store(
    session: Session,
    key: str,
    before: dict[str, Any],
    after: dict[str, Any],
    actor: str,
    *,
    value: dict[str, Any] | None = None,
) -> None:
    """Write a group and its audit entry; `value` is what is stored where that is more than what changed."""
    kept = after if value is None else value
    statement = insert(Setting).values(key=key, value=kept)
    session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": kept}))
    forget(session)
    session.add(AuditEntry(actor=actor, act="settings", subject=key, before=before, after=after))
    session.flush()


def merged(base: Shape, values: Mapping[str, Any]) -> Shape:
    """Return `base` with the known fields of `values` in it, each turned into the field's type; raises InvalidInput."""
    hints = get_type_hints(type(base))
    typed: Any = base
    changes: dict[str, Any] = {}
    for field in fields(typed):
        if field.name not in values or values[field.name] is None:
            continue
        kind, given = hints[field.name], str(values[field.name]).strip()
        try:
            value: Any = _READERS.get(kind, kind)(given)
        except (InvalidOperation, ValueError) as error:
            what = "day like 2026-03-01" if kind is date else "number"
            raise InvalidInput(f"{given[:40]!r} is not a {what}.", field=field.name) from error
        if kind is Decimal and not value.is_finite():
            raise InvalidInput(f"{given[:40]!r} is not a number.", field=field.name)
        if kind in (int, Decimal) and value < 0:
            raise InvalidInput("This can't be negative.", field=field.name)
        changes[field.name] = value
    changed: Shape = replace(typed, **changes)
    return changed
