"""Replay: what a strategy would have earned on past sales, by one exact model; all amounts in USD.

1. A series is all sales of one product and size by day. An episode starts on a day d0 with a pair that cost
   0.85 x net(last sale before d0); net(a) = a - max(5, 0.09 a) - 0.03 a.
2. For each day d from d0 the strategy sees only sales before d and gives a whole-dollar ask; the pair is sold
   at the ask on the first day on which some sale of the series has a price >= the ask.
3. Unsold after 45 days it is sold for net(floor(0.93 x lowest of the last 5 sales before d0 + 45)).
4. Every day until then costs 0.05 % of the cost. A pair sold on d0 took 0 days, an unsold one 45.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule, unrounded_payout
from soleflip.domain.money import ZERO, whole_down
from soleflip.domain.pricing import PricingInput, Proposal, read_settings, strategy_named
from soleflip.domain.pricing.sales import OtherSizes, PastSale, ProductSales

LONGEST = 45
"""Days that a pair is offered."""
FEWEST_EARLIER = 10
FEWEST_OF_SERIES = 40
TURNAROUND = 7
"""Days at work beside those on the market: on the way in and until the payout."""
FEES = FeeSchedule("USD", Decimal("0.09"), Decimal(5), Decimal("0.03"), ZERO)
COST_SHARE = Decimal("0.85")
CLEARANCE_SHARE = Decimal("0.93")
CLEARANCE_SALES = 5
HOLDING = Decimal("0.0005")

Ask = Callable[[PricingInput], Decimal | None]
"""A rule: the ask for a day, or None to leave it where it is."""


@dataclass(frozen=True, slots=True)
class Series:
    """All sales of one product and size from old to new, with what a replay asks of them often."""

    product: str
    size: str
    sales: Sequence[PastSale]
    days: Sequence[int]
    highest: Mapping[date, Decimal]
    others: OtherSizes

    def before(self, day: date) -> Sequence[PastSale]:
        """Return the sales before a day."""
        return self.sales[: bisect_left(self.days, day.toordinal())]


@dataclass(frozen=True, slots=True)
class Episode:
    """One pair put on the market on `start`; product and size as the operator wrote them."""

    product: str
    size: str
    start: date


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one episode went: asks of its days, days until it was sold, cost and profit in USD."""

    episode: Episode
    asks: tuple[Decimal, ...]
    sold: bool
    days: int
    cost: Decimal
    profit: Decimal


@dataclass(slots=True)
class Market:
    """Sales of many products; `last_day` is the last day that any of them has."""

    series: dict[tuple[str, str], Series] = field(default_factory=dict)
    last_day: date = date.min

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, date, Decimal]]) -> Market:
        """Build a market from rows of product, size, day and price in the order they were sold within a day."""
        products: dict[str, dict[str, list[PastSale]]] = {}
        written: dict[tuple[str, str], str] = {}
        for product, size, day, price in rows:
            key = size_key(size)
            products.setdefault(product, {}).setdefault(key, []).append(PastSale(day, price))
            written.setdefault((product, key), size)
        market = cls()
        for product, sizes in products.items():
            for sales in sizes.values():
                sales.sort(key=lambda sale: sale.on)
                market.last_day = max(market.last_day, sales[-1].on)
            book = ProductSales(sizes)
            for key, sales in sizes.items():
                market.series[product, key] = _series(product, written[product, key], sales, book.others(key))
        return market

    def find(self, episode: Episode) -> Series | None:
        """Return the series of an episode when it has a sale before the start, else None."""
        series = self.series.get((episode.product, size_key(episode.size)))
        return series if series is not None and series.sales[0].on < episode.start else None

    def spans(self) -> list[tuple[Series, date, int]]:
        """Return each series that is long enough, with its first eligible start and how many follow it, a day each.

        A start has enough sales before it and enough days of data after it.
        """
        found = []
        for series in self.series.values():
            if len(series.sales) < FEWEST_OF_SERIES:
                continue
            first = series.sales[FEWEST_EARLIER - 1].on + timedelta(days=1)
            days = (self.last_day - timedelta(days=LONGEST) - first).days + 1
            if days > 0:
                found.append((series, first, days))
        return found

    def sample(self, episodes: int, seed: int) -> list[Episode]:
        """Return a seeded sample of the eligible episodes, all of them when there are fewer."""
        spans = self.spans()
        ends = list(accumulate(days for _, _, days in spans))
        count = ends[-1] if ends else 0
        # Chance here chooses a sample that has to come out the same again; it protects nothing.
        picked = random.Random(seed).sample(range(count), min(episodes, count))  # noqa: S311
        found = []
        for place in picked:
            which = bisect_right(ends, place)
            series, first, days = spans[which]
            start = first + timedelta(days=place - ends[which] + days)
            found.append(Episode(series.product, series.size, start))
        return found


