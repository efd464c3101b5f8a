"""What the server refuses before the application sees it has the shape of every other error."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soleflip import processes
from soleflip.api.document import PROBLEMS
from soleflip.config import PROJECT
from tests.api.conftest import API

APPLICATION = """
from flask import Flask, g, request
from werkzeug.exceptions import HTTPException

from soleflip.api import problems


def create_app():
    app = Flask("small")
    app.before_request(lambda: g.setdefault("request_id", "one") and None)
    problems.install(app)
    app.register_error_handler(HTTPException, problems.of_http)
    app.add_url_rule("/", view_func=lambda: (request.get_data(), "")[1], endpoint="all", methods=["GET", "POST"])
    return app
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """gunicorn as the Procfile starts it, with next to nothing behind it: an address that reads what is sent."""
    (tmp_path / "app.py").write_text(APPLICATION)
    command = processes.procfile(PROJECT / "Procfile")["web"].replace("${HOST:-127.0.0.1}:${PORT:-8000}", "127.0.0.1:0")
    command = command.replace("${WEB_CONCURRENCY:-2}", "1")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PROJECT)])}
    words = [sys.executable, "-m", *shlex.split(command)]
    with subprocess.Popen(words, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            line = next(line for line in server.stderr if "Listening at" in line)
            yield int(line.partition("http://127.0.0.1:")[2].split()[0])
        finally:
            server.terminate()


def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    deadline = time.monotonic() + 120
    while True:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part
                head, found, body = answer.partition(b"\r\n\r\n")
                if found and f"content-length: {len(body)}".encode() in head.lower():
                    first, *lines = head.decode().split("\r\n")
                    headers = dict(line.lower().split(": ", 1) for line in lines)
                    return int(first.split()[1]), headers, body
        assert time.monotonic() < deadline, "the server never answered"


@pytest.mark.parametrize(
    ("request_", "status", "name"),
    [
        (b"GET " + API.encode() + b"/search?q=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too-large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", 431, "too-large"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n", 400, "bad-request"),
        (b"no http at all\r\n\r\n", 400, "bad-request"),
    ],
    ids=["long address", "long header", "bad header", "no http"],
)
def test_a_request_that_is_no_http_is_answered_with_a_problem(
    port: int, request_: bytes, status: int, name: str
) -> None:
    answered, headers, body = ask(port, request_)
    assert answered == status
    assert headers["content-type"] == "application/problem+json"
    problem = json.loads(body)
    assert problem["type"] == f"{API}/docs#{name}"
    assert name in PROBLEMS
    assert problem["status"] == status
    assert problem["request_id"] == headers["x-request-id"]
    assert ask(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == 200


@pytest.mark.parametrize("body", [b"ZZ\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"], ids=["no size", "no end"])
def test_a_body_of_broken_chunks_is_answered_with_a_problem(port: int, body: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answered, headers, answer = ask(port, head + body)
    assert answered == 400
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(answer)["type"] == f"{API}/docs#bad-request"
