"""From a proposal to a decision: every guard in one fixed order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from soleflip.domain.money import whole_down
from soleflip.domain.pricing.facts import Decision, PricingInput, Proposal
from soleflip.domain.pricing.guards import (
    GuardSettings,
    Limit,
    floor_of,
    quote_guard,
    timing_guard,
    within_ceiling,
    within_fall,
    within_rivals,
    within_step,
)
from soleflip.domain.pricing.war import price_war


def judge(propose: Callable[[], Proposal], given: PricingInput, guards: GuardSettings, *, quote_use: str) -> Decision:
    """Decide about one ask, all amounts in the listing's currency.

    1. Without a floor nothing is priced; an ask below its floor is raised at once, whatever the clock says.
    2. The clock may stop everything, the quote the strategy.
    3. A price war stops cuts until it is quiet, then tries a raise.
    4. Market situations, floor, ceiling, own asks, fall per day and step clamp or refuse what is left.
    5. Whatever came of it, an ask above its ceiling comes down to it.
    """
    floor_ask = floor_of(given, guards)
    if floor_ask is None:
        return _refuse(given, "no_cost", "Neither a cost nor a lowest ask is known, so there is no floor.")
    if given.ask is not None and given.ask < floor_ask:
        reason = f"Raised from {given.ask} to the floor of {floor_ask}."
        return _stamp(Decision("change", floor_ask, reason, "floor"), given, floor_ask)
    stop = timing_guard(given, guards)
    if stop is not None:
        return _stamp(_refuse(given, *stop), given, floor_ask)
    inputs: dict[str, str] = {}
    stop = None if quote_use == "unused" else quote_guard(given, guards, needed=quote_use == "needed")
    if stop is not None:
        decision = _refuse(given, *stop)
    else:
        proposal = propose()
        inputs = proposal.inputs
        decision = _weigh(proposal, given, guards, floor_ask, quote_use == "needed")
    if decision.kind != "change":
        decision = _under_ceiling(decision, given, guards, floor_ask)
    return _stamp(decision, given, floor_ask, inputs)


def _under_ceiling(decision: Decision, given: PricingInput, guards: GuardSettings, floor_ask: Decimal) -> Decision:
    """Bring a standing ask down to its ceiling, within fall and step: that takes no quote and no strategy."""
    if given.ask is None:
        return decision
    limit = within_ceiling(given.ask, floor_ask, guards)
    if not limit.guard:
        return decision
    return _limited(replace(limit, reason=f"Down to the ceiling of {limit.ask}."), given, guards, floor_ask)


def _weigh(
    proposal: Proposal, given: PricingInput, guards: GuardSettings, floor_ask: Decimal, by_market: bool
) -> Decision:
    war = price_war(given, guards, floor_ask)
    if war and given.ask is not None and proposal.ask is not None and proposal.ask < given.ask:
        raised = within_rivals(war.began_at_ask, given.ask, war.rival, guards).ask
        if raised > given.ask and war.is_quiet(given.now, guards):
            proposal = Proposal(raised, f"Quiet after a price war: try {raised}, near above the lowest rival.")
        elif not war.has_left(given.ask, given.now, guards):
            return _refuse(
                given, "price_war", f"A rival answered {war.answered} of our cuts; waiting before a raise is tried."
            )
    wanted = _wanted(proposal, given, guards, floor_ask)
    if isinstance(wanted, Decision):
        return wanted
    if by_market and _is_against_ourselves(wanted.ask, given):
        return _refuse(given, "own_ask", "The lowest ask is our own; going below it would only cost us.")
    return _limited(wanted, given, guards, floor_ask)


def _wanted(proposal: Proposal, given: PricingInput, guards: GuardSettings, floor_ask: Decimal) -> Limit | Decision:
    """Apply market situations, floor and ceiling to what the strategy wants."""
    if proposal.ask is None:
        if proposal.situation == "no_rivals":
            return _instead("no_rivals", guards.when_no_rivals, proposal.reason, given, guards, floor_ask)
        if given.ask is None:
            return _refuse(given, "no_data", proposal.reason)
        return Decision("keep", given.ask, proposal.reason)
    ask = whole_down(proposal.ask)
    if ask < floor_ask:
        rival = given.rival_lowest
        if rival is not None and rival < floor_ask:
            reason = f"The lowest rival asks {rival}, below our floor of {floor_ask}."
            return _instead("rivals_below_floor", guards.when_rivals_below_floor, reason, given, guards, floor_ask)
        return Limit(floor_ask, "floor", f"{proposal.reason} Held at the floor of {floor_ask}.")
    near = within_rivals(ask, given.ask, given.rival_lowest, guards)
    reason = _sentence(proposal.reason, near)
    limited = within_ceiling(near.ask, floor_ask, guards)
    if limited.guard and guards.when_above_ceiling == "hold":
        return _refuse(given, "ceiling", f"{reason} That is above the ceiling of {guards.ceiling}.")
    return replace(limited, guard=limited.guard or near.guard, reason=_sentence(reason, limited))


def _instead(
    guard: str, choice: str, reason: str, given: PricingInput, guards: GuardSettings, floor_ask: Decimal
) -> Limit | Decision:
    """Do what the settings choose for a situation in which the strategy has nothing to follow."""
    if choice == "floor":
        return Limit(floor_ask, guard, f"{reason} Set to the floor of {floor_ask}.")
    if choice == "ceiling" and guards.ceiling is not None:
        ceiling = max(whole_down(guards.ceiling), floor_ask)
        return Limit(ceiling, guard, f"{reason} Set to the ceiling of {ceiling}.")
    return _refuse(given, guard, f"{reason} Nothing is changed.")


def _is_against_ourselves(ask: Decimal, given: PricingInput) -> bool:
    if given.quote is None or not given.lowest_is_ours or given.own_lowest is None:
        return False
    bid = given.quote.highest_bid
    return ask < given.own_lowest and (bid is None or ask > bid)


def _limited(wanted: Limit, given: PricingInput, guards: GuardSettings, floor_ask: Decimal) -> Decision:
    """Hold a wanted ask within step and fall, and drop a change too small to be worth a request."""
    if given.ask is None:
        return Decision("change", wanted.ask, wanted.reason, wanted.guard)
    ask, guard, reason = wanted.ask, wanted.guard, wanted.reason
    for limit in (within_fall(ask, given, guards), within_step(ask, given.ask, guards)):
        if limit.guard and abs(limit.ask - given.ask) < abs(ask - given.ask):
            ask, guard, reason = limit.ask, limit.guard, _sentence(wanted.reason, limit)
    ask = max(ask, floor_ask)
    if wanted.ask == given.ask:
        return Decision("keep", given.ask, wanted.reason, wanted.guard)
    if ask == given.ask and guard in ("day_fall", "largest_step"):
        return _refuse(given, guard, reason)
    if abs(ask - given.ask) < guards.smallest_change and wanted.guard != "ceiling":
        return Decision("keep", given.ask, f"{reason} Too small a change to send.", guard)
    return Decision("change", ask, reason, guard)


def _sentence(reason: str, limit: Limit) -> str:
    return f"{reason} {limit.reason[0].upper()}{limit.reason[1:]}." if limit.guard else reason


def _refuse(given: PricingInput, guard: str, reason: str) -> Decision:
    return Decision("refuse", given.ask, reason, guard)


def _stamp(
    decision: Decision, given: PricingInput, floor_ask: Decimal, inputs: dict[str, str] | None = None
) -> Decision:
    """Add the floor and what was looked at, so that a change can be understood a year later."""
    seen = {"ask": given.ask, "cost": given.cost, "floor": floor_ask}
    if given.quote is not None:
        seen |= {"lowest_ask": given.quote.lowest_ask, "highest_bid": given.quote.highest_bid}
    if given.own_asks:
        seen["own_lowest"] = given.own_lowest
    texts = {name: str(value) for name, value in seen.items() if value is not None}
    return replace(decision, floor=floor_ask, inputs=texts | (inputs or {}))
