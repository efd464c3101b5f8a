"""The books: a year's profit from stored days against the full sum, and the tax report as it streams."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bench.figures import Figure, fastest, memory, statements, timed
from bench.world import World
from soleflip.domain.analytics import Period
from soleflip.models import ProfitDay
from soleflip.services import analytics, profit_days, tax_files
from soleflip.services.runs import Books

BOOKS = Books("EUR", ZoneInfo("Europe/Berlin"))
YEAR = Period(date(2025, 1, 1), date(2025, 12, 31))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
TAXED = 20_000
LINES = {
    "sale": ("Sale price", "sale_price", "true"),
    "adjustment": ("Transaction Fee", "net_proceeds - sale_price", "true"),
    "cost": ("Cost of item", "-round(sale_price * 0.6, 2)", "n % 10 > 0"),
}
"""Name, amount and condition of each line in the books: one sale in ten has no known cost."""


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


def measure(world: World, orders: int) -> list[Figure]:
    """Fill the books with a year of sales, store its days, and compare what they say with the full sum."""
    with Session(world.engine) as session:
        fill(session, orders, 2025)
        session.commit()
        world.analyze()
        profit_days.refresh_all(session, BOOKS, NOW)
        fill(session, min(orders, TAXED), 2024)
        fill(session, min(orders, TAXED) // 10, 2023)
        session.commit()
        world.analyze()
        return [*_profit(session, world, orders), *_tax_report(session, min(orders, TAXED))]


def _profit(session: Session, world: World, orders: int) -> list[Figure]:
    work = f"profit of a year of {orders:,} sales"
    summing, whole = timed(lambda: analytics.full_sum(session, YEAR, BOOKS))
    with statements(world.engine) as sent:
        stored = analytics.profit(session, YEAR, BOOKS)
    reading = fastest(lambda: analytics.profit(session, YEAR, BOOKS))
    by_day = fastest(lambda: analytics.over_time(session, YEAR, "day", BOOKS))
    later = datetime(2026, 1, 3, tzinfo=UTC)
    refreshing, _ = timed(lambda: profit_days.refresh_days(session, [date(2025, 5, 5)], BOOKS, later))
    refreshed = len(session.scalars(select(ProfitDay.day).where(ProfitDay.computed_at == later)).all())
    session.rollback()
    return [
        Figure(work, "difference to the full sum", float(abs(stored.profit - whole.profit)), "EUR", most=0),
        Figure(work, "sales counted / in the full sum", stored.sales / whole.sales, "x", least=1, most=1),
        Figure(work, "statements", len(sent), "statements", most=3),
        Figure(work, "time from stored days / of the full sum", reading / summing, "x", most=1 / 50),
        Figure(work, "time day by day / of the full sum", by_day / summing, "x", most=1 / 50),
        Figure(work, "days refreshed by a new order", refreshed, "days", most=1, least=1),
        Figure(work, "time of that refresh / of the full sum", refreshing / summing, "x"),
        *_dashboard(world, orders, summing),
    ]


def _dashboard(world: World, orders: int, summing: float) -> list[Figure]:
    """The whole page, frame and all: beside fewer orders its own work is more than a fiftieth of the sum."""
    browser = world.browser()

    def visit() -> None:
        if browser.get("/").status_code != 200:
            raise RuntimeError("the dashboard does not answer")

    visit()
    with statements(world.engine) as sent:
        visit()
    work, most = f"whole dashboard over {orders:,} sales", 1 / 50 if orders >= 1_000_000 else None
    return [
        Figure(work, "statements", len(sent), "statements", most=4),
        Figure(work, "time of the page / of the full sum", fastest(visit) / summing, "x", most=most),
    ]


def _tax_report(session: Session, sales: int) -> list[Figure]:
    work = f"tax report of {sales:,} sales"
    small = _held(session, 2023)[0]
    held, first, seconds, lines = _held(session, 2024)
    return [
        Figure(work, "lines / sales", (lines - 2) / sales, "x", least=1, most=1),
        Figure(work, "time to the first sale / to the last", first / seconds, "x", most=0.1),
        Figure(work, "memory beyond that of a tenth", max(0.0, held - small), "MB", most=10),
    ]


def _held(session: Session, year: int) -> tuple[float, float, float, int]:
    """Write a report; return the most memory held in MB, seconds to the first sale and to the end, and its lines."""
    parts = iter(tax_files.as_csv(session, year, "plain", BOOKS))
    first, header = timed(lambda: next(parts) + next(parts))
    most, lines = memory(), header.count("\n")

    def rest() -> None:
        nonlocal most, lines
        for number, part in enumerate(parts):
            lines += part.count("\n")
            if number % 200 == 0:
                most = max(most, memory())

    seconds, _ = timed(rest)
    return max(most, memory()), first, first + seconds, lines
