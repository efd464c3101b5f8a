"""What browser tests share: Chromium, a page that notices every complaint, a furnished house that is served."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from werkzeug.serving import make_server

from soleflip import factory
from soleflip.config import PROJECT, Settings
from soleflip.db import db
from tests.conftest import _settings
from tests.e2e.furniture import EMAIL, PASSWORD, furnish

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 375, "height": 812}
MOST_SHIFTED = 0.02
# What moves by itself counts, what a hand has moved does not; 0.02 is a fifth of what is called good.
WATCH_SHIFTS = """
window.shifted = {sum: 0, by: []};
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) {
    if (shift.hadRecentInput) continue;
    window.shifted.sum += shift.value;
    for (const source of shift.sources) {
      window.shifted.by.push(source.node && (source.node.id || source.node.className || source.node.nodeName));
    }
  }
}).observe({type: "layout-shift", buffered: true});
"""
FIND_CUT = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const style = getComputedStyle(element);
  return ["hidden", "clip"].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1
    && element.clientWidth > 1 && element.textContent.trim() && !element.closest("[title]")
    && element.checkVisibility();
}).map((element) => element.textContent.trim().slice(0, 60))"""
COUNT_CLICKS = """
addEventListener("click", (event) => {
  if (event.isTrusted) sessionStorage.clicks = 1 + Number(sessionStorage.clicks || 0);
}, true);
"""


@dataclass
class Visitor:
    """A page in a browser, with everything the browser complained about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        """Open a path of ours and wait until it has come to rest."""
        self.page.goto(self.address + path)
        self.page.evaluate("document.fonts.ready.then(() => true)")

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> None:
        """Sign in through the form."""
        self.go("/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(self.address + "/")

    def colours(self, theme: str) -> None:
        """Choose light or dark, as the switch does."""
        self.page.evaluate("theme => window.chooseTheme(theme)", theme)

    @property
    def sideways(self) -> int:
        """By how many pixels the page can be scrolled to the side."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    @property
    def cut_off(self) -> list[str]:
        """Texts of which a part is hidden, and that nothing tells in full."""
        return list(self.page.evaluate(FIND_CUT))

    @property
    def shifts(self) -> list[str]:
        """What moved by itself since the page was opened, unless it is next to nothing."""
        found = self.page.evaluate("window.shifted")
        return [f"moves by {found['sum']:.3f}: {found['by'][:4]}"] if found["sum"] > MOST_SHIFTED else []

    @property
    def clicks(self) -> int:
        """How often a hand has clicked since `count_clicks`."""
        return int(self.page.evaluate("Number(sessionStorage.clicks || 0)"))

    def count_clicks(self) -> None:
        """Count clicks from here on, over as many pages as they lead to."""
        self.page.evaluate("sessionStorage.clicks = 0")

    def keep_picture(self, name: str) -> None:
        """Keep a screenshot as an artefact of the test run."""
        folder = PROJECT / "artefacts" / "screens"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png", full_page=True)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser window: `visit(address, PHONE)`."""
    contexts: list[BrowserContext] = []

    def open_window(address: str, size: dict[str, int] = WIDE, **options: Any) -> Visitor:
        context = browser.new_context(viewport=size, locale="en-GB", **options)  # type: ignore[arg-type]
        contexts.append(context)
        visitor = Visitor(context.new_page(), address)
        visitor.page.set_default_timeout(15_000)
        visitor.page.add_init_script(COUNT_CLICKS)
        visitor.page.add_init_script(WATCH_SHIFTS)
        visitor.page.on("console", lambda said: _note(visitor, said))
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(f"error: {error}"))
        visitor.page.on("requestfailed", lambda request: _note_failed(visitor, request))
        return visitor

    yield open_window
    for context in contexts:
        context.close()


def _note(visitor: Visitor, said: Any) -> None:
    # A refused policy, a script error and a missing file are all "error" here; an answer of 4xx that a test provokes
    # is none of the page's faults.
    if said.type in ("error", "warning") and "the server responded with a status of 4" not in said.text:
        visitor.complaints.append(f"{said.type}: {said.text}")


def _note_failed(visitor: Visitor, request: Any) -> None:
    if "ERR_ABORTED" not in (request.failure or ""):
        visitor.complaints.append(f"failed: {request.url} {request.failure}")


@dataclass(frozen=True)
class House:
    """A served application with an operator, goods, asks and sales in it."""

    address: str
    app: Any


@pytest.fixture(scope="module")
def house(make_database: Any, redis_url: str, tmp_path_factory: Any) -> Iterator[House]:
    """A furnished house, served for the tests of one file."""
    data: Path = tmp_path_factory.mktemp("house")
    with make_database() as url:
        settings: Settings = _settings(
            data, DATABASE_URL=url.render_as_string(hide_password=False), REDIS_URL=redis_url, SANDBOX_SPEED="1"
        )
        app = factory.create_app(settings)
        app.extensions["soleflip"].redis.flushdb()
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            furnish(session, app.extensions["soleflip"].clock())
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield House(f"http://127.0.0.1:{server.server_port}", app)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            with app.app_context():
                db.engine.dispose()
            app.extensions["soleflip"].redis.close()
