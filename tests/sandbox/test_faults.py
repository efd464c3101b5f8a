"""Every fault over HTTP, and whether the write behind it was done."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from soleflip.sandbox import REFRESH_TOKEN
from tests.sandbox.conftest import Caller


def inject(caller: Caller, kind: str, route: str = "Create", **more: Any) -> None:
    caller.sandbox.control("faults", kind=kind, route=route, **more)


def create(caller: Caller, variant_id: str, timeout: float = 0.5) -> requests.Response:
    body = {"variantId": variant_id, "amount": "150", "currencyCode": "EUR"}
    return caller.session.post(f"{caller.sandbox.api_url}/selling/listings", json=body, timeout=timeout)


def listings(caller: Caller, variant_id: str) -> int:
    count: int = caller.get("/selling/listings", variantIds=variant_id)["count"]
    return count


@pytest.mark.parametrize(
    ("kind", "made"), [("timeout_before", 0), ("timeout_after", 1), ("drop_before", 0), ("drop", 1)]
)
def test_a_lost_answer(common: Caller, variant_id: str, kind: str, made: int) -> None:
    inject(common, kind)
    with pytest.raises(requests.RequestException):
        create(common, variant_id).json()
    assert listings(common, variant_id) == made
    assert create(common, variant_id).status_code == 201


def test_a_time_out_ends_by_itself(common: Caller, variant_id: str) -> None:
    inject(common, "timeout_after", seconds=0.2)
    with pytest.raises(requests.ConnectionError):
        create(common, variant_id, timeout=60)


def test_a_slow_answer_comes(common: Caller, variant_id: str) -> None:
    inject(common, "slow", seconds=0.2)
    answer = create(common, variant_id, timeout=60)
    assert answer.status_code == 201
    assert answer.elapsed.total_seconds() >= 0.2


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_writes_nothing(common: Caller, variant_id: str, status: int) -> None:
    inject(common, str(status))
    answer = create(common, variant_id)
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)
    assert listings(common, variant_id) == 0


def test_too_many_requests_in_seconds_or_as_a_date(common: Caller, variant_id: str) -> None:
    inject(common, "429", retry_after=7)
    inject(common, "429", retry_after="date+60")
    first, second = create(common, variant_id), create(common, variant_id)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    until = parsedate_to_datetime(second.headers["Retry-After"])
    sent = parsedate_to_datetime(second.headers["Date"])
    assert 58 <= (until - sent).total_seconds() <= 61


def test_html_in_place_of_json(common: Caller, variant_id: str) -> None:
    inject(common, "html", status=200)
    answer = create(common, variant_id)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert listings(common, variant_id) == 0


def test_an_expired_token_is_refused_until_renewed(common: Caller, variant_id: str) -> None:
    inject(common, "expired_token")
    assert create(common, variant_id).status_code == 401
    assert create(common, variant_id).status_code == 401
    common.connect()
    assert create(common, variant_id).status_code == 201


def test_unknown_values_and_fields(common: Caller, variant_id: str) -> None:
    assert create(common, variant_id).status_code == 201
    inject(common, "unknown_enum", "GetAllListings", value="FROZEN")
    inject(common, "extra_fields", "GetAllListings")
    url = f"{common.sandbox.api_url}/selling/listings"
    strange = common.session.get(url, params={"variantIds": variant_id}, timeout=60).json()
    assert strange["listings"][0]["status"] == "FROZEN"
    more = common.session.get(url, params={"variantIds": variant_id}, timeout=60).json()
    assert "sandboxExtra" in more
    assert "sandboxExtra" in more["listings"][0]


def test_a_duplicated_page_shifts_the_following_ones(caller: Caller) -> None:
    item = {"variantId": caller.variants()[0]["variantId"], "amount": "900", "quantity": 3, "currencyCode": "EUR"}
    caller.post("/selling/batch/create-listing", items=[item])
    caller.step(minutes=1)

    def pages() -> list[str]:
        seen, number, more = [], 1, True
        while more:
            page = caller.get("/selling/listings", pageSize=1, pageNumber=number)
            seen += [entry["listingId"] for entry in page["listings"]]
            number, more = number + 1, page["hasNextPage"]
        return seen

    clean = pages()
    inject(caller, "duplicate_page", "GetAllListings", count=-1)
    assert pages() == [clean[0], clean[0], clean[1], clean[2]]


def test_skip_count_method_and_path_choose_the_request(common: Caller, variant_id: str) -> None:
    inject(common, "500", r"/selling/listings$", method="post", skip=1, count=2)
    common.get("/selling/listings")
    assert [create(common, variant_id).status_code for _ in range(4)] == [201, 500, 500, 201]


def test_a_fault_that_never_ends_can_be_cleared(common: Caller, variant_id: str) -> None:
    inject(common, "503", count=-1)
    assert {create(common, variant_id).status_code for _ in range(3)} == {503}
    assert len(common.sandbox.look("faults")) == 1
    requests.delete(f"{common.sandbox.auth_url}/_sandbox/faults", timeout=60)
    assert common.sandbox.look("faults") == []
    assert create(common, variant_id).status_code == 201


def test_the_token_endpoint_has_faults_too(common: Caller) -> None:
    inject(common, "503", "Token")
    assert common.token(grant_type="refresh_token", refresh_token=REFRESH_TOKEN).status_code == 503
    assert common.token(grant_type="refresh_token", refresh_token=REFRESH_TOKEN).status_code == 200


def test_the_log_names_the_fault(common: Caller, variant_id: str) -> None:
    inject(common, "drop")
    with pytest.raises(requests.RequestException):
        create(common, variant_id).json()
    last = common.sandbox.look("requests", limit=100_000)[-1]
    assert (last["route"], last["status"], last["fault"]) == ("Create", 201, "drop")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "earthquake"},
        {"kind": "500", "route": "("},
        {"kind": "500", "size": 3},
        {"kind": "500", "count": 0},
        {"kind": "500", "count": -2},
        {"kind": "slow", "seconds": -1},
        {"kind": "slow", "seconds": True},
        {"kind": "slow", "seconds": 1e300},
        {"kind": "html", "status": 99_999},
        {"kind": "html", "status": 204},
        {"kind": "429", "retry_after": "date+99999999999999999"},
        {"kind": "429", "retry_after": "1\r\nX-Evil: 1"},
        {"kind": "429", "retry_after": "\u4e2d"},
    ],
    ids=ascii,
)
def test_a_wrong_fault_is_refused(common: Caller, wrong: dict[str, Any]) -> None:
    answer = requests.post(f"{common.sandbox.auth_url}/_sandbox/faults", json=wrong, timeout=60)
    assert answer.status_code == 400
