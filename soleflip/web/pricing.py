"""Pricing: strategies and their results, guard rails, repricing by button, and proposals to approve."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import STRATEGIES, strategy_named
from soleflip.domain.words import count_of
from soleflip.services import proposals, settings, strategy_performance
from soleflip.services.pricing_rules import refresh, save_default_guards
from soleflip.services.settings import PricingSettings
from soleflip.web import pricing_replay, pricing_rules
from soleflip.web.forms import selected
from soleflip.web.htmx import go
from soleflip.web.pricing_board import show
from soleflip.web.settings_texts import REPRICING
from soleflip.web.unit import actor, now, start_run, wake_after_commit

bp = Blueprint("pricing", __name__, url_prefix="/pricing")
bp.register_blueprint(pricing_rules.bp)
bp.register_blueprint(pricing_replay.bp)

MODES: dict[str, dict[str, bool]] = {"now": {}, "dry_run": {"dry_run": True}, "approve": {"approve": True}}


@bp.get("")
def index() -> Response:
    """Show strategies, guard rails, proposals and the last runs."""
    return show()


@bp.post("/run")
def run() -> Response:
    """Reprice now, try it without sending, or make proposals that wait for approval."""
    mode = request.form.get("mode", "")
    if mode not in MODES:
        raise InvalidInput("Choose how to reprice: now, as a trial, or for approval.")
    started = start_run("reprice", dict(MODES[mode]))
    return go(url_for("listings.show_run", run_id=started.id))


@bp.post("/proposals")
def decide() -> Response:
    """Approve or drop proposals: the ticked ones, or all of them."""
    act = request.form.get("act", "")
    ids = None if act.endswith("_all") else selected("proposal")
    if act.startswith("approve"):
        run = proposals.approve(g.session, ids, actor=actor())
        wake_after_commit(run)
        return go(url_for("listings.show_run", run_id=run.id))
    count = proposals.reject(g.session, ids)
    flash(f"{count_of(count, 'proposal')} dropped; those prices stay.", "info")
    return go(url_for("pricing.index"))


@bp.post("/defaults")
def defaults() -> Response:
    """Store the strategy of new listings and how long an ask is put up."""
    try:
        _check_defaults()
        settings.save(g.session, PricingSettings, request.form.to_dict(), actor=actor())
    except InvalidInput as error:
        return show(status=422, defaults_error=error)
    refresh(g.session)
    flash("Saved. It acts wherever no rule and no listing says otherwise.", "success")
    return go(url_for("pricing.index", _anchor="defaults"))


@bp.post("/guards")
def guards() -> Response:
    """Store the guard rails."""
    typed = {name: value for name, value in request.form.items() if name != "csrf_token"}
    try:
        save_default_guards(g.session, typed, actor=actor())
    except InvalidInput as error:
        return show(status=422, typed=typed, guards_error=error)
    flash("Saved. Every price passes these rails from now on.", "success")
    return go(url_for("pricing.index", _anchor="guards"))


@bp.post("/experiment")
def experiment() -> Response:
    """Begin an experiment with new listings in the chosen shares, or end the one that runs."""
    if request.form.get("act") == "end":
        strategy_performance.end_experiment(g.session, actor=actor())
        flash("The experiment is over: new listings go by the default again. Its result stays.", "info")
        return go(url_for("pricing.index", _anchor="experiment"))
    try:
        strategy_performance.begin_experiment(g.session, _shares(), actor=actor(), now=now())
    except InvalidInput as error:
        return show(status=422, experiment_error=error)
    flash("Begun. New listings that would go by the default are dealt by lot.", "success")
    return go(url_for("pricing.index", _anchor="experiment"))


def _shares() -> dict[str, int]:
    """Read the shares of the form, in percent; blank ones take no part."""
    shares = {}
    for name in STRATEGIES:
        text = request.form.get(f"share-{name}", "").strip()
        if text and not (text.isdecimal() and len(text) <= 3):
            raise InvalidInput(f"{text[:20]!r} is no whole percentage.", field="shares")
        if text and int(text):
            shares[name] = int(text)
    return shares


def _check_defaults() -> None:
    strategy_named(request.form.get("strategy", ""))
    if request.form.get("repricing") not in dict(REPRICING):
        raise InvalidInput("Choose what repricing on the timetable does.", field="repricing")
    if request.form.get("expires_after_days") not in {str(days) for days in range(1, 366)}:
        raise InvalidInput("Whole days, from 1 to 365.", field="expires_after_days")
