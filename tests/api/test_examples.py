"""The examples of docs/api.md are run as they stand there, by curl, against a server with a world behind it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from soleflip.config import PROJECT
from tests.api.conftest import API, Caller
from tests.api.world import DEMO_FEED, World

BLOCKS = re.findall(r"```sh\n(.*?)```", (PROJECT / "docs" / "api.md").read_text("utf-8"), re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("curl ")]


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{API}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_there_are_examples_of_the_main_job() -> None:
    assert len(COMMANDS) >= 12


def test_every_example_works_as_it_stands(address: str, caller: Caller, world: World) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    environ = {
        "PATH": os.environ["PATH"],
        "SOLEFLIP": address,
        "TOKEN": caller.secret,
        "IDS": json.dumps(world.opportunity_id[:50]),
        "OPPORTUNITY": world.opportunity_id[55],
        "LISTING": world.listing_id[1],
        "RUN": world.run_id[0],
        "FEED": str(DEMO_FEED),
    }
    for command in COMMANDS:
        status, body = run(command, environ)
        assert status in (200, 201, 202), (command, status, body[:500])
        if "text/csv" in command:
            assert body.startswith("\ufeff")
        else:
            assert isinstance(json.loads(body), dict)


def run(command: str, environ: dict[str, str]) -> tuple[int, str]:
    """Run one example as a shell does; returns the status and the body."""
    done: Any = subprocess.run(
        ["bash", "-c", f"{command} -w '\\n%{{http_code}}'"], env=environ, capture_output=True, timeout=60, check=True
    )
    body, _, status = done.stdout.decode().rpartition("\n")
    return int(status), body
