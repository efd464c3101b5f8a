"""Where every pair stands between an opportunity and a booked sale: one statement over the rows that know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from soleflip.domain.pipeline import MOST_REOPENED, MOST_TRIES, STAGES, Facts, Standing, standing
from soleflip.services import cursors
from soleflip.services.search import like

PAGE = 50

# A pair begins as a decision and lives on as an item; what its listing, its order and the books say decides its stage.
_PLACES = """
WITH places AS (
    SELECT decisions.id AS key, CASE decisions.state WHEN 'waiting' THEN 'detected' ELSE 'decided' END AS stage,
        decisions.created_at AS since, decisions.product_id, decisions.variant_id, decisions.pairs,
        decisions.amount AS cost, NULL::numeric AS price, NULL::numeric AS profit, decisions.currency,
        decisions.rule_name, decisions.subject_id AS opportunity_id, NULL::uuid AS item_id, NULL::uuid AS listing_id,
        NULL::uuid AS order_id, NULL::text AS order_number, decisions.id AS decision_id,
        decisions.state AS decision_state, decisions.outcome AS decision_note,
        NULL::text AS listing_status, NULL::text AS listing_note,
        NULL::text AS order_status, NULL::timestamptz AS ship_by, false AS is_to_buy, false AS is_kept_listed,
        0 AS tries, NULL::timestamptz AS tried_at, NULL::text AS pair_note,
        NULL::text AS run_error, false AS run_goes_on
    FROM automation.decisions AS decisions
    WHERE decisions.state IN ('waiting', 'approved') AND decisions.action IN ('buy', 'list')
    UNION ALL
    SELECT items.id, CASE
            WHEN orders.realised_at IS NOT NULL THEN 'booked'
            WHEN orders.order_status IN ('shipped', 'authenticated', 'completed') THEN 'shipped'
            WHEN orders.id IS NOT NULL THEN 'sold'
            WHEN listings.status = 'review' THEN 'review'
            WHEN listings.status IN ('active', 'inactive') THEN
                CASE WHEN listings.last_price_update > listings.listed_at THEN 'repriced' ELSE 'listed' END
            WHEN listings.status IN ('pending', 'submitting') THEN 'item'
            WHEN pairs.is_kept_listed AND pairs.tries >= :most_tries THEN 'review'
            ELSE 'item' END,
        COALESCE(orders.realised_at, orders.shipped_at, orders.sold_at, listings.last_price_update,
            listings.listed_at, items.created_at),
        items.product_id, items.variant_id, 1, items.cost, COALESCE(orders.sale_price, listings.ask_price),
        COALESCE(orders.net_profit, CASE WHEN orders.id IS NULL THEN listings.expected_profit END),
        COALESCE(orders.currency, items.currency), decisions.rule_name, items.opportunity_id, items.id, listings.id,
        orders.id, orders.stockx_order_number, decisions.id, decisions.state, decisions.outcome, listings.status,
        COALESCE(listings.error, listings.review->>'why'), orders.order_status, orders.ship_by,
        items.note IS NOT DISTINCT FROM 'to buy', COALESCE(pairs.is_kept_listed, false), COALESCE(pairs.tries, 0),
        pairs.tried_at, pairs.note,
        CASE WHEN runs.id IS NOT NULL THEN COALESCE(runs.error, 'it stood still') END,
        COALESCE(runs.actor LIKE 'rule%' AND COALESCE((runs.params->>'reopened')::int, 0) < :most_reopened, false)
    FROM inventory.items AS items
    LEFT JOIN LATERAL (
        SELECT * FROM selling.stockx_orders
        WHERE item_id = items.id AND order_status <> 'cancelled' ORDER BY sold_at DESC LIMIT 1
    ) AS orders ON true
    LEFT JOIN LATERAL (
        SELECT * FROM selling.stockx_listings WHERE item_id = items.id ORDER BY created_at DESC LIMIT 1
    ) AS listings ON true
    LEFT JOIN ops.runs AS runs ON runs.id = listings.run_id AND runs.state = 'failed'
        AND listings.status IN ('pending', 'submitting')
    LEFT JOIN automation.pairs AS pairs ON pairs.item_id = items.id
    LEFT JOIN automation.decisions AS decisions ON decisions.id = pairs.decision_id
    WHERE items.state <> 'written_off'
)
"""
_SHOWN = """
SELECT places.*, products.title, variants.size FROM places
LEFT JOIN products.products AS products ON products.id = places.product_id
LEFT JOIN products.variants AS variants ON variants.id = places.variant_id
WHERE (CAST(:stage AS text) IS NULL OR places.stage = :stage)
AND (NOT :by_rules OR places.rule_name IS NOT NULL)
AND (CAST(:words AS text) IS NULL OR products.title ILIKE :words OR products.style_code ILIKE :words)
AND (CAST(:since AS timestamptz) IS NULL OR (places.since, places.key) < (:since, CAST(:key AS uuid)))
ORDER BY places.since DESC, places.key DESC LIMIT :limit
"""
_COUNTED = """
SELECT places.stage, sum(places.pairs) FROM places WHERE NOT :by_rules OR places.rule_name IS NOT NULL GROUP BY 1
"""
_COUNTED_BY = ("most_tries", "most_reopened", "by_rules")


@dataclass(frozen=True, slots=True)
class Place:
    """One pair (or what was decided of several) at its stage; amounts in `currency`, profit expected until booked."""

    key: UUID
    stage: str
    since: datetime
    title: str | None
    size: str | None
    pairs: int
    cost: Decimal | None
    price: Decimal | None
    profit: Decimal | None
    currency: str
    rule_name: str | None
    opportunity_id: UUID | None
    item_id: UUID | None
    listing_id: UUID | None
    order_id: UUID | None
    order_number: str | None
    decision_id: UUID | None
    standing: Standing


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A page of pairs, the longest at rest last, with the counts of all stages and the cursor of the next page."""

    places: Sequence[Place]
    counts: Mapping[str, int]
    next: str | None


def pipeline(
    session: Session,
    *,
    stage: str | None = None,
    by_rules: bool = False,
    words: str = "",
    after: str | None = None,
    limit: int = PAGE,
) -> Pipeline:
    """Return where pairs stand, newest first; `by_rules` leaves out what was bought by hand.

    Raises InvalidInput on a broken cursor.
    """
    since, key = cursors.read(after) if after else (None, None)
    values: dict[str, Any] = {
        "most_tries": MOST_TRIES,
        "most_reopened": MOST_REOPENED,
        "stage": stage,
        "by_rules": by_rules,
        "words": like(words) if words else None,
        "since": since,
        "key": key,
        "limit": limit + 1,
    }
    rows = session.execute(text(_PLACES + _SHOWN), values).all()
    counted = session.execute(text(_PLACES + _COUNTED), {name: values[name] for name in _COUNTED_BY})
    found: dict[str, int] = dict(counted.all())
    last = rows[limit - 1] if len(rows) > limit else None
    return Pipeline(
        places=[_place(row) for row in rows[:limit]],
        counts={name: int(found.get(name, 0)) for name in STAGES},
        next=cursors.write(last.since, last.key) if last else None,
    )


def _place(row: Any) -> Place:
    values = row._mapping
    facts = Facts(**{name: values[name] for name in Facts.__slots__})
    names = [name for name in Place.__slots__ if name != "standing"]
    return Place(**{name: values[name] for name in names}, standing=standing(facts))
