"""Alerts and findings in a real browser: a channel is added and tested, a message fails and is sent again."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from soleflip.jobs import tasks
from soleflip.models import Run
from soleflip.services import alerts, monitor
from soleflip.services.runs import OPEN_STATES
from tests.e2e.conftest import House
from tests.receiver import SECRET, Receiver

pytestmark = pytest.mark.e2e


def work(house: House, kind: str) -> None:
    """Perform the open runs of a kind, as a worker would, as soon as what was clicked has put one there."""
    deadline = time.monotonic() + 60
    with house.app.app_context():
        while not (found := _waiting(house, kind)):
            assert time.monotonic() < deadline, f"no run of kind {kind} waits"
            time.sleep(0.1)
        for run_id in found:
            tasks.perform(str(run_id))


def _waiting(house: House, kind: str) -> Sequence[uuid.UUID]:
    with house.app.extensions["soleflip"].transaction() as session:
        return session.scalars(select(Run.id).where(Run.kind == kind, Run.state.in_(OPEN_STATES))).all()


def test_a_channel_is_added_tested_and_a_failed_message_is_sent_again(
    house: House, visit: Any, receiver: Receiver
) -> None:
    visitor = visit(house.address)
    page = visitor.page
    visitor.sign_in()
    visitor.go("/settings/channels")
    page.get_by_label("Name").fill("My phone")
    page.get_by_label("Address of the service").fill(receiver.address)
    page.get_by_role("button", name="Add channel").click()
    row = page.locator("#channels-table tbody tr")
    expect(row).to_contain_text("json://127.0.0.1/…")

    page.get_by_role("button", name="Send a test").click()
    expect(row).to_contain_text("Sending")
    work(house, "test_channel")
    expect(row).to_contain_text("inside a private network, which is not allowed")
    page.get_by_role("link", name="Links and private networks").click()
    page.locator("#alerts-private_addresses").select_option("yes")
    page.locator("#alerts").get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    visitor.go("/settings/channels")
    page.get_by_role("button", name="Send a test").click()
    work(house, "test_channel")
    expect(row).to_contain_text("The service took the message.")
    assert receiver.got[-1]["title"] == "SoleFlip: a test"

    receiver.answers = [500]
    with house.app.app_context():
        runtime = house.app.extensions["soleflip"]
        with runtime.transaction() as session:
            alerts.raise_alert(session, "sale", "7-7", "Sold: Samba, 42", "For 120 EUR", "/orders", runtime.clock())
    work(house, "deliver_alerts")
    visitor.go("/")
    page.get_by_role("link", name=re.compile(r"Alerts, \d+ unseen")).click()
    told = page.locator("#alerts-list tbody tr", has_text="Sold: Samba, 42")
    expect(told).to_contain_text("Not delivered yet")
    expect(told).to_contain_text("The service answered 500")
    visitor.keep_picture("alerts")
    told.get_by_role("button", name="Try again").click()
    work(house, "deliver_alerts")
    page.reload()
    expect(told).to_contain_text("Sent")
    assert SECRET not in page.content()
    assert visitor.complaints == []


def test_a_finding_leads_to_the_page_that_solves_it(house: House, visit: Any) -> None:
    runtime = house.app.extensions["soleflip"]
    with house.app.app_context(), runtime.transaction() as session:
        assert monitor.look(session, runtime.clock(), runtime.books.timezone).open > 0
    visitor = visit(house.address)
    page = visitor.page
    visitor.sign_in()
    page.locator("#needs").get_by_role("link", name=re.compile("findings? of the monitor")).click()
    expect(page.get_by_role("heading", name="Findings")).to_be_visible()
    visitor.keep_picture("findings")
    first = page.locator("#findings-table tbody .cell-title").first
    target = first.get_attribute("href")
    first.click()
    page.wait_for_url(f"{house.address}{target}")
    expect(page.locator("main h1")).not_to_have_text(re.compile("not found|wrong", re.I))
    visitor.go("/automation/findings")
    rows = page.locator("#findings-table tbody tr")
    before = rows.count()
    page.locator("#findings-table tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Put off for a week").click()
    expect(page.get_by_text("1 put off for a week.")).to_be_visible()
    expect(rows).to_have_count(before - 1)
    assert visitor.complaints == []
