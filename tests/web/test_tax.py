"""The tax report's page: small years download at once, big ones are made by a run and downloaded then."""

from __future__ import annotations

import io

import openpyxl
import pytest
from sqlalchemy import text

from soleflip.jobs import tasks
from tests.services.test_tax_exports import MANY_SALES
from tests.web.conftest import post


@pytest.fixture
def sell_many(app):
    def sell(count):
        with app.app_context(), app.extensions["soleflip"].transaction() as session:
            session.execute(text(MANY_SALES), {"count": count})

    return sell


def test_a_small_year_is_downloaded_at_once(browser, sell_many):
    sell_many(3)
    page = browser.get("/tax?year=2025").text
    assert "/tax/2025.xlsx" in page
    for form, starts in (("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("pdf", b"%PDF")):
        answer = browser.get(f"/tax/2025.{form}?treatment=plain&basis=sale")
        assert answer.status_code == 200
        assert answer.data.startswith(starts)
        assert f"soleflip-tax-2025-plain.{form}" in answer.headers["Content-Disposition"]
        answer.close()


def test_a_big_year_is_made_by_a_run_and_downloaded_then(app, browser, sell_many):
    sell_many(2001)
    page = browser.get("/tax?year=2025").text
    assert "/tax/2025.xlsx" not in page
    assert "Make XLSX" in page
    assert browser.get("/tax/2025.xlsx?treatment=plain").status_code == 409
    answer = post(browser, "/tax/2025/files", treatment="plain", basis="sale", form="xlsx")
    assert answer.status_code == 303
    run_id = answer.location.rsplit("/", 1)[1]
    assert browser.get(f"/tax/files/{run_id}").status_code == 404, "not made yet"
    with app.app_context():
        tasks.perform(run_id)
    assert f"/tax/files/{run_id}" in browser.get(answer.location).text
    assert "soleflip-tax-2025-plain.xlsx" in browser.get("/tax?year=2025").text
    file = browser.get(f"/tax/files/{run_id}")
    assert file.headers["Content-Length"] == str(len(file.data))
    sheet = openpyxl.load_workbook(io.BytesIO(file.data), read_only=True)["Sales"]
    assert sum(1 for _ in sheet.values) == 2003


@pytest.mark.parametrize("form", [{"form": "docx"}, {"treatment": "nonsense"}, {"basis": "guess"}])
def test_a_file_that_there_is_not_is_refused(browser, form):
    wanted = {"treatment": "plain", "basis": "sale", "form": "pdf", **form}
    assert post(browser, "/tax/2025/files", **wanted).status_code == 422
