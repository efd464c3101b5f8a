"""Every page in a real browser, wide and on a phone, light and dark: nothing to complain about, readable by all."""

from __future__ import annotations

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from soleflip.web.shell import ROOMS
from tests.e2e.conftest import PHONE, WIDE

pytestmark = pytest.mark.e2e

OTHERS = (
    "/alerts",
    "/automation/decisions",
    "/automation/decisions?state=all",
    "/automation/findings",
    "/automation/pipeline",
    "/automation/rules",
    "/automation/rules/new",
    "/automation/rules/new?subject=listing",
    "/settings/account",
    "/settings/account/second-factor",
    "/settings/accounts",
    "/settings/backups",
    "/settings/channels",
    "/settings/erase",
    "/settings/stockx",
    "/settings/password",
    "/search?q=samba",
    "/no/such/page",
)
# Rooms whose table leads to a page of each row: the first one is looked at too.
DETAILS = ("runs", "listings", "orders", "inventory")


def _pages(house) -> list[str]:
    with house.app.test_request_context():
        adapter = house.app.url_map.bind("localhost")
        rooms = [room.endpoint for group in ROOMS for room in group]
        return [adapter.build(endpoint) for endpoint in rooms] + list(OTHERS)


def _first_detail(visitor, room: str) -> str | None:
    found = visitor.page.locator(f"main a[href^='/{room}/']")
    links: list[str] = found.evaluate_all("all => all.map(a => a.getAttribute('href'))")
    return next((link for link in links if re.search(r"/[0-9a-f-]{20,}$|/[0-9]+-[0-9]+$", link)), None)


def _serious(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {fault['help']}: {fault['nodes'][0]['html'][:160]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_page_is_sound(house, visit, size, theme):
    visitor = visit(house.address, size)
    visitor.sign_in()
    visitor.colours(theme)
    faults: dict[str, list[str]] = {}
    queue = _pages(house)
    for path in queue:
        visitor.go(path)
        room = path.strip("/")
        if room in DETAILS and (detail := _first_detail(visitor, room)):
            queue.append(detail)
        wrong = _serious(visitor.page) + visitor.complaints
        wrong += [f"can be scrolled sideways by {visitor.sideways} pixels"] if visitor.sideways > 0 else []
        wrong += [f"is cut off: {text}" for text in visitor.cut_off] + visitor.shifts
        if wrong:
            faults[path] = wrong
        visitor.complaints.clear()
        visitor.keep_picture(f"{room or 'dashboard'}-{size['width']}-{theme}")
    assert not faults, json.dumps(faults, indent=1)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_sign_in_page_is_sound(house, visit, size):
    visitor = visit(house.address, size)
    visitor.go("/sign-in")
    assert _serious(visitor.page) == []
    assert visitor.complaints == []
    assert visitor.sideways <= 0


def test_everything_can_be_reached_on_a_phone(house, visit):
    visitor = visit(house.address, PHONE)
    visitor.sign_in()
    rooms = [room for group in ROOMS for room in group]
    bar = visitor.page.locator(".bottombar")
    for room in rooms:
        if not room.on_phone:
            bar.get_by_text("More").click()
        link = bar.get_by_role("link", name=room.label)
        link.click()
        visitor.page.wait_for_url(re.compile(rf"/{'' if room.name == 'dashboard' else room.name}"))
        expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("path", ["/automation/pipeline", "/listings", "/opportunities", "/orders"])
def test_a_long_page_that_arrives_slowly_does_not_move(house, visit, path):
    visitor = visit(house.address)
    visitor.sign_in()
    line = visitor.page.context.new_cdp_session(visitor.page)
    slow = {"offline": False, "latency": 20, "downloadThroughput": 60 * 1024, "uploadThroughput": 1_000_000}
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", slow)
    visitor.go(path)
    assert visitor.shifts == []


def test_the_colours_can_be_chosen_and_stay(house, visit):
    visitor = visit(house.address, color_scheme="light")
    visitor.sign_in()
    html = visitor.page.locator("html")
    expect(html).to_have_attribute("data-bs-theme", "light")
    visitor.page.get_by_role("button", name="Dark").click()
    expect(html).to_have_attribute("data-bs-theme", "dark")
    visitor.go("/runs")
    expect(html).to_have_attribute("data-bs-theme", "dark")
    visitor.page.get_by_role("button", name="As the system").click()
    expect(html).to_have_attribute("data-bs-theme", "light")


def test_pages_read_and_forms_work_without_javascript(house, visit):
    visitor = visit(house.address, java_script_enabled=False)
    sign_in_plainly(visitor)
    visitor.page.goto(house.address + "/settings")
    form = visitor.page.locator("#thresholds")
    form.get_by_label("Smallest profit").fill("6.50")
    form.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_text("Saved.")).to_be_visible()
    expect(visitor.page.locator("#thresholds").get_by_label("Smallest profit")).to_have_value("6.50")


@pytest.mark.parametrize(
    ("room", "label", "choice", "gone"),
    [
        ("listings", "State", "inactive", "Active"),
        ("inventory", "Which", "sold", "Listed"),
        ("orders", "Stage", "paid", "Sold, ship it"),
        ("runs", "State", "failed", "Running"),
    ],
)
def test_a_list_filters_pages_and_hides_columns_without_javascript(house, visit, room, label, choice, gone):
    visitor = visit(house.address, java_script_enabled=False)
    page = sign_in_plainly(visitor)
    page.goto(f"{house.address}/{room}")
    rows = page.locator("main table").last.locator("tbody")
    expect(rows.get_by_text(gone, exact=True).first).to_be_visible()
    page.locator("form.filters").get_by_label(label, exact=True).select_option(choice)
    page.locator("form.filters").get_by_role("button", name="Filter").click()
    expect(rows.get_by_text(gone, exact=True)).to_have_count(0)
    page.locator("summary").filter(has_text="Views").click()
    page.get_by_label("Name of this view").fill("Mine")
    page.get_by_role("button", name="Keep this view").click()
    page.goto(f"{house.address}/{room}")
    page.locator("summary").filter(has_text="Views").click()
    page.get_by_role("link", name="Mine").click()
    assert f"={choice}" in page.url
    expect(page.get_by_role("link", name="Mine", include_hidden=True)).to_have_attribute("aria-current", "true")
    if room != "runs":
        page.locator("summary").filter(has_text="Columns").click()
        box = page.locator("form.menu-form input[name=show]").first
        box.uncheck()
        page.get_by_role("button", name="Show these").click()
        expect(page.get_by_text("(1 hidden)")).to_be_attached()


def test_many_are_listed_at_once_without_javascript(house, visit):
    page = sign_in_plainly(visit(house.address, java_script_enabled=False))
    page.goto(f"{house.address}/opportunities?all=1")
    boxes = page.locator("main tbody input[name=ids]:enabled")
    for number in range(3):
        boxes.nth(number).check()
    page.get_by_role("button", name=re.compile("Dismiss")).click()
    expect(page.get_by_text("3 dismissed")).to_be_visible()


def sign_in_plainly(visitor):
    visitor.page.goto(visitor.address + "/sign-in")
    visitor.page.get_by_label("E-mail").fill("owner@soleflip.test")
    visitor.page.get_by_label("Password").fill("correct horse battery")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("heading", name="Dashboard")).to_be_visible()
    return visitor.page


