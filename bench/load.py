"""Fifty people at once: `python -m bench.load [--users 50] [--seconds 120] [--listings 100] [--json FILE] ...`.

A whole stack as `make run` starts it, with a sandbox in place of StockX, whose workers list, reprice and sync by the
timetable meanwhile. First one person walks the pages while nothing else happens: the idle figure. Then everybody
does, each waiting a few seconds between pages as people do. Goals: no answer but 200, and a 95th percentile of at most
twice the idle one. Seconds say as much about the machine as about the program, so its load is shown beside them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
import requests

from bench.world import EMAIL, PASSWORD, SEED
from soleflip.cli import DEMO_FEED
from soleflip.config import PROJECT, VARIABLES, Settings
from soleflip.factory import create_app
from soleflip.models import User
from soleflip.runtime import system_clock
from soleflip.services import tokens

PAGES = (
    *("/", "/opportunities", "/opportunities?sort=-profit", "/inventory", "/listings", "/listings?state=active"),
    *("/pricing", "/orders", "/analytics", "/tax", "/imports", "/automation", "/runs", "/settings"),
)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a load is: people, for how long, and asks that the workers reprice meanwhile."""

    users: int = 50
    seconds: float = 120.0
    listings: int = 100
    thinking: float = 5.0
    """Seconds that a person looks at a page before the next, on average."""
    rounds: int = 8
    """How often one person alone walks through all pages."""


@dataclass(slots=True)
class Walk:
    """What one person saw: how long each page took, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)

    def visit(self, browser: requests.Session, address: str, page: str) -> None:
        """Look at a page to its last byte."""
        begun = time.perf_counter()
        try:
            answer = browser.get(address + page, timeout=60)
            if answer.status_code != 200 or "Sign in" in answer.text[:3000]:
                self.wrong[f"{page}: {answer.status_code}"] += 1
        except requests.RequestException as error:
            self.wrong[f"{page}: {type(error).__name__}"] += 1
        self.seconds.append(time.perf_counter() - begun)


@dataclass(frozen=True, slots=True)
class Stack:
    """A running `python app.py`."""

    address: str
    environ: dict[str, str]

    def processor(self, word: str) -> float:
        """Return the processor seconds that all processes with that word in their command have taken so far."""
        taken = 0.0
        for each in psutil.process_iter():
            try:
                if word in " ".join(each.cmdline()) and each.environ().get("SOLEFLIP_DATA") == self.data:
                    taken += sum(each.cpu_times()[:2])
            except (psutil.Error, OSError):
                continue
        return taken

    @property
    def data(self) -> str:
        """The data folder, by which the processes of this stack are told from others."""
        return self.environ["SOLEFLIP_DATA"]

    def signed_in(self) -> requests.Session:
        """Return a browser that is signed in."""
        browser = requests.Session()
        page = browser.get(f"{self.address}/sign-in", timeout=60).text
        token = page.split('name="csrf-token" content="')[1].split('"')[0]
        form = {"csrf_token": token, "email": EMAIL, "password": PASSWORD}
        browser.post(f"{self.address}/sign-in", data=form, timeout=60).raise_for_status()
        return browser

    def token(self) -> str:
        """Make an API token of the owner's."""
        app = create_app(Settings.from_env(self.environ))
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            owner = session.query(User).one()
            scopes = list(tokens.SCOPES)
            return tokens.create(session, owner.id, "bench", scopes, days=1, now=system_clock()).secret


