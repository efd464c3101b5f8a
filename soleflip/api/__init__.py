"""The JSON edge under /api/v1: the same services, bearer tokens, one error shape."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter, Map

from soleflip.api import (
    access,
    alerts,
    analytics,
    automation,
    automation_report,
    automation_rules,
    away,
    document,
    fees,
    findings,
    imports,
    inventory,
    orders,
    performance,
    pipeline,
    pricing,
    pricing_rules,
    problems,
    quickflip,
    replays,
    searches,
    selling,
    settings,
    sourcing,
    tax,
    timetable,
)
from soleflip.api.contract import JSON
from soleflip.domain.errors import SoleFlipError

ROOMS = (
    quickflip,
    imports,
    sourcing,
    inventory,
    selling,
    pricing,
    pricing_rules,
    performance,
    replays,
    orders,
    analytics,
    tax,
    automation,
    findings,
    alerts,
    automation_report,
    automation_rules,
    timetable,
    pipeline,
    away,
    fees,
    settings,
    searches,
)

# How the addresses can be read as well that are written below /orders in the design.
ALIASES = {
    "/orders/analytics/profits": ("GET", "analytics.show_profits"),
    "/orders/analytics/tax-report/<int(max=9999):year>": ("GET", "tax.show_tax_report"),
    "/orders/sync/orders": ("POST", "orders.sync_orders"),
}


class RowNumber(IntegerConverter):
    """A number in an address: one that no row can have fits nowhere, so it is 404 whatever the method.

    Werkzeug looks at `max` only after it chose by method, and answers 405 when another method has the same address.
    """

    def __init__(self, map: Map, fixed_digits: int = 0, min: int | None = None, max: int | None = None) -> None:
        super().__init__(map, fixed_digits, min, max)
        if max is not None and max >= 2**31 - 1:
            self.regex = rf"\d{{1,{len(str(max)) - 1}}}"


def install(app: Flask) -> None:
    """Register the JSON API on the application, behind the web edge's unit of work."""
    app.url_map.converters["int"] = RowNumber
    problems.install(app)
    bp = Blueprint("api", __name__, url_prefix="/api/v1")
    bp.before_request(access.check)
    bp.after_request(_tag)
    bp.register_error_handler(SoleFlipError, problems.of_domain)
    bp.register_error_handler(HTTPException, problems.of_http)
    bp.add_url_rule("/openapi.json", "openapi", document.openapi)
    bp.add_url_rule("/docs", "docs", document.docs)
    for room in ROOMS:
        bp.register_blueprint(room.bp)
    app.register_blueprint(bp)
    for path, (method, endpoint) in ALIASES.items():
        app.add_url_rule(f"/api/v1{path}", f"api.{endpoint}", methods=[method])


def _tag(response: Response) -> Response:
    """Name the state of what was read, so that it need not be sent again while it stays the same."""
    if request.method in ("GET", "HEAD") and response.status_code == 200 and response.mimetype == JSON:
        response.add_etag()
        response.headers["Cache-Control"] = "private, no-cache"
        response.vary.update(("Authorization", "Accept"))
        response.make_conditional(request)
    return response
