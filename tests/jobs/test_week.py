"""A week of sandbox time on autopilot with 200 opportunities, with faults all along."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import URL, create_engine, text

from soleflip.config import PROJECT, Settings
from soleflip.db import db
from soleflip.factory import create_app
from soleflip.services import placing, stock
from tests.conftest import running_sandbox
from tests.services.market_data import write_feed
from tests.week import Week

SEED = 7
ROWS = 700
SEEDED_IDS = (
    "CREATE SEQUENCE public.seeded",
    "CREATE FUNCTION public.seeded_id() RETURNS uuid LANGUAGE sql VOLATILE AS "
    "$$ SELECT md5('SEED ' || nextval('public.seeded'))::uuid $$",
    """
    DO $$ DECLARE place record; BEGIN
        FOR place IN SELECT table_schema, table_name, column_name FROM information_schema.columns
            WHERE column_default = 'gen_random_uuid()'
        LOOP EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I SET DEFAULT public.seeded_id()',
            place.table_schema, place.table_name, place.column_name);
        END LOOP;
        FOR place IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog',
            'information_schema')
        LOOP EXECUTE format('ALTER TABLE %I.%I SET (autovacuum_enabled = false)', place.schemaname, place.tablename);
        END LOOP;
    END $$
    """,
)


@pytest.fixture
def begin(
    make_database: Callable[..., Any], redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Begin a week in a sandbox of its own, whose dice fall by the seed."""

    number = itertools.count()

    @contextmanager
    def week(seed: int) -> Iterator[Week]:
        arguments = ("--control", "--no-limits", "--speed", "60")
        world = tmp_path / f"week-{next(number)}.sqlite"
        with make_database() as url, running_sandbox(world, *arguments) as sandbox:
            seed_ids(url, seed, monkeypatch)
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


def seed_ids(url: URL, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every id come from the seed, wherever it is made: what is equal otherwise is told apart by its id.

    Nothing looks at the tables by itself meanwhile: other statistics may mean another order of rows.
    """
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in SEEDED_IDS:
            connection.execute(text(statement.replace("SEED", str(seed))))
    engine.dispose()
    dice = random.Random(seed)
    for module in (placing, stock):
        monkeypatch.setattr(module, "uuid4", lambda: UUID(int=dice.getrandbits(128), version=4))


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


def test_a_week_is_told_again_whole_from_its_seed(begin: Callable[..., Any], tmp_path: Path) -> None:
    reports = []
    for _ in range(2):
        with begin(SEED) as week:
            week.prepare(write_feed(tmp_path / "short.csv.gz", 100))
            week.live(steps=4)
            reports.append(week.report())
    assert reports[0]["ends"].total() >= 10
    assert int(reports[0]["days"][-1]["sold"][0]) > 0
    assert reports[0] == reports[1]
