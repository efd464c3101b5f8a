"""From the staging table to offers: only what changed is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from soleflip.domain.halts import Fall, HaltSettings
from soleflip.feeds import OFFER_COLUMNS
from soleflip.services import halts, settings

COPY = f"COPY feed_stage (line, {', '.join(OFFER_COLUMNS)}, content_hash) FROM STDIN"
ANALYZE = "ANALYZE feed_stage (shop, external_id)"
MOST_DOUBLES = 1000
# Two imports that merge at once could mark each other's offers gone.
MERGE_LOCK = 7420031

_STAGE = """
CREATE TEMP TABLE feed_stage (
    line integer, shop text, external_id text, title text, brand text, gtin text, style_code text, style_key text,
    size text, size_system text, price numeric(10, 2), delivery numeric(10, 2), currency text, in_stock boolean,
    stock integer, link text, image_url text, content_hash text
) ON COMMIT DROP
"""
# What a row is known by where the shop gives it no number of its own.
_IDENTITY = """left(CASE WHEN {0}.gtin IS NOT NULL THEN 'EAN ' || {0}.gtin
    ELSE concat_ws(' ', 'style', {0}.style_key, {0}.size_system, {0}.size) END, 120)"""
_OWN, _KNOWN_OWN = _IDENTITY.format("stage"), _IDENTITY.format("known")
_IDENTIFY = f"UPDATE feed_stage AS stage SET external_id = {_OWN} WHERE external_id = ''"  # noqa: S608 - constants
# A number that stands beside several sizes is a product's and no row's; the offer that had it keeps its history.
_SEVERAL = f"""
WITH several AS (
    SELECT shop, external_id FROM feed_stage AS stage GROUP BY shop, external_id HAVING count(DISTINCT {_OWN}) > 1
), renamed AS (
    UPDATE integration.market_prices AS known SET external_id = {_KNOWN_OWN}
    FROM several JOIN integration.shops ON shops.name = several.shop
    WHERE known.shop_id = shops.id AND known.external_id = several.external_id AND NOT EXISTS (
        SELECT FROM integration.market_prices AS other
        WHERE other.shop_id = known.shop_id AND other.external_id = {_KNOWN_OWN}
    )
)
UPDATE feed_stage AS stage SET external_id = {_OWN} FROM several
WHERE stage.shop = several.shop AND stage.external_id = several.external_id
"""  # noqa: S608 - made of constants
# Sold out but for one size, such a number would look like a row's own.
_STILL = f"""
UPDATE feed_stage AS stage SET external_id = known.external_id
FROM integration.shops JOIN integration.market_prices AS known ON known.shop_id = shops.id
WHERE shops.name = stage.shop AND known.external_id = {_OWN} AND stage.external_id <> known.external_id
"""  # noqa: S608 - made of constants
_HAS_DOUBLES = "SELECT EXISTS (SELECT FROM feed_stage GROUP BY shop, external_id HAVING count(*) > 1)"
_DOUBLES = f"""
WITH numbered AS (
    SELECT ctid AS place, line, title, row_number() OVER w AS nth, first_value(line) OVER w AS first,
        CASE WHEN external_id <> {_OWN} THEN 'external_id' WHEN gtin IS NULL THEN 'style_code' ELSE 'gtin' END AS same
    FROM feed_stage AS stage WINDOW w AS (PARTITION BY shop, external_id ORDER BY line)
), removed AS (
    DELETE FROM feed_stage USING numbered WHERE feed_stage.ctid = numbered.place AND nth > 1
    RETURNING numbered.line, numbered.title, numbered.first, numbered.same
)
SELECT line, title, first, same, count(*) OVER () AS total FROM removed ORDER BY line LIMIT :most
"""  # noqa: S608 - made of constants
_SHOPS = """
INSERT INTO integration.shops (name)
SELECT DISTINCT shop FROM feed_stage ORDER BY shop ON CONFLICT (name) DO NOTHING
"""
# How many rows there are, of which shops, how many of the shops' offers there were, and how many stand in the file;
# of those that can be compared, how many fall far, and by what at most.
_COMPARED = "known.gone_at IS NULL AND known.currency = stage.currency AND known.price > 0"
_BEFORE = f"""
SELECT count(*) AS rows, array_agg(DISTINCT shops.id) AS shops,
    count(known.id) AS known, count(known.id) FILTER (WHERE known.gone_at IS NULL) AS still_there,
    count(*) FILTER (WHERE {_COMPARED}) AS compared,
    count(*) FILTER (WHERE {_COMPARED} AND stage.price < known.price * (100 - :percent) / 100) AS fallen,
    COALESCE(max((known.price - stage.price) / known.price * 100) FILTER (WHERE {_COMPARED}), 0) AS fall,
    (SELECT count(*) FROM integration.market_prices AS offers JOIN integration.shops ON shops.id = offers.shop_id
     WHERE offers.gone_at IS NULL AND shops.name IN (SELECT shop FROM feed_stage)) AS live
