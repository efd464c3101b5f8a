"""The timetable: what runs by itself and how often, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from soleflip.services import deliveries, settings
from soleflip.services.alerts import DELIVERY
from soleflip.services.settings import PricingSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timetable: a run kind, what it does, and its interval in real seconds.

    The sandbox has intervals of its own, for its days are short.
    """

    kind: str
    label: str
    every: int
    every_in_sandbox: int


TIMETABLE: tuple[Entry, ...] = (
    Entry("order_sync", "Sync orders: new sales, shipments and payouts", 600, 15),
    Entry("listing_sync", "Compare our listings with StockX", 1800, 120),
    Entry("quotes", "Refresh quotes that have grown old", 1800, 60),
    Entry("thin_quotes", "Thin out old quotes", 86_400, 3600),
    Entry("reprice", "Reprice live listings", 3600, 90),
    Entry("feed_fetch", "Fetch shops' feeds from their addresses", 3600, 300),
    Entry("deliver_alerts", "Send alerts that wait for their time", 60, 60),
    Entry("backup", "Back up the database", 86_400, 86_400),
)


def is_needed(session: Session, kind: str) -> bool:
    """Tell whether a run of this kind would find anything to do; one that can't tell beforehand is needed."""
    return deliveries.is_due(session) if kind == DELIVERY else True


def params_of(session: Session, kind: str) -> dict[str, Any]:
    """Return the params of a run that the timetable starts: repricing only proposes where the operator approves."""
    if kind == "reprice" and settings.load(session, PricingSettings).repricing == "propose":
        return {"approve": True}
    return {}
