"""Forms of strategies and guard rails, made from what their settings say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import SettingField


@dataclass(frozen=True, slots=True)
class Field:
    """One setting as the page shows it: what it is, the text in it, and what was wrong with that."""

    spec: SettingField
    id: str
    value: Any
    errors: tuple[str, ...] = ()

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What may be chosen, with its words."""
        return [(each, each.replace("_", " ").capitalize()) for each in self.spec.choices]

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
        Field(
            spec=spec,
            id=prefix + spec.name,
            value=values.get(spec.name, spec.default),
            errors=(str(error),) if error is not None and error.field == spec.name else (),
        )
        for spec in pricing.describe(settings_type)
    ]
