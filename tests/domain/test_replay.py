"""The replay model to the cent on a hand-made series, and its fairness: no rule sees its own day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.domain.pricing import STRATEGIES
from soleflip.domain.replay import BASELINES, Ask, Episode, Market, Outcome, compare, net, play, rule_of, size_key

DAY0 = date(2018, 3, 1)
Row = tuple[str, str, date, Decimal]


def rows(prices: Sequence[tuple[int, int]], size: str = "10.0", product: str = "Shoe") -> list[Row]:
    """Return sales by day number from DAY0 and price."""
    return [(product, size, DAY0 + timedelta(days=day), Decimal(price)) for day, price in prices]


def played(prices: Sequence[tuple[int, int]], start: int, rule: Ask) -> Outcome:
    market = Market.of(rows(prices))
    episode = Episode("Shoe", "10.0", DAY0 + timedelta(days=start))
    series = market.find(episode)
    assert series is not None
    return play(series, episode, rule)


BEFORE = [(0, 190), (1, 205), (2, 200)]


@pytest.mark.parametrize(
    ("ask", "pays"), [(200, "176"), (100, "88"), (56, "49.28"), (55, "48.35"), (40, "33.80"), (1, "-4.03")]
)
def test_net_takes_nine_percent_or_five_and_three_percent(ask: int, pays: str) -> None:
    assert net(Decimal(ask)) == Decimal(pays)


def test_a_pair_is_sold_at_its_ask_on_the_first_day_with_a_sale_as_high() -> None:
    outcome = played([*BEFORE, (10, 199), (12, 230), (12, 150)], 10, BASELINES["static"])
    assert outcome.asks == (Decimal(200),) * 3
    assert (outcome.sold, outcome.days) == (True, 2)
    assert outcome.cost == Decimal("149.60")  # 0.85 x 176
    assert outcome.profit == Decimal("176") - Decimal("149.60") - 2 * Decimal("0.0748")


def test_a_sale_of_the_first_day_takes_no_days() -> None:
    outcome = played([*BEFORE, (10, 200)], 10, BASELINES["static"])
    assert (outcome.days, outcome.profit) == (0, Decimal("26.40"))


def test_follow_asks_one_less_than_the_last_sale_of_earlier_days() -> None:
    outcome = played([*BEFORE, (10, 180), (11, 170), (11, 160), (12, 159)], 10, BASELINES["follow"])
    assert outcome.asks == (Decimal(199), Decimal(179), Decimal(159))
    assert outcome.days == 2


def test_an_unsold_pair_is_cleared_below_the_lowest_of_the_last_five_sales() -> None:
    after = [(20, 150), (21, 160), (22, 161), (23, 162), (24, 163), (25, 164), (55, 100)]
    outcome = played([*BEFORE, *after], 10, BASELINES["static"])
    assert len(outcome.asks) == 45
    assert (outcome.sold, outcome.days) == (False, 45)
    cleared = net(Decimal(148))  # 0.93 x 160 = 148.8; day 55 is not before day 10 + 45, and 150 is the sixth last
    assert outcome.profit == cleared - outcome.cost - 45 * Decimal("0.0005") * outcome.cost


def test_a_sale_on_the_forty_fifth_day_comes_too_late() -> None:
    last_day = played([*BEFORE, (54, 200)], 10, BASELINES["static"])
    too_late = played([*BEFORE, (55, 200)], 10, BASELINES["static"])
    assert (last_day.sold, last_day.days) == (True, 44)
    assert not too_late.sold


def test_rules_give_whole_dollars_and_keep_their_ask_when_they_want_nothing() -> None:
    asked = iter([Decimal("187.9"), None, Decimal(150)])
    outcome = played([*BEFORE, (12, 150)], 10, lambda given: next(asked))
    assert outcome.asks == (Decimal(187), Decimal(187), Decimal(150))


def test_episodes_need_ten_sales_before_forty_in_all_and_days_after() -> None:
    market = Market.of([*rows([(day, 200) for day in range(60)]), *rows([(day, 99) for day in range(39)], "11")])
    everything = market.sample(100, seed=1)
    assert sorted(episode.start for episode in everything) == [DAY0 + timedelta(days=day) for day in range(10, 15)]
    assert {episode.size for episode in everything} == {"10.0"}


def test_sizes_are_one_however_they_are_written_and_come_out_as_in_the_sales() -> None:
    assert {size_key(text) for text in ("10", "10.0", " 10.00 ")} == {"10"}
    assert [size_key(text) for text in ("10.50", "7Y", "5W / 3.5M", "100")] == ["10.5", "7Y", "5W / 3.5M", "100"]


def test_days_at_work_count_seven_more_for_each_pair() -> None:
    market = Market.of(rows([*BEFORE, (10, 200), (14, 200)]))
    episodes = [Episode("Shoe", "10", DAY0 + timedelta(days=day)) for day in (10, 11)]
    result = compare(market, episodes, "hold", {}, seed=1).results["static"]
    profits = Decimal("26.40") + Decimal("26.40") - 3 * Decimal("0.0748")
    assert result.profit_per_day.value == profits / (3 + 14)
    assert (result.mean_days.value, result.share_sold.value) == (Decimal("1.5"), 1)
    assert result.profit_per_day.low <= result.profit_per_day.value <= result.profit_per_day.high


def test_hold_is_the_static_baseline_and_competitive_without_quotes_the_follower() -> None:
    market = Market.of(random_rows(5))
    episodes = market.sample(40, 1)
    for strategy, baseline in (("hold", "static"), ("competitive", "follow")):
        comparison = compare(market, episodes, strategy, {}, seed=1)
        assert comparison.results[strategy] == comparison.results[baseline]


def test_an_episode_without_an_earlier_sale_is_left_out_and_named() -> None:
    market = Market.of(rows(BEFORE))
    early, unknown = Episode("Shoe", "10", DAY0), Episode("Boot", "10", DAY0 + timedelta(days=9))
    fine = Episode("Shoe", "10", DAY0 + timedelta(days=3))
    comparison = compare(market, [early, fine, unknown], "hold", {}, seed=1)
    assert comparison.left_out == [early, unknown]
    assert comparison.results["hold"].episodes == 1
    with pytest.raises(InvalidInput, match="no episode to play"):
        compare(market, [early], "hold", {}, seed=1)


def test_samples_and_intervals_come_out_the_same_again() -> None:
    market = Market.of(random_rows(6))
    assert market.sample(30, 4) == market.sample(30, 4) != market.sample(30, 5)
    first, again = (compare(market, market.sample(30, 4), "profit_maximization", {}, seed=4) for _ in range(2))
    assert first.results == again.results


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_no_decision_depends_on_a_sale_of_its_day_or_later(strategy: str) -> None:
    everything = random_rows(11)
    market = Market.of(everything)
    dice = random.Random(2)
    rule = rule_of(strategy, {})
    for episode in market.sample(12, 3):
        cut = episode.start + timedelta(days=dice.randint(1, 30))
        known = Market.of(row for row in everything if row[2] < cut)
        full, short = market.find(episode), known.find(episode)
        assert full is not None
        assert short is not None
        until = (cut - episode.start).days
        # The ask of the day of the cut was decided before its sales, so it is the same too.
        asks = play(full, episode, rule).asks[: until + 1]
        assert play(short, episode, rule).asks[: len(asks)] == asks


def random_rows(seed: int) -> list[Row]:
    """Return a year of sales of two products in four sizes that drift together, from a seed."""
    dice = random.Random(seed)
    found = []
    for product in ("Shoe", "Boot"):
        level = 250.0
        for day in range(220):
            level *= 1 + dice.gauss(-0.001, 0.01)
            for number, size in enumerate(("9", "9.5", "10", "12")):
                for _ in range(dice.choices((0, 1, 2), (5, 3, 1 + number))[0]):
                    price = Decimal(round(level * (1 + number / 20) * (1 + dice.gauss(0, 0.05))))
                    found.append((product, size, DAY0 + timedelta(days=day), price))
    return found
