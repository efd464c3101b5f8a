"""The Analytics page: what is realised and what is not stand apart."""

from __future__ import annotations

from sqlalchemy import text

from tests.services.test_tax_exports import MANY_SALES


def test_sales_that_are_not_paid_yet_do_not_count_among_the_realised(app, browser):
    with app.app_context(), app.extensions["soleflip"].transaction() as session:
        session.execute(text(MANY_SALES), {"count": 3})
    page = browser.get("/analytics?period=all").text
    realised, _, rest = page.partition(">Realised<")[2].partition("<h2")
    assert "Net profit" in realised
    for pace in ("Days to sell", "Sell-through"):
        assert pace not in realised
        assert pace in rest
