"""Signing in and out, and the rule that every address is closed unless it is listed here as open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from flask import render_template as render
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from itsdangerous import BadSignature, URLSafeSerializer

from soleflip.domain.errors import InvalidInput
from soleflip.models import User
from soleflip.runtime import system_clock
from soleflip.services import accounts
from soleflip.web import filters, shell
from soleflip.web.forms import PasswordForm, SignInForm, add_error
from soleflip.web.htmx import go
from soleflip.web.unit import runtime

bp = Blueprint("auth", __name__)
limiter = Limiter(key_func=get_remote_address, swallow_errors=True, in_memory_fallback_enabled=True)
login = LoginManager()

# Everything else needs somebody who is signed in. The JSON interface asks for a bearer token itself.
OPEN_ENDPOINTS = frozenset({"static", "auth.sign_in"})
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
OPEN_PREFIXES = ("/api/",)
READING = ("GET", "HEAD", "OPTIONS")
# What a viewer may send all the same.
FOR_VIEWERS = frozenset({"auth.sign_out", "auth.password", "auth.sign_out_everywhere", "tables.choose"})
# What only an owner may ask for.
FOR_OWNERS = frozenset({"backups.download"})
DEVICE_COOKIE = "soleflip_device"
DEVICE_LIFETIME = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class SignedIn(UserMixin):  # type: ignore[misc]
    """Who is signed in; the epoch in the session ends when the account signs out everywhere."""

    id: UUID
    email: str
    role: str
    epoch: int

    def get_id(self) -> str:
        """Return what the session keeps."""
        return f"{self.id}:{self.epoch}"


class Sessions(SecureCookieSessionInterface):
    """Session cookies that are marked Secure whenever the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Tell whether the cookie may only travel over TLS."""
        return request.is_secure

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Leave the cookie out of static answers, which anybody may cache."""
        return request.endpoint != "static" and super().should_set_cookie(app, session)


def install(app: Flask) -> None:
    """Sign-in, rate limits, session cookies and the closed door."""
    app.session_interface = Sessions()
    app.config.update(
        PERMANENT_SESSION_LIFETIME=timedelta(days=7),
        SESSION_COOKIE_NAME="soleflip_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.config.setdefault("RATELIMIT_STORAGE_URI", app.extensions["soleflip"].settings.limiter_url)
    limiter.init_app(app)
    login.init_app(app)
    login.user_loader(_load)
    app.before_request(_close_the_door)


def safe_next(target: str | None) -> str:
    """Return where to go after signing in: a path of ours, else the dashboard."""
    home = url_for("dashboard.index")
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return home
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return home
    return target


def _load(key: str) -> SignedIn | None:
    user_id, _, epoch = key.partition(":")
    user = shell.read((UUID(user_id), int(epoch))).user
    return _signed_in(user) if user else None


def _signed_in(user: User) -> SignedIn:
    return SignedIn(user.id, user.email, user.role, user.session_epoch)


def _close_the_door() -> Response | None:
    path = request.path
    if request.endpoint in OPEN_ENDPOINTS or path in OPEN_PATHS or path.startswith(OPEN_PREFIXES):
        return None
    if current_user.is_authenticated:
        if current_user.role == "viewer" and request.method not in READING and request.endpoint not in FOR_VIEWERS:
            abort(403)
        if current_user.role != "owner" and request.endpoint in FOR_OWNERS:
            abort(403)
        return None
    if request.headers.get("HX-Request") == "true":
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
        response = make_response("", 401)
        response.headers["HX-Redirect"] = url_for("auth.sign_in", next=here.path or None)
        return response
    wanted = request.full_path.rstrip("?") if request.method == "GET" and path != "/" else None
    return make_response(redirect(url_for("auth.sign_in", next=wanted), 303))


@bp.route("/sign-in", methods=["GET", "POST"])
@limiter.limit("20 per minute", methods=["POST"])
def sign_in() -> Response:
    """Show the sign-in form and take it."""
    if current_user.is_authenticated:
        return go(safe_next(request.args.get("next")))
    form = SignInForm()
    if not form.validate_on_submit():
        return make_response(render("auth/sign_in.html", form=form), 422 if form.is_submitted() else 200)
    # A transaction of its own: a failed try must count although the answer is an error.
    with runtime().transaction() as own:
        outcome = accounts.sign_in(
            own, form.email.data or "", form.password.data or "", system_clock(), known_device=_known_device()
        )
    if outcome.user is None:
        add_error(form, InvalidInput(_why_not(outcome), field="password"))
        return make_response(render("auth/sign_in.html", form=form), 422)
    return _enter(outcome.user, safe_next(request.args.get("next")))


@bp.post("/sign-out")
def sign_out() -> Response:
    """End this session."""
    logout_user()
    session.clear()
    return go(url_for("auth.sign_in"))


@bp.post("/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    """End every session of this account."""
    accounts.sign_out_everywhere(g.session, current_user.id)
    return sign_out()


@bp.route("/settings/password", methods=["GET", "POST"])
def password() -> Response:
    """Change one's password; other sessions end."""
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            user = accounts.change_password(g.session, current_user.id, form.old.data or "", form.password.data or "")
        except InvalidInput as error:
            add_error(form, error)
        else:
            flash("Your password is changed. Other sessions have ended.", "success")
            return _enter(user, url_for("settings.index"))
    return make_response(render("auth/password.html", form=form), 422 if form.is_submitted() else 200)


def _enter(user: User, target: str) -> Response:
    """Begin a fresh session, so that one planted before the sign-in is worth nothing."""
    flashes = session.get("_flashes")
    session.clear()
    session.permanent = True
    if flashes:
        session["_flashes"] = flashes
    login_user(_signed_in(user))
    response = go(target)
    response.set_cookie(
        DEVICE_COOKIE,
        _devices().dumps(str(user.id)),
        max_age=DEVICE_LIFETIME,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
    return response


def _why_not(outcome: accounts.SignIn) -> str:
    if outcome.locked_until is None:
        return "The e-mail or the password is wrong."
    wait = filters.duration(outcome.locked_until - system_clock())
    return f"Too many wrong tries. This account can be tried again in {wait}."


def _known_device() -> UUID | None:
    try:
        return UUID(cast(Any, _devices().loads(request.cookies.get(DEVICE_COOKIE, ""))))
    except (BadSignature, ValueError):
        return None


def _devices() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key or "", salt="device")
