"""Parts for the StockX client's tests: an emptied Redis, a standing clock, a scripted server, a token store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import redis as redis_py
import requests
import stamina
from redis.backoff import NoBackoff
from redis.retry import Retry

from soleflip.sandbox import API_KEY, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from soleflip.stockx import Budget, StockX, StoredTokens
from tests.conftest import Sandbox, running_sandbox


@pytest.fixture(autouse=True)
def no_backoff() -> Iterator[None]:
    """Retries come without their pauses; how often stays."""
    with stamina.set_testing(True, attempts=4):
        yield


@pytest.fixture
def redis(redis_url: str) -> Iterator[redis_py.Redis]:
    with redis_py.Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client


@dataclass
class StandingClock:
    at: datetime = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@dataclass
class MemoryTokens:
    """A token store in memory."""

    tokens: StoredTokens | None
    reason: str | None = None

    def load(self) -> StoredTokens | None:
        return None if self.reason else self.tokens

    def save(self, tokens: StoredTokens) -> None:
        self.tokens, self.reason = tokens, None

    def mark_disconnected(self, reason: str) -> None:
        self.reason = reason


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens(StoredTokens("refresh-secret", datetime(2026, 1, 1, tzinfo=UTC)))


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What the scripted server does: answer, or drop the connection when the body is None."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], object] = lambda: None
    close_after: bool = False


class Script:
    """A server on loopback that answers as told, one answer a request; token requests have a script of their own."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []
        self.token_answers: list[Answer] = []
        self.token_asked: list[Asked] = []
        self._lock = threading.Lock()
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = script.take(Asked(self.command, self.path, dict(self.headers), body))
                answer.before()
                if answer.body is None:
                    self.connection.shutdown(2)
                    self.close_connection = True
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(content))} | answer.headers
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = self.close_connection or answer.close_after

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def then(self, body: Any = None, status: int = 200, **more: Any) -> None:
        """Answer the next call so; a body of None drops the connection."""
        self.answers.append(Answer(body, status, **more))

    def then_token(self, body: Any = None, status: int = 200, **more: Any) -> None:
        """Answer the next token call so."""
        self.token_answers.append(Answer(body, status, **more))

    def take(self, asked: Asked) -> Answer:
        with self._lock:
            if asked.path == "/oauth/token":
                self.token_asked.append(asked)
                number = len(self.token_asked)
                granted = {"access_token": f"access-{number}", "expires_in": 43200, "token_type": "Bearer"}
                return self.token_answers.pop(0) if self.token_answers else Answer(granted)
            self.asked.append(asked)
            return self.answers.pop(0) if self.answers else Answer()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    yield server
    server.stop()


@pytest.fixture
def make_client(redis: redis_py.Redis, clock: StandingClock, tokens: MemoryTokens) -> Iterator[Callable[..., StockX]]:
    """Make clients of a server by its address, with a budget that does not slow them down."""
    made: list[StockX] = []

    def make(url: str, *, redis: redis_py.Redis = redis, rate: float = 1000, speed: float = 1, **more: Any) -> StockX:
        parts: dict[str, Any] = {
            "api_url": f"{url}/v2",
            "auth_url": url,
            "client_id": "client-id",
            "client_secret": "client-secret",
            "api_key": "api-key",
            "tokens": tokens,
            "clock": clock,
            "timeout": (0.5, 0.5),
            "slot_wait": 2,
        } | more
        made.append(StockX(budget=Budget(redis, rate=rate, clock=parts["clock"], speed=speed), **parts))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def stockx(script: Script, make_client: Callable[..., StockX]) -> StockX:
    """A client of the scripted server."""
    return make_client(script.url)


@pytest.fixture
def dead_redis() -> redis_py.Redis:
    """A Redis where none is."""
    return redis_py.Redis(port=1, retry=Retry(NoBackoff(), 0))


FEED = """product_name,brand_name,mpn,Fashion:size,search_price,currency,ean
Air Test 1,Nike,DD1391-100,42,100.00,EUR,
Air Test 1,Nike,DD1391-100,43,100.00,EUR,
Air Test 2,Nike,DD1391-200,42,140.00,EUR,
"""


class SandboxClock:
    """The sandbox's time, asked for anew each time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(self) -> datetime:
        return datetime.fromisoformat(self._sandbox.look("clock")["time"])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with three variants and no buyers of its own, without limits, for all tests of a module."""
    database = tmp_path_factory.mktemp("market") / "world.db"
    with running_sandbox(database, "--no-limits", "--speed", "60") as sandbox:
        prepare(sandbox)
        yield sandbox


def prepare(sandbox: Sandbox) -> None:
    answer = requests.post(
        f"{sandbox.auth_url}/_sandbox/seed", data=FEED, headers={"Content-Type": "text/csv"}, timeout=60
    )
    answer.raise_for_status()
    sandbox.control("settings", demand=0.0)


@pytest.fixture
def seller(market: Sandbox, make_client: Callable[..., StockX]) -> StockX:
    """A client of the sandbox that is signed in."""
    return sandbox_client(market, make_client)


def sandbox_client(sandbox: Sandbox, make_client: Callable[..., StockX], **more: Any) -> StockX:
    names = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "api_key": API_KEY}
    tokens = MemoryTokens(StoredTokens(REFRESH_TOKEN, datetime(2026, 1, 1, tzinfo=UTC)))
    parts = {"clock": SandboxClock(sandbox), "tokens": tokens, "speed": 60, **names, **more}
    return make_client(sandbox.auth_url, **parts)