FROM feed_stage AS stage
JOIN integration.shops ON shops.name = stage.shop
LEFT JOIN integration.market_prices AS known ON known.shop_id = shops.id AND known.external_id = stage.external_id
"""  # noqa: S608 - made of constants
_KNOWN = """
FROM feed_stage AS stage
JOIN integration.shops ON shops.name = stage.shop
JOIN integration.market_prices AS known ON known.shop_id = shops.id AND known.external_id = stage.external_id
"""
_HISTORY = f"""
INSERT INTO integration.market_price_history (market_price_id, price, currency, seen_at)
SELECT known.id, known.price, known.currency, GREATEST(known.seen_at, shops.seen_at) {_KNOWN}
WHERE known.content_hash <> stage.content_hash
AND (known.price, known.currency) IS DISTINCT FROM (stage.price, stage.currency)
"""  # noqa: S608 - made of constants
_CONTENT = (
    "title, brand, gtin, style_code, style_key, size, size_system, price, delivery, currency, in_stock, stock, link, "
    "image_url, content_hash"
)
_NEWS = ", ".join(f"{name} = stage.{name}" for name in _CONTENT.split(", "))
_SAME_THING = """(offers.gtin, offers.style_key, offers.size, offers.size_system)
    IS NOT DISTINCT FROM (stage.gtin, stage.style_key, stage.size, stage.size_system)"""
_UPDATE = f"""
UPDATE integration.market_prices AS offers SET {_NEWS}, seen_at = :now, changed_at = :now, gone_at = NULL,
    last_import_id = :import_id,
    match_state = CASE WHEN {_SAME_THING} THEN offers.match_state ELSE 'unmatched' END,
    match_doubt = CASE WHEN {_SAME_THING} THEN offers.match_doubt END,
    variant_id = CASE WHEN {_SAME_THING} THEN offers.variant_id END,
    looked_up_at = CASE WHEN {_SAME_THING} THEN offers.looked_up_at END
FROM feed_stage AS stage JOIN integration.shops ON shops.name = stage.shop
WHERE offers.shop_id = shops.id AND offers.external_id = stage.external_id
AND (offers.content_hash <> stage.content_hash OR offers.gone_at IS NOT NULL)
"""  # noqa: S608 - made of constants
_NEW = f"""
INSERT INTO integration.market_prices (shop_id, external_id, {_CONTENT}, seen_at, changed_at, last_import_id)
SELECT shops.id, stage.external_id, {", ".join(f"stage.{name}" for name in _CONTENT.split(", "))},
    :now, :now, :import_id
