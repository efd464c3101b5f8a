"""The first page of a hundred thousand and of a million offers: `python -m bench.million [--small]`.

For every order of the Opportunities page: statements, rows of opportunities read, and how its time grows tenfold up.
The market is the one of the other benchmarks; opportunities are written by one statement, with the published fees.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.figures import rows_read, statements, timed
from bench.world import World, fill_market, world
from soleflip.services import opportunities
from soleflip.services.opportunity_filter import ALL_SORTS, SORTS, OpportunityFilter

SIZES = 10
PAGE = 50
TIMES = 15
FILTERS = {"min_profit": "20", "shop": "1", "brand": "3", "size": "9"}
# What `services/evaluation.py` stores, for a market whose offers all have quotes; row by row it would take hours.
OPPORTUNITIES = """
INSERT INTO integration.opportunities (market_price_id, variant_id, currency, cost, ask, payout, net_profit,
    expected_profit, margin, roi, bid, payout_now, net_profit_now, stock, quote_at, offer_seen_at, offer_changed_at,
    computed_at, is_worth, shop_id, shop_name, product_id, title, brand_id, brand, size, size_eu, size_rank, price,
    words, days_to_sell)
SELECT id, variant_id, 'EUR', cost, ask, payout, payout - cost, payout - cost - 0.30, (payout - cost) / ask * 100,
    (payout - cost) / cost * 100, bid, bid * 0.88 - 4.50, bid * 0.88 - 4.50 - cost, stock, at, seen_at, changed_at,
    seen_at, payout - cost - 0.30 >= 5 AND (payout - cost) / cost >= 0.05, shop_id, shop_name, product_id, title,
    brand_id, brand, size, eu, eu::numeric, price, lower(title || ' ' || style_code), days
FROM (
    SELECT offers.id, offers.variant_id, offers.price + 4.95 AS cost, quotes.lowest_ask - 1 AS ask,
        round((quotes.lowest_ask - 1) * 0.88 - 4.50, 2) AS payout, quotes.highest_bid AS bid, offers.stock, quotes.at,
        offers.seen_at, offers.changed_at, offers.shop_id, shops.name AS shop_name, products.id AS product_id,
        products.title, brands.id AS brand_id, brands.name AS brand, variants.size, variants.sizes ->> 'eu' AS eu,
        offers.price, products.style_code, CASE WHEN offers.id % 3 = 0 THEN offers.id % 400 / 10.0 END AS days
    FROM integration.market_prices AS offers
    JOIN integration.shops AS shops ON shops.id = offers.shop_id
    JOIN products.variants AS variants ON variants.id = offers.variant_id
    JOIN products.products AS products ON products.id = variants.product_id
    JOIN products.brands AS brands ON brands.id = products.brand_id
    JOIN integration.latest_quotes AS quotes ON quotes.variant_id = offers.variant_id
) AS made
"""


def fill(on: World, products: int) -> None:
    """Make a market of this many products with its opportunities."""
    with Session(on.engine) as session:
        fill_market(session, products, SIZES, on.now)
        session.execute(text(OPPORTUNITIES))
        session.commit()
    on.analyze()


def ask(on: World, wanted: OpportunityFilter) -> Callable[[], float]:
    """Return what asks for a first page and tells the seconds it took."""
    session = Session(on.engine)

    def page() -> float:
        session.expunge_all()
        seconds, found = timed(lambda: opportunities.search(session, wanted, now=on.now, limit=PAGE))
        if not found.rows:
            raise RuntimeError(f"there is nothing on the page of {wanted}")
        return seconds

    return page


def rows(on: World, page: Callable[[], float]) -> tuple[int, int]:
    """Return how many statements a page sends, and how many rows of all tables it reads."""
    with statements(on.engine) as sent:
        page()
    with Session(on.engine) as session:
        return len(sent), sum(rows_read(session.connection(), sent[-1]).values())


def main() -> None:
    """Measure at both sizes, turn and turn about so that what else the machine does is shared, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="1,000 and 10,000 offers, to see that it runs")
    sizes = (100, 1000) if parser.parse_args().small else (10_000, 100_000)
    asked = {
        sign + name: OpportunityFilter(sort=sign + name) for name in SORTS for sign in ("", "-") if name != "match"
    }
    asked |= {
        f"all {sign}{name}": OpportunityFilter(sort=sign + name, everything=True, state=state)
        for name in ALL_SORTS
        for sign, state in (("", "open"), ("-", "any"))
    }
    asked |= {f"{name}={value}": OpportunityFilter.from_args({name: value}) for name, value in FILTERS.items()}
    with world() as few, world() as many:
        fill(few, sizes[0])
        fill(many, sizes[1])
        smaller, larger = (products * SIZES for products in sizes)
        print(f"{'first page by':16}{'statements':>12}{'rows read':>12}{smaller:>12,}{larger:>12,}{'growth':>9}")
        for name, wanted in asked.items():
            pages = ask(few, wanted), ask(many, wanted)
            sent, read = rows(many, pages[1])
            took = [(pages[0](), pages[1]()) for _ in range(TIMES)]
            before, seconds = (min(each) for each in zip(*took, strict=True))
            print(f"{name:16}{sent:12}{read:12}{before * 1e3:9.1f} ms{seconds * 1e3:9.1f} ms{seconds / before:8.1f}x")


if __name__ == "__main__":
    main()
