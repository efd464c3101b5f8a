"""What an operation of the API is: one decorator gives a view its scope, its types, and its line in the document."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import wraps
from typing import Any, NamedTuple

import structlog
from flask import Request, Response, make_response, request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from spectree import Response as Answers
from spectree import SpecTree
from spectree.models import SecureType, SecurityScheme, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin
from spectree.utils import get_multidict_items
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from soleflip.api import access
from soleflip.api.once import once
from soleflip.api.problems import FieldProblem, Unfit
from soleflip.domain.errors import InvalidInput

log = structlog.get_logger()

JSON = "application/json"
FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Operation:
    """What the document says of a view beside its types: `files` maps further content types to what they hold."""

    scope: str
    status: int
    acts: bool
    files: Mapping[str, str] = field(default_factory=dict)


OPERATIONS: dict[str, Operation] = {}
"""Every operation by its id, which is the name of its view."""


class Context(NamedTuple):
    """What was read from a request."""

    query: Any
    json: Any
    form: Any
    headers: None = None
    cookies: None = None


class Plugin(FlaskPlugin):
    """Reads requests strictly: the declared kind of body, good JSON, and text that a database can hold."""

    def request_validation(
        self, request: Request, query: Any, json: Any, form: Any, headers: Any, cookies: Any
    ) -> None:
        """Read and check everything that a view takes; raises ValidationError, BadRequest or UnsupportedMediaType."""
        request.context = Context(  # type: ignore[attr-defined]
            query=query.model_validate(_clean(get_multidict_items(request.args, query))) if query else None,
            json=json.model_validate(_clean(_json_body(request))) if json else None,
            form=form.model_validate(_clean(_form_body(self, request))) if form else None,
        )

    def validate_response(
        self, resp: Any, resp_model: Any, skip_validation: bool, force_resp_serialize: bool
    ) -> tuple[Response, Any]:
        """Check what a view answers against its type; files pass as they are."""
        if isinstance(resp, Response) and resp.mimetype != JSON:
            return resp, None
        checked: tuple[Response, Any] = super().validate_response(
            resp, resp_model, skip_validation, force_resp_serialize
        )
        return checked


def _json_body(request: Request) -> Any:
    if request.mimetype != JSON and not request.is_json:
        raise UnsupportedMediaType("Send the body as application/json.")
    try:
        return json.loads(request.get_data(), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is no JSON that can be read. Nothing was changed.") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _form_body(plugin: Plugin, request: Request) -> Any:
    if request.mimetype != FORM:
        raise UnsupportedMediaType("Send the file as multipart/form-data.")
    return plugin.fill_form(request)


def _clean(value: Any) -> Any:
    """Return a value unless there is text in it that no database holds."""
    if isinstance(value, str) and ("\x00" in value or (not value.isprintable() and _is_broken(value))):
        raise BadRequest("There is a character in the request that no text can have. Nothing was changed.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _clean(key), _clean(inner)
    elif isinstance(value, list):
        for inner in value:
            _clean(inner)
    return value


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _before(_request: Any, _response: Any, error: Exception | None, _instance: Any, _adapter: Any) -> None:
    """Turn fields that don't fit into a problem."""
    if isinstance(error, ValidationError):
        raise Unfit(
            FieldProblem(field=".".join(str(part) for part in each["loc"]) or "body", message=_sentence(each))
            for each in error.errors(include_url=False, include_input=False)
        )


def _sentence(refusal: ErrorDetails) -> str:
    """Say what is wanted of a field in words: no class of ours, no pattern where there are names to choose from."""
    said, pattern = refusal["msg"], str(refusal.get("ctx", {}).get("pattern", ""))
    if refusal["type"] in ("model_type", "model_attributes_type"):
        return "A JSON object is wanted."
    if names := re.fullmatch(r"\^(-\?)?\(([\w|.-]+)\)\$", pattern):
        order = ", each with a - before it for the other order" if names[1] else ""
        return f"One of these is wanted: {names[2].replace('|', ', ')}{order}."
    return said.removeprefix("Value error, ")


def _after(_request: Any, _response: Any, error: Exception | None, _instance: Any, _adapter: Any) -> None:
    """An answer that is not as promised is a mistake of ours."""
    if error is not None:
        raise RuntimeError(f"an answer breaks the contract: {error}")


spec = SpecTree(
    "flask",
    backend=Plugin,
    before=_before,
    after=_after,
    mode="strict",
    title="SoleFlip",
    version="1",
    description=(
        "All that the pages do, for scripts. Amounts are text with their currency beside them, times are UTC, lists "
        "come in pages behind a cursor, and slow things answer 202 with a run to follow. An `Idempotency-Key` makes "
        "a request that acts safe to repeat; every error is a problem (RFC 9457)."
    ),
    naming_strategy=lambda model: model.__name__.replace("[", "_").replace("]", ""),
    nested_naming_strategy=lambda _parent, child: child,
    security_schemes=[
        SecurityScheme(
            name="token",
            data=SecuritySchemeData(
                type=SecureType.HTTP, scheme="bearer", description="A token from Settings, beginning with sf_."
            ),
        )
    ],
)


def operation(
    tag: str,
    scope: str,
    returns: type[BaseModel] | None = None,
    *,
    status: int = 200,
    acts: bool = False,
    files: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Make a view an operation: its scope is asked for, its request and answer are checked, and it is documented.

    `acts`: it takes an Idempotency-Key. `files`: content types it may answer with beside JSON, with what they hold.
    `names`: how the request calls the fields that the services name otherwise.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Response]:
        name = view.__name__
        if name in OPERATIONS:
            raise ValueError(f"two operations are called {name}")
        OPERATIONS[name] = Operation(scope, status, acts, files or {})
        answers = Answers(**{f"HTTP_{status}": returns}) if returns else Answers(f"HTTP_{status}")
        checked = spec.validate(resp=answers, tags=(tag,), security={"token": [scope]}, operation_id=name)(view)

        def named(**path: Any) -> Any:
            try:
                return checked(**path)
            except InvalidInput as error:
                error.field = _as_sent(error.field, names or {})
                raise

        @wraps(checked)
        def guarded(**path: Any) -> Response:
            refused = access.refuse_scope(scope)
            if refused is not None:
                return refused
            return once(lambda: named(**path)) if acts else make_response(named(**path))

        return guarded

    return decorate


def _as_sent(field: str | None, names: Mapping[str, str]) -> str | None:
    """Return a refused field as the request calls it: by its own name there, and with the fields it stands in."""
    if field is None:
        return None
    body = request.get_json(silent=True) if request.is_json else None
    sent = body if isinstance(body, dict) else {}
    if field in sent or field in request.args:
        return field
    holders = [name for name, inner in sent.items() if isinstance(inner, dict) and field in inner]
    return f"{holders[0]}.{field}" if len(holders) == 1 else names.get(field, field)
