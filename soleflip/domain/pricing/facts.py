"""What a pricing decision is made from and what comes out of it; amounts are in the listing's currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from soleflip.domain.fees import FeeSchedule
from soleflip.domain.pricing.sales import OtherSizes, PastSale

Kind = Literal["change", "keep", "refuse"]


@dataclass(frozen=True, slots=True)
class Quote:
    """What the market says of one variant at one time; None where StockX gave no amount."""

    at: datetime
    lowest_ask: Decimal | None = None
    highest_bid: Decimal | None = None
    sell_faster: Decimal | None = None
    earn_more: Decimal | None = None
    beat_us: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PastChange:
    """One change of this listing's ask, by a strategy or by hand."""

    at: datetime
    old: Decimal
    new: Decimal


@dataclass(frozen=True, slots=True)
class PricingInput:
    """Everything a strategy and the guards may look at for one listing.

    `ask` is None for a listing that is yet to be made, `original_ask` is what it began with; `history` (sales of
    this size) and `quotes` run from old to new, `others` tells how the product's other sizes moved;
    `own_asks` are our other live asks on the same variant and `own_changed_at` is when one of them, or
    this one, was last changed; `local_hour` is the operator's hour of the day for the sleep hours.
    """

    fees: FeeSchedule
    now: datetime
    ask: Decimal | None = None
    original_ask: Decimal | None = None
    cost: Decimal | None = None
    listed_at: datetime | None = None
    last_change_at: datetime | None = None
    own_changed_at: datetime | None = None
    falls_today: Decimal = Decimal(0)
    changes: Sequence[PastChange] = ()
    quote: Quote | None = None
    quotes: Sequence[Quote] = ()
    history: Sequence[PastSale] = ()
    others: OtherSizes | None = None
    own_asks: tuple[Decimal, ...] = ()
    local_hour: int | None = None

    @property
    def own_lowest(self) -> Decimal | None:
        """Our lowest live ask on this variant, this listing included."""
        asks = self.own_asks if self.ask is None else (*self.own_asks, self.ask)
        return min(asks, default=None)

    @property
    def lowest_is_ours(self) -> bool:
        """Whether the market's lowest ask is one of our own, or not below ours (FACTS.md section 12)."""
        lowest = self.quote.lowest_ask if self.quote else None
        return lowest is not None and lowest in (*self.own_asks, self.ask)

    @property
    def rival_lowest(self) -> Decimal | None:
        """The lowest ask of others; None when there is none or when it stands behind one of our own."""
        return None if self.quote is None or self.lowest_is_ours else self.quote.lowest_ask


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a strategy wants: an ask, or None to leave things as they are.

    `situation` names a state of the market that the guard settings decide about ('no_rivals').
    """

    ask: Decimal | None
    reason: str
    inputs: dict[str, str] = field(default_factory=dict)
    situation: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with one ask, why in one sentence, and which guard had the last word."""

    kind: Kind
    ask: Decimal | None
    reason: str
    guard: str | None = None
    floor: Decimal | None = None
    inputs: dict[str, str] = field(default_factory=dict)
