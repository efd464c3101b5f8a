"""The whole local stack as an operator starts it: the first start sets everything up, the second finds it there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from bench.figures import Figure
from soleflip.config import PROJECT, VARIABLES

PATIENCE = 300


def measure() -> list[Figure]:
    """Start the stack twice on one data folder, until it says that it is ready."""
    with tempfile.TemporaryDirectory(prefix="soleflip-bench-") as folder:
        Path(folder).chmod(0o755)
        first, second = _seconds(folder), _seconds(folder)
    return [
        Figure("start", "first start to ready", first, "s"),
        Figure("start", "second start to ready", second, "s"),
        Figure("start", "second / first", second / first, "x", most=1),
    ]


def _seconds(folder: str) -> float:
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    port = _free()
    environ = {**own, "SOLEFLIP_DATA": folder, "PORT": str(port), "SANDBOX_PORT": str(_free())}
    began = time.perf_counter()
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "app.py"], cwd=PROJECT, env=environ, **quiet) as stack:  # type: ignore[call-overload]
        try:
            while not _is_ready(port):
                if stack.poll() is not None or time.perf_counter() - began > PATIENCE:
                    raise RuntimeError("the stack does not start")
                time.sleep(0.05)
            return time.perf_counter() - began
        finally:
            stack.send_signal(signal.SIGINT)
            stack.wait(60)


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
