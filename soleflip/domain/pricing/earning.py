"""Strategies that weigh what a higher ask earns against what waiting for its buyer costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from soleflip.domain.fees import unrounded_payout
from soleflip.domain.money import ZERO, cents, whole_down, whole_up
from soleflip.domain.pricing.demand import FITTED, Demand, Fit, days_to_wait, expect
from soleflip.domain.pricing.facts import PricingInput, Proposal
from soleflip.domain.pricing.settings import setting
from soleflip.domain.pricing.strategies import CompetitiveSettings, competitive

HUNDRED = Decimal(100)
SEARCH_SPREADS = Decimal(3)
"""Asks are searched so many spreads around the level."""
NEAR = Decimal("0.015")
"""An ask is rounded by at most 1.5 %."""
TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class EarningSettings:
    """What waiting costs and how much history is enough."""

    day_value: Decimal = setting(
        Decimal("1.2"),
        "A day is worth",
        "percent",
        note="of the price: what the money would earn elsewhere, and what the market may fall",
        lowest=0,
        highest=20,
    )
    holding: Decimal = setting(
        Decimal("0.05"), "Holding costs a day", "percent", note="of the cost", lowest=0, highest=10
    )
    fewest_sales: int = setting(
        3, "Fewest known sales", "count", note="with fewer it beats the lowest ask by 1", lowest=1, highest=100
    )
    oldest_sale: int = setting(
        60, "Oldest last sale", "days", note="older history gives way to the quote", lowest=1, highest=999
    )
    behind_rivals: Decimal = setting(
        Decimal(50), "Demand behind a rival", "percent", note="for an ask not below the lowest", lowest=1, highest=100
    )
    deepest_undercut: Decimal = setting(
        Decimal(10),
        "Below the lowest rival at most",
        "percent",
        note="lower finds few more buyers",
        lowest=0,
        highest=90,
    )
    round_to: int = setting(
        5, "Round to", "count", note="buyers' prices gather at round numbers; 1 turns this off", lowest=1, highest=100
    )
    sells_into_bid: bool = setting(True, "May sell into the bid", "flag", note="when the bid pays more than waiting")


@dataclass(frozen=True, slots=True)
class Choice:
    """One ask with what it pays, how long it should wait, and what is left after the waiting."""

    ask: Decimal
    days: Decimal
    worth: Decimal


Look = Callable[[Decimal], Choice]
"""What one ask would bring."""


def earn(settings: EarningSettings, given: PricingInput, fit: Fit = FITTED) -> Proposal:
    """Propose the ask whose payout less the cost of waiting for its buyer is highest."""
    return propose(settings, given, fit, _by_waiting)


def _by_waiting(demand: Demand, daily: Decimal, settings: EarningSettings, given: PricingInput) -> Look:
    """Look at asks as if each stood until its buyer comes."""

    def look(ask: Decimal) -> Choice:
        days = days_to_wait(buyers_at(ask, demand, settings, given))
        return Choice(ask, days, unrounded_payout(ask, given.fees) - daily * days)

    return look


def propose(
    settings: EarningSettings,
    given: PricingInput,
    fit: Fit,
    looking: Callable[[Demand, Decimal, EarningSettings, PricingInput], Look],
) -> Proposal:
    """Propose the ask that brings most by one way of looking, rounded, unless the bid brings more."""
    unknown = _too_little(settings, given)
    if unknown is not None:
        return _by_quote(unknown, given)
    demand = expect(given.history, given.others, given.now.date(), fit)
    cost = demand.level if given.cost is None else given.cost
    daily = (settings.day_value * demand.level + settings.holding * cost) / HUNDRED
    least = _least(settings, given)
    if least > demand.level * (1 + SEARCH_SPREADS * demand.spread):
        return _far_below_rivals(least, demand, given)
    look = looking(demand, daily, settings, given)
    best = look(_rounded(_best(look, demand, settings, given).ask, settings, given))
    bid = _bid(settings, given)
    if bid is not None and unrounded_payout(bid, given.fees) >= best.worth:
        reason = f"Sell into the highest bid of {bid}: waiting for {best.ask} would be worth less."
        return Proposal(bid, reason, _inputs(demand, best))
    return Proposal(best.ask, _reason(demand, best), _inputs(demand, best))


def _worth(choice: Choice) -> tuple[Decimal, Decimal]:
    return choice.worth, -choice.ask


def buyers_at(ask: Decimal, demand: Demand, settings: EarningSettings, given: PricingInput) -> Decimal:
    """Return the expected buyers a day at an ask; behind a rival's lowest there are fewer."""
    buyers = demand.per_day_at(ask)
    if given.rival_lowest is not None and ask >= given.rival_lowest:
        buyers *= settings.behind_rivals / HUNDRED
    return buyers


