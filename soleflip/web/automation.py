"""Automation: the stop button, what waits behind it, the timetable, and what rules decided."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import InvalidInput
from soleflip.services import automation_overview, resumption, timetable
from soleflip.services import stop as switch
from soleflip.web import automation_report, automation_rules, away, decisions, findings, pipeline
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, wake_after_commit

bp = Blueprint("automation", __name__, url_prefix="/automation")
bp.register_blueprint(automation_rules.bp)
bp.register_blueprint(decisions.bp)
bp.register_blueprint(findings.bp)
bp.register_blueprint(pipeline.bp)
bp.register_blueprint(away.bp)
bp.register_blueprint(automation_report.bp)

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


@bp.get("")
def index() -> Response:
    """Show the stop button, the timetable and the last decisions."""
    settings = runtime().settings
    view = automation_overview.view(g.session, sandbox=settings.sandbox, rate=settings.stockx_rate)
    return page("automation/page.html", "automation/_board.html", view=view)


@bp.post("/stop")
def stop() -> Response:
    """Halt every write to StockX, at once."""
    reason = request.form.get("reason", "").strip()[:300] or "no reason given"
    switch.stop(g.session, actor=actor(), reason=reason, now=now())
    flash("Stopped. Nothing more is sent to StockX until you resume.", "warning")
    return go(url_for("automation.index"))


@bp.get("/resume")
def preview_resume() -> Response:
    """Show what letting writes go on would mean, before it does."""
    outlook = resumption.outlook(g.session, rate=runtime().settings.stockx_rate)
    return page("automation/resume.html", "automation/_outlook.html", outlook=outlook)


@bp.post("/resume")
def resume() -> Response:
    """Let writes go on, with the runs that stood still if the operator says so."""
    go_on = request.form.get("go_on") == "1"
    for run in resumption.resume(g.session, go_on=go_on, actor=actor(), now=now()):
        wake_after_commit(run)
    flash("Resumed. Writes to StockX go out again.", "success")
    return go(url_for("automation.index"))


@bp.post("/run")
def run_now() -> Response:
    """Start one line of the timetable now."""
    sandbox = runtime().settings.sandbox
    run = timetable.start_now(g.session, request.form.get("kind", ""), sandbox=sandbox, actor=actor())
    wake_after_commit(run)
    return go(url_for("runs.show", run_id=run.id))


@bp.get("/timetable/<kind>")
def line(kind: str) -> Response:
    """Show one line of the timetable, to be changed."""
    return _line(kind)


@bp.post("/timetable/<kind>")
def change_line(kind: str) -> Response:
    """Store what the operator wants of a line, or forget it."""
    sandbox, form = runtime().settings.sandbox, request.form
    if form.get("act") == "reset":
        timetable.reset(g.session, kind, sandbox=sandbox, actor=actor())
        flash("As it was shipped again.", "success")
        return go(url_for("automation.index", _anchor="timetable"))
    try:
        timetable.change(
            g.session,
            kind,
            sandbox=sandbox,
            actor=actor(),
            every=_length("every"),
            time_limit=_length("time_limit"),
            is_enabled=form.get("is_enabled") == "1",
        )
    except InvalidInput as error:
        return _line(kind, status=422, error=error)
    flash("Saved. The scheduler follows at its next look, within seconds.", "success")
    return go(url_for("automation.index", _anchor="timetable"))


def _line(kind: str, *, status: int = 200, error: InvalidInput | None = None) -> Response:
    shown = timetable.line(g.session, kind, sandbox=runtime().settings.sandbox)
    typed = request.form if error is not None else {}
    fields = {}
    for name in ("every", "time_limit"):
        number, unit = _split(getattr(shown, name))
        errors = (str(error),) if error is not None and error.field == name else ()
        fields[name] = {"number": typed.get(name, number), "unit": typed.get(f"{name}_unit", unit), "errors": errors}
    view: dict[str, Any] = {"line": shown, "fields": fields, "units": [(name, name) for name in UNITS]}
    return page("automation/line.html", "automation/_line.html", status=status, **view)


def _length(name: str) -> timedelta:
    number, unit = request.form.get(name, ""), request.form.get(f"{name}_unit", "")
    if unit not in UNITS or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise InvalidInput("Give a whole number and its unit.", field=name)
    return timedelta(seconds=int(number) * UNITS[unit])


def _split(length: timedelta) -> tuple[int, str]:
    """Write a length as a whole number of the largest unit that fits."""
    seconds = int(length.total_seconds())
    unit = next(name for name in reversed(UNITS) if seconds % UNITS[name] == 0)
    return seconds // UNITS[unit], unit
