"""Signing in and out, and the rule that every address is closed unless it is listed here as open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
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
from soleflip.services import accounts, sessions
from soleflip.web import filters, shell
from soleflip.web.forms import CodeForm, SignInForm, add_error
from soleflip.web.htmx import go, wants_fragment
from soleflip.web.unit import runtime

bp = Blueprint("auth", __name__)
limiter = Limiter(key_func=get_remote_address, swallow_errors=True, in_memory_fallback_enabled=True)
login = LoginManager()

# Everything else needs somebody who is signed in. The JSON interface asks for a bearer token itself.
OPEN_ENDPOINTS = frozenset({"static", "auth.sign_in", "auth.code"})
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/api"})
OPEN_PREFIXES = ("/api/",)
READING = ("GET", "HEAD", "OPTIONS")
# What a viewer may send all the same.
FOR_VIEWERS = frozenset(
    {
        "auth.sign_out",
        "account.confirm",
        "account.end_session",
        "account.new_codes",
        "account.password",
        "account.remove_factor",
        "account.sign_out_everywhere",
        "tables.choose",
    }
)
# What only an owner may ask for.
FOR_OWNERS = frozenset({"backups.download", "backups.download_export", "backups.export", "sandbox.start_anew"})
# Whole rooms that are the owner's.
OWNERS_ROOMS = frozenset({"accounts", "erasure"})
DEVICE_COOKIE = "soleflip_device"
DEVICE_LIFETIME = timedelta(days=365)
HALF = "half_signed_in"
HALF_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SignedIn(UserMixin):  # type: ignore[misc]
    """Who is signed in, and by which session's row."""

    id: UUID
    email: str
    role: str
    session_id: UUID

    def get_id(self) -> str:
        """Return what the session keeps."""
        return str(self.session_id)


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
        PERMANENT_SESSION_LIFETIME=timedelta(days=365),
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
    try:
        found = shell.read(UUID(key))
    except ValueError:
        return None
    return _signed_in(found.user, found.sign_in.id) if found.user and found.sign_in else None


def _signed_in(user: User, session_id: UUID) -> SignedIn:
    return SignedIn(user.id, user.email, user.role, session_id)


def _is_for_owners() -> bool:
    return request.endpoint in FOR_OWNERS or request.blueprint in OWNERS_ROOMS


def _note_use() -> None:
    """Move the end of an idle session on; a fragment that a page asks for by itself is no use of it."""
    here = shell.shell().sign_in
    if here is not None and (request.method not in READING or not wants_fragment()):
        sessions.touch(g.session, here, address=request.remote_addr, now=system_clock())


def _close_the_door() -> Response | None:
    path = request.path
    if request.endpoint in OPEN_ENDPOINTS or path in OPEN_PATHS or path.startswith(OPEN_PREFIXES):
        return None
    if current_user.is_authenticated:
        if current_user.role == "viewer" and request.method not in READING and request.endpoint not in FOR_VIEWERS:
            abort(403)
        if current_user.role != "owner" and _is_for_owners():
            abort(403)
        _note_use()
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
    target = safe_next(request.args.get("next"))
    return _ask_for_code(outcome.user, target) if outcome.wants_code else enter(outcome.user, target)


def leave() -> None:
    """Forget in this browser who was signed in."""
    logout_user()
    session.clear()


@bp.post("/sign-out")
def sign_out() -> Response:
    """End this session."""
    if current_user.is_authenticated:
        sessions.end(g.session, current_user.session_id, current_user.id, now=system_clock())
    leave()
    return go(url_for("auth.sign_in"))


@bp.route("/sign-in/code", methods=["GET", "POST"])
@limiter.limit("10 per minute", methods=["POST"])
def code() -> Response:
    """Ask for the second factor after a right password, and take it."""
    begun = _half_signed_in()
    if begun is None:
        flash("Please sign in again: the code was waited for too long.", "info")
        return go(url_for("auth.sign_in"))
    form = CodeForm()
    if not form.validate_on_submit():
        return make_response(render("auth/code.html", form=form), 422 if form.is_submitted() else 200)
    keys, typed = runtime().settings.encryption_keys, form.code.data or ""
    with runtime().transaction() as own:
        outcome = accounts.sign_in_with_code(own, begun, typed, keys, system_clock(), known_device=_known_device())
    if outcome.user is None:
        why = _why_not(outcome) if outcome.locked_until else "This code is wrong, or was used before."
        add_error(form, InvalidInput(why, field="code"))
        return make_response(render("auth/code.html", form=form), 422)
    return enter(outcome.user, safe_next(session[HALF].get("next")))


def _ask_for_code(user: User, target: str) -> Response:
    """Keep in the signed cookie whose password was right, for a few minutes and this browser alone."""
    session.clear()
    session[HALF] = {"user": str(user.id), "at": system_clock().isoformat(), "next": target}
    return go(url_for("auth.code"))


def _half_signed_in() -> UUID | None:
    begun = session.get(HALF)
    if not begun or system_clock() - datetime.fromisoformat(begun["at"]) > HALF_LIFETIME:
        return None
    return UUID(begun["user"])


def enter(user: User, target: str) -> Response:
    """Begin a fresh session, so that one planted before the sign-in is worth nothing."""
    flashes = session.get("_flashes")
    session.clear()
    session.permanent = True
    if flashes:
        session["_flashes"] = flashes
    begun = sessions.begin(
        g.session, user.id, address=request.remote_addr, device=request.headers.get("User-Agent"), now=system_clock()
    )
    login_user(_signed_in(user, begun.id))
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