def _series(product: str, size: str, sales: Sequence[PastSale], others: OtherSizes) -> Series:
    highest: dict[date, Decimal] = {}
    for sale in sales:
        highest[sale.on] = max(sale.price, highest.get(sale.on, ZERO))
    return Series(product, size, sales, [sale.on.toordinal() for sale in sales], highest, others)


def size_key(size: str) -> str:
    """Return one way to write a size, so that 11, 11.0 and ' 11 ' are the same."""
    text = size.strip()
    whole, dot, part = text.partition(".")
    return whole if dot and not part.strip("0") else text.rstrip("0") if dot else text


def net(ask: Decimal) -> Decimal:
    """Return what a sale at `ask` pays in the model."""
    return unrounded_payout(ask, FEES)


def rule_of(strategy: str, settings: Mapping[str, object]) -> Ask:
    """Return the rule of a registered strategy, the very one that runs live, without guard rails.

    Raises InvalidInput for an unknown strategy or settings that do not fit it.
    """
    chosen = strategy_named(strategy)
    read = read_settings(chosen.settings_type, settings)

    def ask(given: PricingInput) -> Decimal | None:
        proposal: Proposal = chosen.propose(read, given)
        return proposal.ask

    return ask


def static(given: PricingInput) -> Decimal | None:
    """The baseline that asks the last sale before the start and never changes."""
    return given.history[-1].price if given.ask is None else None


def follow(given: PricingInput) -> Decimal | None:
    """The baseline that asks one dollar less than the last sale, every day."""
    return given.history[-1].price - 1


BASELINES: dict[str, Ask] = {"static": static, "follow": follow}


def play(series: Series, episode: Episode, rule: Ask) -> Outcome:
    """Run one episode of the model; the rule is given nothing of its day or later."""
    cost = COST_SHARE * net(series.before(episode.start)[-1].price)
    listed_at = _midnight(episode.start)
    asks: list[Decimal] = []
    for number in range(LONGEST):
        day = episode.start + timedelta(days=number)
        seen = series.before(day)
        given = PricingInput(
            fees=FEES,
            now=_midnight(day),
            ask=asks[-1] if asks else None,
            cost=cost,
            listed_at=listed_at,
            history=seen,
            others=series.others,
        )
        wanted = rule(given)
        if wanted is None:
            wanted = asks[-1] if asks else seen[-1].price
        asks.append(max(whole_down(wanted), Decimal(1)))
        if series.highest.get(day, ZERO) >= asks[-1]:
            return _outcome(episode, asks, number, cost, net(asks[-1]), sold=True)
    last = series.before(episode.start + timedelta(days=LONGEST))[-CLEARANCE_SALES:]
    clearance = whole_down(CLEARANCE_SHARE * min(sale.price for sale in last))
    return _outcome(episode, asks, LONGEST, cost, net(clearance), sold=False)


