"""API tokens: made here, shown once, revoked here."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_login import current_user

from soleflip.domain.errors import InvalidInput
from soleflip.runtime import system_clock
from soleflip.services import tokens
from soleflip.services.tokens import NewToken
from soleflip.web.htmx import go, page

bp = Blueprint("tokens", __name__, url_prefix="/settings/tokens")

LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "A year"), ("", "For ever"))


@bp.get("")
def index() -> Response:
    """Show the account's tokens and the form that makes one."""
    return _show()


@bp.post("")
def create() -> Response:
    """Make a token and show it, this once."""
    form = request.form
    try:
        days = _days(form.get("days", ""))
        made = tokens.create(
            g.session, current_user.id, form.get("name", ""), form.getlist("scopes"), days=days, now=system_clock()
        )
    except InvalidInput as error:
        return _show(status=422, error=error)
    response = _show(made=made)
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/<uuid:token_id>/revoke")
def revoke(token_id: UUID) -> Response:
    """End a token at once."""
    token = tokens.revoke(g.session, token_id, current_user.id, now=system_clock())
    flash(f"The token {token.name} no longer works.", "success")
    return go(url_for("tokens.index"))


def _show(*, status: int = 200, error: InvalidInput | None = None, made: NewToken | None = None) -> Response:
    return page(
        "tokens/page.html",
        "tokens/_tokens.html",
        status=status,
        tokens=tokens.of_user(g.session, current_user.id),
        scopes=tokens.SCOPES,
        lifetimes=LIFETIMES,
        now=system_clock(),
        error=error,
        made=made,
    )


def _days(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 5:
        raise InvalidInput("Choose how long the token lasts.", field="days")
    return int(text)
