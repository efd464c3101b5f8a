"""Is a year's profit read at once, however many sales it has, and right to the cent?

    python bench/profit_days.py [--orders 100000]

Fills a PostgreSQL of its own with sales and their lines in the books, refreshes the stored days, and compares them
with the full sum; then reads the tax page of 20,000 sales, writes its files, and looks at the memory the CSV takes. The
exit status is 1 when a figure differs, a year takes longer than a second, the page longer than two, or the CSV grows by
more than 50 MB. A million sales take a few minutes to write.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import flask_migrate
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from soleflip import local
from soleflip.config import PROJECT, Settings
from soleflip.db import db
from soleflip.domain.analytics import Period
from soleflip.services import analytics, profit_days, tax, tax_files
from soleflip.services.runs import Books
from soleflip.services.tax_span import Span

BOOKS = Books("EUR", ZoneInfo("Europe/Berlin"))
YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LINES = {
    "sale": ("Sale price", "sale_price", "true"),
    "adjustment": ("Transaction Fee", "net_proceeds - sale_price", "true"),
    "cost": ("Cost of item", "-round(sale_price * 0.6, 2)", "n % 10 > 0"),
}
"""Name, amount and condition of each line in the books: one sale in ten has no known cost."""
T = TypeVar("T")


def fill(session: Session, orders: int, year: int) -> None:
    """Sales of a year, evenly over its days, each with its lines in the books; keys are not checked, to save time."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(
        text(f"""
        INSERT INTO selling.stockx_orders (stockx_order_number, currency, sale_price, net_proceeds, order_status,
            stockx_status, match_state, report, sold_at, realised_at)
        SELECT '{year}-' || n, 'EUR', price, price - round(price * 0.09, 2) - 4.50, 'completed', 'COMPLETED', 'past',
            '{{}}', timestamptz '{year}-01-01' + (n % 365) * interval '1 day' + (n % 86400) * interval '1 second', now()
        FROM (SELECT n, 40 + n % 300 + (n % 97) / 100.0 AS price FROM generate_series(1, {orders}) n) made""")
    )
    for kind, (name, amount, condition) in LINES.items():
        session.execute(
            text(f"""
            INSERT INTO selling.ledger_entries (order_id, kind, name, amount, currency, books_amount, books_currency,
                rate, rate_source, rate_date, booked_at)
            SELECT id, '{kind}', '{name}', {amount}, 'EUR', {amount}, 'EUR', 1, 'same currency', sold_at::date, sold_at
            FROM (SELECT *, split_part(stockx_order_number, '-', 2)::int AS n FROM selling.stockx_orders) made
            WHERE stockx_order_number LIKE '{year}-%' AND {condition}""")
        )
    session.execute(text("SET LOCAL session_replication_role = origin"))


def timed(what: str, act: Callable[[], T]) -> tuple[float, T]:
    """Do it, and print how long it took."""
    began = time.perf_counter()
    result = act()
    seconds = time.perf_counter() - began
    print(f"{what:<44}{seconds:>9.3f} s")
    return seconds, result


def measure(session: Session, orders: int) -> list[str]:
    """Measure everything; returns what is not as it should be."""
    timed(f"{orders} sales written", lambda: fill(session, orders, 2025))
    fill(session, min(orders, 20_000), 2024)
    session.execute(text("ANALYZE"))
    timed("all days refreshed", lambda: profit_days.refresh_all(session, BOOKS, NOW))
    timed("one day refreshed", lambda: profit_days.refresh_days(session, [date(2025, 5, 5)], BOOKS, NOW))
    seconds, stored = timed("profit of the year, stored days", lambda: analytics.profit(session, YEAR, BOOKS))
    _, whole = timed("profit of the year, full sum", lambda: analytics.full_sum(session, YEAR, BOOKS))
    by_day, _ = timed("profit by day", lambda: analytics.over_time(session, YEAR, "day", BOOKS))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    csv = tax_files.as_csv(session, 2024, "plain", BOOKS)
    timed("tax report of 20,000 sales as CSV", lambda: sum(len(part) for part in csv))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{'memory it took':<44}{grown:>9.1f} MB")
    span = Span(2024, "margin_scheme", BOOKS)
    page, found = timed("tax page of 20,000 sales", lambda: tax.overview(session, span))
    timed("its next page", lambda: tax.overview(session, span, after=found.next))
    with tempfile.TemporaryFile() as file:
        timed("tax report of 20,000 sales as XLSX", lambda: tax_files.as_xlsx(session, 2024, "plain", BOOKS, file))
    timed("tax report of 20,000 sales as PDF", lambda: tax_files.as_pdf(session, 2024, "plain", BOOKS))
    faults = []
    if stored != whole or stored.sales == 0:
        faults.append(f"the stored days are not the full sum: {stored} against {whole}")
    if max(seconds, by_day) > 1:
        faults.append("a year takes longer than a second")
    if page > 2:
        faults.append("the tax page takes longer than two seconds")
    if grown > 50:
        faults.append("the tax report is held in memory")
    return faults


def main() -> int:
    """Run the benchmark on a throw-away database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    orders = parser.parse_args().orders
    with tempfile.TemporaryDirectory(prefix="soleflip-bench-") as folder:
        Path(folder).chmod(0o755)
        settings = Settings.from_env({"SOLEFLIP_DATA": folder})
        app = Flask("soleflip")
        app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_url
        db.init_app(app)
        flask_migrate.Migrate(app, db, directory=str(PROJECT / "migrations"))
        with local.servers(settings, durable=False), app.app_context():
            flask_migrate.upgrade()
            with Session(db.engine) as session:
                faults = measure(session, orders)
            db.engine.dispose()
    for fault in faults:
        print(f"FAILED: {fault}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
