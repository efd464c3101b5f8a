"""Price wars: seeing that a rival answers our cuts, stopping, waiting, and trying a bounded raise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from soleflip.domain.pricing.facts import PastChange, PricingInput, Quote
from soleflip.domain.pricing.guards import GuardSettings

NEAR = Decimal("0.95")
"""A rival who answers goes just below our cut; one who goes further below follows the market, not us."""


@dataclass(frozen=True, slots=True)
class War:
    """A running price war: how many cuts were answered, when anybody last moved, where it began and who is lowest."""

    answered: int
    last_move_at: datetime
    began_at_ask: Decimal
    rival: Decimal

    def is_quiet(self, now: datetime, guards: GuardSettings) -> bool:
        """Return whether both sides have stood still long enough to try a raise."""
        return now - self.last_move_at >= timedelta(hours=guards.war_pause_hours)

    def has_left(self, ask: Decimal, now: datetime, guards: GuardSettings) -> bool:
        """Return whether the rival stands so far below that it is the market that fell: then it is followed."""
        return self.is_quiet(now, guards) and self.rival < ask * NEAR


@dataclass(frozen=True, slots=True)
class _Fall:
    """The lowest rival went down to `price`; `answers` is the cut of ours that he answered, or None."""

    at: datetime
    price: Decimal
    answers: PastChange | None


def price_war(given: PricingInput, guards: GuardSettings, floor_ask: Decimal) -> War | None:
    """Return the war when a rival answered enough of our cuts in a row, else None.

    1. Cuts count since our last raise, while each is within `war_hours` of the next.
    2. A cut is answered by the first fall of the rival that goes just below it within the pause.
    3. A fall that answers nothing shows a market that falls by itself: the count begins again after it.
    4. At the floor one answered cut is enough. A war that nobody ended within pause and `war_hours` is over.
    """
    if not guards.war_cuts or given.ask is None:
        return None
    cuts = _cuts_of_one_fight(given.changes, timedelta(hours=guards.war_hours))
    answers: list[_Fall] = []
    for fall in _falls(given, cuts, timedelta(hours=guards.war_pause_hours)):
        answers = [] if fall.answers is None else [*answers, fall]
    if not answers or (len(answers) < guards.war_cuts and given.ask > floor_ask):
        return None
    last = max(answers[-1].at, cuts[-1].at)
    if given.now - last > timedelta(hours=guards.war_pause_hours + guards.war_hours):
        return None
    began = max(fall.answers.old for fall in answers if fall.answers is not None)
    return War(len(answers), last, began, given.rival_lowest or answers[-1].price)


def _cuts_of_one_fight(changes: Sequence[PastChange], gap: timedelta) -> list[PastChange]:
    """Return the cuts since the last raise or pause longer than `gap`, oldest first."""
    cuts: list[PastChange] = []
    for change in reversed(changes):
        if change.new >= change.old or (cuts and cuts[-1].at - change.at > gap):
            break
        cuts.append(change)
    return cuts[::-1]


def _falls(given: PricingInput, cuts: Sequence[PastChange], pause: timedelta) -> Iterator[_Fall]:
    """Yield each fall of the lowest rival since the first cut, and the cut that it answers.

    A quote that shows an ask of our own says nothing of him: he stays where he was last seen.
    """
    stood: Decimal | None = None
    answered: PastChange | None = None
    for quote in [*given.quotes, given.quote] if given.quote else given.quotes:
        cut = next((each for each in reversed(cuts) if each.at < quote.at), None)
        seen = _rival_in(quote, cut, given)
        if seen is None:
            continue
        fell = (stood is None or seen < stood) and cut is not None and seen < cut.new
        if fell and cut is not None:
            is_answer = cut is not answered and seen >= cut.new * NEAR and quote.at - cut.at <= pause
            yield _Fall(quote.at, seen, cut if is_answer else None)
            answered = cut
        stood = seen


def _rival_in(quote: Quote, cut: PastChange | None, given: PricingInput) -> Decimal | None:
    """Return the lowest ask of a quote unless it is our own; of those before the first cut any is a rival's."""
    lowest = quote.lowest_ask
    ours = given.own_asks if cut is None else (*given.own_asks, cut.new)
    return None if lowest in ours else lowest
