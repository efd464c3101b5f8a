"""`python -m soleflip.sandbox run|seed`: the sandbox on its own, for a client in any language."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from . import API_KEY, CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, seed_world, serve
from .control import SPEEDS
from .feed import NOTHING_USABLE
from .store import StoreUnusable


def main(arguments: list[str] | None = None) -> int:
    """Run or seed a sandbox from the command line."""
    parser = argparse.ArgumentParser(prog="python -m soleflip.sandbox", description="A StockX of your own over HTTP.")
    parser.add_argument(
        "--database", type=Path, default=Path("sandbox.db"), help="the world's file (default sandbox.db)"
    )
    parser.add_argument("--seed", type=int, default=1, help="dice of a new world (default 1)")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="serve until Ctrl-C")
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=_between(int, 0, 65_535), default=8001)
    run.add_argument(
        "--speed",
        type=_between(float, *SPEEDS),
        default=60.0,
        help="sandbox seconds per real second (default 60)",
    )
    run.add_argument("--control", action="store_true", help="open the control interface under /_sandbox/")
    run.add_argument("--no-limits", action="store_true", help="answer as fast as possible")
    run.add_argument(
        "--jitter-ms",
        type=_between(float, 0, 60_000),
        default=0.0,
        help="forgive requests so much too early (default 0)",
    )
    learn = commands.add_parser("seed", help="teach the world the products of a shop feed (Awin CSV or CSV.GZ)")
    learn.add_argument("feed", type=Path)
    learn.add_argument("--currency", default="EUR", help="of prices without one (default EUR)")
    given = parser.parse_args(arguments)
    try:
        if given.command == "seed":
            report = seed_world(given.feed, given.database, seed=given.seed, currency=given.currency)
            if not report.products:
                sys.stderr.write(f"{NOTHING_USABLE}\n")
                return 1
            _tell(f"{report.products} products, {report.variants} variants ({report.new_variants} new)")
            return 0
        _tell(f"http://{given.host}:{given.port}/v2  client {CLIENT_ID}  secret {CLIENT_SECRET}  key {API_KEY}")
        _tell(f"refresh token {REFRESH_TOKEN}")
        serve(
            port=given.port,
            database=given.database,
            speed=given.speed,
            seed=given.seed,
            control=given.control,
            host=given.host,
            limits=not given.no_limits,
            jitter_ms=given.jitter_ms,
        )
    except (OSError, StoreUnusable) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _between(kind: type[int] | type[float], low: float, high: float) -> Callable[[str], float]:
    """A reader of numbers for argparse that refuses those out of bounds, and nan."""

    def number(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} does not lie between {low:g} and {high:g}")
        return value

    return number


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
