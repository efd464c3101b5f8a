"""Status sync: what StockX has against what we think it has, found and shown, never overwritten in silence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import ListingChange, Product, RunLine, StockxListing, Variant
from soleflip.services import fees, listings
from soleflip.services.runs import Work
from soleflip.stockx import Lane, ListingEntry, StockXNotFound

PAGE = 200
STATUS = {"ACTIVE": "active", "INACTIVE": "inactive", "DELETED": "delisted", "CANCELED": "delisted"}
SOLD = frozenset({"MATCHED", "COMPLETED"})
WATCHED = ("active", "inactive", "expired")
YOUNG = timedelta(minutes=30)


def sync(work: Work) -> str:
    """Compare every listing with StockX; returns the closing sentence.

    A listing of ours that is missing from the list is asked for by its id before it is thought gone.
    """
    began = work.clock()
    counts = {"seen": 0, "changed": 0, "found": 0, "gone": 0}
    page: list[ListingEntry] = []
    for entry in work.stockx.listings(include_expired=True, lane=Lane.HOT):
        page.append(entry)
        if len(page) == PAGE:
            _compare(work, page, counts)
            page = []
    _compare(work, page, counts)
    _look_for_missing(work, began, counts)
    work.progress(done=counts["seen"], total=counts["seen"], message=None, **counts)
    return f"{counts['seen']} compared, {counts['changed']} changed outside, {counts['gone']} gone."


def _compare(work: Work, page: Sequence[ListingEntry], counts: dict[str, int]) -> None:
    now = work.clock()
    with work.transaction() as session:
        ids = [entry.listing_id for entry in page]
        rows = session.scalars(
            select(StockxListing).where(StockxListing.stockx_listing_id.in_(ids)).with_for_update()
        ).all()
        by_id = {row.stockx_listing_id: row for row in rows}
        busy = _busy(session, [row.id for row in rows])
        for entry in page:
            counts["seen"] += 1
            row = by_id.get(entry.listing_id)
            if row is None:
                counts["found"] += _take_unknown(session, entry, work, now)
            elif row.id not in busy:
                counts["changed"] += _take_over(session, row, entry, work, now)
    work.progress(done=counts["seen"], total=None, message=None, **counts)


def _busy(session: Session, listing_ids: Sequence[UUID]) -> set[UUID]:
    """Return the listings of which a change of ours is under way: StockX may show either side of it."""
    query = select(ListingChange.listing_id).where(
        ListingChange.listing_id.in_(listing_ids), ListingChange.state.in_(("waiting", "sending"))
    )
    return set(session.scalars(query))


def _take_over(session: Session, row: StockxListing, entry: ListingEntry, work: Work, now: datetime) -> bool:
    """Bring one row in line with StockX; says whether something had changed outside."""
    row.synced_at, row.stockx_status = now, entry.status
    notes = []
    if row.status not in WATCHED:
        return False
    if entry.currency_code not in (None, row.currency) and entry.status in STATUS:
        notes.append(f"Its currency is {entry.currency_code} on StockX, we thought {row.currency}.")
        row.currency = entry.currency_code
    if entry.amount is not None and entry.amount != row.ask_price and entry.status in STATUS:
        notes.append(f"Price changed outside from {row.ask_price} to {entry.amount}.")
        listings.record_price(session, row, entry.amount, reason="manual", sentence=notes[-1], now=now, actor="StockX")
    expires = entry.ask.ask_expires_at if entry.ask else None
    row.expires_at = expires or row.expires_at
    target = "expired" if expires is not None and expires <= now else STATUS.get(entry.status)
    if entry.status in SOLD:
        # The order itself, with its payout, comes with the order sync.
        listings.mark_sold(session, row.id, cause=f"StockX shows it as {entry.status}.", actor="StockX", now=now)
    elif target is not None and target != row.status and not (target == "inactive" and row.status == "expired"):
        notes.append(f"StockX shows it as {target}, we thought it {row.status}.")
        listings.move(session, row, target, cause=notes[-1], actor="StockX", now=now)
    if notes:
        row.outside_change = " ".join(notes)
        session.add(RunLine(run_id=work.run_id, outcome="changed", sentence=row.outside_change, subject_id=row.id))
    return bool(notes)


def _take_unknown(session: Session, entry: ListingEntry, work: Work, now: datetime) -> bool:
    """Take in a listing that was made elsewhere, without an item and without a cost; says whether it was taken in.

    A young one, or one of a size of which a call of ours is under way, may be our own and is left for later.
    """
    if entry.status not in ("ACTIVE", "INACTIVE") or entry.product is None or entry.variant is None:
        return False
    if entry.created_at is None or entry.created_at > now - YOUNG or entry.amount is None:
        return False
    open_states = ("pending", "submitting", "review")
    ours = select(StockxListing.id).where(
        StockxListing.variant_id == entry.variant.variant_id, StockxListing.status.in_(open_states)
    )
    if session.scalar(ours.limit(1)) is not None:
        return False
    product, variant = _catalog(session, entry)
    row = StockxListing(
        product_id=product.id,
        catalog_variant_id=variant.id,
        stockx_listing_id=entry.listing_id,
        stockx_product_id=entry.product.product_id,
        variant_id=entry.variant.variant_id,
        # StockX's own word; a listing without one is in what the account lists in.
        currency=entry.currency_code or fees.currency(session, now),
        ask_price=entry.amount,
        original_ask_price=entry.amount,
        status="submitting",
        strategy="hold",
        strategy_from="listing",
        created_from="sync",
        outside_change="Made outside SoleFlip; its item and cost are unknown.",
        created_at=entry.created_at,
        synced_at=now,
        stockx_status=entry.status,
    )
    session.add(row)
    session.flush()
    listings.move(session, row, STATUS[entry.status], cause="Found on StockX.", actor="StockX", now=now)
    session.add(RunLine(run_id=work.run_id, outcome="found", sentence=row.outside_change, subject_id=row.id))
    return True


def _catalog(session: Session, entry: ListingEntry) -> tuple[Product, Variant]:
    """Return the catalog rows of a listing's product and variant, made from what the listing says when missing."""
    shown, size_shown = entry.product, entry.variant
    if shown is None or size_shown is None:
        raise ValueError("a listing without product or variant was not left out before")
    product = session.scalar(select(Product).where(Product.stockx_product_id == shown.product_id))
    if product is None:
        product = Product(
            title=shown.product_name or "Unnamed product",
            style_code=shown.style_id,
            stockx_product_id=shown.product_id,
        )
        session.add(product)
        session.flush()
    variant = session.scalar(select(Variant).where(Variant.stockx_variant_id == size_shown.variant_id))
    if variant is None:
        size = size_shown.variant_value or size_shown.variant_id
        variant = Variant(product_id=product.id, stockx_variant_id=size_shown.variant_id, size=size, sizes={})
        session.add(variant)
        session.flush()
    return product, variant