FROM feed_stage AS stage JOIN integration.shops ON shops.name = stage.shop
"""  # noqa: S608 - made of constants
_NOT_KNOWN = """
WHERE NOT EXISTS (
    SELECT FROM integration.market_prices AS known
    WHERE known.shop_id = shops.id AND known.external_id = stage.external_id
)
"""
# Who looked at the table meanwhile saw none of these rows, and would plan the next statements for an empty one.
_LOOK_AGAIN = "ANALYZE integration.market_prices (shop_id, external_id, match_state)"
_GONE = """
UPDATE integration.market_prices AS offers SET gone_at = :now, changed_at = :now
FROM integration.shops
WHERE shops.id = offers.shop_id AND offers.shop_id = ANY(:shops) AND offers.gone_at IS NULL AND NOT EXISTS (
    SELECT FROM feed_stage AS stage WHERE stage.shop = shops.name AND stage.external_id = offers.external_id
)
"""

MANY = 1000
"""So many new offers change how the next statements are best carried out."""
FEW = 100
"""A shop with fewer offers may well sell out from one day to the next."""
MOST_MISSING = Decimal("0.9")
"""With a larger share of its offers missing, a file is thought to be a part of the shop's feed."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge wrote; `doubles` are rows that stood in an earlier line: line, title, that line, the same field.

    `spared` is how many offers are missing from a file too small to be believed complete.
    """

    imported: int
    updated: int
    unchanged: int
    gone: int
    spared: int
    doubles: Sequence[tuple[int, str, int, str]]
    double_count: int
    shop_ids: Sequence[int]


def open_stage(session: Session) -> None:
    """Make the staging table of this transaction."""
    session.execute(text("DROP TABLE IF EXISTS pg_temp.feed_stage"))
    session.execute(text(_STAGE))


def merge_stage(session: Session, now: datetime, *, complete: bool, import_id: UUID | None) -> Merge:
    """Write the staged rows as offers.

    1. A row is known by the shop's number for it, else by its GTIN, else by style code and size.
    2. Of rows that are known by the same, the first counts.
    3. When too many prices fall too far, every write to StockX is halted, before anything is made of them.
    4. Earlier prices go into the history, new and changed offers are written, the same ones are not touched.
    5. With a complete feed the shops' other offers are marked gone, and the shops as seen; but when nearly all of
       many offers are missing, the file is a part of the feed rather than a shop that sold out.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MERGE_LOCK})
    doubles = _identify(session)
    session.execute(text(_SHOPS))
    limits = settings.load(session, HaltSettings)
    before = session.execute(text(_BEFORE), {"percent": limits.fall_percent}).one()
    halts.before_offers(session, Fall(before.compared, before.fallen, before.fall), limits, now)
    values: dict[str, Any] = {"now": now, "import_id": import_id, "shops": before.shops or []}
    imported = updated = gone = spared = 0
    if before.known:
        session.execute(text(_HISTORY))
        updated = _count(session, _UPDATE, values)
    if before.known < before.rows:
        imported = _count(session, _NEW + _NOT_KNOWN if before.known else _NEW, values)
    if imported >= MANY:
        session.execute(text(_LOOK_AGAIN))
    if complete and before.shops:
        missing = before.live - before.still_there
        if before.live >= FEW and missing > before.live * MOST_MISSING:
            spared = missing
        elif missing:
            gone = _count(session, _GONE, values)
        session.execute(text("UPDATE integration.shops SET seen_at = :now WHERE id = ANY(:shops)"), values)
    found = [(row.line, row.title, row.first, row.same) for row in doubles]
    total = doubles[0].total if doubles else 0
    same = before.rows - imported - updated
    return Merge(imported, updated, same, gone, spared, found, total, before.shops or ())


def _identify(session: Session) -> Sequence[Any]:
    """Give every staged row what it is known by; returns the rows that were removed because they stood there before."""
    session.execute(text(_IDENTIFY))
    if session.scalar(text(_HAS_DOUBLES)):
        session.execute(text(_SEVERAL))
    session.execute(text(_STILL))
    if session.scalar(text(_HAS_DOUBLES)):
        return session.execute(text(_DOUBLES), {"most": MOST_DOUBLES}).all()
    return ()


def _count(session: Session, statement: str, values: dict[str, Any]) -> int:
    """Carry out a statement; returns how many rows it wrote."""
    return int(session.execute(text(statement), values).rowcount)  # type: ignore[attr-defined]
