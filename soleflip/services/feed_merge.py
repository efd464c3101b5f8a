"""From the staging table to offers: only what changed is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from soleflip.feeds import OfferRow

STAGE_COLUMNS = OfferRow._fields
MOST_DOUBLES = 1000
# Two imports that merge at once could mark each other's offers gone.
MERGE_LOCK = 7420031

_STAGE = """
CREATE TEMP TABLE feed_stage (
    line integer, shop text, external_id text, title text, brand text, gtin text, style_code text, style_key text,
    size text, size_system text, price numeric(10, 2), delivery numeric(10, 2), currency text, in_stock boolean,
    stock integer, link text, image_url text, content_hash text, shop_id integer
) ON COMMIT DROP
"""
_DOUBLES = """
WITH numbered AS (
    SELECT ctid AS place, line, title, row_number() OVER w AS nth, first_value(line) OVER w AS first
    FROM feed_stage WINDOW w AS (PARTITION BY shop, external_id ORDER BY line)
), removed AS (
    DELETE FROM feed_stage USING numbered WHERE feed_stage.ctid = numbered.place AND nth > 1
    RETURNING numbered.line, numbered.title, numbered.first
)
SELECT line, title, first, count(*) OVER () AS total FROM removed ORDER BY line LIMIT :most
"""
_SHOPS = """
INSERT INTO integration.shops (name)
SELECT DISTINCT shop FROM feed_stage ORDER BY shop ON CONFLICT (name) DO NOTHING
"""
_SHOP_IDS = "UPDATE feed_stage SET shop_id = shops.id FROM integration.shops WHERE shops.name = feed_stage.shop"
_HISTORY = """
INSERT INTO integration.market_price_history (market_price_id, price, currency, seen_at)
SELECT known.id, known.price, known.currency, GREATEST(known.seen_at, shops.seen_at)
FROM feed_stage JOIN integration.market_prices AS known USING (shop_id, external_id)
JOIN integration.shops ON shops.id = known.shop_id
WHERE (known.price, known.currency) IS DISTINCT FROM (feed_stage.price, feed_stage.currency)
"""
_CONTENT = (
    "title, brand, gtin, style_code, style_key, size, size_system, price, delivery, currency, in_stock, stock, link, "
    "image_url, content_hash"
)
_NEWS = ", ".join(f"{name} = EXCLUDED.{name}" for name in _CONTENT.split(", "))
_SAME_THING = """(offers.gtin, offers.style_key, offers.size, offers.size_system)
    IS NOT DISTINCT FROM (EXCLUDED.gtin, EXCLUDED.style_key, EXCLUDED.size, EXCLUDED.size_system)"""
_UPSERT = f"""
WITH written AS (
    INSERT INTO integration.market_prices AS offers
        (shop_id, external_id, {_CONTENT}, seen_at, changed_at, last_import_id)
    SELECT shop_id, external_id, {", ".join(f"stage.{name}" for name in _CONTENT.split(", "))}, :now, :now, :import_id
    FROM feed_stage AS stage LEFT JOIN integration.market_prices AS known USING (shop_id, external_id)
    WHERE known.id IS NULL OR known.content_hash <> stage.content_hash OR known.gone_at IS NOT NULL
    ON CONFLICT (shop_id, external_id) DO UPDATE SET {_NEWS}, seen_at = :now, changed_at = :now, gone_at = NULL,
        last_import_id = :import_id,
        match_state = CASE WHEN {_SAME_THING} THEN offers.match_state ELSE 'unmatched' END,
        match_doubt = CASE WHEN {_SAME_THING} THEN offers.match_doubt END,
        variant_id = CASE WHEN {_SAME_THING} THEN offers.variant_id END,
        looked_up_at = CASE WHEN {_SAME_THING} THEN offers.looked_up_at END
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new) FROM written
"""  # noqa: S608 - made of constants
_GONE = """
UPDATE integration.market_prices AS offers SET gone_at = :now, changed_at = :now
WHERE offers.shop_id = ANY(:shops) AND offers.gone_at IS NULL AND NOT EXISTS (
    SELECT FROM feed_stage AS stage
    WHERE stage.shop_id = offers.shop_id AND stage.external_id = offers.external_id
)
"""

_MISSING = """
SELECT count(*) FILTER (WHERE stage.shop_id IS NULL), count(*)
FROM integration.market_prices AS offers
LEFT JOIN (SELECT DISTINCT shop_id, external_id FROM feed_stage) AS stage
    ON stage.shop_id = offers.shop_id AND stage.external_id = offers.external_id
WHERE offers.shop_id = ANY(:shops) AND offers.gone_at IS NULL
"""

FEW = 100
"""A shop with fewer offers may well sell out from one day to the next."""
MOST_MISSING = Decimal("0.9")
"""With a larger share of its offers missing, a file is thought to be a part of the shop's feed."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge wrote; `doubles` are rows whose product number stood in an earlier line: line, title, that line.

    `spared` is how many offers are missing from a file too small to be believed complete.
    """

    imported: int
    updated: int
    unchanged: int
    gone: int
    spared: int
    doubles: Sequence[tuple[int, str, int]]
    double_count: int
    shop_ids: Sequence[int]


def open_stage(session: Session) -> None:
    """Make the staging table of this transaction."""
    session.execute(text("DROP TABLE IF EXISTS pg_temp.feed_stage"))
    session.execute(text(_STAGE))


def merge_stage(session: Session, now: datetime, *, complete: bool, import_id: UUID | None) -> Merge:
    """Write the staged rows as offers.

    1. Of rows with the same product number the first counts.
    2. Earlier prices go into the history, new and changed offers are written, the same ones are not touched.
    3. With a complete feed the shops' other offers are marked gone, and the shops as seen; but when nearly all of
       many offers are missing, the file is a part of the feed rather than a shop that sold out.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MERGE_LOCK})
    doubles = session.execute(text(_DOUBLES), {"most": MOST_DOUBLES}).all()
    session.execute(text(_SHOPS))
    session.execute(text(_SHOP_IDS))
    rows, shops = session.execute(text("SELECT count(*), array_agg(DISTINCT shop_id) FROM feed_stage")).one()
    session.execute(text(_HISTORY))
    imported, updated = session.execute(text(_UPSERT), {"now": now, "import_id": import_id}).one()
    gone = spared = 0
    if complete and shops:
        missing, live = session.execute(text(_MISSING), {"shops": shops}).one()
        if live >= FEW and missing > live * MOST_MISSING:
            spared = missing
        else:
            gone = session.execute(text(_GONE), {"now": now, "shops": shops}).rowcount  # type: ignore[attr-defined]
        session.execute(
            text("UPDATE integration.shops SET seen_at = :now WHERE id = ANY(:shops)"), {"now": now, "shops": shops}
        )
    found = [(line, title, first) for line, title, first, _ in doubles]
    total = doubles[0].total if doubles else 0
    return Merge(imported, updated, rows - imported - updated, gone, spared, found, total, shops or ())
