"""Findings: what the monitor found, each with the page and the act that mend it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.findings import FINDINGS
from soleflip.services import findings
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, wake_after_commit

bp = Blueprint("findings", __name__, url_prefix="/findings")


@bp.get("")
def index() -> Response:
    """List what was found and is still so, what matters most first."""
    kind = request.args.get("kind") if request.args.get("kind") in FINDINGS else None
    put_off = request.args.get("show") == "put_off"
    view = findings.overview(
        g.session, now(), runtime().books.timezone, kind=kind, put_off=put_off, after=request.args.get("after")
    )
    return page("findings/page.html", "findings/_table.html", view=view, kind=kind, put_off=put_off, kinds=FINDINGS)


@bp.post("/put-off")
def put_off() -> Response:
    """Put findings off for a week."""
    count = findings.put_off(g.session, _ids(), actor=actor(), now=now())
    flash(f"{count} put off for a week." if count else "Nothing was put off: tick the findings first.", "info")
    return go(url_for("automation.findings.index", kind=request.form.get("kind") or None))


@bp.post("/mend")
def mend() -> Response:
    """Do what the findings whose `ids` are given propose."""
    started = findings.mend(g.session, _ids(), actor=actor(), now=now())
    for run in started:
        wake_after_commit(run)
    if len(started) == 1:
        return go(url_for("runs.show", run_id=started[0].id))
    flash("It is being done; the Runs page shows how it goes." if started else "Done.", "success")
    return go(url_for("automation.findings.index"))


def _ids() -> list[int]:
    return [int(each) for each in request.form.getlist("ids") if each.isascii() and each.isdecimal() and len(each) < 19]
