"""What the strategies earn on products they were not fitted on: replay, cross-validated by product.

Run: python bench/replay_crossvalidation.py [SALES.csv.gz] [--episodes N] [--folds K] [--seed S]

1. The products are dealt into K folds. Every variant of a strategy plays the same sampled episodes.
2. For each fold the variant that earns most on the other folds is chosen, and judged on this one.
3. The line `judged` puts the judged episodes of all folds together: no product was used to choose its variant.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soleflip.domain.pricing import PricingInput
from soleflip.domain.pricing.demand import FITTED, Fit
from soleflip.domain.pricing.earning import EarningSettings, earn
from soleflip.domain.pricing.patience import PatientSettings, patient
from soleflip.domain.replay import BASELINES, TURNAROUND, Ask, Episode, Market, Outcome, play
from soleflip.services.replay import read_sales

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "stockx-sales-2017-2019.csv.gz"
FITS: dict[str, Fit] = {
    "as shipped": FITTED,
    "rank fade 0.8": replace(FITTED, rank_fade=Decimal("0.8")),
    "rank fade 0.95": replace(FITTED, rank_fade=Decimal("0.95")),
    "level half-life 20": replace(FITTED, level_half_life=20),
    "rate half-life 30": replace(FITTED, rate_half_life=30),
    "rate belief 1 day": replace(FITTED, rate_belief_days=Decimal(1)),
    "spread x 0.7": replace(FITTED, spread_scale=Decimal("0.7")),
    "spread x 1.2": replace(FITTED, spread_scale=Decimal("1.2")),
}
DAY_VALUES = {"profit_maximization": ("0.8", "1.6", "2.4"), "patient": ("0.05", "0.1", "0.25", "0.4")}
SETTINGS: dict[str, EarningSettings] = {"profit_maximization": EarningSettings(), "patient": PatientSettings()}


@dataclass(frozen=True, slots=True)
class Score:
    """Sums over some episodes."""

    profit: Decimal
    days: int
    sold: int
    count: int

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Score:
        profit = sum((each.profit for each in outcomes), Decimal(0))
        return cls(profit, sum(e.days for e in outcomes), sum(e.sold for e in outcomes), len(outcomes))

    def figure(self, name: str) -> Decimal:
        """Return profit per pair for 'patient' and profit per day at work for anything else."""
        return self.profit / (self.count if name == "patient" else self.days + TURNAROUND * self.count)

    def __str__(self) -> str:
        per_day = self.figure("profit_maximization")
        return (
            f"{self.count:6d} {self.profit / self.count:9.2f} {per_day:8.3f} {self.sold / self.count:7.1%}"
            f" {self.days / self.count:6.2f}"
        )


def variants(strategy: str) -> dict[str, Ask]:
    """Return the rules to choose from: other constants, and other values of a day."""
    settings = SETTINGS[strategy]
    rules = {name: rule(settings, fit) for name, fit in FITS.items()}
    rules["without the other sizes"] = alone(settings)
    for value in DAY_VALUES[strategy]:
        rules[f"a day is worth {value} %"] = rule(replace(settings, day_value=Decimal(value)), FITTED)
    return rules


def rule(settings: EarningSettings, fit: Fit) -> Ask:
    def ask(given: PricingInput) -> Decimal | None:
        return propose(settings, given, fit)

    return ask


def alone(settings: EarningSettings) -> Ask:
    def ask(given: PricingInput) -> Decimal | None:
        return propose(settings, replace(given, others=None), FITTED)

    return ask


def propose(settings: EarningSettings, given: PricingInput, fit: Fit) -> Decimal | None:
    found = patient(settings, given, fit) if isinstance(settings, PatientSettings) else earn(settings, given, fit)
    return found.ask


def play_all(market: Market, episodes: Sequence[Episode], ask: Ask) -> list[Outcome]:
    return [play(series, each, ask) for each in episodes if (series := market.find(each)) is not None]


def only(outcomes: Sequence[Outcome], products: set[str], *, inside: bool) -> list[Outcome]:
    return [each for each in outcomes if (each.episode.product in products) is inside]


def judge(strategy: str, played: Mapping[str, list[Outcome]], folds: Sequence[set[str]]) -> list[Outcome]:
    """Return the outcomes of held-out products by the variant chosen on the others, and tell the choices."""
    judged: list[Outcome] = []
    for number, fold in enumerate(folds, 1):
        fitted = {name: Score.of(only(outcomes, fold, inside=False)) for name, outcomes in played.items()}
        best = max(fitted, key=lambda name: fitted[name].figure(strategy))
        held_out = only(played[best], fold, inside=True)
        judged += held_out
        print(f"  fold {number}, chosen on the others: {best:26s}{Score.of(held_out)}")
    return judged


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("sales", nargs="?", type=Path, default=DATA)
    options.add_argument("--episodes", type=int, default=2000)
    options.add_argument("--folds", type=int, default=5)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    if not chosen.sales.exists():
        print(f"Skipped: {chosen.sales.name} is not here; name a sales file of your own.")
        return
    market = Market.of(read_sales(chosen.sales))
    episodes = market.sample(chosen.episodes, chosen.seed)
    products = sorted({each.product for each in episodes})
    random.Random(chosen.seed).shuffle(products)
    folds = [set(products[start :: chosen.folds]) for start in range(chosen.folds)]
    baselines = {name: Score.of(play_all(market, episodes, ask)) for name, ask in BASELINES.items()}
    print(f"{len(episodes)} episodes, {len(products)} products; USD a pair and per day at work, sold, days\n")
    for name, score in baselines.items():
        print(f"{name:36s}{score}")
    for strategy in SETTINGS:
        print(f"\n{strategy}")
        played = {name: play_all(market, episodes, ask) for name, ask in variants(strategy).items()}
        for name, outcomes in played.items():
            print(f"  {name:34s}{Score.of(outcomes)}")
        score = Score.of(judge(strategy, played, folds))
        print(f"  {'judged':34s}{score}")
        for name, baseline in baselines.items():
            what = "a pair" if strategy == "patient" else "a day at work"
            print(f"  {score.figure(strategy) / baseline.figure(strategy):.3f} times {name} {what}")


if __name__ == "__main__":
    main()
