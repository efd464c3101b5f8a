"""What a run touched: counts with the page that shows it, and what each line of its log is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from soleflip.models import (
    Decision,
    FeedImport,
    ListingChange,
    Opportunity,
    PricingHistory,
    RunLine,
    StockxListing,
    StockxOrder,
)


@dataclass(frozen=True, slots=True)
class Effects:
    """How many things of each kind a run made or changed; `import_id` is the import it carried out."""

    listings: int
    changes: int
    prices: int
    decisions: int
    import_id: UUID | None

    def __bool__(self) -> bool:
        return bool(self.listings or self.changes or self.prices or self.decisions or self.import_id)


def effects(session: Session, run_id: UUID) -> Effects:
    """Return what a run touched, in one statement."""
    listings, changes, prices, decisions = (
        select(func.count()).select_from(table).where(table.run_id == run_id).scalar_subquery()
        for table in (StockxListing, ListingChange, PricingHistory, Decision)
    )
    taken_in = select(FeedImport.id).where(FeedImport.run_id == run_id).limit(1).scalar_subquery()
    row = session.execute(select(listings, changes, prices, decisions, taken_in)).one()
    return Effects(*row)


def subjects(session: Session, lines: Sequence[RunLine]) -> dict[UUID, str]:
    """Return what lines of a log are about - listing, order or opportunity - by the id of the thing, if it is there."""
    ids = {line.subject_id for line in lines if line.subject_id is not None}
    if not ids:
        return {}
    tables = (("listing", StockxListing), ("order", StockxOrder), ("opportunity", Opportunity))
    found = union_all(*(select(table.id, literal(name)).where(table.id.in_(ids)) for name, table in tables))
    return dict(session.execute(found).all())
