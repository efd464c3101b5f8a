"""Settings: fees, VAT, thresholds and pricing, and the StockX account."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from flask import Blueprint, Response, abort, flash, g, make_response, redirect, request, session, url_for
from flask_login import current_user

from soleflip.domain.errors import InvalidInput, SoleFlipError
from soleflip.services import connection, fees, settings
from soleflip.stockx import make_pkce
from soleflip.web.forms import settings_fields
from soleflip.web.htmx import go, page
from soleflip.web.settings_texts import TITLES
from soleflip.web.unit import actor, now, runtime, start_run

bp = Blueprint("settings", __name__, url_prefix="/settings")


@bp.get("")
def index() -> Response:
    """Show every group of settings and the StockX account."""
    return _page()


@bp.post("/<group>")
def save(group: str) -> Response:
    """Store one group of settings."""
    if group not in settings.GROUPS:
        abort(404)
    try:
        settings.save(g.session, settings.GROUPS[group], request.form.to_dict(), actor=actor())
    except InvalidInput as error:
        return _page(status=422, wrong=(group, error), typed=request.form.to_dict())
    if group in settings.COMPUTED_WITH:
        start_run("compute")
    flash("Saved. New figures and prices use it from now on.", "success")
    return go(url_for("settings.index", _anchor=group))


@bp.get("/stockx")
def stockx() -> Response:
    """Show the StockX account: its state, how to connect, how to disconnect."""
    account = connection.account(g.session, sandbox=runtime().settings.sandbox)
    return page("settings/stockx.html", "settings/_account.html", account=account, callback=_callback())


@bp.get("/stockx/connect")
def connect() -> Response:
    """Send the operator to StockX's sign-in; the way back is bound to this session by state and PKCE."""
    if current_user.role == "viewer":
        abort(403)
    proof, state = make_pkce(), secrets.token_urlsafe(24)
    session["stockx_sign_in"] = {"state": state, "verifier": proof.verifier}
    return make_response(redirect(runtime().stockx.auth.authorize_url(state, _callback(), proof.challenge), 302))


@bp.get("/stockx/callback")
def callback() -> Response:
    """Take the operator back from StockX's sign-in and trade the code for tokens."""
    begun: dict[str, str] = session.pop("stockx_sign_in", {})
    if not begun or not hmac.compare_digest(begun["state"], request.args.get("state", "")):
        flash("This sign-in at StockX was not begun here. Nothing was changed: connect again.", "danger")
    elif "code" not in request.args:
        why = request.args.get("error_description") or request.args.get("error") or "no reason given"
        flash(f"StockX did not allow it ({why[:200]}). Nothing was changed.", "warning")
    else:
        _exchange(request.args["code"], begun["verifier"])
    return go(url_for("settings.stockx"))


@bp.post("/stockx/disconnect")
def disconnect() -> Response:
    """Forget the StockX account's tokens."""
    connection.disconnect(g.session, actor=actor())
    runtime().stockx.auth.forget()
    flash("StockX is disconnected. Nothing is sent until you connect again; listings there stay as they are.", "info")
    return go(url_for("settings.stockx"))


def _exchange(code: str, verifier: str) -> None:
    try:
        runtime().stockx.auth.exchange_code(code, _callback(), verifier)
    except SoleFlipError as error:
        flash(f"{error} Nothing was changed.", "danger")
        return
    connection.note_connected(g.session, actor=actor())
    flash("StockX is connected.", "success")


def _callback() -> str:
    return url_for("settings.callback", _external=True)


def _page(
    *, status: int = 200, wrong: tuple[str, InvalidInput] | None = None, typed: dict[str, Any] | None = None
) -> Response:
    groups = {}
    for name, kind in settings.GROUPS.items():
        stored = settings.load(g.session, kind)
        mine = wrong is not None and wrong[0] == name
        groups[name] = settings_fields(name, stored, typed if mine else None, wrong[1] if wrong and mine else None)
    account = connection.account(g.session, sandbox=runtime().settings.sandbox)
    today = fees.book(g.session).schedule(None, now().date())
    view: dict[str, Any] = {"groups": groups, "titles": TITLES, "account": account, "fees": today}
    return page("settings/page.html", "settings/_groups.html", status=status, **view)
