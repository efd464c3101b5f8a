"""The bell, the list of alerts, and the channels' forms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from soleflip.models import Alert, AlertChannel, AlertDelivery, Run
from soleflip.services import alerts
from tests.web.conftest import post

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def book(app: Any) -> Any:
    """Open a transaction of the application's."""

    @contextmanager
    def open_() -> Iterator[Any]:
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            yield session

    return open_


@pytest.fixture
def told(book: Any) -> int:
    with book() as session:
        session.add(
            AlertChannel(name="Old", service="JSON", address_encrypted="-", address_shown="json://…", kinds=["sale"])
        )
        session.flush()
        alerts.raise_alert(session, "sale", "1-1", "Sold: Samba", "For 120", "/orders", NOW)
        (delivery,) = session.scalars(select(AlertDelivery)).all()
        delivery.state, delivery.attempts, delivery.error = "given_up", 8, "The service answered 500."
        return int(delivery.alert_id)


def fields(**more: Any) -> dict[str, Any]:
    return {"name": "Phone", "address": "json://hooks.example/t0ken", "kinds": ["sale", "halt"], "pace": "now"} | more


def test_the_bell_counts_what_is_unseen(browser: Any, told: int) -> None:
    assert "Alerts, 1 unseen" in browser.get("/").text
    assert post(browser, "/alerts/seen").status_code == 303
    assert "Alerts, 1 unseen" not in browser.get("/runs").text


def test_an_alert_leads_to_its_page_and_is_seen(browser: Any, book: Any, told: int) -> None:
    answer = browser.get(f"/alerts/{told}")
    assert (answer.status_code, answer.location) == (303, "/orders")
    with book() as session:
        assert session.get_one(Alert, told).seen_by == "operator@soleflip.test"


def test_a_viewer_sees_but_does_not_mark(signed_in: Any, book: Any, told: int) -> None:
    signed_in("viewer").get(f"/alerts/{told}")
    with book() as session:
        assert session.get_one(Alert, told).seen_at is None


def test_what_was_not_delivered_is_shown_and_can_be_tried_again(browser: Any, book: Any, told: int) -> None:
    page = browser.get("/alerts").text
    assert "The service answered 500." in page
    assert "Given up after 8 attempts." in page
    assert post(browser, f"/alerts/{told}/again").status_code == 303
    with book() as session:
        assert session.scalars(select(AlertDelivery.state)).all() == ["failed"]
        assert session.scalars(select(Run.kind)).all() == ["deliver_alerts"]
    assert post(browser, f"/alerts/{told}/again").status_code == 303
    with book() as session:
        session.execute(select(AlertDelivery)).scalar_one().state = "sent"
    assert post(browser, f"/alerts/{told}/again").status_code == 409


def test_a_channel_is_kept_encrypted_and_never_shown(browser: Any, book: Any) -> None:
    assert post(browser, "/settings/channels", **fields(quiet_from="22:00", quiet_to="07:00")).status_code == 303
    page = browser.get("/settings/channels").text
    with book() as session:
        (channel,) = session.scalars(select(AlertChannel)).all()
    edit = browser.get(f"/settings/channels/{channel.id}").text
    assert "json://hooks.example/…" in page
    assert not any("t0ken" in text for text in (page, edit, channel.address_encrypted))
    assert post(browser, f"/settings/channels/{channel.id}", **fields(address="", name="My phone")).status_code == 303
    with book() as session:
        (after,) = session.scalars(select(AlertChannel)).all()
        assert (after.name, after.address_encrypted) == ("My phone", channel.address_encrypted)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"address": "nonsense"}, "This is no address of a service we know"),
        ({"address": "syslog://"}, "This is no address of a service we know"),
        ({"address": ""}, "Give the address of the service"),
        ({"name": " "}, "Give the channel a name"),
        ({"kinds": []}, "Tick at least one kind"),
        ({"pace": "never"}, "Choose when alerts are sent"),
        ({"quiet_from": "22:00"}, "Quiet hours need a beginning and an end"),
        ({"quiet_from": "25:00", "quiet_to": "07:00"}, "A time of day looks like"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_kept(
    browser: Any, book: Any, wrong: dict[str, Any], sentence: str
) -> None:
    answer = post(browser, "/settings/channels", **fields(**wrong))
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "field-error" in answer.text
    with book() as session:
        assert session.scalars(select(AlertChannel)).all() == []


def test_a_name_is_given_once(browser: Any) -> None:
    post(browser, "/settings/channels", **fields())
    answer = post(browser, "/settings/channels", **fields())
    assert answer.status_code == 422
    assert "There is a channel called" in answer.text


def test_a_test_is_a_run_and_the_list_waits_for_it(browser: Any, book: Any, told: int) -> None:
    with book() as session:
        channel_id = session.scalars(select(AlertChannel.id)).one()
    assert post(browser, f"/settings/channels/{channel_id}/test").status_code == 303
    assert 'hx-trigger="every 1s"' in browser.get("/settings/channels").text
    with book() as session:
        run = session.scalars(select(Run).where(Run.kind == "test_channel")).one()
        run.state, run.message, run.counts = "done", "The service answered 403 (Forbidden).", {"sent": 0}
    page = browser.get("/settings/channels").text
    assert "Not sent" in page
    assert "The service answered 403" in page
    assert "every 1s" not in page


def test_a_channel_that_is_removed_is_forgotten(browser: Any, book: Any, told: int) -> None:
    with book() as session:
        channel_id = session.scalars(select(AlertChannel.id)).one()
    assert post(browser, f"/settings/channels/{channel_id}/remove").status_code == 303
    with book() as session:
        assert session.scalars(select(AlertDelivery)).all() == []
    assert browser.get(f"/settings/channels/{channel_id}").status_code == 404


def test_a_viewer_keeps_no_channel(signed_in: Any) -> None:
    assert post(signed_in("viewer"), "/settings/channels", **fields()).status_code == 403
