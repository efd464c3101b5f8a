"""A rule of automation as one sentence."""

from __future__ import annotations

from decimal import Decimal

from soleflip.domain.automation import ListingConditions, OpportunityConditions, Rule
from soleflip.domain.words import count_of

_RANKS = {
    "lowest": "whose ask is the lowest",
    "above": "whose ask is above the lowest",
    "alone": "beside which no other ask is known",
}


def sentence(rule: Rule, currency: str, *, shop: str | None = None, brand: str | None = None) -> str:
    """Write a rule out; amounts in the books' currency, shop and brand by the names given."""
    if isinstance(rule.conditions, OpportunityConditions):
        what = _of_opportunity(rule.conditions, currency, shop, brand)
    else:
        what = _of_listing(rule.conditions, brand)
    return f"When {what}, then {_act(rule)}, at most {_limits(rule, currency)}."


def _of_opportunity(wanted: OpportunityConditions, currency: str, shop: str | None, brand: str | None) -> str:
    parts = ["an opportunity"]
    parts += [f"at {shop or 'a shop that is gone'}"] if wanted.shop is not None else []
    parts += [f"of {brand or 'a brand that is gone'}"] if wanted.brand is not None else []
    parts += [f"in {wanted.sizes}"] if wanted.sizes else []
    has = [
        ("a profit of at least", wanted.min_profit, currency),
        ("an ROI of at least", wanted.min_roi, "%"),
        ("a margin of at least", wanted.min_margin, "%"),
        ("a cost of at most", wanted.max_cost, currency),
        ("a quote of at most", wanted.max_age_hours, "hours"),
        ("a sale at least every", wanted.max_days_to_sell, "days"),
    ]
    tests = [f"{words} {_plain(value)} {unit}" for words, value, unit in has if value is not None]
    if wanted.max_held is not None:
        tests.append(f"at most {wanted.max_held} of its size in stock")
    if wanted.match != "firm":
        tests.append("any match" if wanted.match == "any" else f"a {wanted.match} match")
    return " ".join(parts) + (f" has {_joined(tests)}" if tests else " is found")


def _of_listing(wanted: ListingConditions, brand: str | None) -> str:
    parts = ["a live listing"]
    parts += [f"of {brand or 'a brand that is gone'}"] if wanted.brand is not None else []
    parts += [f"in {wanted.sizes}"] if wanted.sizes else []
    parts += [f"with the strategy {wanted.strategy}"] if wanted.strategy else []
    tests = []
    if wanted.min_age_days is not None:
        tests.append(f"that is up for at least {count_of(wanted.min_age_days, 'day')}")
    if wanted.max_margin is not None:
        tests.append(f"whose margin is at most {_plain(wanted.max_margin)} %")
    if wanted.rank != "any":
        tests.append(_RANKS[wanted.rank])
    if wanted.min_gap_percent is not None:
        tests.append(f"that is above the lowest ask by at least {_plain(wanted.min_gap_percent)} %")
    if wanted.no_bids:
        tests.append("on which nobody bids")
    return " ".join([*parts, _joined(tests)]).strip() + " is found"


def _act(rule: Rule) -> str:
    pairs = "1 pair" if rule.settings.pairs == 1 else f"{rule.settings.pairs} pairs"
    strategy = f" with the strategy {rule.settings.strategy}" if rule.settings.strategy else ""
    return {
        "buy": f"mark {pairs} for purchase",
        "list": f"mark {pairs} for purchase and list{strategy}",
        "strategy": f"change its strategy to {rule.settings.strategy}",
        "delist": "take it off StockX",
        "alert": "tell me",
    }[rule.action]


def _limits(rule: Rule, currency: str) -> str:
    parts = [f"{rule.limits.actions_per_hour} an hour"]
    if rule.spends:
        product = rule.limits.pairs_per_product
        parts = [
            f"{_plain(rule.limits.money_per_day)} {currency} a day",
            f"{product} unsold {'pair' if product == 1 else 'pairs'} per product",
            *parts,
        ]
    return _joined(parts)


def _joined(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _plain(value: Decimal | int) -> str:
    return f"{Decimal(value).normalize():f}"