def _best(look: Look, demand: Demand, settings: EarningSettings, given: PricingInput) -> Choice:
    """Return the best whole ask: a coarse search around the level, then a fine one around what it found."""
    reach = demand.level * demand.spread * SEARCH_SPREADS
    lowest, highest = search_range(demand, settings, given)
    coarse = max(whole_down(reach / 8), Decimal(1))
    fine = max(whole_down(coarse / 5), Decimal(1))
    tried = [look(ask) for ask in steps(lowest, highest, coarse)]
    near = max(tried, key=_worth).ask
    around = steps(max(near - coarse + fine, lowest), near + coarse - 1, fine)
    tried += [look(ask) for ask in around]
    if given.rival_lowest is not None and given.rival_lowest > 1:
        tried.append(look(whole_down(given.rival_lowest - 1)))
    return max(tried, key=_worth)


def search_range(demand: Demand, settings: EarningSettings, given: PricingInput) -> tuple[Decimal, Decimal]:
    """Return between which asks the best one is looked for."""
    reach = demand.level * demand.spread * SEARCH_SPREADS
    return max(whole_down(demand.level - reach), _least(settings, given)), demand.level + reach


def _least(settings: EarningSettings, given: PricingInput) -> Decimal:
    """Return the least ask worth trying: whoever buys now buys the lowest, however far it is below the next."""
    if given.rival_lowest is None:
        return Decimal(1)
    deepest = whole_up(given.rival_lowest * (1 - settings.deepest_undercut / HUNDRED))
    return max(min(deepest, whole_down(given.rival_lowest - 1)), Decimal(1))


def _rounded(ask: Decimal, settings: EarningSettings, given: PricingInput) -> Decimal:
    """Return the nearest round ask when it is near and does not give up the place below a rival."""
    over = ask % settings.round_to
    near = ask - over if over * 2 <= settings.round_to else ask - over + settings.round_to
    is_near = abs(near - ask) <= ask * NEAR
    gives_way = given.rival_lowest is not None and ask < given.rival_lowest <= near
    return near if is_near and near >= _least(settings, given) and not gives_way else ask


def steps(lowest: Decimal, highest: Decimal, step: Decimal) -> Iterator[Decimal]:
    """Yield asks from the lowest to the highest."""
    while lowest <= highest:
        yield lowest
        lowest += step


def _bid(settings: EarningSettings, given: PricingInput) -> Decimal | None:
    bid = given.quote.highest_bid if given.quote else None
    return whole_down(bid) if settings.sells_into_bid and bid is not None and bid >= 1 else None


def _far_below_rivals(least: Decimal, demand: Demand, given: PricingInput) -> Proposal:
    """Stand below the lowest rival when past sales lie so low that the market must have moved."""
    bid = given.quote.highest_bid if given.quote else None
    ask = least if bid is None else max(least, whole_down(bid))
    reason = f"Past sales lie around {whole_down(demand.level)}, but nobody asks less than {given.rival_lowest}."
    return Proposal(ask, reason, {"level": str(cents(demand.level))})


