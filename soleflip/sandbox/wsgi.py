"""The HTTP face: reads a request, finds who answers it, saves the world, and only then lets the answer out."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from . import control, document, faults, oauth, paper, simulation
from .calls import Call
from .clock import iso
from .errors import ApiError
from .limits import spend_request
from .messages import Request, Response, body_of, error_response, form_of, json_response, phrase, read
from .oauth import OAuthError
from .records import Fault
from .routes import ROUTES
from .settings import API_KEY
from .world import World

PAGED = ("Search", "GetAllListings", "GetOrders", "GetHistoricalOrders")


class Sandbox:
    """The WSGI application of one world."""

    def __init__(self, world: World, *, control: bool = False) -> None:
        self.world = world
        self.control = control

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        response = self.answer(environ)
        if response.hold:
            self.world.stopping.wait(response.hold)
        line = f"{response.status} {phrase(response.status)}"
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        if response.send == "all":
            start_response(line, headers)
            return [response.body]
        if response.send == "half":
            write = start_response(line, headers)
            write(response.body[: max(1, len(response.body) // 2)])
        # The server takes this as the word to cut the connection.
        raise ConnectionAbortedError("cut by a fault")

    def answer(self, environ: dict[str, Any]) -> Response:
        """Answer a request and save what it changed, under the lock of the world."""
        arrived = self.world.clock.now()
        try:
            request = read(environ, arrived)
        except ApiError as error:
            request, early = None, error_response(error)
        with self.world.lock:
            world = self.world
            simulation.advance(world, max(world.at, world.clock.now()))
            response = self._dispatch(request) if request is not None else early
            response.headers += [("X-Sandbox-Time", iso(world.at)), ("X-Sandbox-Speed", f"{world.clock.speed:g}")]
            if request is None or not response.route:
                world.save()
            else:
                world.request_number += 1
                status = response.status if response.send != "nothing" or response.fault in faults.AFTER else 0
                line = (world.request_number, arrived, request.method, response.route, status)
                world.save([(*line, int(response.counted), response.fault)])
        return response

    def _dispatch(self, request: Request) -> Response:
        try:
            if request.path.startswith("/v2/"):
                return self._api(request)
            if request.path.startswith("/_sandbox/"):
                return self._control(request)
            return self._identity(request)
        except ApiError as error:
            return error_response(error)
        except OAuthError as error:
            return json_response(error.status, error.body, route=request.path)
        except Exception:  # noqa: BLE001 - the edge: whatever broke is logged, and the caller hears 500
            traceback.print_exc(file=sys.stderr)
            return error_response(ApiError(500, "Internal Server Error"))

    def _api(self, request: Request) -> Response:
        """One documented operation: key, limit, fault, token, validation, and then the operation itself."""
        world = self.world
        operation = None
        counted, fault = False, None
        try:
            if request.headers.get("x-api-key") != API_KEY:
                raise ApiError(401, "Unauthorized")
            operation, path = document.find(request.method, request.path.removeprefix("/v2"))
            spend_request(world, request.arrived)
            counted = True
            fault = faults.meet(
                world, operation.name, request.method, request.path, paged=_is_later_page(operation.name, request)
            )
            broken = _break(world, fault, request)
            if broken is None:
                self._check_token(request)
                query = document.check_query(operation, request.pairs)
                body = body_of(operation, request)
                call = Call(world, operation, path, query, body, f"{request.base}/v2")
                call.repeat_page = fault is not None and fault.kind == "duplicate_page"
                status, value = ROUTES[operation.name](call)
                broken = _show(status, value, fault)
        except ApiError as error:
            broken = error_response(error)
        broken.route = operation.name if operation else request.path[:200]
        broken.counted = counted
        broken.fault = fault.kind if fault else None
        if fault is not None:
            _after(broken, fault)
        return broken

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not oauth.is_valid(self.world, token.strip()):
            raise ApiError(401, "Unauthorized")

    def _control(self, request: Request) -> Response:
        if request.path == "/_sandbox/healthz":
            return json_response(200, {"status": "ok"})
        if not self.control and (request.method, request.path) != ("GET", "/_sandbox/clock"):
            raise ApiError(404, "Not found")
        value = control.answer(
            self.world, request.method, request.path, dict(request.pairs), request.headers, request.body
        )
        return json_response(200, value)

    def _identity(self, request: Request) -> Response:
        """The consent page, the token endpoint, discovery, and the signed label links."""
        world, given = self.world, dict(request.pairs)
        match request.method, request.path:
            case "GET", "/authorize":
                return Response(
                    200, oauth.consent_page(world, given).encode(), "text/html; charset=utf-8", route="Authorize"
                )
            case "POST", "/authorize":
                target = oauth.decide(world, form_of(request))
                return Response(302, headers=[("Location", target)], route="Authorize")
            case "POST", "/oauth/token":
                return self._token(request)
            case "POST", "/oauth/revoke":
                oauth.revoke(world, form_of(request).get("token", ""))
                return json_response(200, {}, route="Revoke")
            case "GET", "/.well-known/openid-configuration":
                return json_response(200, oauth.metadata(request.base))
            case "GET", path if path.startswith("/labels/"):
                return self._label(path.split("/"), given)
        raise ApiError(404, "Not found")

    def _token(self, request: Request) -> Response:
        fault = faults.meet(self.world, "Token", request.method, request.path, paged=False)
        response = _break(self.world, fault, request)
        if response is None:
            try:
                response = json_response(200, oauth.exchange(self.world, form_of(request), request.base))
            except OAuthError as error:
                response = json_response(error.status, error.body)
        response.route = "Token"
        response.headers.append(("Cache-Control", "no-store"))
        if fault is not None:
            response.fault = fault.kind
            _after(response, fault)
        return response

    def _label(self, parts: list[str], given: dict[str, str]) -> Response:
        order = self.world.orders.get(parts[2])
        ends = given.get("signature", "").partition("-")[2]
        if order is None or not ends.isdecimal():
            raise ApiError(404, "Not found")
        if int(ends) < self.world.at // 1000:
            raise ApiError(403, "The link has expired")
        lines = ["Shipping label", order.order_number, order.tracking_number]
        return Response(200, paper.pdf(lines), "application/pdf", route="Label")


def _break(world: World, fault: Fault | None, request: Request) -> Response | None:
    """The answer in place of the real one, for faults that strike before the operation."""
    if fault is None:
        return None
    match fault.kind:
        case "429":
            response = error_response(ApiError(429, "Too many requests"))
            response.headers.append(("Retry-After", faults.retry_after(fault)))
            return response
        case "500" | "503":
            return error_response(ApiError(int(fault.kind), phrase(int(fault.kind))))
        case "html":
            return Response(fault.options.get("status", 502), faults.HTML, "text/html")
        case "timeout_before" | "drop_before":
            return Response(504)
        case "expired_token":
            token = world.tokens.get(request.headers.get("authorization", "").partition(" ")[2])
            if token is not None and token.kind == "access":
                token.expires = world.at
                world.touch(token)
    return None


def _show(status: int, value: Any, fault: Fault | None) -> Response:
    if isinstance(value, bytes):
        return Response(status, value, "application/pdf")
    if fault is not None and fault.kind == "extra_fields":
        value = faults.add_fields(value)
    if fault is not None and fault.kind == "unknown_enum":
        value = faults.replace_enums(value, fault.options.get("value", "SANDBOX_SURPRISE"))
    return json_response(status, value)


def _after(response: Response, fault: Fault) -> None:
    """What a fault does to the connection."""
    if fault.kind in ("timeout_before", "timeout_after"):
        response.hold, response.send = float(fault.options.get("seconds", 30)), "nothing"
    elif fault.kind == "slow":
        response.hold = float(fault.options.get("seconds", 2))
    elif fault.kind == "drop_before":
        response.send = "nothing"
    elif fault.kind == "drop":
        response.send = "half"


def _is_later_page(name: str, request: Request) -> bool:
    return name in PAGED and dict(request.pairs).get("pageNumber", "1") != "1"
