"""Pricing: strategies propose an ask, guard rails clamp or refuse it; amounts in the listing's currency.

A strategy is one function and one line in `STRATEGIES`:

1. `facts` holds what goes in (`PricingInput`) and comes out (`Proposal`, `Decision`).
2. `strategies` looks at the market of the moment, `earning` and `patience` at what past sales teach (`demand`).
3. `guards` and `war` say what no strategy may do; `settings` reads, describes and cascades settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import earning, patience, strategies
from soleflip.domain.pricing.contradictions import check_rails
from soleflip.domain.pricing.decision import judge
from soleflip.domain.pricing.facts import Decision, PastChange, PricingInput, Proposal, Quote
from soleflip.domain.pricing.guards import GuardSettings, floor
from soleflip.domain.pricing.layers import Acting, Rule, acting
from soleflip.domain.pricing.sales import OtherSizes, PastSale, ProductSales
from soleflip.domain.pricing.settings import (
    OFF,
    Cascade,
    Layer,
    SettingField,
    cascade,
    describe,
    read_settings,
    written,
)

__all__ = [
    "OFF",
    "STRATEGIES",
    "Acting",
    "Cascade",
    "Decision",
    "GuardSettings",
    "Layer",
    "OtherSizes",
    "PastChange",
    "PastSale",
    "PricingInput",
    "ProductSales",
    "Proposal",
    "Quote",
    "Rule",
    "SettingField",
    "Strategy",
    "acting",
    "cascade",
    "check_rails",
    "confirm",
    "decide",
    "describe",
    "floor",
    "propose",
    "read_settings",
    "strategy_named",
    "written",
]


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to propose an ask.

    `quote_use`: 'needed' refuses without a fresh quote and never goes below an own lowest ask, 'helpful' works
    without a quote but refuses a stale one, 'unused' never looks at it.
    """

    name: str
    label: str
    summary: str
    settings_type: type[Any]
    propose: Callable[[Any, PricingInput], Proposal]
    quote_use: Literal["needed", "helpful", "unused"]


_ALL = (
    Strategy(
        "profit_maximization",
        "Most profit per day",
        "Asks what earns most per day of money at work, from what past sales say about the next buyer.",
        earning.EarningSettings,
        earning.earn,
        quote_use="helpful",
    ),
    Strategy(
        "patient",
        "Most profit per pair",
        "Waits for a buyer who pays more, and comes down while the days to sell it run out.",
        patience.PatientSettings,
        patience.patient,
        quote_use="helpful",
    ),
    Strategy(
        "competitive",
        "Competitive",
        "Beats or matches the lowest ask or another price of the market.",
        strategies.CompetitiveSettings,
        strategies.competitive,
        quote_use="needed",
    ),
    Strategy(
        "quick_sale",
        "Quick sale",
        "Sells into the highest bid when that pays nearly as much, else beats the lowest ask.",
        strategies.QuickSaleSettings,
        strategies.quick_sale,
        quote_use="needed",
    ),
    Strategy(
        "time_decay",
        "Time decay",
        "Starts above the market and gives way with age and with every sale that passes it by.",
        earning.TimeDecaySettings,
        earning.time_decay,
        quote_use="helpful",
    ),
    Strategy(
        "hold",
        "Hold",
        "Leaves the ask where it is; the guards still raise it to the floor and lower it to the ceiling.",
        strategies.HoldSettings,
        strategies.hold,
        quote_use="unused",
    ),
)
STRATEGIES: dict[str, Strategy] = {each.name: each for each in _ALL}


def strategy_named(name: str) -> Strategy:
    """Return a strategy by name; raises InvalidInput for an unknown one."""
    if name not in STRATEGIES:
        raise InvalidInput(f"There is no strategy {name!r}; there are {', '.join(STRATEGIES)}.", field="strategy")
    return STRATEGIES[name]


def propose(strategy: str, settings: Mapping[str, object], given: PricingInput) -> Proposal:
    """Ask one strategy for its proposal, before any guard."""
    chosen = strategy_named(strategy)
    return chosen.propose(read_settings(chosen.settings_type, settings), given)


def decide(strategy: str, settings: Mapping[str, object], given: PricingInput, guards: GuardSettings) -> Decision:
    """Decide about one ask: strategy first, then every guard; nothing is ever decided below the floor.

    Raises InvalidInput for an unknown strategy or settings that do not fit it.
    """
    chosen = strategy_named(strategy)
    read = read_settings(chosen.settings_type, settings)
    return judge(lambda: chosen.propose(read, given), given, guards, quote_use=chosen.quote_use)


def confirm(strategy: str, ask: Decimal, given: PricingInput, guards: GuardSettings) -> Decision:
    """Decide whether an ask that `strategy` proposed earlier may still go out: only that very one, past every guard."""
    decision = judge(
        lambda: Proposal(ask, f"Approved: {ask}."), given, guards, quote_use=strategy_named(strategy).quote_use
    )
    if decision.kind == "change" and decision.ask == ask:
        return decision
    reason = (
        decision.reason if decision.kind == "refuse" else f"{ask} would be {decision.ask} by now. {decision.reason}"
    )
    return replace(decision, kind="refuse", ask=given.ask, reason=reason, guard=decision.guard or "approval")
