"""Runs: every job that was started, its progress, its log, and its cancel button."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.words import count_of
from soleflip.services import failures, run_effects, runs
from soleflip.web.htmx import go, page, trigger
from soleflip.web.unit import actor

bp = Blueprint("runs", __name__, url_prefix="/runs")

UNSEEN = "unseen"
PLACES = {
    "order_sync": ("orders.index", "The orders"),
    "listing_sync": ("listings.index", "The listings"),
    "adopt": ("listings.index", "The listings"),
    "settle": ("listings.index", "The listings"),
    "quotes": ("opportunities.index", "The opportunities by the new quotes"),
    "detect": ("opportunities.index", "The opportunities"),
    "compute": ("opportunities.index", "The opportunities"),
    "searches": ("alerts.index", "The alerts of saved searches"),
    "catalog_lookup": ("inventory.index", "The inventory"),
    "product_lookup": ("inventory.index", "The inventory"),
    "feed_fetch": ("imports.index", "The imports"),
    "automate": ("automation.pipeline.index", "The pipeline"),
    "monitor": ("automation.findings.index", "The findings"),
    "away": ("automation.away.index", "The asks that were paused"),
    "away_look": ("automation.away.index", "The paused asks beside the market"),
    "deliver_alerts": ("alerts.index", "The alerts with their deliveries"),
    "test_channel": ("channels.index", "The channels"),
    "replay": ("pricing.replay.index", "The replays"),
    "backup": ("backups.index", "The backups"),
    "export": ("backups.index", "The file for download"),
    "tax_export": ("tax.index", "The tax report"),
}
"""The page that shows what a kind of run works on; the other kinds name what they made, or take away what is old."""

STATES = ("queued", "running", "done", "failed", "cancelled", UNSEEN)


@bp.get("")
def index() -> Response:
    """List the runs, newest first."""
    kind, state = request.args.get("kind") or None, request.args.get("state") or None
    unseen = state == UNSEEN
    found, cursor = runs.history(
        g.session, kind=kind, state=None if unseen else state, unseen=unseen, after=request.args.get("after")
    )
    view: dict[str, Any] = {"runs": found, "cursor": cursor, "kinds": runs.kinds(g.session), "states": STATES}
    return page("runs/page.html", "runs/_table.html", kind=kind, state=state, **view)


@bp.get("/<uuid:run_id>")
def show(run_id: UUID) -> Response:
    """Show one run: its progress, what came of it, and its log."""
    run = runs.get(g.session, run_id)
    lines = runs.lines(g.session, run_id)
    view: dict[str, Any] = {"effects": run_effects.effects(g.session, run_id), "place": PLACES.get(run.kind)}
    view["subjects"] = run_effects.subjects(g.session, lines)
    return page("runs/show.html", "runs/_log.html", run=run, lines=lines, **view)


@bp.get("/<uuid:run_id>/progress")
def progress(run_id: UUID) -> Response:
    """Show a run's progress; once it is over the event `run-over` tells the page."""
    run = runs.get(g.session, run_id)
    response = page("runs/show.html", "runs/_progress.html", run=run, lines=(), effects=None, subjects={}, place=None)
    return response if run.state in runs.OPEN_STATES else trigger(response, "run-over")


@bp.post("/seen")
def all_seen() -> Response:
    """Take every failed run off the list of what needs the operator."""
    count = failures.mark_seen(g.session, None, actor=actor())
    flash(f"{count_of(count, 'failed run')} seen.", "success")
    return go(url_for("runs.index"))


@bp.post("/<uuid:run_id>/seen")
def seen(run_id: UUID) -> Response:
    """Take one failed run off the list of what needs the operator."""
    failures.mark_seen(g.session, [run_id], actor=actor())
    flash("Seen.", "success")
    return go(url_for("runs.show", run_id=run_id))


@bp.post("/<uuid:run_id>/cancel")
def cancel(run_id: UUID) -> Response:
    """Ask a run to stop at its next safe place."""
    run = runs.request_cancel(g.session, run_id)
    flash("The run was cancelled." if run.state == "cancelled" else "The run stops at its next safe place.", "info")
    return go(url_for("runs.show", run_id=run_id))
