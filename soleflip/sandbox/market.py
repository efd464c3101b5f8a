"""The order book of one variant: rival asks and bids, buyers who arrive by chance, a fair price that drifts.

A book moves only at its own events, whose times and outcomes come from its own dice, so it makes no difference
whether it is advanced often or once: the same seed gives the same book. Prices are whole euros.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field

from .chance import Chance
from .clock import DAY
from .records import Variant

MOST_ASKS = 12
MOST_BIDS = 10
RETURN_DAYS = 60.0  # how slowly a drifted fair price comes back to the level of its variant
BUYERS_PER_SALE = 1.08  # the others find every ask too dear and leave a bid
SOLD_TO_BID = 0.2  # share of the sales that are a seller taking the highest bid
Ask = tuple[float, int, str]  # price in euros, since, listing id


@dataclass(slots=True)
class Sale:
    """A match: at which price in euros, and with which of our listings (None: a rival sold)."""

    price: float
    at: int
    listing_id: str | None = None


@dataclass(slots=True)
class Book:
    """Rival asks (cheapest first) and bids (highest first) as [price, since], and the dice that move them."""

    variant_id: str
    dice: int
    at: int
    next_at: int
    fair: float
    asks: list[list[int]] = field(default_factory=list)
    bids: list[list[int]] = field(default_factory=list)
    sold: int = 0
    last_sale: int | None = None

    def lowest(self) -> int | None:
        """The cheapest rival ask."""
        return self.asks[0][0] if self.asks else None

    def highest(self) -> int | None:
        """The highest bid."""
        return self.bids[0][0] if self.bids else None


def open_book(variant: Variant, seed: int, demand: float) -> Book:
    """The book of a variant at its birth, already settled."""
    dice = Chance.named(seed, "book", variant.variant_id)
    fair = variant.level * math.exp(0.02 * dice.normal())
    book = Book(variant.variant_id, 0, variant.born, 0, fair)
    for _ in range(4 + dice.below(5)):
        book.asks.append([_whole(fair * math.exp(abs(dice.normal()) * 2 * variant.spread)), variant.born])
    for _ in range(3 + dice.below(4)):
        book.bids.append([_whole(fair * math.exp(-variant.spread * (1.5 + 2.0 * abs(dice.normal())))), variant.born])
    book.asks.sort()
    book.bids = sorted((bid for bid in book.bids if bid[0] < book.asks[0][0]), key=_eagerness)
    book.next_at = variant.born + _wait(variant, dice, demand)
    book.dice = dice.state
    return book


def advance(book: Book, variant: Variant, until: int, demand: float) -> bool:
    """Let a book without asks of ours live until then; tells whether anything happened."""
    if book.next_at > until:
        return False
    while book.next_at <= until:
        happen(book, variant, [], demand)
    return True


def happen(book: Book, variant: Variant, own: list[Ask], demand: float) -> Sale | None:
    """The next event of the book, at `book.next_at`; a sale is returned when one of our asks was taken."""
    dice = Chance(book.dice)
    now = book.next_at
    days = (now - book.at) / DAY
    pull = -days / RETURN_DAYS * math.log(book.fair / variant.level)
    book.fair *= math.exp(pull + variant.volatility * math.sqrt(days) * dice.normal())
    book.at = now

    purchases, offers, wishes = _rates(variant, demand)
    pick = dice.uniform() * (purchases + offers + wishes)
    sale = None
    if pick < purchases:
        if dice.uniform() < SOLD_TO_BID and book.bids and book.bids[0][0] > 0.85 * book.fair:
            sale = Sale(book.bids.pop(0)[0], now)
        else:
            limit = book.fair * math.exp(0.10 + 0.05 * dice.normal())
            sale = take_cheapest(book, own, now, limit)
            if sale is None:
                _wish(book, own, _whole(limit * 0.93), now)
    elif pick < purchases + offers:
        _rival(book, variant, own, dice, now)
    else:
        if book.bids and (len(book.bids) >= MOST_BIDS or dice.uniform() < 0.3):
            book.bids.pop(dice.below(len(book.bids)))
        _wish(book, own, _whole(book.fair * math.exp(-variant.spread * (1.0 + 2.0 * abs(dice.normal())))), now)
    if sale is not None:
        book.sold += 1
        book.last_sale = round(sale.price)
    book.next_at = now + _wait(variant, dice, demand)
    book.dice = dice.state
    return sale if sale is not None and sale.listing_id is not None else None


def take_cheapest(book: Book, own: list[Ask], now: int, limit: float = math.inf) -> Sale | None:
    """Buy the cheapest ask up to `limit` euros, ours or a rival's; the older of two equal ones goes first."""
    rival = book.asks[0] if book.asks else None
    ours = min(own) if own else None
    if ours is not None and (rival is None or (ours[0], ours[1]) < (rival[0], rival[1])):
        return Sale(ours[0], now, ours[2]) if ours[0] <= limit else None
    if rival is None or rival[0] > limit:
        return None
    return Sale(book.asks.pop(0)[0], now)


def place_bid(book: Book, own: list[Ask], price: int, now: int) -> Sale | None:
    """Bid: a bid that reaches the cheapest ask buys it at its price, any other one waits in the book."""
    sale = take_cheapest(book, own, now, price)
    if sale is None:
        _add_bid(book, price, now)
    return sale


def _wish(book: Book, own: list[Ask], price: int, now: int) -> None:
    """A patient bid: it stays below the cheapest ask."""
    best = min([ask[0] for ask in own] + [ask[0] for ask in book.asks[:1]], default=math.inf)
    if best > 1:
        _add_bid(book, price if price < best else math.ceil(best) - 1, now)


def _rival(book: Book, variant: Variant, own: list[Ask], dice: Chance, now: int) -> None:
    """A rival comes, reprices or leaves; the best ask, ours included, is what he undercuts."""
    mood = dice.uniform()
    if book.asks and (mood < 0.25 or len(book.asks) >= MOST_ASKS):
        book.asks.pop(dice.below(len(book.asks)))
    if mood < 0.12 and len(book.asks) > 2:
        return
    best = min([ask[0] for ask in own] + [ask[0] for ask in book.asks[:1]], default=None)
    undercuts = dice.uniform() < 0.45
    if best is not None and undercuts and book.fair * 0.95 < best:
        price = math.ceil(best) - 1 - int(dice.uniform() * 0.012 * best)
    else:
        price = _whole(book.fair * math.exp(0.01 + variant.spread * dice.normal()))
    if book.bids:
        price = max(price, book.bids[0][0] + 1)
    _add_ask(book, max(price, 1), now)


def _rates(variant: Variant, demand: float) -> tuple[float, float, float]:
    purchases = variant.buyers_per_week * BUYERS_PER_SALE * demand / 7
    return purchases, 1.4 * purchases + 0.8, 0.8 * purchases + 0.5


def _wait(variant: Variant, dice: Chance, demand: float) -> int:
    return max(1, int(dice.exponential(DAY / sum(_rates(variant, demand)))))


def _add_ask(book: Book, price: int, now: int) -> None:
    insort(book.asks, [price, now])
    del book.asks[MOST_ASKS:]


def _add_bid(book: Book, price: int, now: int) -> None:
    insort(book.bids, [price, now], key=_eagerness)
    del book.bids[MOST_BIDS:]


def _eagerness(bid: list[int]) -> tuple[int, int]:
    return -bid[0], bid[1]


def _whole(price: float) -> int:
    return max(1, round(price))
