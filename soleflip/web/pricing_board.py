"""The Pricing page itself: shown as it is, or again with what was typed and what was wrong with it."""

from __future__ import annotations

from flask import Response, g, request

from soleflip.domain.errors import InvalidInput
from soleflip.domain.performance import ENOUGH
from soleflip.domain.pricing import STRATEGIES, GuardSettings, written
from soleflip.services import pricing_overview
from soleflip.services.pricing_overview import PricingView
from soleflip.web.htmx import page
from soleflip.web.pricing_forms import StrategyForm, setting_fields
from soleflip.web.settings_texts import REPRICING
from soleflip.web.unit import now, runtime


def show(
    *,
    status: int = 200,
    typed: dict[str, str] | None = None,
    guards_error: InvalidInput | None = None,
    defaults_error: InvalidInput | None = None,
    experiment_error: InvalidInput | None = None,
    rule_error: InvalidInput | None = None,
    settings_error: InvalidInput | None = None,
) -> Response:
    """Show strategies, guard rails, proposals, rules and the last runs; an error stands at its own form."""
    view = pricing_overview.view(g.session, runtime().books, now())
    rails = typed if typed is not None and guards_error is not None else written(view.guards)
    return page(
        "pricing/page.html",
        "pricing/_board.html",
        status=status,
        view=view,
        fields=setting_fields(GuardSettings, rails, guards_error, prefix="guard-"),
        enough=ENOUGH,
        repricing=REPRICING,
        strategies=[(each.name, each.label) for each in STRATEGIES.values()],
        default_form=_default_form(view, typed if settings_error is not None else None, settings_error),
        guards_error=guards_error,
        defaults_error=defaults_error,
        experiment_error=experiment_error,
        rule_error=rule_error,
        settings_error=settings_error,
    )


def _default_form(view: PricingView, typed: dict[str, str] | None, error: InvalidInput | None) -> StrategyForm:
    """Return the form of a strategy's settings by default: those of the strategy looked at."""
    default = view.rulebook.default
    looked_at = request.values.get("settings") or (request.form.get("strategy") if error is not None else None)
    chosen = STRATEGIES[looked_at if looked_at in STRATEGIES else str(default.strategy)]
    own = default.strategy_settings.get(chosen.name, {}) if typed is None else typed
    return StrategyForm(chosen, setting_fields(chosen.settings_type, own, error, prefix="default-"))
