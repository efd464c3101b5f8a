"""Secrets leave no trace: not in logs, jobs, error pages, metrics, exports of the queue, nor in a backup."""

from __future__ import annotations

import logging
import re

import pyotp
import pytest

from soleflip.jobs import tasks
from soleflip.models import Run, User
from soleflip.runtime import system_clock
from soleflip.services import backups, tokens
from soleflip.services.connection import DatabaseTokens
from soleflip.stockx import StoredTokens
from tests.web.conftest import EMAIL, PASSWORD, post

REFRESH = "refresh-token-nobody-may-see"
TYPED = "a password that was typed wrong"


@pytest.fixture
def trail(app, cast, caplog):
    """Secrets are made and used, things go wrong; returns the secrets and everything that was left behind."""
    left: list[bytes] = []
    parts = app.extensions["soleflip"]
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.testing = False
    app.add_url_rule("/breaks", "breaks", lambda: 1 / 0, methods=["POST"])
    with caplog.at_level(logging.DEBUG):
        browser = app.test_client()
        left.append(post(browser, "/sign-in", email=EMAIL["owner"], password=TYPED).data)
        post(browser, "/sign-in", email=EMAIL["owner"], password=PASSWORD)
        page = browser.get("/settings/account/second-factor").text
        (totp,) = re.findall(r'<code class="text-break">([A-Z2-7]{32})</code>', page)
        codes = post(browser, "/settings/account/second-factor", code=pyotp.TOTP(totp).now()).text
        recovery = re.findall(r"<code>([a-z0-9]{5}-[a-z0-9]{5})</code>", codes)
        with app.app_context():
            DatabaseTokens(parts.transaction, parts.settings.encryption_keys, system_clock).save(
                StoredTokens(REFRESH, system_clock())
            )
            with parts.transaction() as session:
                owner = session.query(User).filter_by(email=EMAIL["owner"]).one()
                bearer = tokens.create(session, owner.id, "script", ["read"], days=1, now=system_clock()).secret
        api = app.test_client().get("/api/v1/settings", headers={"Authorization": f"Bearer {bearer}"})
        left += [api.data, browser.get("/settings").data, browser.get("/settings/account").data]
        broken = post(browser, "/breaks", password=TYPED, token=bearer)
        assert broken.status_code == 500
        left += [broken.data, browser.get("/nowhere").data, browser.get("/metrics").data]
        answer = post(browser, "/settings/backups")
        left += [value for key in parts.redis.keys("*") for value in _dump(parts.redis, key)]
        with app.app_context():
            tasks.perform(answer.location.rsplit("/", 1)[1])
            with parts.transaction() as session:
                left += [str((run.params, run.message, run.error)).encode() for run in session.query(Run)]
        (made,) = backups.found(parts.settings.backups)
        left.append(made.path.read_bytes())
    left.append(caplog.text.encode())
    left.append(repr(parts.settings).encode())
    secrets = [REFRESH, TYPED, PASSWORD, totp, *recovery, bearer, *parts.settings.encryption_keys]
    return [*secrets, parts.settings.secret_key, parts.settings.stockx_client_secret], left


def _dump(redis, key):
    """Whatever stands in Redis under a key."""
    kind = redis.type(key)
    read = {
        b"string": lambda: [redis.get(key)],
        b"hash": lambda: [part for pair in redis.hgetall(key).items() for part in pair],
        b"list": lambda: redis.lrange(key, 0, -1),
        b"set": lambda: list(redis.smembers(key)),
        b"zset": lambda: redis.zrange(key, 0, -1),
    }
    return [key, *read.get(kind, list)()]


def test_no_secret_is_left_anywhere(trail):
    secrets, left = trail
    assert len(secrets) > 15
    assert any(b"request broke" in each for each in left), "the log is among what is looked through"
    assert any(b"perform" in each for each in left), "and the job"
    found = [secret for secret in secrets if any(secret.encode() in each for each in left)]
    assert found == []