def _too_little(settings: EarningSettings, given: PricingInput) -> str | None:
    """Return why the history is not enough to go by, or None when it is."""
    known = len(given.history)
    if known < settings.fewest_sales:
        return f"Only {known} of {settings.fewest_sales} needed sales are known."
    age = (given.now.date() - given.history[-1].on).days
    if given.quote is not None and age > settings.oldest_sale:
        return f"The last known sale is {age} days old."
    return None


def _by_quote(unknown: str, given: PricingInput) -> Proposal:
    instead = competitive(CompetitiveSettings(), given)
    inputs = {**instead.inputs, "known_sales": str(len(given.history))}
    return Proposal(instead.ask, f"{unknown} {instead.reason}", inputs, instead.situation)


def _reason(demand: Demand, best: Choice) -> str:
    return (
        f"{best.ask} should find a buyer in about {_short(best.days + 1)} days: sales lie around "
        f"{whole_down(demand.level)}, {_short(demand.sales_per_day)} a day; more would wait longer than it earns."
    )


def _short(number: Decimal) -> str:
    return f"{number.quantize(TENTH):f}"


def _inputs(demand: Demand, best: Choice) -> dict[str, str]:
    return {
        "level": str(cents(demand.level)),
        "spread_percent": str(cents(demand.spread * HUNDRED)),
        "sales_per_day": str(cents(demand.sales_per_day)),
        "expected_days": str(cents(best.days)),
        "worth_after_waiting": str(cents(best.worth)),
    }


@dataclass(frozen=True, slots=True)
class TimeDecaySettings:
    """From a premium down to a discount while the listing ages."""

    start_premium: Decimal = setting(Decimal(6), "Start above the market", "percent", lowest=0, highest=100)
    end_discount: Decimal = setting(Decimal(10), "End below the market", "percent", lowest=0, highest=90)
    over_days: int = setting(30, "Within", "days", lowest=1, highest=999)
    passed_by: Decimal = setting(
        Decimal("0.5"),
        "A sale that passed us by ages by",
        "days",
        note="each sale of this size since listing, by somebody else",
        lowest=0,
        highest=30,
    )


def time_decay(settings: TimeDecaySettings, given: PricingInput) -> Proposal:
    """Start above the market and give way with age, faster the more sales passed the listing by."""
    anchor = _anchor(settings, given)
    if anchor is None:
        return Proposal(None, "There is neither a sale nor a quote to age from.")
    since = given.listed_at or given.now
    days = Decimal(int((given.now - since).total_seconds())) / 86400
    passed = sum(1 for sale in given.history if sale.on >= since.date()) if given.listed_at else 0
    age = max(days, ZERO) + settings.passed_by * passed
    way = min(age / settings.over_days, Decimal(1))
    percent = settings.start_premium - way * (settings.start_premium + settings.end_discount)
    ask = max(whole_down(cents(anchor * (1 + percent / HUNDRED))), Decimal(1))
    reason = (
        f"{_short(days)} days old and passed by {passed} sales: {_short(percent)} % against the market at "
        f"{whole_down(anchor)}."
    )
    return Proposal(ask, reason, {"anchor": str(cents(anchor)), "days": str(cents(days)), "passed_by": str(passed)})


def _anchor(settings: TimeDecaySettings, given: PricingInput) -> Decimal | None:
    """Return the market to age against: the middle of the last sales, else what we began with.

    Without sales a live listing never looks at rivals: one who follows us down, or up, would be our own echo. Its
    original ask is taken for the one with the premium on it. A new listing begins at the lowest rival ask.
    """
    if given.history:
        prices = sorted(sale.price for sale in given.history[-5:])
        return prices[len(prices) // 2]
    began = given.original_ask or given.ask
    return given.rival_lowest if began is None else began / (1 + settings.start_premium / HUNDRED)
