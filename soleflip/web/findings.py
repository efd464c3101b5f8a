"""Findings: what the monitor found, each with the page and the act that mend it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.findings import FINDINGS
from soleflip.services import findings
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, wake_after_commit

bp = Blueprint("findings", __name__, url_prefix="/findings")

ID = "int(max=9223372036854775807)"


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
    ids = [int(each) for each in request.form.getlist("ids") if each.isascii() and each.isdecimal() and len(each) < 19]
    count = findings.put_off(g.session, ids, actor=actor(), now=now())
    flash(f"{count} put off for a week." if count else "Nothing was put off: tick the findings first.", "info")
    return go(url_for("automation.findings.index", kind=request.form.get("kind") or None))


@bp.post(f"/<{ID}:finding_id>/mend")
def mend(finding_id: int) -> Response:
    """Do what a finding proposes."""
    run = findings.mend(g.session, finding_id, actor=actor(), now=now())
    if run is None:
        flash("Done. Estimates from today on use it; nothing that is booked changes.", "success")
        return go(url_for("automation.findings.index"))
    wake_after_commit(run)
    return go(url_for("runs.show", run_id=run.id))
