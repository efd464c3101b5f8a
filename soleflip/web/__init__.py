"""The HTML edge: one blueprint per room, and what stands around all of them."""

from __future__ import annotations

from flask import Blueprint, Flask, abort, request
from flask_talisman import Talisman

from soleflip.web import (
    account,
    accounts,
    alerts,
    analytics,
    assets,
    audit,
    auth,
    automation,
    backups,
    cells,
    channels,
    dashboard,
    erasure,
    errors,
    fees,
    filters,
    health,
    imports,
    inventory,
    listings,
    opportunities,
    orders,
    pricing,
    runs,
    sandbox,
    search,
    searches,
    settings,
    shell,
    tables,
    tax,
    tokens,
    unit,
)
from soleflip.web.csrf import MaskedCSRF

BLUEPRINTS: tuple[Blueprint, ...] = (
    account.bp,
    accounts.bp,
    alerts.bp,
    analytics.bp,
    audit.bp,
    auth.bp,
    automation.bp,
    backups.bp,
    channels.bp,
    dashboard.bp,
    erasure.bp,
    fees.bp,
    health.bp,
    imports.bp,
    inventory.bp,
    listings.bp,
    opportunities.bp,
    orders.bp,
    pricing.bp,
    runs.bp,
    sandbox.bp,
    search.bp,
    searches.bp,
    settings.bp,
    tables.bp,
    tax.bp,
    tokens.bp,
)

csrf = MaskedCSRF()

# No inline script, no inline style, nothing from elsewhere. `blob:` is the camera's picture on its way to be read.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": ["'self'", "data:", "blob:"],
    "font-src": "'self'",
    "connect-src": "'self'",
    "media-src": ["'self'", "blob:"],
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def install(app: Flask) -> None:
    """Put the web edge on an application whose `extensions["soleflip"]` is the Runtime."""
    app.config.setdefault("WTF_CSRF_TIME_LIMIT", None)
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    health.install(app)
    errors.install(app)
    unit.install(app)
    auth.install(app)
    csrf.init_app(app)
    app.before_request(_refuse_nul)
    app.before_request(_refuse_forged_forms)
    Talisman(
        app,
        force_https=False,
        session_cookie_secure=False,
        frame_options="DENY",
        content_security_policy=POLICY,
        strict_transport_security_include_subdomains=False,
        referrer_policy="same-origin",
        permissions_policy={"camera": "(self)", "microphone": "()", "geolocation": "()", "browsing-topics": "()"},
    )
    filters.install(app)
    assets.install(app)
    cells.install(app)
    shell.install(app)
    tables.install(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)


def _refuse_nul() -> None:
    """Refuse text with a NUL in it, which no keyboard types and PostgreSQL can't keep."""
    if any("\x00" in text for values in (request.args, request.form) for _, text in values.items(multi=True)):
        abort(400)


def _refuse_forged_forms() -> None:
    """Ask every form for its token; the JSON interface takes no cookies and so can't be tricked by one."""
    if not request.path.startswith("/api/"):
        csrf.protect()
