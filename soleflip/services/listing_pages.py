"""Our listings one by one, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, joinedload

from soleflip.domain.listings import LIVE_STATES
from soleflip.models import Product, StockxListing
from soleflip.services import cursors

STATES = (
    "live",
    "pending",
    "submitting",
    "review",
    "active",
    "inactive",
    "sold",
    "expired",
    "failed",
    "delisted",
    "cancelled",
    "all",
)


def search(
    session: Session,
    *,
    status: str = "live",
    strategy: str | None = None,
    product_id: UUID | None = None,
    run_id: UUID | None = None,
    words: str = "",
    after: str | None = None,
    limit: int = 50,
) -> tuple[Sequence[StockxListing], str | None]:
    """Return a page of listings and the cursor of the next one; raises InvalidInput for a cursor that can't be read."""
    query = select(StockxListing).join(StockxListing.product)
    if status == "live":
        query = query.where(StockxListing.status.in_(sorted(LIVE_STATES)))
    elif status != "all":
        query = query.where(StockxListing.status == status)
    if strategy:
        query = query.where(StockxListing.strategy == strategy)
    if product_id is not None:
        query = query.where(StockxListing.product_id == product_id)
    if run_id is not None:
        query = query.where(StockxListing.run_id == run_id)
    for word in words.split()[:8]:
        query = query.where(
            Product.title.icontains(word, autoescape=True) | Product.style_code.icontains(word, autoescape=True)
        )
    if after:
        query = query.where(tuple_(StockxListing.created_at, StockxListing.id) < cursors.read(after))
    found = session.scalars(
        query.options(joinedload(StockxListing.product), joinedload(StockxListing.variant))
        .order_by(StockxListing.created_at.desc(), StockxListing.id.desc())
        .limit(limit + 1)
    ).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], cursors.write(last.created_at, last.id) if last else None
