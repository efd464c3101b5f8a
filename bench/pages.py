"""List pages: their statements whatever is asked, the last page against the first, and a bare page beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from flask import Flask, render_template
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.figures import Figure, rows_read, statements, timed
from bench.world import World, fill_listings
from soleflip.services.listing_filter import SORTS, STATES, WARNINGS, ListingFilter
from soleflip.services.listing_overview import PAGE
from soleflip.services.listing_query import cursor_behind, heads, moments, page_of
from soleflip.services.settings import Thresholds

LATE = 0.95
MAX_AGE = timedelta(hours=Thresholds().max_quote_age_hours)
LISTS = ("/listings", "/opportunities", "/orders", "/inventory")
BARE = Path(__file__).with_name("bare_listings.html")


def measure(world: World, listings: int) -> list[Figure]:
    """Fill the Listings page and ask for it in every way."""
    with Session(world.engine) as session, session.begin():
        fill_listings(session, listings, world.now)
    world.analyze()
    browser = world.browser()
    work = f"list pages, {listings:,} listings"
    most, asked = _most_statements(world, browser)
    late = _late_page(world)
    tries = 20 if listings > 5000 else 1

    def visit(address: str) -> Callable[[], object]:
        return lambda: _get(browser, address)

    with statements(world.engine) as sent:
        _get(browser, "/listings")
    with world.engine.connect() as connection:
        read = max(rows_read(connection, one)["stockx_listings"] for one in sent if one.sql.startswith("SELECT"))
    bare = _bare(world)
    asked_for = (visit("/listings"), visit(f"/listings?after={late}"), lambda: bare.get("/"))
    for once in asked_for:
        once()
    # By turns, so that what else the machine does meets all of them.
    visits = [[timed(one)[0] for one in asked_for] for _ in range(tries)]
    first, last, plain = (min(seconds) for seconds in zip(*visits, strict=True))
    return [
        Figure(work, f"most statements of {asked} filters and sorts of Listings", most, "statements", most=4),
        *(
            Figure(work, f"statements of {path}", _statements(world, browser, path), "statements", most=4)
            for path in LISTS[1:]
        ),
        Figure(work, "rows of listings read for the first page", read, "rows"),
        Figure(work, "rate of the page at 95 % / of the first", first / last, "x", least=0.9),
        Figure(work, "rate / a bare Flask page's with the same table", plain / first, "x", least=0.5),
    ]


def _get(browser: FlaskClient, address: str) -> None:
    answer = browser.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answers {answer.status_code}")


def _statements(world: World, browser: FlaskClient, address: str) -> int:
    with statements(world.engine) as sent:
        _get(browser, address)
    return len(sent)


def _most_statements(world: World, browser: FlaskClient) -> tuple[int, int]:
    queries = [f"sort={way}{name}" for name in SORTS for way in ("", "-")]
    queries += [f"state={name}" for name in STATES] + [f"warning={name}" for name in WARNINGS] + ["q=model+7&brand=3"]
    return max(_statements(world, browser, f"/listings?{query}") for query in queries), len(queries)


def _late_page(world: World) -> str:
    """Return the cursor of the page that begins at 95 % of the lines, in the page's own order."""
    lines, values = heads(ListingFilter()), moments(world.now, MAX_AGE)
    with Session(world.engine) as session:
        number = session.scalar(select(func.count()).select_from(lines.order_by(None).subquery()), values) or 0
        return cursor_behind(session.execute(lines.offset(int(number * LATE)).limit(1), values).one())


def _bare(world: World) -> FlaskClient:
    """Return a browser on an application that only runs the page's query and writes the same table from its rows."""
    app = Flask("bare")
    template = app.jinja_env.from_string(BARE.read_text("utf-8"))

    @app.get("/")
    def index() -> str:
        with Session(world.engine) as session:
            rows = session.execute(*page_of(ListingFilter(), world.now, MAX_AGE, PAGE + 1)).all()
        return render_template(template, rows=rows[:PAGE], warnings=WARNINGS)

    return app.test_client()
