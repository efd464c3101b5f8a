"""Deleting everything: the owner's last room."""

from __future__ import annotations

from flask import Blueprint, Response, flash, g, request, url_for
from flask_login import current_user

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.services import accounts, erasure
from soleflip.web.auth import limiter
from soleflip.web.htmx import go, page
from soleflip.web.unit import runtime

bp = Blueprint("erasure", __name__, url_prefix="/settings/erase")


@bp.get("")
def index() -> Response:
    """Say what would be deleted, and ask for the password and a word."""
    return _show()


@bp.post("")
@limiter.limit("5 per minute", methods=["POST"])
def erase() -> Response:
    """Delete everything."""
    form = request.form
    user = accounts.get(g.session, current_user.id)
    password, word, asks_stay = form.get("password", ""), form.get("word", "").strip(), "asks_stay" in form
    try:
        erasure.erase(g.session, user, password, word, asks_stay=asks_stay)
    except InvalidInput as error:
        return _show(status=422, error=error)
    except Conflict as error:
        return _show(status=409, error=InvalidInput(str(error), field="asks_stay"))
    g.session.commit()
    erasure.remove_files(runtime().settings, with_backups="backups" in form)
    flash("Everything is deleted. You start anew.", "success")
    return go(url_for("dashboard.index"))


def _show(*, status: int = 200, error: InvalidInput | None = None) -> Response:
    view = {"asks_up": erasure.asks_up(g.session), "word": erasure.WORD, "error": error}
    return page("erasure/page.html", "erasure/_form.html", status=status, **view)
