"""The way of a pair from an opportunity to a booked sale: where it stands, what comes next, what it waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

STAGES: dict[str, str] = {
    "detected": "Detected",
    "decided": "Purchase decided",
    "item": "Pair committed",
    "listed": "Listed",
    "repriced": "Repriced",
    "sold": "Sold",
    "shipped": "Shipped",
    "booked": "Profit booked",
    "review": "Needs you",
}
"""In the order of the way; `review` is beside it."""

MOST_TRIES = 6
"""How often a pair of a rule is put up again by itself before it is the operator's."""

MOST_REOPENED = 50
"""A listing run of a rule goes on by itself so often after failures, then it stays on the dashboard."""


def wait_before(tries: int) -> timedelta:
    """Return how long a pair rests before it is put up once more: longer after each try, a day at most."""
    return timedelta(minutes=min(10 * 4**tries, 24 * 60)) if tries else timedelta(0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rows of a pair say: its stage, and the states of everything it touched; times are UTC.

    `run_error` is why the run that was to list it failed; whether the automation lets that go on, `run_goes_on`.
    """

    stage: str
    decision_state: str | None = None
    decision_note: str | None = None
    listing_status: str | None = None
    listing_note: str | None = None
    order_status: str | None = None
    ship_by: datetime | None = None
    is_to_buy: bool = False
    is_kept_listed: bool = False
    tries: int = 0
    tried_at: datetime | None = None
    pair_note: str | None = None
    run_error: str | None = None
    run_goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What happens next with a pair, what that waits for, and whether it is the operator who must act."""

    next: str
    waits_for: str
    needs_you: bool = False


def standing(facts: Facts) -> Standing:
    """Say what comes next for a pair that stands at a stage."""
    return _AT[facts.stage](facts)


def _detected(facts: Facts) -> Standing:
    if facts.decision_state == "waiting":
        why = f": {facts.decision_note}" if facts.decision_note else ""
        return Standing("Decide to buy", f"Your approval{why}", needs_you=True)
    return Standing("Decide to buy", "A rule or you")


def _decided(facts: Facts) -> Standing:
    return Standing("Commit to the pair", facts.decision_note or "The next automation run")


def _item(facts: Facts) -> Standing:
    if facts.run_error is not None and facts.run_goes_on:
        return Standing("List", f"The next automation run: {facts.run_error}")
    if facts.run_error is not None:
        return Standing("Let its listing run go on", f"You: the run failed: {facts.run_error}", needs_you=True)
    if facts.listing_status in ("pending", "submitting"):
        return Standing("List", facts.listing_note or "The listing run")
    if facts.is_kept_listed:
        why = facts.pair_note or facts.listing_note
        return Standing("List again", f"The next try{': ' + why if why else ''}")
    if facts.is_to_buy and facts.listing_status is None:
        return Standing("Buy at the shop, then list", "You", needs_you=True)
    return Standing("List", "You", needs_you=True)


def _listed(facts: Facts) -> Standing:
    if facts.listing_status == "inactive":
        return Standing("Activate", "You: it is paused", needs_you=True)
    return Standing("Sell", "A buyer")


def _sold(facts: Facts) -> Standing:
    if facts.is_to_buy:
        return Standing("Buy at the shop, then ship", "You: it is sold and not bought yet", needs_you=True)
    return Standing("Ship", "You", needs_you=True)


def _shipped(facts: Facts) -> Standing:
    return Standing("Book the profit", "The payout" if facts.order_status == "completed" else "Authentication")


def _booked(_: Facts) -> Standing:
    return Standing("–", "–")


def _review(facts: Facts) -> Standing:
    if facts.listing_status == "review":
        return Standing("Decide what StockX has", "You: its listing is in review", needs_you=True)
    why = facts.pair_note or facts.listing_note
    return Standing("List by hand, or write off", f"You: given up{' - ' + why if why else ''}", needs_you=True)


_AT = {
    "detected": _detected,
    "decided": _decided,
    "item": _item,
    "listed": _listed,
    "repriced": _listed,
    "sold": _sold,
    "shipped": _shipped,
    "booked": _booked,
    "review": _review,
}
