"""What is told to those who watch: metrics, readiness, slow statements; and the front door behind a proxy."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rq import Queue, Worker
from sqlalchemy import text

from soleflip import factory
from soleflip.config import BadSetting, Settings
from soleflip.db import db
from soleflip.jobs.schedule import Scheduler
from soleflip.models import Run
from soleflip.runtime import QUEUES, WORKER_TTL
from soleflip.services import metrics
from soleflip.stockx import Lane

MACHINE = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def make_app(settings):
    """Applications with some settings changed."""
    made = []

    def make(**changes):
        app = factory.create_app(replace(settings, **changes))
        app.testing = True
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()
        app.extensions["soleflip"].redis.close()


def samples(answer):
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_tell_requests_runs_calls_budget_and_money(app, client):
    parts = app.extensions["soleflip"]
    with app.app_context(), parts.transaction() as session:
        session.add(Run(kind="reprice", actor="test", params={}, counts={}))
    parts.stockx.budget.count(Lane.CUTS, "200")
    parts.stockx.budget.count(Lane.CUTS, "200")
    parts.stockx.budget.count(Lane.COLD, "429")
    client.get("/sign-in")
    counts = metrics.Requests(parts.redis)
    counts.note("auth", "GET", 200, 0.07)
    counts.flush()
    found = samples(client.get("/metrics"))
    assert found["soleflip_stockx_calls_total", "200", "cuts"] == 2
    assert found["soleflip_stockx_calls_total", "429", "cold"] == 1
    assert found["soleflip_runs_last_day", "queued", "reprice"] == 1
    assert found["soleflip_queue_age_seconds",] >= 0
    assert found["soleflip_stockx_budget_left",] == 25_000
    assert found["soleflip_requests_total", "200", "GET", "auth"] >= 1
    assert found["soleflip_request_seconds_count",] == found["soleflip_request_seconds_bucket", "+Inf"] >= 1
    assert found["soleflip_up", "queue"] == 1
    assert found["soleflip_stopped",] == 0


def test_processes_count_together(app, client):
    redis = app.extensions["soleflip"].redis
    one, other = metrics.Requests(redis), metrics.Requests(redis)
    for counts in (one, other):
        counts.note("orders", "GET", 200, 0.3)
        counts.flush()
    assert samples(client.get("/metrics"))["soleflip_requests_total", "200", "GET", "orders"] == 2


def test_without_redis_pages_are_counted_later_and_metrics_say_so(make_app, app):
    alone = make_app(redis_url="redis://127.0.0.1:9/0")
    found = samples(alone.test_client().get("/metrics"))
    assert found["soleflip_up", "queue"] == 0
    assert ("soleflip_stockx_budget_left",) not in found
    counts = metrics.Requests(alone.extensions["soleflip"].redis)
    counts.note("orders", "GET", 200, 0.3)
    counts._redis = app.extensions["soleflip"].redis
    counts.flush()
    assert samples(app.test_client().get("/metrics"))["soleflip_requests_total", "200", "GET", "orders"] == 1


def test_metrics_are_for_this_machine_or_the_bearer_of_the_token(make_app):
    plain = make_app().test_client()
    assert plain.get("/metrics", environ_base=MACHINE).status_code == 200
    assert plain.get("/metrics", environ_base={"REMOTE_ADDR": "10.0.0.7"}).status_code == 404
    proxied = {"X-Forwarded-For": "203.0.113.9"}
    assert plain.get("/metrics", environ_base=MACHINE, headers=proxied).status_code == 404
    closed = make_app(metrics_token="a long token").test_client()
    assert closed.get("/metrics", environ_base=MACHINE).status_code == 404
    assert closed.get("/metrics", headers={"Authorization": "Bearer a long token"}).status_code == 200
    assert closed.get("/metrics", headers={"Authorization": "Bearer ä"}).status_code == 404


def test_readyz_tells_what_stands_still_and_stays_ready(app, client):
    parts = app.extensions["soleflip"]
    with app.app_context(), parts.transaction() as session:
        session.add(Run(kind="reprice", actor="test", params={}, counts={}))
        session.flush()
        session.execute(text("UPDATE ops.runs SET created_at = now() - interval '10 minutes'"))
    still = client.get("/readyz")
    assert still.status_code == 200
    assert still.json["ready"] is True
    assert set(still.json["warnings"]) == {"workers", "scheduler", "runs"}
    assert "A run has waited for a worker for 6" in still.json["warnings"]["runs"]


def test_readyz_is_content_with_a_worker_and_a_scheduler_at_work(app, client):
    parts = app.extensions["soleflip"]
    worker = Worker(["default"], connection=parts.redis, serializer="json", worker_ttl=WORKER_TTL)
    worker.register_birth()
    leader = Scheduler(parts)
    with app.app_context():
        assert leader._is_leader()
        at_work = client.get("/readyz").json
        assert at_work == {"ready": True, "problems": {}, "warnings": {}}
        leader._leader.close()
    worker.register_death()
    parts.redis.delete(worker.key)
    assert set(client.get("/readyz").json["warnings"]) >= {"workers"}


def test_a_run_waits_in_the_queue_once_however_often_it_is_woken(app):
    parts = app.extensions["soleflip"]
    run_id, other = uuid4(), uuid4()
    assert all(parts.queue.wake(run_id) for _ in range(5))
    assert parts.queue.wake(other, "list")
    assert parts.queue.wake(uuid4(), "feed_fetch")
    waiting = [Queue(name, connection=parts.redis, serializer="json").count for name in QUEUES]
    assert waiting == [1, 1, 1]
    parts.queue.taken(run_id)
    assert parts.queue.wake(run_id)
    assert Queue("default", connection=parts.redis, serializer="json").count == 2


def test_a_slow_statement_is_logged_without_its_values(make_app, caplog):
    app = make_app(slow_query_ms=20.0)
    with caplog.at_level(logging.WARNING), app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.execute(text("SELECT pg_sleep(0.05), CAST(:secret AS text)"), {"secret": "nobody may read this"})
    (line,) = [json.loads(record.message) for record in caplog.records if "slow_query" in record.message]
    assert line["ms"] >= 50
    assert "pg_sleep" in line["statement"]
    assert "nobody may read this" not in caplog.text


def test_behind_a_proxy_its_word_counts_and_without_one_it_does_not(make_app):
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Host": "shoes.example.org"}
    behind = make_app(trusted_proxies=1).test_client().get("/sign-in", headers=headers)
    assert behind.headers["Strict-Transport-Security"].startswith("max-age=31556926")
    assert all("Secure" in cookie for cookie in behind.headers.getlist("Set-Cookie"))
    alone = make_app().test_client().get("/sign-in", headers=headers)
    assert not any("Secure" in cookie for cookie in alone.headers.getlist("Set-Cookie"))


def test_only_names_of_ours_are_answered(make_app):
    client = make_app(allowed_hosts=("soleflip.example.org", ".shoes.example")).test_client()
    for host in ("soleflip.example.org", "a.shoes.example", "localhost", "127.0.0.1:8000"):
        assert client.get("/sign-in", headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "soleflip.example.org.evil.example", "xshoes.example"):
        answer = client.get("/sign-in", headers={"Host": host})
        assert answer.status_code == 400, host
        assert host not in answer.text


@pytest.mark.parametrize(
    "variables",
    [
        {"ALLOWED_HOSTS": "https://x.example"},
        {"TRUSTED_PROXIES": "yes"},
        {"TRUSTED_PROXIES": "-1"},
        {"SLOW_QUERY_MS": "0"},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(variables, tmp_path):
    with pytest.raises(BadSetting, match=next(iter(variables))):
        Settings.from_env({"SOLEFLIP_DATA": str(tmp_path), **variables})
