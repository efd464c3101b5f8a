"""Rules of automation: written as a sentence, previewed, switched, removed."""

from __future__ import annotations

from dataclasses import fields
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain import automation
from soleflip.domain.automation import LISTING, OPPORTUNITY, ListingConditions, OpportunityConditions
from soleflip.domain.automation_words import sentence
from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import STRATEGIES
from soleflip.models import Rule
from soleflip.services import automation_rules, opportunities, rule_preview
from soleflip.services.carrying_out import Used
from soleflip.web.filters import money, plural
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime

bp = Blueprint("rules", __name__, url_prefix="/rules")

CONDITIONS = {OPPORTUNITY: OpportunityConditions, LISTING: ListingConditions}
Typed = dict[str, Any]


@bp.get("")
def index() -> Response:
    """Show all rules with what they decided and what they used of their limits."""
    rules = automation_rules.stored(g.session)
    names = opportunities.choices(g.session)
    used = Used.of(g.session, runtime().books, now())
    view: dict[str, Any] = {
        "rules": [(rule, _sentence(rule, names), used.spent(rule.id)) for rule in rules],
        "counts": automation_rules.counts(g.session),
    }
    return page("automation/rules.html", "automation/_rules.html", **view)


@bp.get("/new")
def new() -> Response:
    """Show the empty sentence of a new rule."""
    subject = request.args.get("subject")
    return _form(None, {"subject": subject if subject in automation.SUBJECTS else OPPORTUNITY})


@bp.get("/<uuid:rule_id>")
def show(rule_id: UUID) -> Response:
    """Show one rule as its sentence, with what it would do now."""
    rule = automation_rules.get(g.session, rule_id)
    return _form(rule, _stored(rule), preview=True)


@bp.post("")
def make() -> Response:
    """Make a rule, or only preview it."""
    return _take(None)


@bp.post("/<uuid:rule_id>")
def change(rule_id: UUID) -> Response:
    """Change a rule, or only preview the change."""
    return _take(automation_rules.get(g.session, rule_id))


@bp.post("/<uuid:rule_id>/switch")
def switch(rule_id: UUID) -> Response:
    """Switch a rule on or off, or its autopilot."""
    rule = automation_rules.get(g.session, rule_id)
    enabled, autopilot = (request.form.get(name, "") for name in ("enabled", "autopilot"))
    automation_rules.switch(
        g.session,
        rule_id,
        enabled=enabled == "1" if enabled else rule.is_enabled,
        autopilot=autopilot == "1" if autopilot else rule.autopilot,
        actor=actor(),
    )
    flash(f"{rule.name} is {_state(rule)}.", "success" if rule.is_enabled else "info")
    return _on_to_what_waits(rule)


@bp.post("/<uuid:rule_id>/remove")
def remove(rule_id: UUID) -> Response:
    """Take a rule away."""
    automation_rules.remove(g.session, rule_id, actor=actor())
    flash("The rule is gone; what it did stays in the list of decisions.", "info")
    return go(url_for("automation.rules.index"))


def _take(rule: Rule | None) -> Response:
    """Read the form; preview or store what it says."""
    typed: Typed = {name: value for name, value in request.form.items() if name not in ("csrf_token", "act")}
    try:
        wanted = _read(typed)
        if request.form.get("act") == "preview":
            return _form(rule, typed, preview=True)
        stored = automation_rules.save(
            g.session,
            rule.id if rule else None,
            typed.get("name", ""),
            wanted,
            autopilot=typed.get("autopilot") == "1",
            actor=actor(),
        )
    except InvalidInput as error:
        return _form(rule, typed, error=error)
    flash(
        f"{stored.name} is kept and {_state(stored)}. It looks at everything with the next automation run.", "success"
    )
    lower = automation_rules.lower_limit(g.session, wanted)
    if lower is not None:
        flash(
            f"All rules together may spend {money(lower, runtime().books.currency)} a day, less than this one.",
            "warning",
        )
    return _on_to_what_waits(stored)


def _on_to_what_waits(rule: Rule) -> Response:
    """Go to the rules, or to what still waits for the operator's word of a rule that now acts by itself."""
    left = automation_rules.waiting(g.session, rule.id) if rule.autopilot else 0
    if not left:
        return go(url_for("automation.rules.index"))
    flash(
        f"{plural(left, 'decision')} from before {'waits' if left == 1 else 'wait'} for you all the same: "
        "approve or reject here.",
        "warning",
    )
    return go(url_for("automation.decisions.index", rule=rule.id))


def _read(typed: Typed) -> automation.Rule:
    subject = typed.get("subject", "")
    kind = CONDITIONS.get(subject, OpportunityConditions)
    conditions = {field.name: typed[field.name] for field in fields(kind) if field.name in typed}
    settings = {"pairs": typed.get("pairs") or "1", "strategy": typed.get("then_strategy")}
    limits = {field.name: typed[field.name] for field in fields(automation.Limits) if field.name in typed}
    return automation.read_rule(subject, conditions, typed.get("action", ""), settings, limits)


def _stored(rule: Rule) -> Typed:
    """Return a stored rule as its form has it."""
    texts = {**rule.conditions, **rule.limits, "pairs": rule.action_settings.get("pairs")}
    texts["then_strategy"] = rule.action_settings.get("strategy")
    typed: Typed = {name: "" if value is None else value for name, value in texts.items()}
    return typed | {
        "subject": rule.subject,
        "action": rule.action,
        "name": rule.name,
        "autopilot": "1" if rule.autopilot else "0",
    }


def _form(rule: Rule | None, typed: Typed, *, error: InvalidInput | None = None, preview: bool = False) -> Response:
    subject = typed["subject"] if typed.get("subject") in automation.SUBJECTS else OPPORTUNITY
    defaults = {
        field.name: "" if field.default is None else field.default
        for kind in (CONDITIONS[subject], automation.ActionSettings, automation.Limits)
        for field in fields(kind)
    }
    defaults |= {"strategy": "", "then_strategy": "", "action": next(iter(automation.ACTIONS[subject]))}
    shown = None
    if preview and error is None:
        shown = rule_preview.preview(
            g.session, _read(typed), books=runtime().books, now=now(), rule_id=rule.id if rule else None
        )
    view: dict[str, Any] = {
        "rule": rule,
        "subject": subject,
        "typed": defaults | typed,
        "error": error,
        "actions": list(automation.ACTIONS[subject].items()),
        "choices": opportunities.choices(g.session),
        "strategies": [(each.name, each.label) for each in STRATEGIES.values()],
        "preview": shown,
    }
    return page("automation/rule.html", "automation/_rule.html", status=422 if error else 200, **view)


def _sentence(rule: Rule, names: opportunities.Choices) -> str:
    read = automation_rules.read(rule)
    shops, brands = dict(names.shop), dict(names.brand)
    shop = shops.get(getattr(read.conditions, "shop", None) or 0)
    brand = brands.get(read.conditions.brand or 0)
    return sentence(read, runtime().books.currency, shop=shop, brand=brand)


def _state(rule: Rule) -> str:
    if not rule.is_enabled:
        return "switched off"
    return "on autopilot" if rule.autopilot else "waits for your approval"
