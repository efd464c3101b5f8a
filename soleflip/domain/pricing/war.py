"""Price wars: seeing that a rival answers our cuts, stopping, waiting, and trying a raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from soleflip.domain.pricing.facts import PastChange, PricingInput, Quote
from soleflip.domain.pricing.guards import GuardSettings


@dataclass(frozen=True, slots=True)
class War:
    """A running price war: how many cuts were answered, when the last was made, where it began."""

    answered: int
    last_cut_at: datetime
    began_at_ask: Decimal

    def is_quiet(self, now: datetime, guards: GuardSettings) -> bool:
        """Return whether we have stood still long enough to try a raise."""
        return now - self.last_cut_at >= timedelta(hours=guards.war_pause_hours)


def price_war(given: PricingInput, guards: GuardSettings, floor_ask: Decimal) -> War | None:
    """Return the war when enough of our cuts since the last raise were undercut by a rival, else None.

    Cuts count while each is within `war_hours` of the next; at the floor one answered cut is enough, since
    there is nothing left to answer with. A war that nobody ended within the pause and `war_hours` is over.
    """
    if not guards.war_cuts or given.ask is None:
        return None
    cuts = _cuts_of_one_fight(given.changes, timedelta(hours=guards.war_hours))
    quotes = [*given.quotes, given.quote] if given.quote else list(given.quotes)
    answered = sum(
        _was_undercut(cut, cuts[place + 1].at if place + 1 < len(cuts) else None, quotes)
        for place, cut in enumerate(cuts)
    )
    if not answered or (answered < guards.war_cuts and given.ask > floor_ask):
        return None
    if given.now - cuts[-1].at > timedelta(hours=guards.war_pause_hours + guards.war_hours):
        return None
    return War(answered, cuts[-1].at, max(cut.old for cut in cuts))


def _cuts_of_one_fight(changes: Sequence[PastChange], gap: timedelta) -> list[PastChange]:
    """Return the cuts since the last raise or pause longer than `gap`, oldest first."""
    cuts: list[PastChange] = []
    for change in reversed(changes):
        if change.new >= change.old or (cuts and cuts[-1].at - change.at > gap):
            break
        cuts.append(change)
    return cuts[::-1]


def _was_undercut(cut: PastChange, until: datetime | None, quotes: Sequence[Quote]) -> bool:
    """Tell whether a rival went below this cut because of it: lower than the cut, and lower than he stood before.

    A rival who stood below us all along, while we come down to him in steps, answers nothing.
    """
    before = [quote.lowest_ask for quote in quotes if quote.at <= cut.at and quote.lowest_ask is not None]
    return any(
        quote.lowest_ask is not None and quote.lowest_ask < cut.new and (not before or quote.lowest_ask < before[-1])
        for quote in quotes
        if quote.at > cut.at and (until is None or quote.at <= until)
    )
