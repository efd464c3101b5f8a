"""The OpenAPI document, made from the views' types, and a page on which a person can read it."""

from __future__ import annotations

import copy
from functools import cache
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template

from soleflip.api import problems
from soleflip.api.contract import JSON, OPERATIONS, spec
from soleflip.api.examples import EXAMPLES
from soleflip.api.problems import Problem

bp = Blueprint("document", __name__)

ANYWHERE = (401, 403, 429, 500, 503)
HEADERS = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "ETag": {"description": "Names this state of the answer.", "schema": {"type": "string"}},
    "Location": {"description": "Where the run is followed.", "schema": {"type": "string"}},
}
NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "An ETag: 304 without a body while the answer is still the same.",
    "schema": {"type": "string"},
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name of your own for this request: sent again within 24 hours, it acts no second time and is "
    "answered the same. For another request it is refused with 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
PROBLEMS = {
    "bad-request": "The request can't be read. Mend it; nothing was changed.",
    "unauthorized": "There is no good token: make one in Settings.",
    "forbidden": "The token lacks a scope that this takes.",
    "not-found": "The thing does not exist, or no longer.",
    "method-not-allowed": "The address can't be used in that way.",
    "not-acceptable": "There is no answer in the format that Accept asks for.",
    "conflict": "Somebody was first, or the thing is in a state that forbids this. Look again.",
    "in-flight": "The first request with this Idempotency-Key is still being worked on. Wait as Retry-After says.",
    "refused": "A guard said no, on purpose; `guard` names it: below_floor, cost_unknown, away. "
    "A stop refuses no request: what is asked for waits in its run until writes go on.",
    "needs-human": "Only a person can decide or act: reconnect, review.",
    "too-large": "The file, the address or the headers are too large.",
    "unsupported-media-type": "The body is of another kind than the one declared.",
    "invalid-input": "A value was refused; `errors` names the field.",
    "too-many-requests": "The token has had its share. Wait as Retry-After says.",
    "server-error": "Something broke on the server; `request_id` finds it in the log.",
    "retry-later": "A part that this needs does not answer. The same request may go through later.",
}


def openapi() -> Response:
    """Hand out the OpenAPI 3.1 document; it needs no token."""
    return make_response(jsonify(document()))


def docs() -> Response:
    """Show the document as a page; it needs no token."""
    found = document()
    return make_response(render_template("api/page.html", document=found, groups=_groups(found), problems=PROBLEMS))


@cache
def document() -> dict[str, Any]:
    """Make the document: what spectree found, with the errors, headers and files that every operation has."""
    found: dict[str, Any] = copy.deepcopy(spec.spec)
    found["components"]["schemas"]["Problem"] = Problem.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    found["components"]["schemas"] |= found["components"]["schemas"]["Problem"].pop("$defs")
    for path, methods in found["paths"].items():
        for method, entry in methods.items():
            _complete(entry, path, method)
    found["paths"] = dict(sorted(found["paths"].items()))
    return found


def _complete(entry: dict[str, Any], path: str, method: str) -> None:
    """Add to an operation what its decorator knows and what every operation does."""
    known = OPERATIONS[entry["operationId"]]
    entry["x-scope"] = known.scope
    if entry["operationId"] in EXAMPLES:
        entry["requestBody"]["content"][JSON]["example"] = EXAMPLES[entry["operationId"]]
    responses = entry["responses"]
    # spectree's own model of refused fields is not what we answer.
    responses.pop("422", None)
    refusals = _refusals(entry, path, method)
    good = responses[str(known.status)]
    for kind, text in known.files.items():
        schema = {"type": "string"} if kind.startswith("text/") else {"type": "string", "format": "binary"}
        good.setdefault("content", {})[kind] = {"schema": schema}
        good["description"] = f"{good['description']}. {text}"
    if known.status == 202:
        good["headers"] = {"Location": HEADERS["Location"]}
    if method == "get":
        good["headers"] = {"ETag": HEADERS["ETag"]}
        entry["parameters"].append(NONE_MATCH)
        responses["304"] = {"description": "Still the same."}
    if known.acts:
        entry["parameters"].append(KEY)
    for status in refusals:
        responses[str(status)] = _problem(status)
    if path.startswith("/api/v1/orders/analytics/") or path == "/api/v1/orders/sync/orders":
        entry["operationId"] += "_alias"
        entry["deprecated"] = True


def _refusals(entry: dict[str, Any], path: str, method: str) -> list[int]:
    """Return the statuses of the errors that an operation can answer."""
    known = OPERATIONS[entry["operationId"]]
    statuses = {*ANYWHERE, 400}
    if "{" in path:
        statuses.add(404)
    if method != "get" or entry["parameters"]:
        statuses.add(422)
    if known.acts:
        statuses |= {404, 409}
    if "requestBody" in entry:
        statuses |= {404, 413, 415}
    if len(known.files) > 1:
        statuses.add(406)
    return sorted(statuses)


def _problem(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": HEADERS["Retry-After"]}
    return answer


def _groups(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Put the operations together by their room."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in found["paths"].items():
        for method, entry in methods.items():
            groups.setdefault(entry["tags"][0], []).append({"path": path, "method": method, **entry})
    return groups
