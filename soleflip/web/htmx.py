"""One URL, one view model, two renderings: the full page, or the fragment that htmx asked for."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, make_response, redirect, render_template, request

VARY = ("HX-Request", "HX-Request-Type", "HX-Boosted", "HX-History-Restore-Request")


def wants_fragment() -> bool:
    """Tell whether this request wants the fragment alone: an htmx request for a part of the page it stands in."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Request-Type") != "full"
        and "HX-Boosted" not in headers
        and "HX-History-Restore-Request" not in headers
    )


def page(full: str, fragment: str, /, **view: Any) -> Response:
    """Render the fragment for htmx and the full page for everybody else.

    Two names of the view are for the answer itself: `status` (200 without it), and `events`, a tuple of names that go
    out as HX-Trigger.
    """
    status: int = view.pop("status", 200)
    events: tuple[str, ...] = view.pop("events", ())
    response = make_response(render_template(fragment if wants_fragment() else full, **view), status)
    response.vary.update(VARY)
    return trigger(response, *events)


def trigger(response: Response, *events: str, **payloads: Any) -> Response:
    """Add client-side events to an answer: plain names, and names with a payload."""
    wanted: dict[str, Any] = json.loads(response.headers.get("HX-Trigger", "{}"))
    wanted |= dict.fromkeys(events) | {name.replace("_", "-"): payload for name, payload in payloads.items()}
    if wanted:
        response.headers["HX-Trigger"] = json.dumps(wanted)
    return response


def toast(response: Response, message: str, kind: str = "success") -> Response:
    """Show a message at the top of the page the fragment goes into; `kind`: success, info, warning, danger."""
    return trigger(response, toast={"message": message, "kind": kind})


def go(url: str) -> Response:
    """Send the browser to another page of ours: 303 for a plain form, HX-Redirect for htmx."""
    if request.headers.get("HX-Request") == "true":
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url
    else:
        response = make_response(redirect(url, 303))
    response.vary.update(VARY)
    return response
