"""How calls travel: sent once, named by what to do, with nothing secret on the way."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
import requests
import structlog

from soleflip.domain.errors import InvalidInput, Refused, SoleFlipError
from soleflip.stockx import (
    Ambiguous,
    BudgetExhausted,
    BudgetUnreachable,
    CreateListing,
    Lane,
    RateLimited,
    ReconnectNeeded,
    StockXNotFound,
    StockXRefused,
    StockXUnavailable,
)

EXPIRY = datetime(2026, 6, 1, tzinfo=UTC)
ASK = CreateListing(variant_id="v-1", amount=Decimal(150), currency_code="EUR", expires_at=EXPIRY)
ACCEPTED = {"listingId": "l-1", "operationId": "o-1", "operationStatus": "PENDING"}
LISTING = {"listingId": "l-1", "status": "ACTIVE"}
HTML: dict[str, Any] = {"body": b"<html>Please wait</html>", "headers": {"Content-Type": "text/html"}}


def test_a_call_carries_key_and_token(script, stockx):
    script.then(ACCEPTED, 201)
    assert stockx.create_listing(ASK).operation_id == "o-1"
    [asked] = script.asked
    assert (asked.method, asked.path) == ("POST", "/v2/selling/listings")
    assert (asked.headers["x-api-key"], asked.headers["Authorization"]) == ("api-key", "Bearer access-1")
    assert asked.json() == ASK.payload()


# --- reads ---


@pytest.mark.parametrize(
    "trouble",
    [
        {"body": {"statusCode": 500, "message": "oops"}, "status": 500},
        {"body": b"bad gateway", "status": 502},
        {"body": None},
        HTML,
        {"body": b'{"listingId": '},
        {"body": {"nothing": "useful"}},
        {"body": {}, "status": 302, "headers": {"Location": "/elsewhere"}},
        {"body": {}, "before": lambda: time.sleep(0.7)},
    ],
    ids=["500", "502", "dropped", "html", "half-json", "no-id", "redirect", "time-out"],
)
def test_a_read_is_tried_again(script, stockx, trouble):
    script.then(**trouble)
    script.then(LISTING)
    assert stockx.listing("l-1").status == "ACTIVE"
    assert [asked.path for asked in script.asked] == ["/v2/selling/listings/l-1"] * 2


def test_a_read_gives_up_after_four_attempts_each_paid_from_the_budget(script, stockx):
    for _ in range(5):
        script.then({}, 503)
    with pytest.raises(StockXUnavailable):
        stockx.listing("l-1")
    assert len(script.asked) == 4
    assert stockx.budget.state().by_lane[Lane.LISTING] == 4


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, StockXRefused), (403, StockXRefused), (413, StockXRefused), (415, StockXRefused), (404, StockXNotFound)],
)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"statusCode": 400, "message": "amount is wrong"}, "amount is wrong"),
        ({"errorMessage": "amount is wrong"}, "amount is wrong"),
        (b"<h1>Forbidden</h1>", "no readable reason"),
        (["?"], "no reason given"),
    ],
)
def test_a_refusal_is_final_and_says_why(script, stockx, status, error, body, text):
    script.then(body, status)
    script.then(body, status)
    with pytest.raises(error, match=text):
        stockx.listing("l-1")
    with pytest.raises(error, match=text):
        stockx.create_listing(ASK)
    assert len(script.asked) == 2


# --- writes ---


@pytest.mark.parametrize(
    "trouble",
    [
        {"body": {"statusCode": 500, "message": "oops"}, "status": 500},
        {"body": b"", "status": 504},
        {"body": {}, "status": 408},
        {"body": None},
        HTML,
        {"body": {"nothing": "useful"}},
        {"body": {}, "status": 307, "headers": {"Location": "/v2/selling/listings"}},
        {"body": {}, "before": lambda: time.sleep(0.7)},
        {"body": b'{"listingId": "l-1"', "headers": {"Content-Length": "500"}, "close_after": True},
    ],
    ids=["500", "504", "408", "dropped", "html", "no-id", "redirect", "time-out", "cut-off"],
)
def test_a_write_whose_fate_is_unknown_is_ambiguous_and_never_sent_again(script, stockx, clock, trouble):
    script.then(**trouble)
    with pytest.raises(Ambiguous, match="create_listing") as lost:
        stockx.create_listing(ASK)
    assert len(script.asked) == 1
    assert (lost.value.operation, lost.value.lane) == ("create_listing", Lane.LISTING)
    assert lost.value.payload == ASK.payload()
    assert lost.value.sent_at == lost.value.finished_at == clock()


def test_an_ambiguous_write_names_the_listing_in_its_address(script, stockx):
    script.then(None)
    with pytest.raises(Ambiguous) as lost:
        stockx.delete_listing("l-7")
    assert (lost.value.subject, lost.value.payload) == ({"listing_id": "l-7"}, {})


def test_a_write_that_never_left_is_not_ambiguous(script, stockx, redis, clock, tokens, make_client):
    stockx.auth.access_token()
    nowhere = make_client(script.url, api_url="http://127.0.0.1:1/v2")
    with pytest.raises(StockXUnavailable):
        nowhere.create_listing(ASK)
    unknown = make_client(script.url, api_url="http://nobody.invalid/v2")
    with pytest.raises(StockXUnavailable):
        unknown.create_listing(ASK)


def test_a_write_through_a_proxy_that_is_not_there_is_not_ambiguous(script, stockx, make_client):
    stockx.auth.access_token()
    session = requests.Session()
    session.proxies = {"https": "http://127.0.0.1:1"}
    with pytest.raises(StockXUnavailable):
        make_client(script.url, api_url="https://nobody.invalid/v2", session=session).create_listing(ASK)


def test_a_write_does_not_meet_a_connection_that_the_server_has_closed(script, stockx):
    """A server that closes after an answer without saying so must not make the next write ambiguous."""
    for _ in range(5):
        script.then(LISTING, close_after=True)
        stockx.listing("l-1")
        script.then(ACCEPTED, 201)
        stockx.create_listing(ASK)


def test_a_write_refused_with_401_is_sent_once_more_with_a_fresh_token(script, stockx):
    script.then({"message": "Unauthorized"}, 401)
    script.then(ACCEPTED, 201)
    stockx.create_listing(ASK)
    assert [asked.headers["Authorization"] for asked in script.asked] == ["Bearer access-1", "Bearer access-2"]


def test_a_fresh_token_that_is_refused_needs_a_human(script, stockx, tokens):
    script.then({"message": "Unauthorized"}, 401)
    script.then({"message": "Unauthorized"}, 401)
    with pytest.raises(ReconnectNeeded, match="API key"):
        stockx.create_listing(ASK)
    assert len(script.asked) == 2


def test_a_gate_can_hold_up_writes_but_not_reads(script, make_client):
    def stop() -> None:
        raise Refused("Everything is stopped.", guard="stopped")

    stopped = make_client(script.url, before_write=stop)
    with pytest.raises(Refused):
        stopped.create_listing(ASK)
    assert script.asked == []
    script.then(LISTING)
    assert stopped.listing("l-1").listing_id == "l-1"


# --- limits ---


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_blocks_everybody_until_retry_after(script, stockx, clock, form):
    value = "120" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    script.then({"message": "slow down"}, 429, headers={"Retry-After": value})
    with pytest.raises(RateLimited) as limited:
        stockx.create_listing(ASK)
    assert abs(limited.value.until - clock() - timedelta(minutes=2)) <= timedelta(seconds=2)
    with pytest.raises(BudgetExhausted) as refusal:
        stockx.order("1-1")
    assert refusal.value.until == limited.value.until
    assert len(script.asked) == 1


def test_a_read_waits_out_a_short_pause(script, stockx, clock):
    script.then({}, 429, headers={"Retry-After": "1"})
    script.then(LISTING)

    threading.Timer(0.3, clock.pass_by, kwargs={"seconds": 1}).start()
    started = time.monotonic()
    assert stockx.listing("l-1").listing_id == "l-1"
    assert time.monotonic() - started >= 0.3


def test_a_read_does_not_wait_out_a_long_pause(script, stockx):
    script.then({}, 429, headers={"Retry-After": "3600"})
    with pytest.raises(RateLimited):
        stockx.listing("l-1")
    assert len(script.asked) == 1


def test_a_503_that_says_when_to_come_back_blocks_everybody_too(script, stockx):
    script.then({}, 503, headers={"Retry-After": "3600"})
    with pytest.raises(BudgetExhausted):
        stockx.listing("l-1")
    with pytest.raises(BudgetExhausted):
        stockx.create_listing(ASK)
    assert len(script.asked) == 1


def test_without_redis_nothing_is_sent(script, make_client, dead_redis):
    client = make_client(script.url, redis=dead_redis)
    with pytest.raises(BudgetUnreachable):
        client.listing("l-1")
    with pytest.raises(BudgetUnreachable):
        client.create_listing(ASK)
    assert script.asked == script.token_asked == []


# --- safety ---


@pytest.mark.parametrize("url", ["https://api.stockx.com/v2", "https://API.StockX.com./v2", "https://stockx.com"])
def test_tls_verification_can_not_be_switched_off_for_stockx(script, stockx, make_client, url):
    stockx.auth.access_token()
    session = requests.Session()
    session.verify = False
    with pytest.raises(InvalidInput, match="verified TLS"):
        make_client(script.url, api_url=url, session=session).listing("l-1")


def test_stockx_is_not_spoken_to_without_tls(script, stockx, make_client):
    stockx.auth.access_token()
    with pytest.raises(InvalidInput, match="verified TLS"):
        make_client(script.url, api_url="http://api.stockx.com/v2").listing("l-1")


def test_an_adapter_of_the_session_does_not_replace_ours(script, make_client):
    class Blind(requests.adapters.HTTPAdapter):
        def send(self, *arguments, **more):
            raise AssertionError("an adapter that need not verify anything")

    script.then(LISTING)
    session = requests.Session()
    session.mount(script.url, Blind())
    assert make_client(script.url, session=session).listing("l-1").listing_id == "l-1"


def test_hosts_that_only_look_like_stockx_are_not_held_to_it(script, make_client):
    script.then(LISTING)
    session = requests.Session()
    session.verify = False
    assert make_client(script.url, session=session).listing("l-1").listing_id == "l-1"


@pytest.mark.parametrize(
    ("odd", "path"), [("a/b", "a%2Fb"), ("../orders", "..%2Forders"), ("x?y=1#z", "x%3Fy%3D1%23z")]
)
def test_an_id_can_not_leave_its_place_in_the_address(script, stockx, odd, path):
    script.then(LISTING)
    stockx.listing(odd)
    assert script.asked[0].path == f"/v2/selling/listings/{path}"


@pytest.mark.parametrize("odd", ["", ".", ".."])
def test_an_id_that_is_none_is_refused(script, stockx, odd):
    with pytest.raises(InvalidInput):
        stockx.delete_listing(odd)
    assert script.asked == []


def test_a_netrc_does_not_replace_the_token(script, stockx, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    script.then(LISTING)
    stockx.listing("l-1")
    assert script.asked[0].headers["Authorization"] == "Bearer access-1"


def test_nothing_secret_is_logged_or_told_in_errors(script, stockx, redis):
    script.then(LISTING)
    script.then({}, 401)
    script.then(None)
    with structlog.testing.capture_logs() as lines:
        stockx.listing("l-1")
        with pytest.raises(Ambiguous) as lost:
            stockx.create_listing(ASK)
    told = repr(lines) + repr(lost.value) + str(lost.value.__cause__) + repr(vars(stockx)) + repr(stockx.auth)
    kept = b"".join(value for key in redis.scan_iter() if (value := redis.dump(key)))
    for secret in ("access-", "refresh-secret", "client-secret", "api-key"):
        assert secret not in told
        assert secret.encode() not in kept
    assert [line["status"] for line in lines if line["event"] == "stockx_call"] == [200, "200", "401", 200, "lost"]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_gateway_that_repeats_our_secrets_does_not_get_them_into_errors(script, stockx, status):
    for _ in range(4):
        script.then({"message": "not a valid key=value pair: 'Bearer access-1' with key 'api-key'"}, status)
    with structlog.testing.capture_logs() as lines, pytest.raises(SoleFlipError) as refused:
        stockx.listing("l-1")
    told = str(refused.value) + repr(lines)
    assert "not a valid key=value pair" in told
    assert "access-1" not in told
    assert "api-key" not in told


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_request"])
def test_a_sign_in_that_repeats_our_secrets_does_not_get_them_into_errors(script, stockx, tokens, error):
    script.then_token({"error": error, "error_description": "Unknown refresh-secret of client-secret"}, 403)
    with structlog.testing.capture_logs() as lines, pytest.raises(ReconnectNeeded) as refused:
        stockx.listing("l-1")
    told = str(refused.value) + repr(lines) + repr(tokens.reason)
    assert "Unknown ***" in told
    assert "-secret" not in told
