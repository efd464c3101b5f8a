"""Strategies that look at the market of the moment: follow it, sell into it, or age with it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from soleflip.domain.fees import estimate_payout
from soleflip.domain.money import whole_down
from soleflip.domain.pricing.facts import PricingInput, Proposal, Quote
from soleflip.domain.pricing.settings import setting

HUNDRED = Decimal(100)
TARGETS = ("lowest_ask", "sell_faster", "earn_more", "beat_us", "highest_bid")
TARGET_WORDS = {
    "lowest_ask": "the lowest rival ask",
    "sell_faster": "StockX's sell-faster price",
    "earn_more": "StockX's earn-more price",
    "beat_us": "StockX's beat-US price",
    "highest_bid": "the highest bid",
}


@dataclass(frozen=True, slots=True)
class CompetitiveSettings:
    """Where to stand against a target of the quote."""

    target: str = setting("lowest_ask", "Target", "choice", choices=TARGETS)
    stance: str = setting("beat", "Stance", "choice", choices=("beat", "match"))
    by_amount: Decimal = setting(Decimal(1), "Beat by", "amount", note="whole units", lowest=0)
    by_percent: Decimal | None = setting(
        None, "Beat by", "percent", note="of the target; the larger of both acts", lowest=0, highest=50
    )


def competitive(settings: CompetitiveSettings, given: PricingInput) -> Proposal:
    """Beat or match one target of the quote; stand still while the lowest ask is our own."""
    quote = given.quote
    if quote is None:
        return _after_last_sale(settings, given)
    inputs = _market_inputs(quote)
    if given.lowest_is_ours and settings.target != "highest_bid":
        if given.ask is None:
            return Proposal(given.own_lowest, "Stand with our own lowest ask.", inputs)
        return Proposal(None, "The lowest ask is our own.", inputs)
    target: Decimal | None = getattr(quote, settings.target)
    words = TARGET_WORDS[settings.target]
    if target is None:
        situation = "no_rivals" if settings.target == "lowest_ask" else None
        return Proposal(None, f"The market shows no value for {words}.", inputs, situation)
    if settings.stance == "match":
        return Proposal(whole_down(target), f"Match {words} of {target}.", inputs)
    by = max(settings.by_amount, target * (settings.by_percent or 0) / HUNDRED)
    return Proposal(whole_down(target - by), f"Beat {words} of {target} by {by.normalize():f}.", inputs)


def _after_last_sale(settings: CompetitiveSettings, given: PricingInput) -> Proposal:
    """Stand where the target would be if the market were at its last sale."""
    if not given.history:
        return Proposal(None, "There is neither a quote nor a sale to go by.")
    last = given.history[-1].price
    by = settings.by_amount if settings.stance == "beat" else Decimal(0)
    return Proposal(whole_down(last - by), f"No quote; the last sale was at {last}.", {"last_sale": str(last)})


def _market_inputs(quote: Quote) -> dict[str, str]:
    return {name: str(value) for name in TARGETS if (value := getattr(quote, name)) is not None}


@dataclass(frozen=True, slots=True)
class HoldSettings:
    """Nothing to set: the ask stays."""


def hold(settings: HoldSettings, given: PricingInput) -> Proposal:
    """Leave the ask as it is; a new listing starts at the last sale or below the lowest ask."""
    if given.ask is not None:
        return Proposal(None, "This strategy leaves the ask as it is.")
    if given.history:
        last = given.history[-1].price
        return Proposal(whole_down(last), f"Start at the last sale of {last}.", {"last_sale": str(last)})
    if given.quote and given.quote.lowest_ask:
        lowest = given.quote.lowest_ask
        return Proposal(whole_down(lowest), f"Start at the lowest ask of {lowest}.", _market_inputs(given.quote))
    return Proposal(None, "There is neither a quote nor a sale to start from.")


@dataclass(frozen=True, slots=True)
class QuickSaleSettings:
    """When selling now beats waiting."""

    give_up: Decimal = setting(
        Decimal(8), "Give up for speed", "percent", note="of the payout at the lowest ask", lowest=0, highest=100
    )
    otherwise_beat_by: Decimal = setting(Decimal(2), "Otherwise beat the lowest ask by", "amount", lowest=0)


def quick_sale(settings: QuickSaleSettings, given: PricingInput) -> Proposal:
    """Sell into the highest bid when its payout is near that of the lowest ask, else beat the lowest ask."""
    beat = CompetitiveSettings(by_amount=settings.otherwise_beat_by)
    quote = given.quote
    if quote is None or quote.highest_bid is None:
        return competitive(beat, given)
    bid = whole_down(quote.highest_bid)
    goal = quote.lowest_ask or given.ask
    if goal is None:
        return Proposal(bid, f"Sell into the highest bid of {bid}; nobody else is asking.", _market_inputs(quote))
    now, later = (estimate_payout(price, given.fees).payout for price in (bid, whole_down(goal)))
    if now >= later * (1 - settings.give_up / HUNDRED):
        reason = f"Sell into the highest bid of {bid}: it pays {now}, the lowest ask {later}."
        return Proposal(bid, reason, _market_inputs(quote))
    return competitive(beat, given)
