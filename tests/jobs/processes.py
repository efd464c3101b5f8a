"""The processes of the Procfile for tests: started as they are in production, killed by their test."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from soleflip.config import PROJECT
from tests.conftest import end
from tests.selling import Selling


@contextmanager
def process(selling: Selling, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """`flask COMMAND` against the servers of a test; ended with the block, whatever the test did to it."""
    folder = Path(selling.environ["SOLEFLIP_DATA"])
    with (folder / f"{command[0]}.log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "flask", *command],
            cwd=PROJECT,
            env={**selling.environ, "FLASK_APP": "app.py", "FLASK_SKIP_DOTENV": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield started
        finally:
            end(started)


def wait_until(fact: Callable[[], object], seconds: float = 400) -> None:
    """Wait until something is so; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)
