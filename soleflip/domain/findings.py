"""Findings of the monitor: which kinds there are, what each says, and what can be done about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A kind of finding: its name, one thing of it in a sentence, several in a heading, and the act that mends it."""

    label: str
    sentence: str
    many: str
    act: str | None = None


FINDINGS: dict[str, FindingKind] = {
    "to_ship": FindingKind("To ship", "{title}: ship order {number} by {ship_by}, {left}.", "orders must be shipped"),
    "payout_overdue": FindingKind(
        "Payout overdue",
        "{title}: order {number} was sold {days} days ago for {price} {currency} and is not paid yet.",
        "payouts are overdue",
    ),
    "order_review": FindingKind(
        "Sale without a pair", "{title}: nobody knows which pair order {number} was of.", "sales have no known pair"
    ),
    "sold_out": FindingKind(
        "Sold out at the shop",
        "{title}: {shop} has none left, and the pair is not bought yet.",
        "pairs are sold out before they were bought",
        "delist",
    ),
    "back_in_stock": FindingKind(
        "Back in stock",
        "{title}: {shop} has it again for {price} {currency}; the pair is still to be bought.",
        "pairs to buy are back in stock",
    ),
    "watched_is_back": FindingKind(
        "Watched and back in stock",
        "{title}: {shop} has it again for {price} {currency}; you watch it.",
        "offers that you watch are back in stock",
    ),
    "below_floor": FindingKind(
        "Ask below its floor",
        "{title}: the ask of {ask} {currency} is below its floor of {floor} {currency}.",
        "asks are below their floor",
        "reprice",
    ),
    "market_below_floor": FindingKind(
        "Market below our floor",
        "{title}: the lowest ask of {lowest} {currency} is below our floor of {floor} {currency}; ours can't follow.",
        "markets are below our floor",
        "delist",
    ),
    "never_seen": FindingKind(
        "Never seen by a buyer",
        "{title}: our ask of {ask} {currency} has stood {percent} % above the lowest ({lowest} {currency})"
        " for {days} days.",
        "asks stand too far above the market to be seen",
        "reprice",
    ),
    "expiring": FindingKind("Ask expires", "{title}: its ask ends on {expires_at}.", "asks expire soon", "reprice"),
    "failed_listing": FindingKind("Listing failed", "{title}: {error}", "listings failed"),
    "listing_review": FindingKind(
        "Listing in review", "{title}: what became of its ask is not certain. {error}", "listings wait for a decision"
    ),
    "stale_quotes": FindingKind(
        "Old quotes",
        "{count} live asks go by a quote that is older than {hours} hours; the oldest is of {oldest}.",
        "asks go by old quotes",
        "quotes",
    ),
    "fees_changed": FindingKind(
        "Fee changed",
        "StockX took {paid} for {title} on order {number}, and the schedule says {expected}.",
        "fees differ from the schedule",
        "accept_fee",
    ),
    "estimate_off": FindingKind(
        "Estimate was off",
        "{title}: order {number} paid {paid} {currency}, {off} {currency} {more} than estimated.",
        "payouts differ from their estimate",
    ),
}
"""By kind, in the order in which they matter."""

ACTS = {
    "reprice": "Reprice it",
    "delist": "Delist it",
    "quotes": "Refresh quotes",
    "accept_fee": "Take the new fee over",
}


def say(kind: str, title: str, figures: Mapping[str, Any], zone: ZoneInfo) -> str:
    """Return a finding as one sentence, its times in a time zone; a figure that is missing is a dash."""
    known = {name: _plain(value, zone) for name, value in figures.items()}
    if kind == "to_ship":
        hours = int(figures.get("hours") or 0)
        known["left"] = f"{-hours} h late" if hours < 0 else f"{hours} h left"
    if kind == "estimate_off":
        known["more"] = "less" if known["off"].startswith("-") else "more"
        known["off"] = known["off"].removeprefix("-")
    return FINDINGS[kind].sentence.format_map(_Known({**known, "title": title})).strip()


class _Known(dict[str, str]):
    def __missing__(self, _name: str) -> str:
        return "–"


def _plain(value: Any, zone: ZoneInfo) -> str:
    """Write a figure: times to the minute, amounts without empty decimals."""
    text = "–" if value is None else str(value)
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", text):
        return f"{datetime.fromisoformat(text).astimezone(zone):%Y-%m-%d %H:%M}"
    if re.fullmatch(r"-?\d+\.\d+", text):
        number = Decimal(text)
        return f"{number:.0f}" if number == number.to_integral_value() else f"{number:.2f}"
    return text