@contextmanager
def running() -> Iterator[Stack]:
    """A stack in a temporary folder on free ports."""
    folder = Path(tempfile.mkdtemp(prefix="soleflip-load-"))
    folder.chmod(0o755)
    port, sandbox_port = _free_port(), _free_port()
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environ = {**own, "SOLEFLIP_DATA": str(folder), "PORT": str(port), "SANDBOX_PORT": str(sandbox_port)}
    environ |= {"OPERATOR_EMAIL": EMAIL, "OPERATOR_PASSWORD": PASSWORD}
    try:
        with (folder / "console.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=PROJECT, env=environ, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            address = f"http://127.0.0.1:{port}"
            _until_ready(address, process)
            yield Stack(address, environ)
        finally:
            process.terminate()
            process.wait(90)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(stack: Stack, listings: int) -> None:
    """Import the demo feed and put up asks, so that the timetable has something to reprice and sync."""
    api, headers = f"{stack.address}/api/v1", {"Authorization": f"Bearer {stack.token()}"}
    with DEMO_FEED.open("rb") as feed:
        files = {"file": (DEMO_FEED.name, feed, "application/gzip")}
        own = {**headers, "Idempotency-Key": "feed"}
        requests.post(f"{api}/quickflip/import", files=files, headers=own, timeout=60).raise_for_status()
    deadline = time.monotonic() + 300
    found: list[dict[str, Any]] = []
    query = f"limit={listings}&min_profit=-100000&min_roi=-100000"
    while len(found) < min(listings, 50) and time.monotonic() < deadline:
        time.sleep(2)
        found = requests.get(f"{api}/quickflip/opportunities?{query}", headers=headers, timeout=60).json()["items"]
    asks = {each["id"]: str(math.ceil(Decimal(each["cost"]) * 2 + 20)) for each in found}
    body = {"opportunity_ids": list(asks), "asks": asks}
    own = {**headers, "Idempotency-Key": "load"}
    requests.post(f"{api}/selling/listings/bulk-create", json=body, headers=own, timeout=120).raise_for_status()


def idle(stack: Stack, browser: requests.Session, rounds: int) -> Walk:
    """One person walks through all pages, round after round."""
    walk = Walk()
    for page in PAGES * rounds:
        walk.visit(browser, stack.address, page)
    return walk


def crowd(stack: Stack, browser: requests.Session, size: Size) -> list[Walk]:
    """So many people walk at once, each on connections of their own."""
    walks = [Walk() for _ in range(size.users)]
    end = time.monotonic() + size.seconds

    def go(number: int) -> None:
        chance = random.Random(SEED + number)
        mine = requests.Session()
        mine.cookies.update(browser.cookies)
        time.sleep(chance.uniform(0, size.thinking))
        while time.monotonic() < end:
            walks[number].visit(mine, stack.address, chance.choice(PAGES))
            time.sleep(chance.expovariate(1 / size.thinking))

    people = [threading.Thread(target=go, args=(number,)) for number in range(size.users)]
    for each in people:
        each.start()
    for each in people:
        each.join()
    return walks


def measure(size: Size) -> dict[str, Any]:
    """Return the figures of both, and what the workers did meanwhile."""
    with running() as stack:
        browser = stack.signed_in()
        before = os.getloadavg()[0]
        alone = idle(stack, browser, size.rounds)
        fill(stack, size.listings)
        filled = idle(stack, browser, size.rounds)
        before_crowd = stack.processor("gunicorn")
        walks = crowd(stack, browser, size)
        taken = stack.processor("gunicorn") - before_crowd
        watched = requests.get(f"{stack.address}/metrics", timeout=60).text
    together = Walk()
    for walk in walks:
        together.seconds += walk.seconds
        together.wrong += walk.wrong
    runs = [line for line in watched.splitlines() if line.startswith("soleflip_runs_last_day{")]
    return {
        "users": size.users,
        "seconds": size.seconds,
        "load_before": round(before, 1),
        "load_after": round(os.getloadavg()[0], 1),
        "idle_empty": _figures(alone),
        "idle_with_workers": _figures(filled),
        "crowd": _figures(together),
        "web_processor_ms_a_page": round(taken * 1000 / len(together.seconds)),
        "ratio_p95": round(_figures(together)["p95_ms"] / _figures(filled)["p95_ms"], 2),
        "wrong": dict(together.wrong + alone.wrong + filled.wrong),
        "runs": runs,
    }


def _figures(walk: Walk) -> dict[str, Any]:
    cuts = quantiles(walk.seconds, n=100)
    return {"pages": len(walk.seconds), "p50_ms": round(cuts[49] * 1000), "p95_ms": round(cuts[94] * 1000)}


def _until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 600
    while True:
        try:
            if requests.get(f"{address}/readyz", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the stack does not come up")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for each in fields(Size):
        parser.add_argument(f"--{each.name}", type=type(each.default), default=each.default)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    size = Size(**{each.name: getattr(given, each.name) for each in fields(Size)})
    text = json.dumps(measure(size), indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
