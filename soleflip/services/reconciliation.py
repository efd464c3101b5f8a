"""What became of a create call whose answer was lost: looked up on StockX before anything is sent again.

StockX has no idempotency key (FACTS.md section 4), so a listing is recognised by batch, variant, amount, currency and
creation time, among those that no row of ours knows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, RetryLater
from soleflip.models import StockxBatch, StockxListing
from soleflip.services import listings
from soleflip.services.runs import Work
from soleflip.stockx import Lane, ListingEntry, StockXNotFound

SKEW = timedelta(minutes=5)
"""How far StockX's clock and ours may be apart."""

SETTLE = timedelta(minutes=10)
"""How long after the call a batch may still be unfolding; only then is absence believed."""

Key = tuple[str | None, Decimal | None, str | None]


class Unsettled(RetryLater):
    """It is too early to tell what a lost call made; look again later."""


def reconcile(work: Work, batch_id: UUID) -> str | None:
    """Find out what a create call without an answer made.

    Returns StockX's batch id when it was found, so that the batch can be followed as usual; else settles each row:
    adopted, given back as pending, or put up for review. Raises Unsettled while absence can't be believed yet.
    """
    with work.transaction() as session:
        batch = session.get_one(StockxBatch, batch_id)
        sent_at = batch.sent_at
        rows = session.scalars(
            select(StockxListing).where(StockxListing.batch_id == batch_id, StockxListing.status == "submitting")
        ).all()
        wanted = Counter(_key(row.variant_id, row.ask_price, row.currency) for row in rows)
    if not wanted:
        return None
    found = _unknown_listings(work, [key[0] for key in wanted if key[0]], sent_at - SKEW)
    for stockx_batch_id in sorted({entry.batch.batch_id for entry in found if entry.batch and entry.batch.batch_id}):
        if _is_ours(work, stockx_batch_id, wanted):
            with work.transaction() as session:
                batch = session.get_one(StockxBatch, batch_id)
                batch.stockx_batch_id, batch.state, batch.answered_at = stockx_batch_id, "sent", work.clock()
            return stockx_batch_id
    if work.clock() < sent_at + SETTLE:
        raise Unsettled("An answer of StockX was lost; waiting until it is certain what it made.")
    with work.transaction() as session:
        _settle_rows(session, work, batch_id, [entry for entry in found if not (entry.batch and entry.batch.batch_id)])
    return None


def _unknown_listings(work: Work, variant_ids: Sequence[str], since: datetime) -> list[ListingEntry]:
    """Return our listings on StockX of these variants, made since then, that no row of ours knows."""
    entries: list[ListingEntry] = []
    unique = sorted(set(variant_ids))
    for start in range(0, len(unique), 40):
        entries += work.stockx.listings(variant_ids=unique[start : start + 40], include_expired=True, lane=Lane.SALES)
    recent = [entry for entry in entries if entry.created_at is not None and entry.created_at >= since]
    with work.transaction() as session:
        known = set(
            session.scalars(
                select(StockxListing.stockx_listing_id).where(
                    StockxListing.stockx_listing_id.in_([entry.listing_id for entry in recent])
                )
            )
        )
    return [entry for entry in recent if entry.listing_id not in known]


def _is_ours(work: Work, stockx_batch_id: str, wanted: Counter[Key]) -> bool:
    """Tell whether a batch that no row of ours knows holds exactly the items that were sent."""
    with work.transaction() as session:
        if session.scalar(select(StockxBatch.id).where(StockxBatch.stockx_batch_id == stockx_batch_id)):
            return False
    try:
        items = work.stockx.create_batch_items(stockx_batch_id)
    except StockXNotFound:
        return False
    echoes = [item.listing_input for item in items if item.listing_input is not None]
    return Counter(_key(echo.variant_id, echo.amount, echo.currency_code) for echo in echoes) == wanted


def adopt(work: Work) -> str:
    """Adopt the StockX listing that the operator named for a row in review, if StockX says that it fits (run `adopt`).

    It must be of the row's variant and currency and not be over. One request.
    """
    key, named = UUID(work.params["listing_id"]), str(work.params["stockx_listing_id"])
    try:
        found = work.stockx.listing(named)
    except (StockXNotFound, InvalidInput):
        raise Conflict(f"StockX has no listing {named} of ours. Nothing was changed.") from None
    with work.transaction() as session:
        row = listings.get(session, key, lock=True)
        why = _unfit(row, found)
        if why is not None:
            raise Conflict(f"Listing {named} {why}. Nothing was changed.")
        listings.decide_review(session, key, f"adopt:{found.listing_id}", actor=work.actor, now=work.clock())
        if found.amount is not None:
            row.ask_price = found.amount
    work.progress(done=1)
    return f"StockX confirms listing {named}: it is ours now."


def _unfit(row: StockxListing, found: ListingEntry) -> str | None:
    """Say why a listing on StockX can't be this row; None when it can."""
    if found.variant is None or found.variant.variant_id != row.variant_id:
        return "is of another product or size"
    if found.currency_code != row.currency:
        return f"is in {found.currency_code}, not in {row.currency}"
    if found.status not in ("ACTIVE", "INACTIVE"):
        return f"is {found.status.lower()} on StockX"
    return None


def _settle_rows(session: Session, work: Work, batch_id: UUID, found: Sequence[ListingEntry]) -> None:
    """Decide each row without a batch id to go by: adopt what fits, give back what is absent, ask about the rest."""
    now = work.clock()
    rows = session.scalars(
        select(StockxListing)
        .where(StockxListing.batch_id == batch_id, StockxListing.status == "submitting")
        .order_by(StockxListing.id)
        .with_for_update()
    ).all()
    candidates: dict[Key, list[ListingEntry]] = defaultdict(list)
    for entry in found:
        variant_id = entry.variant.variant_id if entry.variant else None
        candidates[_key(variant_id, entry.amount, entry.currency_code)].append(entry)
    by_key: dict[Key, list[StockxListing]] = defaultdict(list)
    for row in rows:
        by_key[_key(row.variant_id, row.ask_price, row.currency)].append(row)
    for key, same in by_key.items():
        entries = candidates.get(key, [])
        if len(entries) > len(same):
            _ask_operator(session, same, entries, work)
            continue
        for row, found_entry in zip_longest(same, entries):
            if found_entry is None:
                row.batch_id = None
                listings.move(session, row, "pending", cause="Certainly absent on StockX.", actor=work.actor, now=now)
            else:
                row.stockx_listing_id = found_entry.listing_id
                cause = "Found on StockX after a lost answer."
                listings.move(session, row, "active", cause=cause, actor=work.actor, now=now)
    session.get_one(StockxBatch, batch_id).state = "done"


def _ask_operator(session: Session, rows: Sequence[StockxListing], entries: Sequence[ListingEntry], work: Work) -> None:
    """Put rows up for review when StockX has more fitting listings than were sent."""
    shown = [
        {"listing_id": entry.listing_id, "amount": str(entry.amount), "created_at": str(entry.created_at)}
        for entry in entries
    ]
    for row in rows:
        row.review = {"why": "More listings on StockX fit this row than were sent.", "candidates": shown}
        listings.move(session, row, "review", cause="Can't be told apart.", actor=work.actor, now=work.clock())


def _key(variant_id: str | None, amount: Decimal | None, currency: str | None) -> Key:
    return variant_id, amount.normalize() if amount is not None else None, currency
