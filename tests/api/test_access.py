"""Who may come in: tokens, their end, their scopes, their share; and that every refusal has one shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from soleflip.api.contract import OPERATIONS
from soleflip.api.document import PROBLEMS
from soleflip.models import ApiToken, User
from soleflip.runtime import system_clock
from soleflip.services import sessions, tokens
from tests.api.conftest import API, Caller


def check_problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    """An error is a problem of RFC 9457, whoever answers it."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    problem = answer.json
    assert problem["type"] == f"{API}/docs#{name}"
    assert name in PROBLEMS
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    return problem


def test_without_a_token_nothing_is_shown(app: Flask) -> None:
    answer = app.test_client().get(f"{API}/quickflip/opportunities")
    check_problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer sf_wrong", "Bearer wrong", "Basic b3duZXI6eA==", "é"])
def test_a_bad_token_is_refused(app: Flask, owner: User, header: str) -> None:
    answer = app.test_client().get(f"{API}/selling/listings", headers={"Authorization": header})
    check_problem(answer, 401, "unauthorized")


def test_a_session_cookie_opens_no_door(app: Flask, owner: User) -> None:
    browser = app.test_client()
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        begun = sessions.begin(session, owner.id, address=None, device=None, now=system_clock())
    with browser.session_transaction() as cookie:
        cookie["_user_id"] = str(begun.id)
    assert browser.get("/settings").status_code == 200
    check_problem(browser.get(f"{API}/selling/listings"), 401, "unauthorized")


def test_a_token_ends_when_its_time_is_over(make_caller: Callable[..., Caller]) -> None:
    assert make_caller(days=1).get("/selling/listings").status_code == 200
    over = make_caller(days=1, ago=timedelta(days=1, seconds=1))
    check_problem(over.get("/selling/listings"), 401, "unauthorized")


def test_a_revoked_token_ends_at_once(caller: Caller, database: Any, owner: User) -> None:
    assert caller.get("/selling/listings").status_code == 200
    with database() as session:
        token = session.scalars(select(ApiToken)).one()
        tokens.revoke(session, token.id, owner.id, now=datetime.now(UTC))
    check_problem(caller.get("/selling/listings"), 401, "unauthorized")


def test_a_disabled_account_takes_its_tokens_along(caller: Caller, database: Any) -> None:
    with database() as session:
        session.execute(update(User).values(is_enabled=False))
    check_problem(caller.get("/selling/listings"), 401, "unauthorized")


def test_an_account_that_may_only_look_keeps_only_reading(caller: Caller, database: Any) -> None:
    with database() as session:
        session.execute(update(User).values(role="viewer"))
    assert caller.get("/selling/listings").status_code == 200
    check_problem(caller.post("/selling/sync"), 403, "forbidden")


def test_the_database_holds_no_token_in_the_clear(caller: Caller, database: Any) -> None:
    with database() as session:
        token = session.scalars(select(ApiToken)).one()
        stored = " ".join(str(getattr(token, column.name)) for column in ApiToken.__table__.columns)
    assert caller.secret not in stored
    assert len(token.token_hash) == 64


def test_the_last_use_is_kept(caller: Caller, database: Any) -> None:
    caller.get("/no/such/place")
    caller.get("/selling/listings?limit=0")
    with database() as session:
        used = session.scalars(select(ApiToken.last_used_at)).one()
    assert used is not None
    assert datetime.now(UTC) - used < timedelta(minutes=1)


SCOPE_EXAMPLES = {
    "read": ("GET", "/selling/listings"),
    "list": ("POST", "/selling/sync"),
    "price": ("POST", "/selling/pricing/proposals/reject"),
    "admin": ("POST", "/automation/stop"),
}


