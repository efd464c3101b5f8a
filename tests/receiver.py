"""A service that takes Apprise's messages over HTTP, for tests: it answers as a test says, and keeps what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SECRET = "s3cret-topic"


@dataclass
class Receiver:
    """A service that takes messages over HTTP, or does what a test says: `answers` are statuses, "hang", "drop"."""

    port: int = 0
    answers: list[Any] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            answer = receiver.answers.pop(0) if receiver.answers else 200
            receiver.reached.set()
            if answer == "hang":
                receiver.go_on.wait(60)
            if answer == "drop":
                self.close_connection = True
                return
            self.send_response(200 if answer == "hang" else answer)
            if answer == 302:
                self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield receiver
        receiver.go_on.set()
        server.shutdown()
        thread.join()
