"""A week of sandbox time on autopilot with 200 opportunities, with faults all along."""

from __future__ import annotations

import itertools
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
def begin(make_database: Callable[..., Any], redis_url: str, tmp_path: Path) -> Callable[..., Any]:
    """Begin a week in a sandbox of its own, whose dice fall by the seed."""

    number = itertools.count()

    @contextmanager
    def week(seed: int) -> Iterator[Week]:
        arguments = ("--control", "--no-limits", "--speed", "60")
        world = tmp_path / f"week-{next(number)}.sqlite"
        with make_database() as url, running_sandbox(world, *arguments) as sandbox:
            environ = {
                "DATABASE_URL": url.render_as_string(hide_password=False),
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


def test_what_a_week_decides_can_be_told_again_from_its_seed(begin: Callable[..., Any], tmp_path: Path) -> None:
    reports = []
    for _ in range(2):
        with begin(SEED) as week:
            week.prepare(write_feed(tmp_path / "short.csv.gz", 100))
            week.live(steps=4)
            reports.append(week.report())
    assert reports[0]["ends"].total() >= 10
    # Which of equal asks a buyer takes goes by ids that are new in every world; what is bought in the end does not.
    one, two = ((report["faults"], report["days"][-1]["bought"]) for report in reports)
    assert one == two
