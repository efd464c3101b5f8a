"""From a rule to a listed pair in a real browser: write the sentence, preview it, approve one decision, see the ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import Stack, running_stack
from tests.e2e.conftest import Visitor
from tests.e2e.test_main_job import DEMO_FEED, LONG, enter, import_feed

pytestmark = pytest.mark.e2e


@pytest.fixture
def own_stack(test_folder: Path) -> Iterator[Stack]:
    """A stack whose opportunities nobody has listed yet."""
    with running_stack(test_folder / "automation") as running:
        yield running


def test_a_rule_is_written_previewed_and_its_decision_listed(visit: Callable[..., Visitor], own_stack: Stack) -> None:
    visitor = enter(visit, own_stack)
    import_feed(visitor, DEMO_FEED)
    page = visitor.page
    visitor.go("/automation/rules/new")
    page.get_by_label("Name", exact=True).fill("Bargains")
    page.get_by_label("Least profit").fill("5")
    page.get_by_label("Least ROI").fill("")
    page.get_by_label("Action", exact=True).select_option("list")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name=re.compile(r"Now it would do [1-9]"))).to_be_visible()
    expect(page.get_by_label("Least profit")).to_have_value("5")
    page.get_by_role("button", name="Keep the rule").click()
    expect(page.get_by_text("waits for your approval")).to_be_visible()

    visitor.go("/automation/decisions")
    page.get_by_role("button", name="Let the rules look now").click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* decided"))).to_be_visible(timeout=LONG)
    visitor.go("/automation/decisions")
    first = page.locator("tbody tr").first
    name = first.locator(".cell-title").inner_text()
    first.get_by_role("checkbox").check()
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_text("1 carried out.")).to_be_visible()

    visitor.go("/automation/decisions?state=done")
    expect(page.get_by_text("One pair bought, to be listed at")).to_be_visible()
    page.get_by_role("link", name="The run").click()
    expect(page.get_by_text("1 listed.")).to_be_visible(timeout=LONG)
    visitor.go("/automation/pipeline?stage=listed&rules=1")
    expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_text("A buyer")).to_be_visible()
    assert visitor.complaints == []
