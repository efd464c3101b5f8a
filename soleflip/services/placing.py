"""The confirmed order: pending listings with their items reserved, and the run that puts them up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import SoleFlipError, nothing_left
from soleflip.domain.words import count_of
from soleflip.models import Item, ListingMove, Opportunity, Run, StockxListing
from soleflip.services import runs, settings
from soleflip.services.asks import AskRow, Preview
from soleflip.services.settings import PricingSettings
from soleflip.services.stock import yet_to_buy


def order(session: Session, shown: Preview, *, actor: str, now: datetime, created_from: str) -> Run:
    """Write one pending listing per listable row, reserve its item, and start the run that lists them.

    All rows in a handful of statements, so that 250 rows answer at once. Raises Conflict when nothing is left to
    list, for instance on a second click, and Refused when it was one guard that left nothing.
    """
    rows = shown.listable
    if not rows:
        raise _why_nothing(shown)
    days = settings.load(session, PricingSettings).expires_after_days
    run = runs.start(session, "list", actor=actor, total=shown.pairs)
    items = _take_items(session, rows)
    listings = [
        _listing(row, item_id, run.id, created_from, now, days) | _chosen_by(row, by_rules=shown.by_rules)
        for row in rows
        for item_id in items[row.source]
    ]
    session.execute(insert(StockxListing), listings)
    cause = f"Ordered with {count_of(shown.pairs, 'pair')}."
    session.execute(
        insert(ListingMove),
        [
            {"listing_id": each["id"], "to_status": "pending", "cause": cause, "actor": actor, "at": now}
            for each in listings
        ],
    )
    acted = [row.opportunity_id for row in rows if row.opportunity_id is not None]
    if acted:
        session.execute(update(Opportunity).where(Opportunity.id.in_(acted)).values(state="acted"))
    session.flush()
    return run


def _why_nothing(shown: Preview) -> SoleFlipError:
    reasons = [row.refused for row in shown.rows if row.refused] or ["no row was selected."]
    guards = {row.guard for row in shown.rows if row.refused}
    start = "There is nothing to list in this selection:"
    return nothing_left(start, reasons, guards.pop() if len(guards) == 1 else None)


def _take_items(session: Session, rows: Sequence[AskRow]) -> dict[UUID, list[UUID]]:
    """Reserve the rows' items, making items in state `ordered` for pairs that are yet to be bought."""
    taken = {row.source: [row.item_id] for row in rows if row.item_id is not None}
    if taken:
        ids = [item_id for (item_id,) in taken.values()]
        session.execute(update(Item).where(Item.id.in_(ids)).values(state="reserved"))
    made: list[dict[str, Any]] = []
    for row in (row for row in rows if row.item_id is None):
        new = [
            yet_to_buy(row.variant, row.cost, row.currency, state="reserved", opportunity_id=row.opportunity_id)
            for _ in range(row.quantity)
        ]
        taken[row.source] = [each["id"] for each in new]
        made += new
    if made:
        session.execute(insert(Item), made)
    return taken


def _chosen_by(row: AskRow, *, by_rules: bool) -> dict[str, object]:
    """Say whose word the strategy is: the lot of an experiment, the rules, or the operator's for these listings."""
    if row.arm is not None:
        return {"strategy_from": "experiment", "experiment_arm": row.arm}
    return {"strategy_from": "rules" if by_rules else "listing", "experiment_arm": None}


def _listing(
    row: AskRow, item_id: UUID, run_id: UUID, created_from: str, now: datetime, days: int
) -> dict[str, object]:
    """Return the columns of a pending listing; whole days of life, as the operator set."""
    return {
        "id": uuid4(),
        "product_id": row.product.id,
        "catalog_variant_id": row.variant.id,
        "item_id": item_id,
        "stockx_product_id": row.product.stockx_product_id or "",
        "variant_id": row.variant.stockx_variant_id,
        "currency": row.currency,
        "ask_price": row.ask,
        "original_ask_price": row.ask,
        "buy_price": row.cost,
        "expected_profit": row.profit,
        "expected_margin": row.margin,
        "floor_price": row.floor,
        "status": "pending",
        "is_active": False,
        "expires_at": now + timedelta(days=days),
        "current_lowest_ask": row.lowest_ask,
        "current_highest_bid": row.highest_bid,
        "source_opportunity_id": row.opportunity_id,
        "created_from": created_from,
        "strategy": row.strategy,
        "strategy_settings": {},
        "run_id": run_id,
        "created_at": now,
        "updated_at": now,
    }
