"""What a run touched: counts with the page that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.models import Decision, FeedImport, ListingChange, PricingHistory, StockxListing


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
