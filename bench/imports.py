"""Feed import against the bare work: COPY, checks and upsert of the same file, done by the database alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.figures import Figure, memory, timed
from bench.world import World, write_feed
from soleflip.feeds.demo import COLUMNS
from soleflip.services import feeds

BAD = 7
BLOCK = 1 << 20
TARGET = """
CREATE TEMP TABLE bare_offers (
    external_id text PRIMARY KEY, title text, brand text, gtin text, style_code text, size text, price numeric(10, 2),
    delivery numeric(10, 2), currency text, stock integer, link text, image_url text, content_hash text
) ON COMMIT DROP
"""
UPSERT = r"""
INSERT INTO bare_offers
SELECT DISTINCT ON (aw_product_id) aw_product_id, product_name, brand_name, lpad(ean, 14, '0'),
    substring(description FROM '[^ ]+$'), "Fashion:size", search_price::numeric, nullif(delivery_cost, '')::numeric,
    currency, stock_quantity::integer, aw_deep_link, merchant_image_url,
    md5(concat_ws('|', product_name, brand_name, ean, description, "Fashion:size", search_price, stock_quantity))
FROM bare_stage
WHERE search_price ~ '^\d+(\.\d\d?)?$' AND ean ~ '^\d{13}$' AND currency = 'EUR' AND aw_product_id <> ''
    AND product_name <> '' AND "Fashion:size" <> '' AND (
        SELECT sum(substr(ean, i, 1)::integer * CASE i % 2 WHEN 0 THEN 3 ELSE 1 END) FROM generate_series(1, 13) i
    ) % 10 = 0
ON CONFLICT (external_id) DO UPDATE SET price = EXCLUDED.price, stock = EXCLUDED.stock,
    content_hash = EXCLUDED.content_hash
"""


def measure(world: World, rows: int) -> list[Figure]:
    """Import a file of so many rows, the same file again, and one with bad rows; nothing of it is kept."""
    work = f"import of {rows:,} rows of 1.5 kB"
    # Below a batch memory still grows with the rows, and rightly.
    tenth = max(rows // 10, min(feeds.BATCH, rows // 2))
    small = write_feed(world.folder / "small.csv", tenth)
    large = write_feed(world.folder / "large.csv", rows)
    bad = write_feed(world.folder / "bad.csv", tenth, bad=BAD)
    with Session(world.engine) as session:
        before = _import(session, world, small)[2]
        session.rollback()
        seconds, first, peak = _import(session, world, large)
        session.execute(text("SAVEPOINT imported"))
        again = _import(session, world, large)[1]
        written = _written(session)
        session.rollback()
        refused = _import(session, world, bad)[1]
        session.rollback()
        bare, taken = timed(lambda: _bare(session, large))
        session.rollback()
    good = tenth - BAD
    return [
        Figure(work, "rows taken", first.imported, "rows", least=rows, most=rows),
        Figure(work, "rows the bare way takes", taken, "rows", least=rows, most=rows),
        Figure(work, "rows a second / the bare way's", bare / seconds, "x", least=0.6),
        Figure(work, "rows a second", rows / seconds, "rows/s"),
        Figure(work, f"memory beyond that of {tenth:,} rows", max(0.0, peak - before), "MB", most=10),
        Figure(work, "the same file again: rows written", again.imported + again.updated + written, "rows", most=0),
        Figure(work, f"rows lost of {BAD} bad ones", refused.refused, "rows", most=BAD, least=BAD),
        Figure(work, "good rows beside them taken", refused.imported, "rows", most=good, least=good),
    ]


def _import(session: Session, world: World, path: Path) -> tuple[float, feeds.ImportResult, float]:
    """Import; returns seconds, the result and the most memory held, in MB."""
    held = [memory()]

    def tell(_rows: int, _refused: int) -> None:
        held.append(memory())

    seconds, result = timed(lambda: feeds.import_file(session, path, now=world.now, progress=tell))
    return seconds, result, max(*held, memory())


def _written(session: Session) -> int:
    """Count the offers that were written since the savepoint: they carry its transaction's number."""
    found = session.scalar(
        text("""
        SELECT count(*) FROM integration.market_prices
        WHERE xmin <> pg_current_xact_id()::xid AND created_at = now()""")
    )
    return int(found or 0)


def _bare(session: Session, path: Path) -> int:
    columns = ", ".join(f'"{name}" text' for name in COLUMNS)
    session.execute(text(f"CREATE TEMP TABLE bare_stage ({columns}) ON COMMIT DROP"))
    session.execute(text(TARGET))
    cursor: Any = session.connection().connection.cursor()
    with (
        cursor,
        path.open("rb") as file,
        cursor.copy("COPY bare_stage FROM STDIN (FORMAT csv, HEADER true)") as copy,
    ):
        while block := file.read(BLOCK):
            copy.write(block)
    return int(session.connection().exec_driver_sql(UPSERT.replace("%", "%%")).rowcount)
