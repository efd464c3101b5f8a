"""Opportunities: the best hundred read from what is stored, and what new quotes cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.figures import Figure, fastest, rows_read, statements, timed
from bench.world import World, fill_market
from soleflip.services import evaluation, opportunities
from soleflip.services.opportunity_filter import OpportunityFilter

BEST = 100
QUOTED = 200
SIZES = 5
# The same question asked of offers and quotes themselves: what a program without stored profit would do.
LIVE = """
SELECT offers.id, products.title, products.style_code, brands.name, variants.size, shops.name, offers.price,
    quotes.lowest_ask, quotes.highest_bid, quotes.lowest_ask - GREATEST(quotes.lowest_ask * 0.09, 5)
        - quotes.lowest_ask * 0.03 - 4.50 - 0.30 - offers.price - COALESCE(offers.delivery, 0) AS profit
FROM integration.market_prices AS offers
JOIN integration.shops AS shops ON shops.id = offers.shop_id
JOIN products.variants AS variants ON variants.id = offers.variant_id
JOIN products.products AS products ON products.id = variants.product_id
LEFT JOIN products.brands AS brands ON brands.id = products.brand_id
JOIN integration.latest_quotes AS quotes ON quotes.variant_id = offers.variant_id AND quotes.currency = 'EUR'
WHERE offers.match_state = 'firm' AND offers.in_stock AND offers.gone_at IS NULL
    AND quotes.at >= :oldest_quote AND (offers.seen_at >= :oldest_offer OR shops.seen_at >= :oldest_offer)
ORDER BY profit DESC, offers.id LIMIT :best
"""


def measure(world: World, products: int) -> list[Figure]:
    """Fill the market, compute everything once, and ask for the best."""
    with Session(world.engine) as session:
        offers = fill_market(session, products, SIZES, world.now)
        session.commit()
        world.analyze()
        whole, computed = timed(lambda: evaluation.recompute(session, world.now))
        session.commit()
    if computed != offers:
        raise RuntimeError(f"{computed} of {offers} offers were computed")
    world.analyze()
    with Session(world.engine) as session:
        return [*_best(session, world, offers), *_new_quotes(session, world, products, whole)]


def _best(session: Session, world: World, offers: int) -> list[Figure]:
    work = f"best {BEST} of {offers:,} opportunities"

    def ask() -> Any:
        session.expunge_all()
        return opportunities.search(session, OpportunityFilter(), now=world.now, limit=BEST)

    with statements(world.engine) as sent:
        page = ask()
    read = rows_read(session.connection(), sent[-1])
    ages = {"oldest_quote": world.now - timedelta(hours=24), "oldest_offer": world.now - timedelta(hours=168)}
    live = fastest(lambda: session.execute(text(LIVE), {**ages, "best": BEST}).all(), 3)
    stored = fastest(lambda: session.connection().exec_driver_sql(sent[-1].sql, sent[-1].parameters).all(), 5)
    return [
        Figure(work, "rows shown", len(page.rows), "rows", least=min(BEST, offers // 10)),
        Figure(work, "statements", len(sent), "statements", most=3),
        Figure(work, "rows of opportunities read", read["opportunities"], "rows", most=BEST + 1),
        Figure(work, "time of its statement / of the live query", stored / live, "x", most=1 / 20),
        Figure(work, "time with its objects / of the live query", fastest(ask) / live, "x", most=1 / 20),
    ]


def _new_quotes(session: Session, world: World, products: int, whole: float) -> list[Figure]:
    some = min(QUOTED, products // 10)
    work = f"new quotes for {some} products"
    later = world.now + timedelta(minutes=5)
    ids = list(session.scalars(text("SELECT id FROM products.products ORDER BY id LIMIT :n"), {"n": some}))
    session.execute(
        text("""
        UPDATE integration.latest_quotes SET lowest_ask = lowest_ask + 1, at = :later
        WHERE variant_id IN (SELECT id FROM products.variants WHERE product_id = ANY(:ids))"""),
        {"later": later, "ids": ids},
    )
    with statements(world.engine) as sent:
        seconds, computed = timed(lambda: evaluation.recompute(session, later, ids))
    written = session.scalar(
        text("SELECT count(*) FROM integration.opportunities WHERE xmin = pg_current_xact_id()::xid")
    )
    session.commit()
    return [
        Figure(work, "statements", len(sent), "statements", most=2),
        Figure(work, "rows written / rows that changed", float(written or 0) / (some * SIZES), "x", most=1, least=1),
        Figure(work, "rows computed", computed, "rows", most=some * SIZES, least=some * SIZES),
        Figure(work, "time / of a full recompute", seconds / whole, "x", most=1 / 20),
    ]
