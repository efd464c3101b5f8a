"""The document says what the API does: every route is in it, every answer is as it says, whatever is sent."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openapi_schema_validator
import pytest
import redis
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from soleflip import api, factory
from soleflip.api.contract import JSON, OPERATIONS
from soleflip.api.document import document
from soleflip.api.examples import EXAMPLES
from soleflip.config import PROJECT
from soleflip.db import db
from soleflip.models import User
from soleflip.services import tokens
from tests.api.conftest import API, EMAIL, Caller
from tests.api.world import World, make_world
from tests.conftest import _settings

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPEN = {f"{API}/openapi.json", f"{API}/docs"}


@pytest.fixture(scope="module")
def living(
    make_database: Callable[..., Any], redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Flask, str, World]]:
    """An application with a world in it, and a token that may do everything."""
    with make_database() as url, redis.Redis.from_url(redis_url) as client:
        client.flushdb()
        address = url.render_as_string(hide_password=False)
        app = factory.create_app(_settings(tmp_path_factory.mktemp("api"), DATABASE_URL=address, REDIS_URL=redis_url))
        app.config["API_RATE_LIMIT"] = "1000000 per minute"
        with app.app_context():
            with app.extensions["soleflip"].transaction() as session:
                user = User(email=EMAIL, role="owner", password_hash="-")
                session.add(user)
                session.flush()
                made = tokens.create(session, user.id, "fuzz", ["admin"], days=None, now=datetime.now(UTC))
                world = make_world(session, app.extensions["soleflip"].books)
            yield app, made.secret, world
            db.engine.dispose()


def described() -> dict[str, Any]:
    """The document, made without a server behind it."""
    app = Flask("described")
    api.install(app)
    with app.test_request_context():
        return document()


turn = itertools.count()
schema = schemathesis.openapi.from_dict(described())
schema.config.phases.coverage.unexpected_methods = {"patch"}
schema.config.phases.coverage.generation.modes = [schemathesis.GenerationMode.POSITIVE]


@schema.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_the_document_says(living: tuple[Flask, str, World], case: Any) -> None:
    app, secret, world = living
    known = asdict(world)
    number = next(turn)
    # An example is the document's own: what is put into it would stay there.
    if isinstance(case.body, dict):
        case.body = copy.deepcopy(case.body)
    if number % 4:
        # Most requests name things that exist, else only refusals would be seen.
        for name in case.path_parameters or {}:
            if known.get(name):
                case.path_parameters[name] = known[name][number % len(known[name])]
        name_known_things(case.body, known, number)
    headers = {"Authorization": f"Bearer {secret}"}
    answer = case.call_and_validate(base_url="http://localhost", app=app, headers=headers, checks=CHECKS)
    # Nobody plays StockX here, and this one asks it.
    if answer.status_code == 422:
        refused = {each["field"] for each in answer.json().get("errors", [])}
        sent = sent_in(answer.request)
        assert {field.partition(".")[0] for field in refused} <= names_of(case.operation.definition.raw) | sent
    assert answer.status_code < 500 or (
        answer.status_code == 503 and case.path.endswith(("/label", "/documents/{key}"))
    )


def sent_in(request: Any) -> set[str]:
    """What a request had in it, by name: what nobody asked for is refused by its own name."""
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = {}
    return {*parse_qs(urlsplit(request.url).query, keep_blank_values=True), *(body if isinstance(body, dict) else ())}


def names_of(entry: dict[str, Any]) -> set[str]:
    """What an operation takes, by name."""
    names = {each["name"] for each in entry["parameters"]} | {"body"}
    for content in entry.get("requestBody", {}).get("content", {}).values():
        reference = content["schema"]["$ref"].rpartition("/")[2]
        names |= described()["components"]["schemas"][reference]["properties"].keys()
    return names


def name_known_things(body: Any, known: dict[str, Any], number: int) -> None:
    if not isinstance(body, dict):
        return
    names = {"ids": "change_id", **{f"{name}s": name for name in known}}
    for field in body:
        if field in known:
            body[field] = known[field][number % len(known[field])]
        elif isinstance(body[field], list) and field in names:
            things = known[names[field]]
            body[field] = things[number % len(things) :][:3]


def test_the_document_is_a_good_one(caller: Caller) -> None:
    answer = caller.app.test_client().get(f"{API}/openapi.json")
    assert answer.status_code == 200
    found = answer.json
    assert found["openapi"].startswith("3.1")
    for name, each in found["components"]["schemas"].items():
        openapi_schema_validator.OAS31Validator.check_schema(each)
        assert each.get("description"), f"{name} says nothing of itself"
    texts = re.findall(r"#/components/schemas/([^\"]+)", answer.text)
    assert set(texts) <= found["components"]["schemas"].keys()


def test_every_example_is_what_its_schema_asks_for(app: Flask) -> None:
    with app.test_request_context():
        found = document()
    schemas = found["components"]["schemas"]
    checked = 0

    def check(schema: dict[str, Any], examples: list[Any], where: str) -> None:
        nonlocal checked
        whole = {**schema, "components": {"schemas": schemas}}
        validator = openapi_schema_validator.OAS31Validator(whole)
        for example in examples:
            assert not [each.message for each in validator.iter_errors(example)], (where, example)
            checked += 1

    def look(schema: Any, where: str) -> None:
        if isinstance(schema, list):
            for each in schema:
                look(each, where)
        elif isinstance(schema, dict):
            if isinstance(schema.get("examples"), list):
                check(schema, schema["examples"], where)
            for name, each in schema.items():
                look(each, f"{where}.{name}")

    look(schemas, "")
    for methods in found["paths"].values():
        for entry in methods.values():
            look(entry["parameters"], entry["operationId"])
            for content in entry.get("requestBody", {}).get("content", {}).values():
                if "example" in content:
                    check(content["schema"], [content["example"]], entry["operationId"])
    assert checked > len(EXAMPLES) > 50


def test_no_two_types_of_the_document_have_one_name() -> None:
    rooms = (PROJECT / "soleflip" / "api").glob("*.py")
    names = [name for room in rooms for name in re.findall(r"^class (\w+)\(", room.read_text("utf-8"), re.M)]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_body_of_json_has_an_example_and_every_example_an_operation(app: Flask) -> None:
    with app.test_request_context():
        entries = [entry for methods in document()["paths"].values() for entry in methods.values()]
    bodies = {entry["operationId"] for entry in entries if JSON in entry.get("requestBody", {}).get("content", {})}
    assert bodies == EXAMPLES.keys()
    assert EXAMPLES.keys() <= OPERATIONS.keys()


def test_routes_and_document_name_the_same_operations(app: Flask) -> None:
    routes = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(f"{API}/") and rule.rule not in OPEN
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    with app.test_request_context():
        written = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert written == routes
    assert len(written) >= 25


def test_every_operation_is_described_and_named_once(app: Flask) -> None:
    with app.test_request_context():
        entries = [entry for methods in document()["paths"].values() for entry in methods.values()]
    names = [entry["operationId"] for entry in entries]
    assert len(set(names)) == len(names)
    assert {name.removesuffix("_alias") for name in names} == set(OPERATIONS)
    for entry in entries:
        assert entry["summary"].endswith("."), entry["operationId"]
        assert entry["security"] == [{"token": [entry["x-scope"]]}]


def test_what_acts_takes_a_key_and_what_reads_takes_an_etag(app: Flask) -> None:
    with app.test_request_context():
        paths = document()["paths"]
    for path, methods in paths.items():
        for method, entry in methods.items():
            headers = {each["name"] for each in entry["parameters"] if each["in"] == "header"}
            if path.endswith(("/listings/preview", "/rules/preview")):
                assert headers == set()
            else:
                assert headers == ({"If-None-Match"} if method == "get" else {"Idempotency-Key"}), path


def test_the_readable_page_shows_every_operation_and_asks_nobody_else(app: Flask) -> None:
    answer = app.test_client().get(f"{API}/docs")
    assert answer.status_code == 200
    with app.test_request_context():
        paths = document()["paths"]
    for path in paths:
        assert path in answer.text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", answer.text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
    assert " style=" not in answer.text
    assert re.findall(r'href="#([^"]+)"', answer.text)
    anchors = set(re.findall(r'id="([^"]+)"', answer.text))
    assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= anchors
