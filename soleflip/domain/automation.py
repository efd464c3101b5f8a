"""Rules of automation: what is looked at, what must hold, what is done, and limits that nothing passes.

Amounts are in the books' currency, percentages are written as 12.5, times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO, percent
from soleflip.domain.pricing import strategy_named
from soleflip.domain.pricing.settings import read_settings, setting, written
from soleflip.domain.words import count_of

OPPORTUNITY, LISTING = "opportunity", "listing"
SUBJECTS = {OPPORTUNITY: "an opportunity", LISTING: "a live listing"}
ACTIONS: dict[str, dict[str, str]] = {
    OPPORTUNITY: {"buy": "mark for purchase", "list": "buy and list", "alert": "alert me"},
    LISTING: {"strategy": "change the strategy", "delist": "take it off StockX", "alert": "alert me"},
}
SPENDS = frozenset({"buy", "list"})
"""Actions that commit money."""
RANKS = ("any", "lowest", "above", "alone")
MATCHES = ("firm", "doubtful", "any")


@dataclass(frozen=True, slots=True)
class OpportunityConditions:
    """What an opportunity must have; None and `any` ask for nothing. Shop and brand are ids."""

    shop: int | None = setting(None, "Shop", "count", lowest=1)
    brand: int | None = setting(None, "Brand", "count", lowest=1)
    sizes: str | None = setting(
        None, "Sizes", "text", note="EU sizes or StockX's labels with commas between; blank: all"
    )
    min_profit: Decimal | None = setting(Decimal(25), "Least profit", "amount")
    min_roi: Decimal | None = setting(Decimal(20), "Least ROI", "percent")
    min_margin: Decimal | None = setting(None, "Least margin", "percent", highest=100)
    max_cost: Decimal | None = setting(None, "Largest cost", "amount", lowest=0)
    max_age_hours: int | None = setting(None, "Oldest quote", "hours", lowest=1, highest=8760)
    match: str = setting("firm", "Match", "choice", choices=MATCHES)
    max_days_to_sell: int | None = setting(None, "Sells within", "days", lowest=1, highest=3650)
    max_held: int | None = setting(None, "Pairs of the size in stock", "count", lowest=0)


@dataclass(frozen=True, slots=True)
class ListingConditions:
    """What a live listing must have; None, False and `any` ask for nothing. The brand is an id."""

    brand: int | None = setting(None, "Brand", "count", lowest=1)
    sizes: str | None = setting(
        None, "Sizes", "text", note="EU sizes or StockX's labels with commas between; blank: all"
    )
    strategy: str | None = setting(None, "Strategy", "text")
    min_age_days: int | None = setting(None, "Listed for", "days", lowest=0, highest=3650)
    max_margin: Decimal | None = setting(None, "Margin at most", "percent")
    rank: str = setting("any", "Place in the market", "choice", choices=RANKS)
    min_gap_percent: Decimal | None = setting(None, "Above the lowest ask by", "percent", lowest=0)
    no_bids: bool = setting(False, "Nobody bids", "flag")


@dataclass(frozen=True, slots=True)
class ActionSettings:
    """How it is done: pairs per opportunity, and the strategy of the asks (None: the one the rules of pricing name)."""

    pairs: int = setting(1, "Pairs", "count", lowest=1, highest=50)
    strategy: str | None = setting(None, "Strategy", "text")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rule may do at most: money per operator's day, unsold pairs it bought per product, actions per hour."""

    money_per_day: Decimal = setting(Decimal(500), "Money a day", "amount", lowest=0)
    pairs_per_product: int = setting(2, "Pairs per product", "count", lowest=1, highest=1000)
    actions_per_hour: int = setting(10, "Actions an hour", "count", lowest=1, highest=10_000)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, read and checked: when something of `subject` fits the conditions, then `action` inside the limits."""

    subject: str
    conditions: OpportunityConditions | ListingConditions
    action: str
    settings: ActionSettings
    limits: Limits

    @property
    def spends(self) -> bool:
        """Whether it commits money."""
        return self.action in SPENDS

    @property
    def only_tells(self) -> bool:
        """Whether it changes nothing, so that nobody needs to be asked first."""
        return self.action == "alert"

    @property
    def asks_for_gain(self) -> bool:
        """Whether it commits no money to what loses some."""
        if not self.spends or not isinstance(self.conditions, OpportunityConditions):
            return True
        least = (self.conditions.min_profit, self.conditions.min_roi)
        return any(each is not None and each >= ZERO for each in least)

    def stored(self) -> dict[str, Any]:
        """Return the rule as JSON-ready columns."""
        return {
            "subject": self.subject,
            "conditions": written(self.conditions),
            "action": self.action,
            "action_settings": written(self.settings),
            "limits": written(self.limits),
        }


@dataclass(frozen=True, slots=True)
class OpportunityFacts:
    """What a rule sees of an opportunity; `days_to_sell` from the known sales of its size, None without any."""

    shop: int
    brand: int | None
    sizes: frozenset[str]
    cost: Decimal
    profit: Decimal | None
    margin: Decimal | None
    roi: Decimal | None
    match: str
    quoted_at: datetime | None
    days_to_sell: Decimal | None
    held: int
    stock: int | None
    currency: str


@dataclass(frozen=True, slots=True)
class ListingFacts:
    """What a rule sees of a live listing; `margin` is that of a sale at its ask."""

    brand: int | None
    sizes: frozenset[str]
    strategy: str
    ask: Decimal
    listed_at: datetime
    margin: Decimal | None
    lowest_ask: Decimal | None
    highest_bid: Decimal | None
    currency: str

    @property
    def rank(self) -> str:
        """Where our ask stands: lowest, above the lowest, or alone when no other ask is known."""
        if self.lowest_ask is None:
            return "alone"
        return "lowest" if self.ask <= self.lowest_ask else "above"

    @property
    def gap_percent(self) -> Decimal | None:
        """How far our ask is above the lowest, in percent of it."""
        return percent(self.ask - self.lowest_ask, self.lowest_ask) if self.lowest_ask else None


@dataclass(frozen=True, slots=True)
class Answer:
    """One condition put to one thing: whether it holds, and what was seen in a few words."""

    holds: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of one thing: whether all conditions hold, and why in one sentence."""

    fits: bool
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was seen, as one sentence."""
        text = ", ".join(self.reasons) or "every condition holds"
        return text[0].upper() + text[1:] + "."


def read_rule(
    subject: str, conditions: Mapping[str, Any], action: str, settings: Mapping[str, Any], limits: Mapping[str, Any]
) -> Rule:
    """Read a rule from text, JSON or Python values; raises InvalidInput naming the field."""
    if subject not in SUBJECTS:
        raise InvalidInput("A rule looks at opportunities or at listings.", field="subject")
    if action not in ACTIONS[subject]:
        raise InvalidInput(f"That can't be done with {SUBJECTS[subject]}.", field="action")
    read: OpportunityConditions | ListingConditions
    if subject == OPPORTUNITY:
        read = read_settings(OpportunityConditions, conditions)
    else:
        read = read_settings(ListingConditions, conditions)
    rule = Rule(subject, read, action, read_settings(ActionSettings, settings), read_settings(Limits, limits))
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    for part in (rule.conditions, rule.limits):
        for each in fields(part):
            value = getattr(part, each.name)
            if isinstance(value, Decimal) and value != round(value, 4):
                raise InvalidInput("At most four decimals.", field=each.name)
            if isinstance(value, str) and len(value) > 200:
                raise InvalidInput("At most 200 characters.", field=each.name)
    names = [rule.settings.strategy, getattr(rule.conditions, "strategy", None)]
    for name in filter(None, names):
        strategy_named(name)
    if rule.action == "strategy" and rule.settings.strategy is None:
        raise InvalidInput("Choose the strategy that it changes to.", field="strategy")
    if rule.spends and isinstance(rule.conditions, OpportunityConditions):
        if rule.conditions.match != "firm":
            raise InvalidInput("Only firm matches may be bought: a doubtful one is decided by you.", field="match")
        if rule.conditions.min_profit is None and rule.conditions.min_roi is None:
            raise InvalidInput("A rule that buys needs a least profit or a least ROI.", field="min_profit")


def judge(rule: Rule, facts: OpportunityFacts | ListingFacts, now: datetime) -> Verdict:
    """Put every condition of a rule to one thing; what is unknown never fits a condition that asks for it."""
    if isinstance(rule.conditions, OpportunityConditions) and isinstance(facts, OpportunityFacts):
        tests = list(_of_opportunity(rule.conditions, facts, now))
    elif isinstance(rule.conditions, ListingConditions) and isinstance(facts, ListingFacts):
        tests = list(_of_listing(rule.conditions, facts, now))
        if rule.action == "strategy":
            tests.append(Answer(facts.strategy != rule.settings.strategy, f"strategy {facts.strategy}"))
    else:
        raise TypeError("a rule over one kind of thing was put to another")
    return Verdict(all(test.holds for test in tests), tuple(test.seen for test in tests if test.seen))


def _of_opportunity(wanted: OpportunityConditions, seen: OpportunityFacts, now: datetime) -> Iterator[Answer]:
    yield Answer(wanted.shop is None or seen.shop == wanted.shop, "")
    yield Answer(wanted.brand is None or seen.brand == wanted.brand, "")
    yield _size(wanted.sizes, seen.sizes)
    yield _at_least("profit", wanted.min_profit, seen.profit, seen.currency)
    yield _at_least("ROI", wanted.min_roi, seen.roi, "%")
    if wanted.min_margin is not None:
        yield _at_least("margin", wanted.min_margin, seen.margin, "%")
    yield _at_most("cost", wanted.max_cost, seen.cost, seen.currency)
    if wanted.max_age_hours is not None:
        fresh = seen.quoted_at is not None and now - seen.quoted_at <= timedelta(hours=wanted.max_age_hours)
        yield Answer(fresh, f"quote {_age(seen.quoted_at, now)}")
    yield Answer(wanted.match in ("any", seen.match), "" if wanted.match == "firm" else f"match {seen.match}")
    if wanted.max_days_to_sell is not None:
        yield _at_most("sells in", Decimal(wanted.max_days_to_sell), seen.days_to_sell, "days")
    if wanted.max_held is not None:
        yield _at_most("in stock", Decimal(wanted.max_held), Decimal(seen.held), "pairs")
    yield Answer(seen.stock is None or seen.stock > 0, "")


def _of_listing(wanted: ListingConditions, seen: ListingFacts, now: datetime) -> Iterator[Answer]:
    yield Answer(wanted.brand is None or seen.brand == wanted.brand, "")
    yield _size(wanted.sizes, seen.sizes)
    if wanted.strategy is not None:
        yield Answer(seen.strategy == wanted.strategy, f"strategy {seen.strategy}")
    if wanted.min_age_days is not None:
        days = Decimal((now - seen.listed_at) // timedelta(days=1))
        yield _at_least("listed for", Decimal(wanted.min_age_days), days, "days")
    if wanted.max_margin is not None:
        yield _at_most("margin", wanted.max_margin, seen.margin, "%")
    if wanted.rank != "any":
        yield Answer(seen.rank == wanted.rank, f"our ask is {'the lowest' if seen.rank == 'lowest' else seen.rank}")
    if wanted.min_gap_percent is not None:
        yield _at_least("above the lowest by", wanted.min_gap_percent, seen.gap_percent, "%")
    if wanted.no_bids:
        yield Answer(seen.highest_bid is None, "nobody bids" if seen.highest_bid is None else "there are bids")


def _size(wanted: str | None, seen: frozenset[str]) -> Answer:
    names = {name.strip().upper().removeprefix("EU").strip() for name in (wanted or "").split(",") if name.strip()}
    return Answer(not names or bool(names & seen), f"size {' / '.join(sorted(seen))}" if names else "")


def _at_least(name: str, limit: Decimal | None, value: Decimal | None, unit: str) -> Answer:
    if limit is None:
        return Answer(True, f"{name} {value} {unit}" if value is not None and unit != "%" else "")
    return Answer(value is not None and value >= limit, f"{name} {_seen(value, unit)} (at least {_plain(limit)})")


def _at_most(name: str, limit: Decimal | None, value: Decimal | None, unit: str) -> Answer:
    if limit is None:
        return Answer(True, "")
    return Answer(value is not None and value <= limit, f"{name} {_seen(value, unit)} (at most {_plain(limit)})")


def _seen(value: Decimal | None, unit: str) -> str:
    return "unknown" if value is None else f"{value} {unit}"


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _age(moment: datetime | None, now: datetime) -> str:
    return "unknown" if moment is None else f"{(now - moment) // timedelta(hours=1)} h old"


@dataclass(frozen=True, slots=True)
class Spent:
    """What was done already: amounts of the operator's day, actions of the last hour, the product's unsold pairs."""

    money: Decimal = ZERO
    money_of_all: Decimal = ZERO
    actions: int = 0
    pairs_of_product: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """How many pairs (or one action) may go now; where it is none, `why` says what it waits for."""

    pairs: int
    why: str | None = None


def room(rule: Rule, spent: Spent, *, cost: Decimal | None, pairs: int, money_per_day: Decimal) -> Room:
    """Return how many of `pairs` pairs at `cost` each a rule may still buy; for what costs nothing, one or none.

    `money_per_day` is the limit over all rules together.
    """
    limits = rule.limits
    if spent.actions >= limits.actions_per_hour:
        return Room(0, f"This hour's limit of the rule, {count_of(limits.actions_per_hour, 'action')}, is used up.")
    if not rule.spends:
        return Room(1)
    if cost is None or cost < ZERO:
        return Room(0, "What a pair costs is unknown.")
    left = limits.pairs_per_product - spent.pairs_of_product
    if left <= 0:
        return Room(
            0, f"The rule's limit of {count_of(limits.pairs_per_product, 'unsold pair')} of this product is reached."
        )
    money = min(limits.money_per_day - spent.money, money_per_day - spent.money_of_all)
    affordable = pairs if cost == ZERO else max(int(money // cost), 0)
    if affordable == 0:
        whose = "this rule" if limits.money_per_day - spent.money < cost else "all rules together"
        return Room(0, f"The day's money for {whose} does not reach for {cost}.")
    return Room(min(pairs, left, affordable))
