"""What became of a run row by row: the listings it put up, or the changes it made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from soleflip.models import ListingChange, Run, RunLine, StockxListing
from soleflip.services import listings, runs

OPEN = frozenset({"pending", "submitting", "waiting", "sending"})


@dataclass(frozen=True, slots=True)
class RunRow:
    """One listing of a run: the ask it has or gets, where it stands, and why; amounts in `currency`."""

    listing_id: UUID
    title: str
    size: str
    state: str
    kind: str
    currency: str
    old_price: Decimal | None
    price: Decimal | None
    note: str | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its rows and what may still be done with it."""

    run: Run
    rows: Sequence[RunRow]
    counts: Mapping[str, int]

    @property
    def is_open(self) -> bool:
        """Whether the run is still under way."""
        return self.run.state in runs.OPEN_STATES

    @property
    def can_retry(self) -> bool:
        """Whether there are failed listings to try again."""
        return self.run.kind == "list" and not self.is_open and self.counts.get("failed", 0) > 0

    @property
    def can_go_on(self) -> bool:
        """Whether the run failed with something left to send, for instance because writes were stopped."""
        return self.run.state == "failed" and any(row.state in OPEN for row in self.rows)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back: listings that are up, or prices that were changed."""
        if self.is_open:
            return False
        if self.run.kind == "list":
            return self.counts.get("active", 0) + self.counts.get("inactive", 0) > 0
        return any(row.kind == "price" and row.state == "done" for row in self.rows)


def view(session: Session, run_id: UUID) -> RunView:
    """Return a run with its rows; raises NotFound."""
    run = runs.get(session, run_id)
    rows = _listed(session, run_id) if run.kind == "list" else _changed(session, run_id)
    return RunView(run, rows, Counter(row.state for row in rows))


def _listed(session: Session, run_id: UUID) -> list[RunRow]:
    rows = []
    for listing in listings.of_run(session, run_id):
        note = listing.error or (listing.review or {}).get("why")
        rows.append(_row(listing, listing.status, "list", None, listing.ask_price, str(note) if note else None))
    return _urgent_first(rows)


def _urgent_first(rows: list[RunRow]) -> list[RunRow]:
    """What needs the operator first, what is done last; within a state as ordered."""
    return sorted(rows, key=lambda row: _URGENCY.get(row.state, 4))


_URGENCY = {
    "failed": 0,
    "refused": 0,
    "review": 0,
    "submitting": 1,
    "sending": 1,
    "pending": 2,
    "waiting": 2,
    "cancelled": 3,
}


def _changed(session: Session, run_id: UUID) -> list[RunRow]:
    load = joinedload(ListingChange.listing)
    changes = session.scalars(
        select(ListingChange)
        .where(ListingChange.run_id == run_id)
        .options(load.joinedload(StockxListing.product), load.joinedload(StockxListing.variant))
        .order_by(ListingChange.created_at, ListingChange.id)
    ).all()
    rows = [
        _row(each.listing, each.state, each.kind, each.old_price, each.new_price, each.error or each.sentence)
        for each in changes
    ]
    noted = session.execute(
        select(StockxListing, RunLine.outcome, RunLine.sentence)
        .join(RunLine, RunLine.subject_id == StockxListing.id)
        .where(RunLine.run_id == run_id, RunLine.outcome.in_(("refused", "failed")))
        .options(joinedload(StockxListing.product), joinedload(StockxListing.variant))
        .order_by(RunLine.outcome, RunLine.id)
        .limit(500)
    ).all()
    return _urgent_first(
        rows + [_row(listing, state, "price", listing.ask_price, None, said) for listing, state, said in noted]
    )


def _row(
    listing: StockxListing, state: str, kind: str, old_price: Decimal | None, price: Decimal | None, note: str | None
) -> RunRow:
    size = listing.variant.size if listing.variant else ""
    return RunRow(listing.id, listing.product.title, size, state, kind, listing.currency, old_price, price, note)
