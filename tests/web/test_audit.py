"""The audit log: every act with before and after, for ever."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from soleflip.models import AuditEntry
from tests.web.conftest import EMAIL, post


def test_a_changed_setting_stands_in_the_log_with_before_and_after(browser):
    post(browser, "/settings/fees/figures", currency="EUR", shipping="6.10")
    page = browser.get("/settings/audit").text
    assert EMAIL["operator"] in page
    assert "<del>4.50</del>" in page
    assert "6.10" in page
    assert "minimum fee" not in page  # what stayed is not told


def test_the_log_filters_and_pages_by_key(app, browser):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.add_all([AuditEntry(actor=f"actor {n % 2}", act="act", subject=f"subject {n:02}") for n in range(60)])
    first = browser.get("/settings/audit").text
    assert first.count("subject ") == 50
    after = first.split("after=")[1].split('"')[0]
    assert browser.get(f"/settings/audit?after={after}").text.count("subject ") == 10
    assert browser.get("/settings/audit?actor=actor+1").text.count("subject ") == 30
    assert browser.get("/settings/audit?after=nonsense").status_code == 422


@pytest.mark.parametrize(
    "statement", ["UPDATE ops.audit SET actor = 'nobody'", "DELETE FROM ops.audit", "TRUNCATE ops.audit"]
)
def test_the_database_refuses_to_change_the_log(session, statement):
    session.add(AuditEntry(actor="x", act="y"))
    session.flush()
    with pytest.raises(ProgrammingError, match="append-only"):
        session.execute(text(statement))


def test_the_database_refuses_to_empty_the_books(session):
    with pytest.raises(ProgrammingError, match="append-only"):
        session.execute(text("TRUNCATE selling.ledger_entries, selling.stockx_orders CASCADE"))
