"""Typed settings of strategies and guards: described for forms, read from text or JSON, and cascaded."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import kept_number

S = TypeVar("S")

OFF = "off"
"""Switches an optional setting off in a layer whose blank would leave the word to the next one."""
MOST = Decimal(1_000_000)
"""No amount, percentage or span of time in a setting is larger; a slip of the keyboard is."""


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as a form needs it; `kind` is 'amount', 'percent', 'count', 'hours', 'flag' or 'choice'."""

    name: str
    label: str
    kind: str
    default: Decimal | int | bool | str | None
    optional: bool
    help: str
    choices: tuple[str, ...]
    lowest: Decimal | None
    highest: Decimal | None


def setting(
    default: Any,
    label: str,
    kind: str,
    *,
    note: str = "",
    choices: tuple[str, ...] = (),
    lowest: int | str | None = None,
    highest: int | str | None = None,
) -> Any:
    """Declare one field of a settings class together with what its form shows."""
    return field(
        default=default,
        metadata={
            "label": label,
            "kind": kind,
            "help": note,
            "choices": choices,
            "lowest": None if lowest is None else Decimal(lowest),
            "highest": None if highest is None else Decimal(highest),
        },
    )


def describe(settings_type: type) -> tuple[SettingField, ...]:
    """Return the fields of a settings class in order, for a form or a table."""
    hints = get_type_hints(settings_type)
    return tuple(
        SettingField(
            name=each.name,
            label=each.metadata["label"],
            kind=each.metadata["kind"],
            default=None if each.default is MISSING else each.default,
            optional=type(None) in get_args(hints[each.name]),
            help=each.metadata["help"],
            choices=each.metadata["choices"],
            lowest=each.metadata["lowest"],
            highest=each.metadata["highest"],
        )
        for each in fields(settings_type)
    )


def read_settings(settings_type: type[S], values: Mapping[str, object]) -> S:
    """Build a settings object from text, JSON or Python values; missing names keep their default.

    Raises InvalidInput naming the field when a name is unknown or a value does not fit.
    """
    known = {each.name: each for each in describe(settings_type)}
    for name in values:
        if name not in known:
            raise InvalidInput(
                f"There is no setting {name!r} here; known are {', '.join(known) or 'none'}.", field=name
            )
    hints = get_type_hints(settings_type)
    read = {name: _read(known[name], _plain(hints[name]), value) for name, value in values.items()}
    return settings_type(**read)


def written(settings: object) -> dict[str, str | bool | None]:
    """Return a settings object as JSON-ready values: amounts and counts as text."""
    values: dict[str, str | bool | None] = {}
    for each in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, each.name)
        values[each.name] = value if value is None or isinstance(value, bool) else str(value)
    return values


def _plain(hint: Any) -> type:
    """Return the type without its `| None`."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    return hint if isinstance(hint, type) else str


def _read(spec: SettingField, plain: type, value: object) -> object:
    text = "" if value is None else str(value).strip()
    if not text or (spec.optional and text.lower() == OFF):
        if spec.optional:
            return None
        raise InvalidInput(f"{spec.label} needs a value.", field=spec.name)
    if plain is bool:
        return _flag(spec, value)
    if plain is str:
        if spec.choices and text not in spec.choices:
            raise InvalidInput(f"{spec.label} must be one of {', '.join(spec.choices)}.", field=spec.name)
        return text
    return _number(spec, plain, text)


def _flag(spec: SettingField, value: object) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "on", "1", "y"):
        return True
    if text in ("false", "no", "off", "0", "n"):
        return False
    raise InvalidInput(f"{spec.label} must be yes or no.", field=spec.name)


def _number(spec: SettingField, plain: type, text: str) -> Decimal | int:
    try:
        number = kept_number(text)
    except InvalidOperation:
        raise InvalidInput(f"{spec.label} must be a number, not {text!r}.", field=spec.name) from None
    if number.is_finite() and abs(number) > MOST:
        raise InvalidInput(f"{spec.label} must be at most {MOST}.", field=spec.name)
    if not number.is_finite() or (plain is int and number != int(number)):
        kind = "a whole number" if plain is int else "a finite number"
        raise InvalidInput(f"{spec.label} must be {kind}.", field=spec.name)
    if spec.lowest is not None and number < spec.lowest:
        raise InvalidInput(f"{spec.label} must be at least {spec.lowest}.", field=spec.name)
    if spec.highest is not None and number > spec.highest:
        raise InvalidInput(f"{spec.label} must be at most {spec.highest}.", field=spec.name)
    return int(number) if plain is int else number


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings, such as a listing, a tag, a brand or the default; None in it means not set here."""

    name: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Cascade:
    """Merged settings, and for each of them the name of the layer that acts."""

    values: dict[str, object]
    acts: dict[str, str]


def cascade(*layers: Layer) -> Cascade:
    """Merge layers given from strongest to weakest (listing, tag, brand, default)."""
    merged = Cascade({}, {})
    for layer in layers:
        for name, value in layer.values.items():
            if name not in merged.values and value is not None and value != "":
                merged.values[name] = value
                merged.acts[name] = layer.name
    return merged
