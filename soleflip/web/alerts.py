"""Alerts: what the operator should hear of, whether it was seen, and how its messages fared."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for
from flask_login import current_user

from soleflip.domain.alerts import KINDS
from soleflip.services import alerts, deliveries
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now

bp = Blueprint("alerts", __name__, url_prefix="/alerts")


@bp.get("")
def index() -> Response:
    """List the alerts, newest first."""
    kind = request.args.get("kind") if request.args.get("kind") in KINDS else None
    unseen = request.args.get("show") == "unseen"
    found, cursor = alerts.latest(g.session, kind=kind, unseen=unseen, after=request.args.get("after"))
    return page(
        "alerts/page.html", "alerts/_list.html", alerts=found, cursor=cursor, kind=kind, unseen=unseen, kinds=KINDS
    )


@bp.post("/seen")
def seen() -> Response:
    """Note that the alerts whose `ids` are given were seen; without any, all of them."""
    ids = [int(each) for each in request.form.getlist("ids") if each.isascii() and each.isdecimal() and len(each) < 19]
    alerts.mark_seen(g.session, ids or None, actor=actor(), now=now())
    return go(url_for("alerts.index"))


@bp.get("/<int(max=9223372036854775807):alert_id>")
def follow(alert_id: int) -> Response:
    """Lead to the page that shows what an alert tells, and note that it was seen."""
    alert = alerts.get(g.session, alert_id)
    if current_user.role != "viewer":
        alerts.mark_seen(g.session, [alert_id], actor=actor(), now=now())
    return go(alert.url or url_for("alerts.index"))


@bp.post("/<int(max=9223372036854775807):alert_id>/again")
def again(alert_id: int) -> Response:
    """Have the failed deliveries of an alert tried again now."""
    deliveries.try_again(g.session, alert_id)
    flash("It is tried again now.", "info")
    return go(url_for("alerts.index"))