def _look_for_missing(work: Work, began: datetime, counts: dict[str, int]) -> None:
    """Ask for each watched listing that the walk did not show, one by one: absence from a list is no deletion."""
    with work.transaction() as session:
        missing = session.execute(
            select(StockxListing.id, StockxListing.stockx_listing_id).where(
                StockxListing.status.in_(WATCHED),
                StockxListing.listed_at < began,
                (StockxListing.synced_at.is_(None)) | (StockxListing.synced_at < began),
            )
        ).all()
    for listing_id, stockx_id in missing:
        entry: ListingEntry | None = None
        try:
            entry = work.stockx.listing(stockx_id or "", lane=Lane.HOT)
        except StockXNotFound:
            counts["gone"] += 1
        now = work.clock()
        with work.transaction() as session:
            row = session.get_one(StockxListing, listing_id, options=[joinedload(StockxListing.item)])
            if _busy(session, [row.id]):
                continue
            if entry is not None:
                counts["changed"] += _take_over(session, row, entry, work, now)
            elif row.status in WATCHED:
                row.outside_change, row.synced_at = "Deleted outside.", now
                line = RunLine(run_id=work.run_id, outcome="gone", sentence="Deleted outside.", subject_id=row.id)
                session.add(line)
                listings.move(session, row, "delisted", cause="StockX no longer has it.", actor="StockX", now=now)