def _outcome(episode: Episode, asks: list[Decimal], days: int, cost: Decimal, paid: Decimal, *, sold: bool) -> Outcome:
    return Outcome(episode, tuple(asks), sold, days, cost, paid - cost - HOLDING * cost * days)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule earned over all episodes: USD per pair and per day at work, share sold, mean days."""

    episodes: int
    profit_per_pair: Interval
    share_sold: Interval
    mean_days: Interval
    profit_per_day: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """A strategy beside the baselines on the same episodes.

    `times` holds how many times a baseline's profit per pair and per day the strategy earns, by baseline;
    `left_out` are episodes without any sale before their start, which have no cost.
    """

    strategy: str
    results: dict[str, Result]
    times: dict[str, dict[str, Interval]]
    outcomes: dict[str, list[Outcome]]
    left_out: list[Episode]


def compare(
    market: Market, episodes: Sequence[Episode], strategy: str, settings: Mapping[str, object], *, seed: int
) -> Comparison:
    """Play the same episodes by a strategy and by both baselines; `seed` makes the intervals repeatable.

    Raises InvalidInput when nothing can be played, for an unknown strategy and for settings that don't fit.
    """
    playable = [(series, episode) for episode in episodes if (series := market.find(episode)) is not None]
    left_out = [episode for episode in episodes if market.find(episode) is None]
    if not playable:
        raise InvalidInput(
            "There is no episode to play: it takes a series of at least 40 sales, 10 of them before the start "
            "and 45 days of data after it, or starts of products and sizes that are in the sales file."
        )
    rules = {strategy: rule_of(strategy, settings), **BASELINES}
    outcomes = {name: [play(series, episode, rule) for series, episode in playable] for name, rule in rules.items()}
    results, times = _measure(outcomes, strategy, seed)
    return Comparison(strategy, results, times, outcomes, left_out)


RESAMPLES = 1000


def _measure(
    outcomes: Mapping[str, Sequence[Outcome]], strategy: str, seed: int
) -> tuple[dict[str, Result], dict[str, dict[str, Interval]]]:
    """Return results and ratios with bootstrap intervals over episodes, the same resample for every rule."""
    columns = {
        name: ([each.profit for each in played], [each.days for each in played], [each.sold for each in played])
        for name, played in outcomes.items()
    }
    count = len(outcomes[strategy])
    drawn = random.Random(seed)  # noqa: S311 - a repeatable resample
    picks = [range(count), *(drawn.choices(range(count), k=count) for _ in range(RESAMPLES))]
    figures = {name: [_figures(*column, pick) for pick in picks] for name, column in columns.items()}
    results = {
        name: Result(count, *(_interval([row[place] for row in rows]) for place in range(4)))
        for name, rows in figures.items()
    }
    times = {
        baseline: {
            label: _interval(
                [_ratio(mine[place], theirs[place]) for mine, theirs in _pairs(figures, strategy, baseline)]
            )
            for label, place in (("profit_per_pair", 0), ("profit_per_day", 3))
        }
        for baseline in BASELINES
    }
    return results, times


def _pairs(
    figures: Mapping[str, Sequence[tuple[Decimal, ...]]], strategy: str, baseline: str
) -> Iterable[tuple[tuple[Decimal, ...], tuple[Decimal, ...]]]:
    return zip(figures[strategy], figures[baseline], strict=True)


def _ratio(mine: Decimal, theirs: Decimal) -> Decimal:
    return mine / theirs if theirs else ZERO


def _figures(
    profits: Sequence[Decimal], days: Sequence[int], sold: Sequence[bool], pick: Sequence[int]
) -> tuple[Decimal, ...]:
    """Return profit per pair, share sold, mean days and profit per day at work of the picked episodes."""
    count = len(pick)
    profit = sum([profits[place] for place in pick], ZERO)
    taken = sum([days[place] for place in pick])
    share = Decimal(sum([sold[place] for place in pick])) / count
    return profit / count, share, Decimal(taken) / count, profit / (taken + TURNAROUND * count)


def _interval(values: Sequence[Decimal]) -> Interval:
    """Return the first value with the middle 95 % of the others around it."""
    drawn = sorted(values[1:])
    cut = len(drawn) * 25 // 1000
    return Interval(values[0], drawn[cut], drawn[-1 - cut])
