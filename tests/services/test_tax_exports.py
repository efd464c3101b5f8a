"""Files of big years: streamed, made by a run, kept for a while, with the same figures as the page."""

from __future__ import annotations

import gc
import io
import tempfile
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import Export, ExportChunk, Run
from soleflip.services import runs, tax, tax_exports, tax_files
from soleflip.services.runs import NOW, Books, Work
from soleflip.services.tax_exports import Wanted
from soleflip.services.tax_rows import TaxRow

MANY_SALES = """
WITH sold AS (
    INSERT INTO selling.stockx_orders (stockx_order_number, stockx_status, order_status, source, match_state, currency,
        sale_price, net_proceeds, sold_at, realised_at, title, style_code, size)
    SELECT 'N' || n, 'COMPLETED', 'completed', 'report', 'past', 'EUR', 100, 85, at, at, 'Gel One', 'AB1234-100', '9'
    FROM (SELECT n, timestamptz '2025-01-02' + n * interval '25 minutes' AS at
        FROM generate_series(1, :count) AS n) AS times
    RETURNING id, sold_at)
INSERT INTO selling.ledger_entries (order_id, kind, name, amount, currency, books_amount, books_currency, rate,
    rate_source, rate_date, booked_at)
SELECT id, kind, name, amount, 'EUR', amount, 'EUR', 1, 'same currency', sold_at::date, sold_at
FROM sold, (VALUES ('sale', 'Sale price', 100.00), ('adjustment', 'Transaction fee', -9.00),
    ('adjustment', 'Payment Proc. (3%)', -3.00), ('adjustment', 'Shipping', -3.00), ('cost', 'Cost of item', -60.00))
    AS line (kind, name, amount)
"""


NOTHING = "SET LOCAL soleflip.erasing = 'yes'; TRUNCATE selling.ledger_entries, selling.stockx_orders CASCADE"


def sell_many(session: Session, count: int) -> None:
    session.execute(text(MANY_SALES), {"count": count})
    session.execute(text("ANALYZE selling.ledger_entries"))


@pytest.fixture
def work(transaction: Any, clock: Any, books: Books) -> Callable[..., Work]:
    def make(**params: Any) -> Work:
        wanted = {"year": 2025, "treatment": "plain", "basis": "sale", **params}
        with transaction() as session:
            run = runs.start(session, tax_exports.KIND, actor="test", params=wanted)
        return Work(run.id, wanted, "test", transaction, None, clock, books)  # type: ignore[arg-type]

    return make


def peak(act: Callable[[], object]) -> int:
    """How many bytes are held at once while something is done."""
    tracemalloc.start()
    act()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def as_csv(session: Session, books: Books) -> None:
    for _ in tax_files.as_csv(session, 2025, "plain", books):
        pass


def as_xlsx(session: Session, books: Books) -> None:
    with tempfile.TemporaryFile() as file:
        tax_files.as_xlsx(session, 2025, "plain", books, file)


@pytest.mark.parametrize("write", [as_csv, as_xlsx])
def test_three_times_the_sales_take_no_more_memory(session: Session, books: Books, write: Any) -> None:
    sell_many(session, 1200)
    write(session, books)  # what is loaded once
    few = peak(lambda: write(session, books))
    session.execute(text(NOTHING))
    sell_many(session, 3600)
    assert peak(lambda: write(session, books)) < few * 1.5


def test_of_twenty_thousand_sales_a_few_hundred_are_held_at_once(session: Session, books: Books) -> None:
    sell_many(session, 20_000)
    lines, most = 0, 0
    for block in tax_files.as_csv(session, 2025, "plain", books):
        lines += block.count("\n")
        if not lines % 7:
            most = max(most, sum(isinstance(each, TaxRow) for each in gc.get_objects()))
    assert lines == 20_002
    assert 0 < most <= 1000


def test_a_big_year_is_refused_at_once_and_a_small_one_is_not(session: Session, books: Books) -> None:
    sell_many(session, 2000)
    tax_exports.refuse_big(tax.report(session, 2025, "plain", books))
    session.execute(text(NOTHING))
    sell_many(session, 2001)
    with pytest.raises(Conflict, match="made by a run"):
        tax_exports.refuse_big(tax.report(session, 2025, "plain", books))


@pytest.mark.parametrize("treatment", ["plain", "margin_scheme"])
def test_a_run_makes_the_workbook_with_the_figures_of_the_page(
    transaction: Any, work: Any, books: Books, treatment: str
) -> None:
    with transaction() as session:
        sell_many(session, 1200)
        total = tax.report(session, 2025, treatment, books).total
    job = work(form="xlsx", treatment=treatment)
    for _ in range(2):  # a second time takes the place of the first
        assert tax_exports.perform(job).startswith(f"soleflip-tax-2025-{treatment}.xlsx has 1,200 rows.")
    with transaction() as session:
        (export,) = tax_exports.recent(session)
        content = b"".join(tax_exports.content(session, job.run_id))
        run = session.get_one(Run, job.run_id)
    assert (export.rows, export.size, run.done, run.total) == (1200, len(content), 1200, 1200)
    header, *rows = openpyxl.load_workbook(io.BytesIO(content), read_only=True)["Sales"].values
    last = dict(zip(header, rows[-1], strict=True))
    for name, amount in (("Payout (EUR)", total.payout), ("VAT (EUR)", total.vat), ("Profit (EUR)", total.profit)):
        assert Decimal(str(last[name])).quantize(Decimal("0.01")) == amount


def test_a_run_makes_the_pdf_with_every_row(transaction: Any, work: Any) -> None:
    with transaction() as session:
        sell_many(session, 2100)
    job = work(form="pdf")
    tax_exports.perform(job)
    with transaction() as session:
        content = b"".join(tax_exports.content(session, job.run_id))
        export = tax_exports.get(session, job.run_id)
    assert content.startswith(b"%PDF")
    assert export.rows == 2100
    assert content.count(b"/Type /Page\n") >= 2100 // 45


def test_files_are_kept_in_chunks_and_removed_after_a_week(transaction: Any, work: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(tax_exports, "CHUNK", 1000)
    with transaction() as session:
        sell_many(session, 20)
    old, new = work(form="xlsx"), work(form="pdf")
    for job in (old, new):
        tax_exports.perform(job)
    with transaction() as session:
        assert (session.scalar(select(func.count()).select_from(ExportChunk)) or 0) > 4
        session.execute(
            update(Export).where(Export.run_id == old.run_id).values(created_at=NOW - timedelta(days=7, minutes=1))
        )
    assert tax_exports.tidy(new) == "1 file removed."
    with transaction() as session:
        assert [export.run_id for export in tax_exports.recent(session)] == [new.run_id]
        assert set(session.scalars(select(ExportChunk.run_id))) == {new.run_id}
        with pytest.raises(NotFound, match="removed after 7 days"):
            tax_exports.get(session, old.run_id)


def test_a_cancelled_run_leaves_no_file(transaction: Any, work: Any) -> None:
    with transaction() as session:
        sell_many(session, 600)
    job = work(form="xlsx")
    with transaction() as session:
        session.execute(update(Run).where(Run.id == job.run_id).values(cancel_requested=True))
    with pytest.raises(runs.Cancelled):
        tax_exports.perform(job)
    with transaction() as session:
        assert tax_exports.recent(session) == []


def test_what_there_is_not_is_refused(books: Books) -> None:
    with pytest.raises(InvalidInput):
        Wanted(2025, "plain", "sale", "docx")
    with pytest.raises(InvalidInput):
        Wanted(2025, "nonsense", "sale", "pdf").span(books)
