"""The page of fees: figures with their days, refused at the field, removed again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from soleflip.models import AuditEntry
from soleflip.services import fees
from tests.web.conftest import EMAIL, post


def book_of(app):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        return fees.book(session)


def test_figures_hold_from_their_day_on_and_leave_the_days_before_alone(app, browser):
    answer = post(browser, "/settings/fees/figures", valid_from="2026-03-01", currency="EUR", shipping="6.10")
    assert answer.status_code == 303
    book = book_of(app)
    assert book.schedule(None, date(2026, 3, 1)).shipping == Decimal("6.10")
    assert book.schedule(None, date(2026, 2, 28)).shipping == Decimal("4.50")
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        entry = session.query(AuditEntry).filter_by(act="settings").one()
        assert (entry.actor, entry.subject, entry.before["shipping"]) == (EMAIL["operator"], "fees", "4.50")
    assert "6.10" in browser.get("/settings/fees").text
    post(browser, "/settings/fees/figures/remove", valid_from="2026-03-01", category="standard")
    assert book_of(app).figures == ()


def test_each_part_can_be_entered_and_the_page_shows_it(app, browser):
    post(browser, "/settings/fees/penalties", valid_from="2026-01-01", rate="0.2", minimum="12")
    post(browser, "/settings/fees/levels", valid_from="2026-01-01", sales_2="15")
    post(browser, "/settings/fees/figures", valid_from="2026-01-01", category="apparel", minimum_fee="3")
    book, day = book_of(app), date(2026, 5, 1)
    assert book.penalty(day).of(Decimal(100)) == 20
    assert book.level_table(day)[0][1].sales == 15
    assert book.schedule("apparel", day).minimum_fee == 3
    assert book.schedule("sneakers", day).minimum_fee == 5
    text = browser.get("/settings/fees").text
    assert "from 15 sales" in text
    assert "Failing to ship costs 20.0" in text.replace("\u202f", " ")


def test_what_makes_no_sense_is_refused_at_its_field_and_stays_typed(browser):
    answer = post(browser, "/settings/fees/figures", valid_from="soon", shipping="7.77")
    assert answer.status_code == 422
    assert "is not a day" in answer.text
    assert 'value="soon"' in answer.text
    assert 'value="7.77"' in answer.text
    answer = post(browser, "/settings/fees/levels", sales_3="1")
    assert "A higher level takes more sales." in answer.text
    assert post(browser, "/settings/fees/nonsense", x="1").status_code == 404
    assert post(browser, "/settings/fees/figures/remove", valid_from="x").status_code == 422
