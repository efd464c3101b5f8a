"""Error pages: what happened, what was not lost, and an id that finds the log line."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from uuid import UUID

import pytest
from flask import abort
from sqlalchemy.exc import OperationalError

from soleflip.db import db
from soleflip.domain.errors import Conflict, InvalidInput, NeedsHuman, NotFound, Refused, RetryLater
from tests.web.conftest import EMAIL, PASSWORD, post, token

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": "http://localhost/runs"}


@pytest.fixture
def broken(app, cast):
    """The application with addresses that go wrong in every way."""
    faults = {
        "input": InvalidInput("The ask is no number."),
        "missing": NotFound("There is no such pair."),
        "conflict": Conflict("Somebody was first."),
        "refused": Refused("Below the floor.", guard="floor"),
        "human": NeedsHuman("Connect again."),
        "later": RetryLater("StockX is slow."),
        "bug": ZeroDivisionError("of all things"),
        "database": OperationalError("select", {}, Exception("gone")),
    }
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.route("/broken/<name>", methods=["GET", "POST"])
    def broken(name: str):
        if name.isdigit():
            abort(int(name))
        raise faults[name]

    return app


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("input", 422, "The ask is no number."),
        ("missing", 404, "There is no such pair."),
        ("conflict", 409, "Somebody was first."),
        ("refused", 409, "Below the floor."),
        ("human", 409, "Connect again."),
        ("later", 503, "StockX is slow."),
        ("database", 503, "Nothing was lost"),
        ("bug", 500, "That is our mistake"),
        ("400", 400, "made no sense"),
        ("403", 403, "Not allowed"),
        ("413", 413, "too large"),
        ("429", 429, "Too many tries"),
        ("418", 418, "made no sense"),
    ],
)
def test_an_error_says_what_happened(broken, signed_in, name, status, text):
    browser = signed_in()
    answer = browser.get(f"/broken/{name}")
    assert answer.status_code == status
    assert text in answer.text
    assert answer.headers["X-Request-ID"] in answer.text
    assert "Traceback" not in answer.text
    assert "of all things" not in answer.text


def test_an_error_inside_a_page_becomes_a_notice(broken, signed_in):
    answer = signed_in().get("/broken/conflict", headers=PARTIAL)
    assert answer.status_code == 409
    assert answer.headers["HX-Retarget"] == "#notices"
    assert "<html" not in answer.text
    assert "Somebody was first." in answer.text


def test_the_id_of_an_error_finds_its_log_line(broken, signed_in, caplog):
    browser = signed_in()
    with caplog.at_level(logging.INFO):
        answer = browser.get("/broken/bug")
    lines = [json.loads(record.message) for record in caplog.records if record.message.startswith("{")]
    found = [line for line in lines if line.get("request") == answer.headers["X-Request-ID"]]
    assert any("ZeroDivisionError" in line.get("exception", "") for line in found)


def test_an_unknown_address_and_a_wrong_method_say_so(browser):
    assert "Nothing here" in browser.get("/no/such/place").text
    answer = browser.post("/", data={"csrf_token": token(browser)})
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_reloading_an_address_that_takes_forms_only_shows_the_page_above_it(browser):
    for path, above in (
        ("/pricing/rules", "/pricing"),
        (f"/pricing/rules/{UUID(int=1)}/guards", f"/pricing/rules/{UUID(int=1)}"),
        ("/pricing/rules/default", "/pricing"),
        ("/pricing/replay/sales", "/pricing/replay"),
    ):
        answer = browser.get(path)
        assert (answer.status_code, answer.location) == (303, above)
    assert browser.get("/api/v1/selling/pricing/update-all").status_code in (401, 405)


def test_a_form_without_its_token_is_refused_and_says_what_to_do(browser):
    answer = browser.post("/sign-out")
    assert answer.status_code == 400
    assert "reload the page" in answer.text
    assert browser.get("/").status_code == 200


def test_an_upload_that_is_too_large_is_refused(browser, app):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = browser.post("/settings/vat", data={"csrf_token": token(browser), "currency": "x" * 2000})
    assert answer.status_code == 413
    assert "too large" in answer.text


def test_what_a_view_wrote_is_undone_when_it_ends_in_an_error(broken, signed_in):
    from flask import g

    from soleflip.models import Setting

    @broken.get("/half-done")
    def half_done():
        g.session.add(Setting(key="half", value={}))
        g.session.flush()
        abort(409)

    signed_in().get("/half-done")
    with broken.app_context(), broken.extensions["soleflip"].transaction() as session:
        assert session.get(Setting, "half") is None


def test_without_a_database_pages_say_so_and_the_sign_in_still_opens(settings):
    from soleflip import factory

    away = replace(settings, database_url="postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    app = factory.create_app(away)
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "00000000-0000-4000-8000-000000000000"
    for headers in ({}, PARTIAL):
        answer = client.get("/runs", headers=headers)
        assert answer.status_code == 503
        assert "Nothing was lost" in answer.text
    assert app.test_client().get("/sign-in").status_code == 200
    assert client.get("/healthz").status_code == 200
    app.extensions["soleflip"].redis.close()


def test_without_redis_pages_open_and_signing_in_works(settings, app, cast):
    from soleflip import factory

    away = replace(settings, redis_url="redis://127.0.0.1:9/0")
    other = factory.create_app(away)
    client = other.test_client()
    answer = post(client, "/sign-in", email=EMAIL["operator"], password=PASSWORD)
    assert answer.status_code == 303
    page = client.get("/")
    assert page.status_code == 200
    assert "Redis does not answer" in page.text
    with other.app_context():
        db.engine.dispose()
    other.extensions["soleflip"].redis.close()
