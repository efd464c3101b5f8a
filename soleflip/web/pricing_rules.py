"""Rules of pricing by brand, tag and listing: what each says itself, and what acts where it says nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import Acting, GuardSettings
from soleflip.domain.words import count_of
from soleflip.models import PricingRule
from soleflip.services import listings, pricing_rules
from soleflip.web import pricing_board
from soleflip.web.forms import selected
from soleflip.web.htmx import go, page
from soleflip.web.listings import show_listing
from soleflip.web.pricing_forms import StrategyForm, own_fields, typed_settings
from soleflip.web.unit import actor, now

bp = Blueprint("rules", __name__, url_prefix="/rules")


@bp.post("")
def add() -> Response:
    """Make a rule for a brand or a tag and open it."""
    form = request.form
    try:
        rule = pricing_rules.add(g.session, form.get("scope", ""), form.get("name", ""), actor=actor())
    except InvalidInput as error:
        return pricing_board.show(status=422, rule_error=error)
    return go(url_for("pricing.rules.show", rule_id=rule.id))


@bp.get("/<uuid:rule_id>")
def show(rule_id: UUID) -> Response:
    """Show one rule with its strategy, settings and guard rails."""
    return _show(rule_id)


@bp.post("/<uuid:rule_id>/strategy")
def strategy(rule_id: UUID) -> Response:
    """Store a rule's strategy and its settings."""
    typed = typed_settings("acts", "strategy")
    name = request.form.get("strategy", "")
    acts = request.form.get("acts") or None
    try:
        pricing_rules.save_strategy(g.session, rule_id, acts=acts, strategy=name, values=typed, actor=actor())
    except InvalidInput as error:
        return _show(rule_id, status=422, settings=typed, error=error)
    return _saved(rule_id)


@bp.post("/<uuid:rule_id>/guards")
def guards(rule_id: UUID) -> Response:
    """Store a rule's guard rails."""
    typed = typed_settings()
    try:
        pricing_rules.save_guards(g.session, rule_id, typed, actor=actor())
    except InvalidInput as error:
        return _show(rule_id, status=422, guards=typed, error=error)
    return _saved(rule_id)


@bp.post("/<uuid:rule_id>/remove")
def remove(rule_id: UUID) -> Response:
    """Take a rule away."""
    pricing_rules.remove(g.session, rule_id, actor=actor())
    flash("The rule is gone; its listings go by the next layer.", "info")
    return go(url_for("pricing.index", _anchor="rules"))


@bp.post("/default")
def default() -> Response:
    """Store the settings that a strategy has where no rule says otherwise."""
    name, typed = request.form.get("strategy", ""), typed_settings("strategy")
    try:
        pricing_rules.save_default_settings(g.session, name, typed, actor=actor())
    except InvalidInput as error:
        return pricing_board.show(status=422, typed=typed, settings_error=error)
    flash("Saved. Every listing whose own rules say nothing else goes by it.", "success")
    return go(url_for("pricing.index", settings=name, _anchor="default-settings"))


@bp.post("/tags")
def tags() -> Response:
    """Put a tag on the selected listings, or take it off."""
    off = request.form.get("tagging") == "remove"
    count = pricing_rules.tag(g.session, selected("listing"), request.form.get("tag", ""), remove=off, actor=actor())
    flash(f"{count_of(count, 'listing')} changed.", "success")
    return go(_back())


@bp.post("/listings/<uuid:listing_id>/guards")
def listing_guards(listing_id: UUID) -> Response:
    """Store a listing's own guard rails."""
    listing, typed = listings.get(g.session, listing_id, lock=True), typed_settings()
    try:
        pricing_rules.save_listing_guards(g.session, listing, typed, actor=actor(), now=now())
    except InvalidInput as error:
        return show_listing(listing_id, status=422, guards=typed, error=error)
    flash("Saved. These guard rails act on this listing from now on.", "success")
    return go(url_for("listings.show", listing_id=listing_id))


@bp.post("/listings/<uuid:listing_id>/follow")
def follow(listing_id: UUID) -> Response:
    """Let tag, brand or default choose a listing's strategy again."""
    pricing_rules.follow_rules(g.session, listings.get(g.session, listing_id, lock=True), actor=actor())
    flash("The strategy comes from the rules again.", "success")
    return go(url_for("listings.show", listing_id=listing_id))


def _show(
    rule_id: UUID,
    *,
    status: int = 200,
    settings: dict[str, Any] | None = None,
    guards: dict[str, Any] | None = None,
    error: InvalidInput | None = None,
) -> Response:
    rule = pricing_rules.get(g.session, rule_id)
    acting = _acting(rule)
    chosen = pricing.strategy_named(request.values.get("strategy") or acting.strategy)
    named = _acting(rule, chosen.name)
    own = settings if settings is not None else rule.strategy_settings.get(chosen.name, {})
    strategy_error = error if settings is not None else None
    form = own_fields(
        chosen.settings_type, own, named.settings.values, named.settings.acts, strategy_error, prefix="strategy-"
    )
    rails = own_fields(
        GuardSettings,
        guards if guards is not None else rule.guards,
        pricing.written(acting.guards),
        acting.guard_layers,
        error if guards is not None else None,
        prefix="guard-",
    )
    return page(
        "pricing/rule.html",
        "pricing/_rule.html",
        status=status,
        rule=rule,
        acting=acting,
        form=StrategyForm(chosen, form),
        rails=rails,
        error=error,
        strategies=[(each.name, each.label) for each in pricing.STRATEGIES.values()],
        live=pricing_rules.counts(g.session).get((rule.scope, rule.key), 0),
    )


def _acting(rule: PricingRule, strategy: str | None = None) -> Acting:
    """Return what acts for a listing that this rule and the default meet on."""
    rulebook = pricing_rules.load(g.session)
    rules = rulebook.brands if rule.scope == "brand" else rulebook.tags
    return pricing.acting([rules[rule.key], rulebook.default], strategy)


def _saved(rule_id: UUID) -> Response:
    flash("Saved. It acts at the next repricing; its floors act at once.", "success")
    return go(url_for("pricing.rules.show", rule_id=rule_id, strategy=request.form.get("strategy") or None))


def _back() -> str:
    back = request.form.get("back", "")
    return back if back.startswith("/listings") and "\\" not in back else url_for("listings.index")
