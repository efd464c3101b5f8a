"""What all tests share: servers of their own, fresh migrated databases, a sandbox, a browser.

Everything lives in one temporary folder that is removed at the end, and runs only when a test asks for it. With
pytest-xdist the processes share the servers, and each has databases of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
import requests
from flask import Flask
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.orm import Session

from soleflip import local
from soleflip.config import PROJECT, VARIABLES, Settings, new_encryption_key
from soleflip.db import db

pytest_plugins = ["tests.selling", "tests.receiver"]

SHARED = PROJECT.parent / "shared"
NO_SHARED = "../shared is not there"
FOLDER = "SOLEFLIP_TEST_FOLDER"
TEMPLATE = "soleflip_template"


# --- the run ------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # a process of pytest-xdist: the folder came with its environment
    folder = tempfile.mkdtemp(prefix="soleflip-tests-")
    os.chmod(folder, 0o755)  # as root, PostgreSQL runs as another user, who must get through
    os.environ[FOLDER] = folder
    for name in VARIABLES:
        os.environ.pop(name, None)  # no test may reach what the developer's shell points at

    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt  # so that SIGTERM, too, runs every fixture's end

    signal.signal(signal.SIGTERM, stop)


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or FOLDER not in os.environ:
        return
    folder = Path(os.environ.pop(FOLDER))
    if (folder / "data" / "users.lock").exists():
        with local.servers(_settings(folder / "data"), durable=False):
            pass  # the last to leave: ends what a killed test process left running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    """In the build no test skips silently: an unexpected skip is a failure."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_unexpected_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[Any]:
    report = yield
    _fail_unexpected_skip(report)
    return report


def _fail_unexpected_skip(report: Any) -> None:
    if report.outcome == "skipped" and os.environ.get("CI") and "../shared" not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which the build does not allow: {report.longrepr}"


# --- servers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def test_folder() -> Path:
    """The temporary folder of this test run."""
    return Path(os.environ[FOLDER])


@pytest.fixture(scope="session")
def embedded(test_folder: Path) -> Iterator[Settings]:
    """The embedded servers of this test run, running."""
    settings = _settings(test_folder / "data")
    with local.servers(settings, durable=False):
        yield settings


@pytest.fixture(scope="session")
def postgres_url(embedded: Settings) -> str:
    """A PostgreSQL of this test run, as a superuser, without tables."""
    return embedded.database_url


@pytest.fixture(scope="session")
def redis_url(embedded: Settings, worker_number: int) -> str:
    """A Valkey database of this test process."""
    return embedded.redis_url.replace("db=0", f"db={worker_number % 16}")


@pytest.fixture(scope="session")
def worker_number() -> int:
    """Which of the parallel test processes this is, from 0."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


# --- databases ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def make_database(postgres_url: str, test_folder: Path) -> Callable[..., Any]:
    """Make databases: `with make_database() as url` has every table, `make_database(empty=True)` has none."""
    with _alone(test_folder / "template.lock"):
        if not _has_database(postgres_url, TEMPLATE):
            with _database(postgres_url, "template0", keep=True) as url:
                migrate(url)
            _on_server(postgres_url, f'ALTER DATABASE "{url.database}" RENAME TO {TEMPLATE}')

    def make(*, empty: bool = False) -> Any:
        return _database(postgres_url, "template0" if empty else TEMPLATE)

    return make


@pytest.fixture
def database_url(make_database: Callable[..., Any]) -> Iterator[str]:
    """A fresh database with every table, of this test alone."""
    with make_database() as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def _common_connection(make_database: Callable[..., Any]) -> Iterator[Any]:
    with make_database() as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            yield connection
        engine.dispose()


@pytest.fixture
def session(_common_connection: Any) -> Iterator[Session]:
    """A session in a transaction that is rolled back; a commit inside ends a savepoint only."""
    outer = _common_connection.begin()
    with Session(_common_connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
        yield session
    outer.rollback()


def bare_app(url: URL) -> Flask:
    """An application with nothing but the database and its migrations."""
    app = Flask("soleflip")
    app.config["SQLALCHEMY_DATABASE_URI"] = url.render_as_string(hide_password=False)
    db.init_app(app)
    flask_migrate.Migrate(app, db, directory=str(PROJECT / "migrations"))
    return app


def migrate(url: URL, revision: str = "head") -> None:
    """Upgrade a database to a revision."""
    with bare_app(url).app_context():
        flask_migrate.upgrade(revision=revision)
        db.engine.dispose()


@contextmanager
def _database(server: str, template: str, *, keep: bool = False) -> Iterator[URL]:
    name = f"test_{uuid.uuid4().hex}"
    _on_server(server, f'CREATE DATABASE "{name}" TEMPLATE {template} STRATEGY FILE_COPY')
    try:
        yield make_url(server).set(database=name)
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            _on_server(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _on_server(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def _has_database(server: str, name: str) -> bool:
    engine = create_engine(server)
    with engine.connect() as connection:
        known = connection.scalar(text("SELECT count(*) FROM pg_database WHERE datname = :name"), {"name": name})
    engine.dispose()
    return bool(known)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- the application ----------------------------------------------------------------------------------------------


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings on a fresh database; no StockX answers at its address unless the test names one."""
    return _settings(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url)


