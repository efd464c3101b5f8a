"""Run the benchmarks: `python -m bench [--full | --tiny] [--only NAME] [--json FILE]`.

Every figure is a count or a ratio to a bare limit measured in the same run, on generated data. The table says which
goals are held; the figures go to a JSON file and are compared with the last committed ones of the same size.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from bench import books, imports, opportunities, pages, selling, start
from bench.figures import Figure, timed
from bench.world import SEED, World, world

RESULTS = Path(__file__).with_name("results")
LATEST, COMMITTED = RESULTS / "latest.json", RESULTS / "committed.json"
PACKAGES = ("flask", "sqlalchemy", "psycopg", "redis", "rq")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is generated."""

    products: int
    feed_rows: int
    orders: int
    listings: int
    sandbox_listings: int
    jobs: int


SIZES = {
    "tiny": Size(products=100, feed_rows=300, orders=300, listings=60, sandbox_listings=12, jobs=0),
    "quick": Size(products=10_000, feed_rows=20_000, orders=100_000, listings=10_000, sandbox_listings=200, jobs=50),
    "full": Size(
        products=100_000, feed_rows=200_000, orders=1_000_000, listings=100_000, sandbox_listings=1000, jobs=200
    ),
}
# The import comes first: memory that other rows have freed would hide what it takes.
ON_DATABASE: dict[str, Callable[[World, Size], list[Figure]]] = {
    "imports": lambda on, size: imports.measure(on, size.feed_rows),
    "books": lambda on, size: books.measure(on, size.orders),
    "opportunities": lambda on, size: opportunities.measure(on, size.products),
    "pages": lambda on, size: pages.measure(on, size.listings),
}
BESIDE: dict[str, Callable[[Size], list[Figure]]] = {
    "selling": lambda size: selling.measure(size.sandbox_listings),
    # Not at the tiny size: starting processes takes longer than everything else there.
    "workers": lambda size: selling.at_once(size.jobs, size.sandbox_listings) if size.jobs else [],
    "start": lambda size: start.measure() if size.jobs else [],
}
NAMES = (*ON_DATABASE, *BESIDE)


def run(size: Size, names: tuple[str, ...] = NAMES) -> tuple[list[Figure], dict[str, str]]:
    """Measure what is named; returns the figures, and the machine with the versions of everything."""
    figures: list[Figure] = []
    with world() as on:
        with on.engine.connect() as connection:
            server = str(connection.scalar(text("SHOW server_version")))
        for name in ON_DATABASE:
            if name in names or (name == "opportunities" and "pages" in names):
                seconds, found = timed(lambda name=name: ON_DATABASE[name](on, size))  # type: ignore[misc]
                figures += found if name in names else []
                print(f"{name}: {seconds:.0f} s", file=sys.stderr)
    for name, measure in BESIDE.items():
        if name in names:
            seconds, found = timed(lambda measure=measure: measure(size))  # type: ignore[misc]
            figures += found
            print(f"{name}: {seconds:.0f} s", file=sys.stderr)
    return figures, machine() | {"postgresql": server}


def machine() -> dict[str, str]:
    """Return what the figures were taken on."""
    return {
        "cores": str(psutil.cpu_count()),
        "memory_gb": f"{psutil.virtual_memory().total / 1e9:.0f}",
        "load": f"{psutil.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def as_json(name: str, figures: list[Figure], about: dict[str, str]) -> dict[str, Any]:
    """Return everything as plain values."""
    rows = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
    taken = datetime.now(UTC).isoformat(timespec="seconds")
    return {"size": name, "seed": SEED, "taken_at": taken, "machine": about, "figures": rows}


def committed(size: str, path: Path = COMMITTED) -> dict[tuple[str, str], float]:
    """Return the last committed figures of a size by work and figure; none when there are none."""
    if not path.exists():
        return {}
    results = json.loads(path.read_text("utf-8"))
    return {(row["work"], row["what"]): row["value"] for row in results["figures"] if results["size"] == size}


def table(figures: list[Figure], before: dict[tuple[str, str], float]) -> str:
    """Write the figures as one table; the last column is the figure as a multiple of the committed one."""
    lines = [f"{'work':<58}{'figure':<50}{'value':>12}  {'unit':<11}{'goal':<10}{'':<8}{'committed':>9}"]
    for each in figures:
        old = before.get((each.work, each.what))
        than = f"x {each.value / old:.2f}" if old else ("same" if old == each.value else "")
        value = f"{each.value:,.0f}" if each.value == int(each.value) else f"{each.value:,.4g}"
        lines.append(
            f"{each.work:<58}{each.what:<50}{value:>12}  {each.unit:<11}{each.goal:<10}{each.verdict:<8}{than:>9}"
        )
    return "\n".join(lines)


def main() -> int:
    """Run the benchmarks and say where the figures are; the exit status is 1 when a figure could not be taken."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    for name in ("full", "tiny"):
        size.add_argument(f"--{name}", dest="size", action="store_const", const=name, default="quick")
    parser.add_argument("--only", choices=NAMES, action="append", help="measure only this, may be repeated")
    parser.add_argument("--json", type=Path, default=LATEST, help="where the figures go")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    began = time.monotonic()
    figures, about = run(SIZES[given.size], tuple(given.only or NAMES))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(as_json(given.size, figures, about), indent=2) + "\n", encoding="utf-8")
    print(table(figures, committed(given.size)))
    missed = sum(figure.verdict == "missed" for figure in figures)
    print(f"\n{len(figures)} figures, {missed} goals missed, {time.monotonic() - began:.0f} s. Written to {given.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
