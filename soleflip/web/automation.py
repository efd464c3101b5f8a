"""Automation: the stop button, the timetable, and what rules decided."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import InvalidInput
from soleflip.services import automation_overview
from soleflip.services import stop as switch
from soleflip.services.timetable import TIMETABLE, params_of
from soleflip.web import automation_rules, decisions
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, start_run, wake_after_commit

bp = Blueprint("automation", __name__, url_prefix="/automation")
bp.register_blueprint(automation_rules.bp)
bp.register_blueprint(decisions.bp)


@bp.get("")
def index() -> Response:
    """Show the stop button, the timetable and the last decisions."""
    view = automation_overview.view(g.session, sandbox=runtime().settings.sandbox)
    return page("automation/page.html", "automation/_board.html", view=view)


@bp.post("/stop")
def stop() -> Response:
    """Halt every write to StockX, at once."""
    reason = request.form.get("reason", "").strip()[:300] or "no reason given"
    switch.stop(g.session, actor=actor(), reason=reason, now=now())
    flash("Stopped. Nothing more is sent to StockX until you resume.", "warning")
    return go(url_for("automation.index"))


@bp.post("/resume")
def resume() -> Response:
    """Let writes go on, with the runs that stood still if the operator says so."""
    go_on = request.form.get("go_on") == "1"
    for run in automation_overview.resume(g.session, go_on=go_on, actor=actor(), now=now()):
        wake_after_commit(run)
    flash("Resumed. Writes to StockX go out again.", "success")
    return go(url_for("automation.index"))


@bp.post("/run")
def run_now() -> Response:
    """Start one line of the timetable now."""
    kind = request.form.get("kind", "")
    if kind not in {entry.kind for entry in TIMETABLE}:
        raise InvalidInput("There is no such line in the timetable.")
    run = start_run(kind, params_of(g.session, kind))
    return go(url_for("runs.show", run_id=run.id))
