"""Away mode: leave, see what became of the paused asks, and bring them back."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import plain_number
from soleflip.services import away, away_asks
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, now, runtime, wake_after_commit

bp = Blueprint("away", __name__, url_prefix="/away")


@bp.get("")
def index() -> Response:
    """Show whether the operator is away, what is paused, and what is planned."""
    return _page()


@bp.post("")
def leave() -> Response:
    """Be away, now or from a planned moment on."""
    form = request.form
    reason = form.get("reason", "").strip()[:300]
    try:
        starts_at, ends_at = _moment("starts_at"), _moment("ends_at")
        if starts_at is not None:
            away.plan(g.session, reason=reason, starts_at=starts_at, ends_at=ends_at, actor=actor(), now=now())
            flash("Planned. Every ask is paused when the time comes.", "success")
            return go(url_for("automation.away.index"))
        wake_after_commit(away.begin(g.session, reason=reason, ends_at=ends_at, actor=actor(), now=now()))
    except InvalidInput as error:
        return _page(status=422, error=error)
    flash("Every ask is being paused. None goes up again before you have looked at it.", "success")
    return go(url_for("automation.away.index"))


@bp.post("/<uuid:away_id>/call-off")
def call_off(away_id: UUID) -> Response:
    """Take back a plan."""
    away.call_off(g.session, away_id, actor=actor())
    flash("Called off.", "success")
    return go(url_for("automation.away.index"))


@bp.post("/pause")
def pause() -> Response:
    """Pause what came up since."""
    wake_after_commit(away.pause_again(g.session, actor=actor()))
    return go(url_for("automation.away.index"))


@bp.post("/look")
def look() -> Response:
    """Ask the market what the paused asks would now be worth."""
    run = away_asks.start_look(g.session, actor=actor())
    wake_after_commit(run)
    return go(url_for("runs.show", run_id=run.id))


@bp.post("/return")
def bring_back() -> Response:
    """Carry out the operator's word on paused asks: ticked ones, or all that a mode fits."""
    mode, ids = request.form.get("mode", ""), [UUID(each) for each in request.form.getlist("ids") if _is_id(each)]
    chosen = away_asks.choose(g.session, mode, ids if request.form.get("which") == "ticked" else None)
    if mode == "typed":
        chosen = {key: (mode, _price(key)) for key in chosen}
    run, asked = away_asks.decide(g.session, chosen, actor=actor(), now=now())
    if run is None:
        flash("They stay paused; activate them on the Listings page whenever you like.", "success")
        return go(url_for("automation.away.index"))
    wake_after_commit(run)
    for sentence in sorted(set(asked.refused.values()))[:3]:
        flash(sentence, "warning")
    return go(url_for("listings.show_run", run_id=run.id))


@bp.post("/over")
def come_back() -> Response:
    """End the time away."""
    away.come_back(g.session, actor=actor(), now=now())
    flash("Welcome back. Asks go up again as ever.", "success")
    return go(url_for("automation.away.index"))


def _page(*, status: int = 200, error: InvalidInput | None = None) -> Response:
    view = away_asks.view(g.session)
    return page("automation/away.html", "automation/_away.html", status=status, view=view, error=error)


def _moment(name: str) -> datetime | None:
    """Read a local date and time of a form; returns UTC."""
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=runtime().settings.zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("Give a date and a time.", field=name) from error


def _price(listing_id: UUID) -> Decimal:
    text = request.form.get(f"price-{listing_id}", "").strip().replace(",", ".")
    try:
        price = plain_number(text)
    except InvalidOperation:
        raise InvalidInput("Type a price beside each ticked ask.", field="price") from None
    if not price.is_finite() or not 0 < price < 10_000_000:
        raise InvalidInput("Type a price beside each ticked ask.", field="price")
    return price


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