@pytest.mark.parametrize("held", tokens.SCOPES)
@pytest.mark.parametrize("needed", tokens.SCOPES)
def test_a_token_does_what_its_scopes_say(make_caller: Callable[..., Caller], held: str, needed: str) -> None:
    method, path = SCOPE_EXAMPLES[needed]
    answer = make_caller(held).send(method, path, json={} if method == "POST" else None)
    if held in (needed, "admin"):
        assert answer.status_code < 300, answer.text
    else:
        problem = check_problem(answer, 403, "forbidden")
        assert needed in problem["detail"]
        assert f'scope="{needed}"' in answer.headers["WWW-Authenticate"]


def test_every_operation_has_a_scope_and_what_acts_needs_more_than_reading() -> None:
    assert {each.scope for each in OPERATIONS.values()} == set(tokens.SCOPES)
    assert all(each.scope != "read" for each in OPERATIONS.values() if each.acts)


def test_a_token_has_a_share_of_requests_of_its_own(app: Flask, make_caller: Callable[..., Caller]) -> None:
    app.config["API_RATE_LIMIT"] = "3 per minute"
    busy, other = make_caller(), make_caller()
    assert [busy.get("/settings").status_code for _ in range(3)] == [200] * 3
    answer = busy.get("/settings")
    check_problem(answer, 429, "too-many-requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert other.get("/settings").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "name"),
    [
        ("GET", "/no/such/place", {}, 404, "not-found"),
        ("GET", "/selling/listings/not-an-id", {}, 404, "not-found"),
        ("GET", "/selling/listings/00000000-0000-0000-0000-000000000000", {}, 404, "not-found"),
        ("GET", "/orders/99-99", {}, 404, "not-found"),
        ("DELETE", "/selling/listings", {}, 405, "method-not-allowed"),
        ("DELETE", "/alerts/channels/310967111207", {}, 404, "not-found"),
        ("PUT", "/settings/vat", {"json": {"values": {"shipping": "5"}}}, 422, "invalid-input"),
        ("POST", "/automation/stop", {"data": b"{", "content_type": "application/json"}, 400, "bad-request"),
        ("POST", "/automation/stop", {"data": b"NaN", "content_type": "application/json"}, 400, "bad-request"),
        ("POST", "/automation/stop", {"data": b"a=1"}, 415, "unsupported-media-type"),
        ("POST", "/quickflip/import", {"json": {}}, 415, "unsupported-media-type"),
        ("POST", "/automation/stop", {"json": {"reason": "a\x00b"}}, 400, "bad-request"),
        (
            "POST",
            "/inventory/import",
            {"data": {"file": "text"}, "content_type": "multipart/form-data"},
            422,
            "invalid-input",
        ),
        ("POST", "/automation/stop", {"json": []}, 422, "invalid-input"),
        ("GET", "/selling/listings?limit=1000", {}, 422, "invalid-input"),
        ("GET", "/selling/listings?cursor=nonsense", {}, 422, "invalid-input"),
        ("GET", "/analytics/tax-report/1066", {}, 422, "invalid-input"),
        (
            "GET",
            "/analytics/tax-report/2026",
            {"headers": {"Accept": "image/png"}},
            406,
            "not-acceptable",
        ),
    ],
)
def test_every_refusal_is_a_problem(
    caller: Caller, method: str, path: str, options: dict[str, Any], status: int, name: str
) -> None:
    check_problem(caller.send(method, path, **options), status, name)


def test_a_wrong_method_says_which_are_right(caller: Caller) -> None:
    assert "GET" in caller.send("PATCH", "/selling/listings").headers["Allow"]


def test_a_file_that_is_too_large_is_a_problem(app: Flask, caller: Caller) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 1000
    check_problem(caller.post("/automation/stop", json={"reason": "x" * 2000}), 413, "too-large")


