"""Accounts: who may sign in and as what; the owner's room."""

from __future__ import annotations

import secrets
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.runtime import system_clock
from soleflip.services import accounts, second_factor
from soleflip.web.htmx import go, page
from soleflip.web.unit import actor

bp = Blueprint("accounts", __name__, url_prefix="/settings/accounts")

ROLES = (
    ("viewer", "Viewer: looks, changes nothing"),
    ("operator", "Operator: everything but accounts, backups and deleting"),
    ("owner", "Owner: everything"),
)


@bp.get("")
def index() -> Response:
    """List the accounts."""
    return _show()


@bp.post("")
def add() -> Response:
    """Make an account with a password that is shown this once."""
    password = secrets.token_urlsafe(12)
    email, role = request.form.get("email", ""), request.form.get("role", "")
    try:
        made = accounts.create_operator(g.session, email, password, role, actor=actor())
    except Conflict as error:
        return _show(status=422, error=InvalidInput(str(error), field="email"))
    except InvalidInput as error:
        return _show(status=422, error=error)
    return _show(made=made.email, password=password)


@bp.post("/<uuid:user_id>/role")
def role(user_id: UUID) -> Response:
    """Give an account another role."""
    user = accounts.set_role(g.session, user_id, request.form.get("role", ""), actor=actor())
    flash(f"{user.email} is {user.role} now.", "success")
    return go(url_for("accounts.index"))


@bp.post("/<uuid:user_id>/close")
def close(user_id: UUID) -> Response:
    """Close an account: it is out at once, what it did stays written down."""
    user = accounts.set_enabled(g.session, user_id, False, actor=actor(), now=system_clock())
    flash(f"{user.email} can't sign in any more.", "success")
    return go(url_for("accounts.index"))


@bp.post("/<uuid:user_id>/open")
def open_(user_id: UUID) -> Response:
    """Open a closed account again."""
    user = accounts.set_enabled(g.session, user_id, True, actor=actor(), now=system_clock())
    flash(f"{user.email} may sign in again.", "success")
    return go(url_for("accounts.index"))


@bp.post("/<uuid:user_id>/second-factor/remove")
def remove_factor(user_id: UUID) -> Response:
    """Switch off the second factor of somebody whose phone is gone."""
    user = accounts.get(g.session, user_id, lock=True)
    second_factor.remove(g.session, user, actor=actor())
    flash(f"{user.email} signs in with the password only, and should set up a new second factor.", "info")
    return go(url_for("accounts.index"))


def _show(
    *, status: int = 200, error: InvalidInput | None = None, made: str | None = None, password: str | None = None
) -> Response:
    holders = second_factor.holders(g.session)
    people = [(user, user.id in holders) for user in accounts.everybody(g.session)]
    response = page(
        "accounts/page.html",
        "accounts/_accounts.html",
        status=status,
        people=people,
        roles=ROLES,
        error=error,
        made=made,
        password=password,
        now=system_clock(),
    )
    response.headers["Cache-Control"] = "no-store"
    return response
