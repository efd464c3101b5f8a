"""Is the sandbox's market like the real one? Sales a week and day-to-day price volatility of 25 real products.

    python bench/sandbox_calibration.py [SALES.csv.gz] [--seed N]

For every product of the data set the size levels, the sales of each size and two noise figures are read from the
real sales, and the noise is fitted in a few rounds; markets with these parameters and other dice then live as long as
the real one was watched, and the same statistics are taken from their sales. The table ends with the median of the
deviations and of the fitted noise, and the exit status is 1 when a deviation is over 20 %.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import sys
from collections import defaultdict
from datetime import date
from itertools import pairwise
from pathlib import Path
from statistics import median, pstdev

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soleflip.sandbox.clock import DAY
from soleflip.sandbox.market import happen, open_book
from soleflip.sandbox.records import Variant

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "stockx-sales-2017-2019.csv.gz"
ALLOWED = 0.20
FIT_ROUNDS = 4
FIT_SEED = 1000  # the dice of the fit are never those of the comparison
Sale = tuple[float, str, float]  # day, size, price


def read(path: Path) -> dict[str, list[Sale]]:
    """The real sales of each product in order of time."""
    products: dict[str, list[Sale]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            day = float(date.fromisoformat(row["sold_on"]).toordinal())
            products[row["product"]].append((day, row["size_us"], float(row["sale_price_usd"])))
    return {name: sorted(sales) for name, sales in products.items()}


def weeks(sales: list[Sale]) -> float:
    """How long the product was watched."""
    return (math.floor(sales[-1][0]) - math.floor(sales[0][0]) + 1) / 7


def volatility(sales: list[Sale]) -> float:
    """Standard deviation of the log change of the daily median price from one day with sales to the next."""
    days: dict[int, list[float]] = defaultdict(list)
    for day, _, price in sales:
        days[math.floor(day)].append(price)
    prices = [median(days[day]) for day in sorted(days)]
    changes = [math.log(after / before) for before, after in pairwise(prices)]
    return pstdev(changes) if len(changes) > 1 else 0.0


def by_size(sales: list[Sale]) -> dict[str, list[tuple[float, float]]]:
    """The sales of each size as (day, log price)."""
    sizes: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for day, size, price in sales:
        sizes[size].append((day, math.log(price)))
    return sizes


def noise(sales: list[Sale]) -> tuple[float, float]:
    """Two figures of a product: the noise of a single sale, and the daily drift of a size's price."""
    near, far = [], []
    for series in by_size(sales).values():
        for (day, price), (later, after) in pairwise(series):
            if later - day <= 1:
                near.append(abs(after - price))
            else:
                far.append((abs(after - price), later - day))
    single = median(near) / 0.6745 / math.sqrt(2) if near else 0.04
    excess = [max(0.0, (change / 0.6745) ** 2 - 2 * single**2) / gap for change, gap in far]
    return single, math.sqrt(median(excess)) if excess else 0.01


def fit(name: str, sales: list[Sale], seed: int) -> tuple[float, float]:
    """Noise and drift, scaled until a market of its own dice swings like the real one."""
    single, drift = noise(sales)
    for attempt in range(FIT_ROUNDS):
        swing = volatility(simulate(name, sales, (single, drift), FIT_SEED + seed + attempt))
        scale = min(1.5, max(0.6, volatility(sales) / swing))
        single, drift = single * scale**0.7, drift * scale**0.7
    return single, drift


def simulate(name: str, sales: list[Sale], wild: tuple[float, float], seed: int) -> list[Sale]:
    """As many weeks of sales in a market with the parameters of the real one."""
    single, drift = wild
    length = int(weeks(sales) * 7 * DAY)
    found: list[Sale] = []
    for size, series in by_size(sales).items():
        variant = Variant(
            variant_id=f"{name}:{size}",
            product_id=name,
            value=size,
            sizes=[],
            gtins=[],
            level=math.exp(median(price for _, price in series)),
            buyers_per_week=len(series) / weeks(sales),
            born=0,
            volatility=drift,
            spread=single,
        )
        book = open_book(variant, seed, 1.0)
        while book.next_at < length:
            sold = book.sold
            happen(book, variant, [], 1.0)
            if book.sold > sold and book.last_sale is not None:
                found.append((book.at / DAY, size, float(book.last_sale)))
    return sorted(found)


def main() -> int:
    """Print the table; 1 when the market is not like the real one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=5)
    given = parser.parse_args()
    if not given.data.exists():
        print(f"{given.data} is missing: nothing to compare with")
        return 2
    print(f"{'product':48}{'sales/week':>18}{'':>8}{'volatility':>18}{'':>8}")
    print(f"{'':48}{'real':>9}{'sandbox':>9}{'':>8}{'real':>9}{'sandbox':>9}")
    rates, swings, fitted = [], [], []
    for name, sales in sorted(read(given.data).items(), key=lambda entry: -len(entry[1])):
        # One world is one throw of the dice; a thin product needs several for a fair picture.
        wild = fit(name, sales, given.seed)
        fitted.append(wild)
        made = [simulate(name, sales, wild, given.seed + world) for world in range(given.worlds)]
        real, ours = len(sales) / weeks(sales), median(len(world) for world in made) / weeks(sales)
        swing, our_swing = volatility(sales), median(map(volatility, made))
        rates.append(ours / real - 1)
        swings.append(our_swing / swing - 1)
        line = f"{real:9.1f}{ours:9.1f}{rates[-1]:+8.0%}{swing:9.3f}{our_swing:9.3f}{swings[-1]:+8.0%}"
        print(f"{name[:47]:48}{line}")
    rate, swing = median(map(abs, rates)), median(map(abs, swings))
    print(f"{'median deviation':48}{'':18}{rate:8.0%}{'':18}{swing:8.0%}")
    sale, day = (median(wild[place] for wild in fitted) for place in (0, 1))
    print(f"median noise of a sale {sale:.3f}, drift a day {day:.3f}")
    return 0 if rate <= ALLOWED and swing <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
