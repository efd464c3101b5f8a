"""Generated requests to every operation while the world lives fast: no server error, every answer conforms."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from soleflip.sandbox import document
from tests.sandbox.conftest import Caller, calling

ANYWHERE = (400, 401, 403, 404, 405, 413, 415, 429)  # what the pages of StockX say any call can answer
schema = schemathesis.openapi.from_path(document.PATH)


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Caller, dict[str, list[str]]]]:
    """A caller in a world that runs fast, with things in it that generated requests can name."""
    with calling(tmp_path_factory.mktemp("sandbox") / "world.sqlite", "--no-limits") as caller:
        caller.sandbox.control("settings", token_seconds=1e9, parallel_operations="allow", operation_seconds=30.0)
        caller.connect()
        yield caller, _things(caller)


def _things(caller: Caller) -> dict[str, list[str]]:
    variants = caller.variants()
    keys = [variant["variantId"] for variant in variants]
    item = [{"variantId": key, "amount": "300", "quantity": 2, "currencyCode": "EUR"} for key in keys]
    made = caller.post("/selling/batch/create-listing", items=item)["batchId"]
    caller.sandbox.control("clock", step=60)
    listings = [entry["listingId"] for entry in caller.get("/selling/listings", pageSize=100)["listings"]]
    update = caller.post("/selling/batch/update-listing", items=[{"listingId": listings[0], "amount": "310"}])[
        "batchId"
    ]
    delete = caller.post("/selling/batch/delete-listing", items=[{"listingId": listings[1]}])["batchId"]
    orders = [caller.sandbox.control("purchase", listingId=key)["orderNumber"] for key in listings[2:6]]
    papers = [caller.get(f"/selling/orders/{key}")["shipment"]["shippingDocumentUrl"].split("/")[-1] for key in orders]
    operations = [caller.get(f"/selling/listings/{listings[2]}/operations")["operations"][0]["operationId"]]
    caller.sandbox.control("clock", frozen=False, speed=20_000)
    return {
        "productId": [variants[0]["productId"]],
        "variantId": keys,
        "gtin": [variant["gtins"][0]["identifier"] for variant in variants],
        "listingId": listings,
        "operationId": operations,
        "batchId": [made, update, delete],
        "orderNumber": orders,
        "shippingId": papers,
    }


turn = itertools.count()


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_conforms(ids: tuple[Caller, dict[str, list[str]]], case: Any) -> None:
    caller, known = ids
    number = next(turn)
    if number % 4:
        # Most requests name things that exist, else only refusals would be seen.
        for name in case.path_parameters or {}:
            case.path_parameters[name] = known[name][number % len(known[name])]
        if isinstance(case.body, dict) and "variantId" in case.body:
            case.body["variantId"] = known["variantId"][number % len(known["variantId"])]
    headers = {name: caller.session.headers[name] for name in ("x-api-key", "Authorization")}
    checks = [not_a_server_error, content_type_conformance, response_schema_conformance]
    response = case.call_and_validate(caller.sandbox.api_url, headers=headers, checks=checks)
    documented = [int(status) for status in case.operation.definition.raw["responses"]]
    assert response.status_code in (*documented, *ANYWHERE)
    if response.status_code >= 400:
        assert sorted(response.json()) == ["message", "statusCode"]
