"""Deliveries through Apprise to a service of our own: taken, refused, without an answer, and cut off half-way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from soleflip.config import PROJECT
from soleflip.db import db
from soleflip.domain.alerts import ATTEMPTS
from soleflip.jobs import tasks
from soleflip.models import AlertDelivery, AuditEntry, Run
from soleflip.runtime import Runtime
from soleflip.services import alerts, channels, deliveries, runs, settings
from soleflip.services.alerts import Raised
from soleflip.services.channels import ChannelForm
from soleflip.services.settings import AlertSettings
from tests.receiver import SECRET, Receiver


@dataclass(frozen=True)
class House:
    """An application that may reach this machine, and what a test does with it."""

    app: Flask

    @property
    def runtime(self) -> Runtime:
        runtime: Runtime = self.app.extensions["soleflip"]
        return runtime

    def channel(self, address: str, **form: Any) -> int:
        with self.runtime.transaction() as session:
            wanted = ChannelForm(name=form.pop("name", "Phone"), address=address, **form)
            return channels.add(session, wanted, keys=self.runtime.settings.encryption_keys, actor="test").id

    def tell(self, *keys: str, kind: str = "sale") -> None:
        with self.runtime.transaction() as session:
            alerts.raise_alerts(session, [Raised(kind, key, f"Sold {key}", "For 120") for key in keys], self.now)

    @property
    def now(self) -> Any:
        return self.runtime.clock()

    def start(self, kind: str = "deliver_alerts", **params: Any) -> UUID:
        with self.runtime.transaction() as session:
            return runs.start(session, kind, actor="test", params=params).id

    def deliver(self) -> Run:
        run_id = self.start()
        tasks.perform(str(run_id))
        with self.runtime.transaction() as session:
            return runs.get(session, run_id)

    def make_due(self) -> None:
        """Let the time of everything that waits for a later try have come."""
        with self.runtime.transaction() as session:
            session.execute(
                update(AlertDelivery)
                .where(AlertDelivery.state.in_(("failed", "sending")))
                .values(due_at=func.clock_timestamp() - timedelta(seconds=1))
            )

    def deliveries(self) -> list[AlertDelivery]:
        with self.runtime.transaction() as session:
            return list(session.scalars(select(AlertDelivery).order_by(AlertDelivery.id)))


@pytest.fixture
def house(app: Flask) -> Iterator[House]:
    with app.app_context():
        house = House(app)
        with house.runtime.transaction() as session:
            settings.save(session, AlertSettings, {"private_addresses": "yes", "site": "https://sf.test"}, actor="t")
        yield house
        db.engine.dispose()


def test_an_alert_arrives_with_its_link_and_is_sent_once(house: House, receiver: Receiver) -> None:
    house.channel(receiver.address)
    with house.runtime.transaction() as session:
        alerts.raise_alert(session, "sale", "1-1", "Sold: Samba", "For 120.00 EUR", "/orders", house.now)
    assert house.deliver().state == "done"
    house.deliver()
    assert [(each["title"], each["message"]) for each in receiver.got] == [
        ("Sold: Samba", "For 120.00 EUR\nhttps://sf.test/orders")
    ]
    (delivery,) = house.deliveries()
    assert (delivery.state, delivery.attempts, delivery.error) == ("sent", 1, None)
    assert delivery.sent_at is not None


def test_what_is_due_together_is_one_message(house: House, receiver: Receiver) -> None:
    house.channel(receiver.address)
    house.tell("1", "2", "3")
    house.deliver()
    (message,) = receiver.got
    assert message["title"] == "SoleFlip: 3 alerts"
    assert [f"Sold {key}" in message["message"] for key in ("1", "2", "3")] == [True] * 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [(500, "answered 500"), (429, "answered 429"), (404, "answered 404"), ("drop", "may have arrived")],
)
def test_a_failure_is_said_and_tried_again(house: House, receiver: Receiver, answer: Any, why: str) -> None:
    receiver.answers = [answer]
    house.channel(receiver.address)
    house.tell("1")
    house.deliver()
    (failed,) = house.deliveries()
    assert failed.state == "failed"
    assert why in (failed.error or "")
    assert failed.due_at - failed.tried_at > timedelta(0)  # type: ignore[operator]
    house.deliver()
    assert len(receiver.got) == 1, "not before its time"
    house.make_due()
    house.deliver()
    assert [each.state for each in house.deliveries()] == ["sent"]
    assert len(receiver.got) == 2


def test_a_service_that_never_answers_is_not_thought_to_have_it(house: House, receiver: Receiver) -> None:
    receiver.answers = ["hang"]
    house.channel(receiver.address)
    house.tell("1")
    house.deliver()
    (delivery,) = house.deliveries()
    assert delivery.state == "failed"
    assert "may have arrived" in (delivery.error or "")


def test_tries_come_to_an_end_and_can_be_ordered_again(house: House, receiver: Receiver) -> None:
    receiver.answers = [500] * ATTEMPTS
    house.channel(receiver.address)
    house.tell("1")
    pauses = []
    for _ in range(ATTEMPTS):
        house.deliver()
        (delivery,) = house.deliveries()
        pauses.append(round((delivery.due_at - delivery.tried_at) / timedelta(seconds=30)))  # type: ignore[operator]
        house.make_due()
    assert delivery.state == "given_up"
    house.deliver()
    assert len(receiver.got) == ATTEMPTS
    assert pauses[:-1] == sorted(pauses[:-1])
    with house.runtime.transaction() as session:
        assert deliveries.try_again(session, delivery.alert_id) == 1
    house.deliver()
    assert [each.state for each in house.deliveries()] == ["sent"]


def test_one_channel_that_fails_stops_no_other(house: House, receiver: Receiver) -> None:
    house.channel("json://127.0.0.1:9/nobody", name="Dead")
    house.channel(receiver.address, name="Phone")
    house.tell("1")
    house.deliver()
    assert [each.state for each in house.deliveries()] == ["failed", "sent"]


def test_quiet_hours_hold_back_what_is_not_urgent(house: House, receiver: Receiver) -> None:
    local = (house.runtime.books.timezone, timedelta(hours=2))
    with house.runtime.transaction() as session:
        moment = session.execute(select(func.clock_timestamp())).scalar_one().astimezone(local[0])
    quiet = {"quiet_from": (moment - local[1]).time(), "quiet_to": (moment + local[1]).time()}
    house.channel(receiver.address, **quiet)
    house.tell("night")
    house.tell("fire", kind="halt")
    house.deliver()
    house.deliver()
    assert [each["title"] for each in receiver.got] == ["Sold fire"]
    waiting, sent = house.deliveries()
    assert (waiting.state, waiting.attempts, sent.state) == ("waiting", 0, "sent")
    assert waiting.due_at > moment  # type: ignore[operator]


def test_a_digest_waits_and_comes_whole(house: House, receiver: Receiver) -> None:
    house.channel(receiver.address, pace="hourly")
    house.tell("1")
    house.deliver()
    house.tell("2")
    house.deliver()
    assert receiver.got == []
    with house.runtime.transaction() as session:
        session.execute(update(AlertDelivery).values(due_at=func.clock_timestamp()))
    house.deliver()
    assert [each["title"] for each in receiver.got] == ["SoleFlip: 2 alerts"]


def test_a_new_rhythm_counts_for_what_waits(house: House, receiver: Receiver) -> None:
    channel_id = house.channel(receiver.address, pace="daily")
    house.tell("1")
    house.deliver()
    with house.runtime.transaction() as session:
        keys = house.runtime.settings.encryption_keys
        channels.change(session, channel_id, ChannelForm("Phone"), keys=keys, actor="test")
    house.deliver()
    assert len(receiver.got) == 1


def test_of_two_workers_one_sends(house: House, receiver: Receiver) -> None:
    house.channel(receiver.address)
    house.tell("1")
    ids = [house.start(), house.start()]

    def work(run_id: UUID) -> None:
        with house.app.app_context():
            tasks.perform(str(run_id))

    threads = [threading.Thread(target=work, args=(run_id,)) for run_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.got) == 1
    assert [each.state for each in house.deliveries()] == ["sent"]


def test_a_sender_that_is_killed_leaves_no_alert_behind(house: House, receiver: Receiver, worker: Any) -> None:
    receiver.answers = ["hang"]
    house.channel(receiver.address)
    house.tell("1")
    process = worker(house.start())
    assert receiver.reached.wait(60)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (cut_off,) = house.deliveries()
    assert (cut_off.state, cut_off.attempts) == ("sending", 1)
    house.deliver()
    assert len(receiver.got) == 1, "its sender may still be at work"
    house.make_due()
    house.deliver()
    assert [each.state for each in house.deliveries()] == ["sent"]
    assert len(receiver.got) == 2, "at least once: it is sent again"


def test_private_addresses_are_refused_unless_allowed(house: House, receiver: Receiver) -> None:
    with house.runtime.transaction() as session:
        settings.save(session, AlertSettings, {"private_addresses": "no"}, actor="t")
    house.channel(receiver.address)
    house.tell("1")
    house.deliver()
    assert receiver.got == []
    (delivery,) = house.deliveries()
    assert "private network" in (delivery.error or "")


def test_a_test_says_what_became_of_it(house: House, receiver: Receiver) -> None:
    receiver.answers = [200, 403]
    channel_id = house.channel(receiver.address)
    said = []
    for _ in range(2):
        run_id = house.start("test_channel", channel_id=channel_id)
        tasks.perform(str(run_id))
        with house.runtime.transaction() as session:
            (view,) = channels.everything(session)
            said.append((view.is_test_sent, view.test and view.test.message))
    assert said == [(True, "The service took the message."), (False, "The service answered 403 (Forbidden).")]


def test_the_address_stands_nowhere_in_the_clear(house: House, receiver: Receiver, capfd: Any) -> None:
    receiver.answers = [500]
    house.channel(receiver.address)
    house.tell("1")
    house.deliver()
    captured = capfd.readouterr()
    with house.runtime.transaction() as session:
        (view,) = channels.everything(session)
        stored = [view.channel.address_encrypted, view.channel.address_shown]
        stored += [str(each.after) for each in session.scalars(select(AuditEntry))]
        stored += [str(run.message) for run in session.scalars(select(Run))]
    stored += [str(each.error) for each in house.deliveries()]
    assert not any(SECRET in text for text in [*stored, captured.out, captured.err])
    assert view.channel.address_shown == "json://127.0.0.1/…"


@pytest.fixture
def worker(house: House, tmp_path: Any) -> Any:
    """Start a worker process for one run, in a process group of its own."""
    values = house.runtime.settings
    environ = {
        **os.environ,
        "DATABASE_URL": values.database_url.replace("+psycopg", ""),
        "REDIS_URL": values.redis_url,
        "SOLEFLIP_DATA": str(values.data),
        "ENCRYPTION_KEY": values.encryption_keys[0],
        "PYTHONPATH": str(PROJECT),
    }

    def start(run_id: UUID) -> subprocess.Popen[bytes]:
        script = [sys.executable, str(PROJECT / "tests" / "jobs" / "dying_worker.py"), str(run_id), "never", "0"]
        with (tmp_path / "worker.log").open("ab") as log:
            return subprocess.Popen(script, cwd=PROJECT, env=environ, stdout=log, stderr=log, start_new_session=True)

    return start
