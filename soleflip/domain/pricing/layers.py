"""Which rule acts: what a listing, its tags, its brand and the default say, each setting by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing.guards import GuardSettings
from soleflip.domain.pricing.settings import Cascade, Layer, cascade, read_settings

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one layer says; `strategy_settings` by strategy, so that they wait while another strategy acts."""

    name: str
    strategy: str | None = None
    strategy_settings: Mapping[str, Values] = field(default_factory=dict)
    guards: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acting:
    """What acts for one listing, and for each setting the name of the layer that it comes from."""

    strategy: str
    strategy_layer: str
    settings: Cascade
    guards: GuardSettings
    guard_layers: Mapping[str, str]


def acting(rules: Sequence[Rule], strategy: str | None = None) -> Acting:
    """Merge rules from the strongest to the default, which is the last and names a strategy and every guard rail.

    `strategy` replaces the strategy of all layers. Raises InvalidInput for settings that do not fit.
    """
    first = next((rule for rule in rules if rule.strategy), None)
    if first is None or first.strategy is None:
        raise InvalidInput("The default needs a strategy.", field="strategy")
    chosen, layer = (strategy, "this run") if strategy else (first.strategy, first.name)
    *special, default = rules
    # The default's guard rails may be switched off on purpose: None of it is a value, None of the others is not.
    own = cascade(*(Layer(rule.name, rule.guards) for rule in special))
    guards = read_settings(GuardSettings, {**default.guards, **own.values})
    layers = {name: own.acts.get(name, default.name) for name in (each.name for each in fields(GuardSettings))}
    settings = cascade(*(Layer(rule.name, rule.strategy_settings.get(chosen, {})) for rule in rules))
    return Acting(chosen, layer, settings, guards, layers)