def test_a_mistake_of_ours_is_a_problem_without_details(
    app: Flask, caller: Caller, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with database() as session:
        session.connection().exec_driver_sql("DROP TABLE ops.settings")
    problem = check_problem(caller.get("/settings"), 500, "server-error")
    assert "ops.settings" not in str(problem)


def test_the_field_that_is_wrong_is_named(caller: Caller) -> None:
    answer = caller.post("/selling/listings/bulk-create", json={"opportunity_ids": ["x"], "colour": "red"})
    problem = check_problem(answer, 422, "invalid-input")
    assert {each["field"] for each in problem["errors"]} == {"opportunity_ids.0", "colour"}
    answer = caller.send("PUT", "/settings/vat", json={"values": {"rate": "high"}})
    assert check_problem(answer, 422, "invalid-input")["errors"][0]["field"] == "values.rate"
    answer = caller.get("/quickflip/opportunities?min_profit=lots")
    assert check_problem(answer, 422, "invalid-input")["errors"][0]["field"] == "min_profit"
    for path in ("/analytics/profits", "/analytics/groups"):
        answer = caller.get(f"{path}?start_date=2026-03-02&end_date=2026-03-01")
        assert check_problem(answer, 422, "invalid-input")["errors"][0]["field"] == "end_date"


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "said"),
    [
        ("POST", "/automation/rules", {"conditions": {"shop": [1]}}, "conditions.shop", "Text of at most"),
        ("POST", "/automation/rules", [], "body", "A JSON object is wanted."),
        ("GET", "/selling/listings?status=gone", None, "status", "One of these is wanted: live, "),
        ("GET", "/inventory/items?sort=age!", None, "sort", "One of these is wanted: "),
        ("PUT", "/selling/pricing/default-settings", {"strategy": "x"}, "strategy", "One of these is wanted: "),
        ("POST", "/selling/listings/bulk-price", {"value": "1e3"}, "value", "An amount is written with digits"),
        ("POST", "/selling/listings/bulk-price", {"value": "\u0661"}, "value", "An amount is written with digits"),
    ],
)
def test_what_is_wanted_of_a_field_is_said_once_and_in_words(
    caller: Caller, method: str, path: str, body: Any, field: str, said: str
) -> None:
    errors = check_problem(caller.send(method, path, json=body), 422, "invalid-input")["errors"]
    messages = [each["message"] for each in errors if each["field"].startswith(field)]
    assert len(messages) == 1
    assert messages[0].startswith(said)
    assert not re.search(r"pattern|instance of|Value error|\^\(", str(errors))


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/orders"])
def test_an_address_of_no_version_is_a_problem(app: Flask, path: str) -> None:
    check_problem(app.test_client().get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ("vat", {"treatment": "registered"}),
        ("vat", {"rate": "500"}),
        ("vat", {"rate": "1e1"}),
        ("vat", {"rate": "\u0661"}),
        ("vat", {"rate": "1e999"}),
        ("thresholds", {"failure_rate": "2"}),
        ("thresholds", {"min_profit": "9" * 400}),
        ("thresholds", {"max_quote_age_hours": "99999999999999999999"}),
        ("pricing", {"strategy": "nope"}),
        ("pricing", {"repricing": "maybe"}),
        ("feeds", {"private_addresses": True}),
        ("alerts", {"private_addresses": "perhaps"}),
        ("automation", {"money_per_day": "1e999"}),
    ],
)
def test_a_setting_with_which_nothing_could_be_worked_out_is_refused(caller: Caller, group: str, values: Any) -> None:
    before = caller.get("/settings").json
    answer = caller.send("PUT", f"/settings/{group}", json={"values": values})
    assert check_problem(answer, 422, "invalid-input")["errors"][0]["field"] == f"values.{next(iter(values))}"
    assert caller.get("/settings").json == before


def test_a_read_is_sent_once_and_named_afterwards(caller: Caller) -> None:
    first = caller.get("/settings")
    tag = first.headers["ETag"]
    again = caller.get("/settings", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    caller.send("PUT", "/settings/vat", json={"values": {"rate": "7.5"}})
    changed = caller.get("/settings", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json["vat"]["rate"] == "7.5"
