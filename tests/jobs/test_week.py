"""A week of sandbox time on autopilot with 200 opportunities, with faults all along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from soleflip.config import PROJECT, Settings
from soleflip.db import db
from soleflip.factory import create_app
from tests.conftest import running_sandbox
from tests.services.market_data import write_feed
from tests.week import Week

SEED = 7
ROWS = 700


@pytest.fixture
def begin(database_url: str, redis_url: str, tmp_path: Path) -> Callable[..., Any]:
    """Begin a week in a sandbox of its own, whose dice fall by the seed."""

    @contextmanager
    def week(seed: int) -> Iterator[Week]:
        arguments = ("--control", "--no-limits", "--speed", "60")
        with running_sandbox(tmp_path / f"week-{seed}.sqlite", *arguments) as sandbox:
            environ = {
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "SOLEFLIP_DATA": str(tmp_path),
                "STOCKX_API_URL": sandbox.api_url,
                "STOCKX_AUTH_URL": sandbox.auth_url,
                "STOCKX_RATE": "1000",
                "SANDBOX_SPEED": "5000",
            }
            app = create_app(Settings.from_env(environ))
            with app.app_context():
                runtime = app.extensions["soleflip"]
                runtime.redis.flushdb()
                yield Week(runtime, sandbox, seed)
                db.engine.dispose()
            runtime.stockx.close()
            runtime.redis.close()

    return week


def test_a_week_on_autopilot_ends_with_every_pair_accounted_for(begin: Callable[..., Any], tmp_path: Path) -> None:
    with begin(SEED) as week:
        assert week.prepare(write_feed(tmp_path / "week.csv.gz", ROWS)) >= 200
        week.live()
        report = week.report()
    folder = PROJECT / "artefacts"
    folder.mkdir(exist_ok=True)
    (folder / "week.json").write_text(json.dumps(report, indent=1), "utf-8")
    ends = report["ends"]
    assert ends.keys() <= {"listed", "repriced", "sold", "shipped", "booked", "review"}
    assert ends.total() >= 100
    assert ends["booked"] > 0
    assert sum(report["faults"].values()) >= 28
