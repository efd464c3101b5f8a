"""The sandbox's own levers: a sample feed to try things on, and time that passes at once, with days of buyers."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for
from werkzeug.datastructures import FileStorage

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.feeds.demo import DEMO_FEED
from soleflip.runtime import SandboxClock
from soleflip.services import erasure
from soleflip.web import imports
from soleflip.web.auth import safe_next
from soleflip.web.htmx import go
from soleflip.web.unit import actor, runtime, start_run

bp = Blueprint("sandbox", __name__, url_prefix="/sandbox")

HOURS = {"24": "A day", "168": "A week"}


@bp.post("/skip")
def skip() -> Response:
    """Let a day or a week of sandbox time pass, then sync the orders that came of it."""
    hours = request.form.get("hours", "")
    levers = _levers()
    if hours not in HOURS:
        raise InvalidInput("Skip a day or a week.", field="hours")
    levers.skip(int(hours))
    start_run("order_sync")
    flash(f"{HOURS[hours]} has passed in the sandbox. Orders are being synced.", "info")
    return go(safe_next(request.form.get("next")))


@bp.post("/sample-feed")
def sample_feed() -> Response:
    """Import the feed that the project ships, as an upload of the same file would be."""
    _levers()
    with DEMO_FEED.open("rb") as stream:
        return imports.take(FileStorage(stream, filename="sample-feed.csv.gz"))


@bp.post("/start-anew")
def start_anew() -> Response:
    """Remove all that was tried out: offers, stock, asks, orders and books, here and in the sandbox."""
    levers = _levers()
    erasure.start_anew(g.session, actor=actor())
    levers.forget_trades()
    flash("The sample data are removed. Accounts, settings and rules stayed.", "success")
    return go(url_for("dashboard.index"))


def _levers() -> SandboxClock:
    clock = runtime().clock
    if not isinstance(clock, SandboxClock):
        raise NotFound("Only the sandbox has these levers.")
    return clock