def test_progress_moves_by_itself_and_ends(house, visit):
    from soleflip.models import Run
    from soleflip.services import runs

    transaction = house.app.extensions["soleflip"].transaction
    with house.app.app_context(), transaction() as session:
        run = runs.start(session, "reprice", actor="x", total=8)
        run.state = "running"
    visitor = visit(house.address)
    visitor.sign_in()
    visitor.go(f"/runs/{run.id}")
    card = visitor.page.locator(f"[id='run-{run.id}']")
    card.get_by_role("button", name="Cancel").focus()
    with house.app.app_context(), transaction() as session:
        session.get(Run, run.id).done = 5
    card.locator(".progress-count").get_by_text("5 of 8").wait_for()
    focused = visitor.page.evaluate("document.activeElement.id")
    assert focused == f"cancel-{run.id}"
    with house.app.app_context(), transaction() as session:
        runs.finish(session, run.id, "done", message="All looked at.")
    card.get_by_text("All looked at.").wait_for()
    expect(card).not_to_have_attribute("hx-trigger", re.compile(".*"))
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.wait_for_timeout(2500)
    assert asked == []
    assert visitor.complaints == []


def test_an_answer_of_an_error_leaves_the_page_as_it_was(house, visit):
    visitor = visit(house.address)
    visitor.sign_in()
    visitor.go("/runs")
    visitor.page.evaluate("htmx.ajax('GET', '/runs?after=nonsense', '#runs-table')")
    visitor.page.locator("#notices").get_by_text("no longer there").wait_for()
    expect(visitor.page.locator("#runs-table tbody tr").nth(4)).to_be_visible()