@pytest.fixture
def app(settings: Settings) -> Iterator[Any]:
    """The application on a fresh database."""
    import redis

    from soleflip import factory

    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushdb()
    app = factory.create_app(settings)
    app.testing = True
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["soleflip"].redis.close()


@pytest.fixture
def client(app: Any) -> Any:
    """A browser without a browser, not signed in."""
    return app.test_client()


def _settings(data: Path, **variables: str) -> Settings:
    fixed = {
        "SOLEFLIP_DATA": str(data),
        "SECRET_KEY": "a key for tests only, as long as a real one",
        "ENCRYPTION_KEY": _ENCRYPTION_KEY,
        "STOCKX_API_URL": "http://127.0.0.1:9/v2",
        "STOCKX_AUTH_URL": "http://127.0.0.1:9",
    }
    return Settings.from_env({**fixed, **variables})


_ENCRYPTION_KEY = new_encryption_key()


# --- outside worlds -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the project."""
    if not SHARED.is_dir():
        pytest.skip(NO_SHARED)
    return SHARED


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    api_url: str
    auth_url: str
    database: Path

    def control(self, path: str, **values: Any) -> Any:
        """Post to its control interface, for example `control("clock", frozen=True)`; returns the JSON answer."""
        answer = requests.post(f"{self.auth_url}/_sandbox/{path}", json=values, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def look(self, path: str, **query: Any) -> Any:
        """Get from its control interface; returns the JSON answer."""
        answer = requests.get(f"{self.auth_url}/_sandbox/{path}", params=query, timeout=30)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running_sandbox(database: Path, *arguments: str) -> Iterator[Sandbox]:
    """A sandbox process on a free port, with its world in `database`."""
    port = free_port()
    sandbox = [sys.executable, "-m", "soleflip.sandbox", "--database", str(database)]
    command = [*sandbox, "run", "--control", "--port", str(port)]
    log = database.with_suffix(".log")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*command, *arguments], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/_sandbox/clock", process, log)
            yield Sandbox(f"http://127.0.0.1:{port}/v2", f"http://127.0.0.1:{port}", database)
        finally:
            end(process)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox process with an empty world of this test alone."""
    with running_sandbox(tmp_path / "sandbox.sqlite") as running:
        yield running


def free_port() -> int:
    """A TCP port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(address: str, process: subprocess.Popen[Any], log: Path, seconds: float = 400) -> None:
    """Wait until an address answers; fail with the process's log when it ends or the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if requests.get(address, timeout=60).ok:
                return
        except requests.RequestException:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{address} does not answer:\n{log.read_text('utf-8', 'replace')[-4000:]}")
        time.sleep(0.05)


def end(process: subprocess.Popen[Any], seconds: float = 20) -> None:
    """Ask a process to end, and make it end when it doesn't."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# --- the whole stack and a browser --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stack:
    """A running `python app.py`."""

    address: str
    email: str
    password: str
    data: Path
    environ: dict[str, str]

    def flask(self, *arguments: str) -> str:
        """Run a flask command against this stack; returns its output."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=PROJECT,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def running_stack(data: Path, **variables: str) -> Iterator[Stack]:
    """The whole local stack as `make run` starts it, on free ports."""
    port, email, password = free_port(), "owner@soleflip.test", "a password for tests"
    environ = {
        **os.environ,
        "PORT": str(port),
        "SANDBOX_PORT": str(free_port()),
        "SOLEFLIP_DATA": str(data),
        "OPERATOR_EMAIL": email,
        "OPERATOR_PASSWORD": password,
        **variables,
    }
    data.mkdir(parents=True, exist_ok=True)
    log = data / "console.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=PROJECT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/readyz", process, log)
            yield Stack(f"http://127.0.0.1:{port}", email, password, data, environ)
        finally:
            end(process, 60)


@pytest.fixture(scope="session")
def stack(test_folder: Path, worker_number: int) -> Iterator[Stack]:
    """One whole stack for all browser tests of this process."""
    with running_stack(test_folder / f"stack-{worker_number}") as running:
        yield running


@pytest.fixture(scope="session")
def browser(test_folder: Path) -> Iterator[Any]:
    """A Chromium, the one named by SOLEFLIP_CHROMIUM or the first on the PATH; its own files stay in our folder."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("SOLEFLIP_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.fail("No Chromium found: run `make test`, which gets one, or name one in SOLEFLIP_CHROMIUM.")
    quiet = ("disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-breakpad")
    more = ("no-sandbox", "disable-component-update", "disable-sync", "disable-dev-shm-usage")
    flags = [f"--{flag}" for flag in (*quiet, *more)]
    home = test_folder / "browser"
    homes = {name: str(home) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    home.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags, env={**os.environ, **homes})
        yield browser
        browser.close()
