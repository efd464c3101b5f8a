"""One's own account: its password, its sessions, its second factor."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import segno
from flask import Blueprint, Response, flash, g, make_response, render_template, request, url_for
from flask_login import current_user

from soleflip.domain.errors import InvalidInput
from soleflip.runtime import system_clock
from soleflip.services import accounts, second_factor, sessions
from soleflip.web.auth import enter, leave, limiter
from soleflip.web.forms import PasswordForm, add_error
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor, runtime

bp = Blueprint("account", __name__, url_prefix="/settings")


@bp.get("/account")
def index() -> Response:
    """Show the account's sessions and its second factor."""
    return _show()


@bp.route("/password", methods=["GET", "POST"])
@limiter.limit("20 per minute", methods=["POST"])
def password() -> Response:
    """Change one's password; other sessions end."""
    form = PasswordForm()
    if form.validate_on_submit():
        old, new = form.old.data or "", form.password.data or ""
        try:
            user = accounts.change_password(g.session, current_user.id, old, new, now=system_clock())
        except InvalidInput as error:
            add_error(form, error)
        else:
            flash("Your password is changed. Other sessions have ended.", "success")
            return enter(user, url_for("account.index"))
    return make_response(render_template("auth/password.html", form=form), 422 if form.is_submitted() else 200)


@bp.post("/account/sessions/<uuid:session_id>/end")
def end_session(session_id: UUID) -> Response:
    """End one of one's sessions."""
    sessions.end(g.session, session_id, current_user.id, now=system_clock())
    flash("That session has ended.", "success")
    return go(url_for("account.index"))


@bp.post("/account/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    """End every session of this account, this one included."""
    user = accounts.get(g.session, current_user.id)
    sessions.sign_out_everywhere(g.session, user, now=system_clock())
    leave()
    return go(url_for("auth.sign_in"))


@bp.get("/account/second-factor")
def offer() -> Response:
    """Show the QR code of a second factor that waits for its first code."""
    return _show_offer()


@bp.post("/account/second-factor")
@limiter.limit("10 per minute", methods=["POST"])
def confirm() -> Response:
    """Take the first code, switch the second factor on and show the recovery codes, this once."""
    user = accounts.get(g.session, current_user.id)
    keys, code = runtime().settings.encryption_keys, request.form.get("code", "").replace(" ", "")
    try:
        codes = second_factor.confirm(g.session, user, code, keys, system_clock())
    except InvalidInput as error:
        return _show_offer(status=422, error=error)
    return _show(codes=codes)


@bp.post("/account/second-factor/codes")
@limiter.limit("10 per minute", methods=["POST"])
def new_codes() -> Response:
    """Make new recovery codes and show them, this once; asks for the password."""
    user = accounts.get(g.session, current_user.id)
    try:
        accounts.prove(user, request.form.get("password", ""))
    except InvalidInput as error:
        return _show(status=422, error=error)
    return _show(codes=second_factor.new_codes(g.session, user.id))


@bp.post("/account/second-factor/remove")
@limiter.limit("10 per minute", methods=["POST"])
def remove_factor() -> Response:
    """Switch the second factor off; asks for the password."""
    user = accounts.get(g.session, current_user.id)
    try:
        accounts.prove(user, request.form.get("password", ""))
    except InvalidInput as error:
        return _show(status=422, error=error)
    second_factor.remove(g.session, user, actor=actor())
    flash("Signing in asks for the password only, from now on.", "info")
    return go(url_for("account.index"))


def _show(*, status: int = 200, codes: tuple[str, ...] = (), error: InvalidInput | None = None) -> Response:
    view: dict[str, Any] = {
        "alive": sessions.alive(g.session, current_user.id, now=system_clock()),
        "device_name": sessions.device_name,
        "factor": second_factor.is_on(g.session, current_user.id),
        "codes_left": second_factor.codes_left(g.session, current_user.id),
    }
    response = page("account/page.html", "account/_account.html", status=status, codes=codes, error=error, **view)
    response.headers["Cache-Control"] = "no-store"
    return response


def _show_offer(*, status: int = 200, error: InvalidInput | None = None) -> Response:
    user = accounts.get(g.session, current_user.id)
    made = second_factor.begin(g.session, user, runtime().settings.encryption_keys)
    picture = io.BytesIO()
    segno.make(made.address, error="m").save(
        picture, kind="svg", scale=5, xmldecl=False, svgclass="qr", title="QR code"
    )
    view: dict[str, Any] = {"secret": made.secret, "picture": picture.getvalue().decode(), "error": error}
    response = page("account/factor.html", "account/_factor.html", status=status, **view)
    response.headers["Cache-Control"] = "no-store"
    return response
