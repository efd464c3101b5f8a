"""Forms of strategies and guard rails, made from what their settings say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import SettingField

HOW = ".how"
VALUE = "value"
MISSING = "–"
"""Stands for a value that was announced and not typed: no setting takes it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One setting as the page shows it: what it is, the text in it, and what was wrong with that.

    `acts` says what acts now and by whose word; a field that has it may stay blank: then the next layer decides.
    """

    spec: SettingField
    id: str
    value: Any
    errors: tuple[str, ...] = ()
    acts: str | None = None

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What may be chosen, with its words."""
        if self.spec.kind == "flag":
            return [("True", "Yes"), ("False", "No")]
        return [(each, each.replace("_", " ").capitalize()) for each in self.spec.choices]

    @property
    def how(self) -> str:
        """Whose word an optional field takes: '' for the next layer's, 'off', or 'value' for its own."""
        text = "" if self.value is None else str(self.value).strip()
        return text.lower() if text.lower() in ("", pricing.OFF) else VALUE

    @property
    def suffix(self) -> str | None:
        """The unit that stands behind the input; amounts take the currency of the books."""
        return {"percent": "%", "minutes": "min", "hours": "h", "hour": "o'clock"}.get(self.spec.kind)


@dataclass(frozen=True, slots=True)
class StrategyForm:
    """A strategy with the fields of its settings."""

    strategy: pricing.Strategy
    fields: list[Field]


def setting_fields(
    settings_type: type[Any], values: Mapping[str, Any], error: InvalidInput | None = None, prefix: str = ""
) -> list[Field]:
    """Make the fields of a settings class with their values; what is not stored shows its default."""
    return [
        Field(spec, prefix + spec.name, values.get(spec.name, spec.default), _errors(spec, error))
        for spec in pricing.describe(settings_type)
    ]


def own_fields(
    settings_type: type[Any],
    own: Mapping[str, Any],
    acting: Mapping[str, Any],
    layers: Mapping[str, str],
    error: InvalidInput | None = None,
    prefix: str = "",
) -> list[Field]:
    """Make the fields of one layer: its own values, and what acts now with the name of the layer that says so."""
    fields = []
    for spec in pricing.describe(settings_type):
        value = acting.get(spec.name, spec.default)
        words = {"None": "off", "True": "yes", "False": "no"}
        shown = words.get(str(value), str(value).replace("_", " "))
        acts = f"Acts: {shown}, by {layers.get(spec.name, 'the default')}"
        fields.append(Field(spec, prefix + spec.name, own.get(spec.name), _errors(spec, error), acts))
    return fields


def typed_settings(*without: str) -> dict[str, str]:
    """Return what the form says of settings; of a box and its hidden no, the box, which comes later, counts.

    Where a choice stands beside a field (`name.how`), it decides: the next layer, off, or what the field says.
    """
    names = [name for name in request.form if name not in ("csrf_token", "back", *without)]
    typed = {name: request.form.getlist(name)[-1] for name in names if not name.endswith(HOW)}
    for name in typed:
        how = request.form.get(name + HOW)
        if how is not None:
            typed[name] = (typed[name].strip() or MISSING) if how == VALUE else how
    return typed


def _errors(spec: SettingField, error: InvalidInput | None) -> tuple[str, ...]:
    return (str(error),) if error is not None and error.field == spec.name else ()
