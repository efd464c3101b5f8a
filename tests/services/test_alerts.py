"""Alerts: raised with what they tell, once per kind and key, and handed to the channels that want them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from soleflip.config import new_encryption_key
from soleflip.models import Alert, AlertChannel, AlertDelivery, Run
from soleflip.services import alerts, failures, runs
from soleflip.services.alerts import Raised
from soleflip.services.connection import DatabaseTokens
from soleflip.services.order_snapshots import record
from soleflip.services.runs import Books
from tests.services.sales import entry

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def add_channel(session: Session, name: str, *kinds: str, **more: Any) -> AlertChannel:
    channel = AlertChannel(
        name=name, service="JSON", address_encrypted="-", address_shown="json://…", kinds=list(kinds), **more
    )
    session.add(channel)
    session.flush()
    return channel


def test_the_same_is_said_again_only_after_its_time(session: Session) -> None:
    said = [
        alerts.raise_alert(session, "payout_late", "1-1", "Late", "", "/orders", NOW + timedelta(days=days))
        for days in (0, 1, 6, 8, 9)
    ]
    assert said == [True, False, False, True, False]


def test_a_sale_is_told_once_for_ever(session: Session) -> None:
    assert alerts.raise_alert(session, "sale", "1-1", "Sold", "", None, NOW)
    assert not alerts.raise_alert(session, "sale", "1-1", "Sold", "", None, NOW + timedelta(days=4000))
    assert alerts.raise_alert(session, "sale", "2-2", "Sold", "", None, NOW)


def test_an_alert_goes_to_the_channels_that_want_its_kind(session: Session) -> None:
    wants = add_channel(session, "Phone", "sale", "halt")
    add_channel(session, "Mail", "halt")
    add_channel(session, "Off", "sale", is_enabled=False)
    alerts.raise_alerts(session, [Raised("sale", "1", "Sold"), Raised("sale", "2", "Sold")], NOW)
    found = session.scalars(select(AlertDelivery)).all()
    assert [(each.channel_id, each.state) for each in found] == [(wants.id, "waiting")] * 2
    assert session.scalars(select(Run.kind)).all() == ["deliver_alerts"]


def test_without_a_channel_no_run_is_started(session: Session) -> None:
    alerts.raise_alert(session, "sale", "1", "Sold", "", None, NOW)
    assert session.scalar(select(func.count()).select_from(Run)) == 0


def test_what_is_seen_leaves_the_count(session: Session) -> None:
    alerts.raise_alerts(session, [Raised("sale", str(number), "Sold") for number in range(3)], NOW)
    (newest, *_), _ = alerts.latest(session)
    assert alerts.mark_seen(session, [newest.id], actor="me", now=NOW) == 1
    assert alerts.mark_seen(session, None, actor="me", now=NOW) == 2
    assert alerts.latest(session, unseen=True) == ([], None)


def test_pages_show_everything_once(session: Session) -> None:
    alerts.raise_alerts(session, [Raised("sale", str(number), "Sold") for number in range(7)], NOW)
    seen, cursor = [], None
    while True:
        page, cursor = alerts.latest(session, after=cursor, limit=3)
        seen += [alert.key for alert in page]
        if cursor is None:
            break
    assert sorted(seen) == [str(number) for number in range(7)]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


def test_of_two_workers_at_once_one_tells(engine: Engine) -> None:
    start = threading.Barrier(4)

    def tell() -> bool:
        with Session(engine) as session, session.begin():
            start.wait(30)
            return alerts.raise_alert(session, "sale", "1-1", "Sold", "", None, NOW)

    with ThreadPoolExecutor(4) as pool:
        told = [future.result() for future in [pool.submit(tell) for _ in range(4)]]
    assert sorted(told) == [False, False, False, True]
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Alert)) == 1


def test_what_is_rolled_back_was_never_said(engine: Engine) -> None:
    with Session(engine) as session:
        alerts.raise_alert(session, "sale", "1-1", "Sold", "", None, NOW)
        session.rollback()
    with Session(engine) as session, session.begin():
        assert alerts.raise_alert(session, "sale", "1-1", "Sold", "", None, NOW)


def test_a_new_sale_is_told_and_an_old_one_is_no_news(session: Session, books: Books) -> None:
    entries = [
        entry("1-1", created="2026-03-01T10:00:00.000Z"),
        entry("2-2", "COMPLETED", created="2026-03-01T10:00:00.000Z"),
        entry("3-3", created="2025-03-01T10:00:00.000Z"),
    ]
    for _ in range(2):
        record(session, entries, books, NOW, actor="test")
    (alert,) = session.scalars(select(Alert)).all()
    assert (alert.kind, alert.key, alert.title) == ("sale", "1-1", "Sold: Gel One, 9")
    assert alert.body == "For 48.94 EUR. Order 1-1."


def test_a_lost_account_is_told(session: Session, transaction: Any) -> None:
    tokens = DatabaseTokens(transaction, [new_encryption_key()], lambda: NOW)
    tokens.mark_disconnected("StockX said invalid_grant.")
    tokens.mark_disconnected("StockX said invalid_grant.")
    (alert,) = session.scalars(select(Alert)).all()
    assert (alert.kind, alert.body, alert.url) == ("reconnect", "StockX said invalid_grant.", "/settings/stockx")


@pytest.mark.parametrize(("actor", "told"), [("timetable", 1), ("me", 2)])
def test_a_failed_run_is_told_once_per_line_of_the_timetable(session: Session, actor: str, told: int) -> None:
    for _ in range(2):
        failures.fail(session, runs.start(session, "order_sync", actor=actor), "StockX is away.", NOW)
    failures.fail(session, runs.start(session, "deliver_alerts", actor=actor), "Broken.", NOW)
    assert session.scalars(select(Alert.title)).all() == ["Order sync failed"] * told
    assert set(session.scalars(select(Run.state))) == {"failed"}
