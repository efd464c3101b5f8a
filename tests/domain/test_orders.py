"""What StockX's statuses mean, when a call is due, and how much time there is to ship."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from soleflip.domain.orders import (
    STATUSES,
    Stage,
    document_id,
    document_links,
    is_newer,
    needs_detail,
    status_of,
    time_left,
    usual_wait,
)

FACTS = (
    "CREATED CCAUTHORIZATIONFAILED SHIPPED RECEIVED AUTHENTICATING AUTHENTICATED PAYOUTPENDING PAYOUTCOMPLETED "
    "SYSTEMFULFILLED PAYOUTFAILED SUSPENDED PENDING DONOTSHIP AUTHFAILED DIDNOTSHIP CANCELED COMPLETED RETURNED"
)
OURS = {"pending", "shipped", "authenticated", "completed", "cancelled"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_every_documented_status_is_mapped() -> None:
    assert set(STATUSES) == set(FACTS.split())
    assert {status.ours for status in STATUSES.values()} == OURS


@pytest.mark.parametrize("raw", ["UNKNOWN", "MATCHED", "BEAMED UP", ""])
def test_an_unknown_status_is_shown_and_moves_nothing(raw: str) -> None:
    status = status_of(raw)
    assert (status.stage, status.realised, status.gives_back) == (Stage.UNKNOWN, False, None)
    assert raw in status.label


def test_only_final_payouts_are_realised_and_only_ended_orders_give_back() -> None:
    realised = {name for name, status in STATUSES.items() if status.realised}
    assert realised == {"PAYOUTPENDING", "PAYOUTFAILED", "PAYOUTCOMPLETED", "COMPLETED"}
    ended = {name for name, status in STATUSES.items() if status.gives_back}
    assert ended == {"AUTHFAILED", "DIDNOTSHIP", "CANCELED", "RETURNED"}


def test_the_same_end_is_reached_in_every_order_of_arrival() -> None:
    walk = [("CREATED", 1), ("SHIPPED", 2), ("COMPLETED", 3), ("RETURNED", 4)]
    for arrival in permutations([(raw, at(f"2026-01-0{day}")) for raw, day in walk]):
        known, seen = arrival[0]
        for raw, moment in arrival[1:]:
            if is_newer(raw, moment, known, seen):
                known, seen = raw, moment
        assert known == "RETURNED"


@pytest.mark.parametrize(
    ("raw", "known", "newer"),
    [
        ("SHIPPED", "CREATED", True),
        ("CREATED", "SHIPPED", False),
        ("COMPLETED", "PAYOUTCOMPLETED", True),
        ("COMPLETED", "COMPLETED", True),
        ("CREATED", "BEAMEDUP", True),
        ("BEAMEDUP", "CREATED", False),
    ],
)
def test_between_equal_times_the_later_stage_counts(raw: str, known: str, newer: bool) -> None:
    assert is_newer(raw, None, known, None) is newer


@pytest.mark.parametrize(
    ("raw", "detailed", "ship_by", "tracking", "payout", "due"),
    [
        ("CREATED", None, False, False, None, True),
        ("CREATED", "CREATED", False, False, None, False),
        ("CREATED", None, True, False, None, False),
        ("SUSPENDED", None, False, False, None, False),
        ("SHIPPED", "CREATED", True, False, None, True),
        ("SHIPPED", "CREATED", True, True, None, False),
        ("AUTHENTICATED", "CREATED", True, True, "CREATED", True),
        ("PAYOUTPENDING", "AUTHENTICATED", True, True, "AUTHENTICATED", False),
        ("COMPLETED", "AUTHENTICATED", True, True, "PAYOUTPENDING", True),
        ("COMPLETED", None, False, False, "COMPLETED", False),
        ("COMPLETED", "PAYOUTCOMPLETED", True, True, None, False),
        ("CANCELED", None, False, False, None, False),
        ("BEAMEDUP", None, False, False, None, False),
    ],
)
def test_a_single_call_is_due_only_for_what_is_missing(
    raw: str, detailed: str | None, ship_by: bool, tracking: bool, payout: str | None, due: bool
) -> None:
    asked = needs_detail(raw, detailed=detailed, has_ship_by=ship_by, has_tracking=tracking, payout_from=payout)
    assert asked is due


@pytest.mark.parametrize(
    ("ship_by", "now", "days", "urgent", "late"),
    [
        ("2026-03-06T23:59", "2026-03-04T12:00", 2, False, False),
        ("2026-03-09T23:59", "2026-03-06T12:00", 1, False, False),
        ("2026-03-06T23:59", "2026-03-06T12:00", 0, True, False),
        ("2026-03-06T23:59", "2026-03-06T11:58", 0, False, False),
        ("2026-03-06T23:59", "2026-03-07T00:00", 0, True, True),
    ],
)
def test_time_to_ship_is_told_in_business_days(ship_by: str, now: str, days: int, urgent: bool, late: bool) -> None:
    left = time_left(at(ship_by), at(now))
    assert (left.business_days, left.is_urgent, left.is_late) == (days, urgent, late)


def test_a_payout_is_usual_until_nine_of_ten_were_faster() -> None:
    waits = [timedelta(days=day) for day in range(1, 11)]
    assert usual_wait(waits) == timedelta(days=9)
    assert usual_wait(waits[:9]) == timedelta(days=10), "too few to tell"


def test_documents_of_a_direct_order_are_links_with_names() -> None:
    answer = {
        "requiredDocuments": {"commercialInvoice": "https://a/1", "other": None},
        "message": "print all",
        "thermalLabelOnly": "javascript:alert(1)",
        "sellerShippingInstructions": {"normalLabel": {"label": ["https://a/2", "https://a/3"]}},
    }
    assert document_links(answer, "http://api.test/v2") == [
        ("Required documents, commercial invoice", "https://a/1"),
        ("Seller shipping instructions, normal label, label, 1", "https://a/2"),
        ("Seller shipping instructions, normal label, label, 2", "https://a/3"),
    ]
    assert document_links(None, "http://api.test/v2") == []


def test_a_document_behind_the_api_is_known_by_its_id() -> None:
    api = "http://api.test/v2"
    own = f"{api}/selling/orders/06-9X/shipping-document/S-12"
    assert document_links({"slip": own, "elsewhere": "http://bad.example/x"}, api) == [("Slip", own)]
    assert document_id(own, api, "06-9X") == "S-12"
    for other in (
        own + "/../x",
        own + "?a=b",
        f"{api}/selling/orders/1/shipping-document/S-12",
        "https://x.example/S-12",
    ):
        assert document_id(other, api, "06-9X") is None
