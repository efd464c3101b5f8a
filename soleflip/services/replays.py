"""Replays from the Pricing page: a strategy on an uploaded sales file or on the market memory, played by a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.pricing import read_settings, strategy_named, written
from soleflip.domain.replay import Comparison, Market, compare
from soleflip.domain.words import count_of
from soleflip.models import PastSale, Product, Replay, Run, Variant
from soleflip.services import pricing_rules, replay, runs
from soleflip.services.runs import Work

MEMORY = "What SoleFlip remembers"
EPISODES = (200, 500, 1000, 2000)
MOST_POINTS = 120


@dataclass(frozen=True, slots=True)
class Known:
    """The sales that the market memory holds in one currency from one source."""

    source: str
    currency: str
    sales: int
    first: date
    last: date


def known(session: Session) -> list[Known]:
    """Return what the market memory holds, by source and currency."""
    columns = (PastSale.source, PastSale.currency)
    query = select(*columns, func.count(), func.min(PastSale.sold_on), func.max(PastSale.sold_on))
    return [Known(*row) for row in session.execute(query.group_by(*columns).order_by(*columns))]


def default_settings(session: Session, strategy: str) -> Mapping[str, object]:
    """Return the settings that a strategy has by default; raises InvalidInput for an unknown one."""
    return pricing_rules.load(session).default.strategy_settings.get(strategy_named(strategy).name, {})


def start(
    session: Session,
    strategy: str,
    values: Mapping[str, Any],
    *,
    sales: bytes | None,
    filename: str | None,
    episodes: int,
    actor: str,
) -> tuple[Replay, Run]:
    """Write a replay and the run that plays it, on a file's sales or, without one, on the market memory.

    Raises InvalidInput for settings that do not fit.
    """
    chosen = strategy_named(strategy)
    acting = written(read_settings(chosen.settings_type, values))
    if episodes not in EPISODES:
        raise InvalidInput("Choose one of the numbers of episodes.", field="episodes")
    run = runs.start(session, "replay", actor=actor, params={"episodes": episodes})
    source = MEMORY if sales is None else (filename or "sales.csv")[:300]
    row = Replay(run_id=run.id, strategy=strategy, settings=acting, source=source, sales=sales)
    session.add(row)
    session.flush()
    return row, run


def get(session: Session, replay_id: UUID) -> tuple[Replay, Run]:
    """Return a replay and its run; raises NotFound."""
    row = session.get(Replay, replay_id)
    if row is None:
        raise NotFound("There is no such replay.")
    return row, runs.get(session, row.run_id)


def latest(session: Session, limit: int = 20) -> Sequence[tuple[Replay, Run]]:
    """Return the newest replays with their runs."""
    query = select(Replay, Run).join(Run, Run.id == Replay.run_id).order_by(Replay.created_at.desc()).limit(limit)
    return [(row, run) for row, run in session.execute(query)]


def play(work: Work) -> str:
    """Play the replay of this run (kind `replay`); returns the closing sentence.

    Raises InvalidInput for a file that can't be read and for too few sales.
    """
    with work.transaction() as session:
        row = session.scalars(select(Replay).where(Replay.run_id == work.run_id)).one()
        strategy, settings, sales, source = row.strategy, row.settings, row.sales, row.source
        currency = "USD" if source != MEMORY else work.books.currency
        market = Market.of(remembered(session, currency) if sales is None else _uploaded(sales, source))
    episodes = market.sample(int(work.params["episodes"]), seed=1)
    work.progress(done=0, total=len(episodes), message=f"Playing {count_of(len(episodes), 'episode')}")
    comparison = compare(market, episodes, strategy, settings, seed=1)
    result = replay.summarise(comparison) | {"currency": currency, "curve": _curve(comparison)}
    with work.transaction() as session:
        row = session.scalars(select(Replay).where(Replay.run_id == work.run_id)).one()
        row.result, row.sales = result, None
    work.progress(done=len(episodes))
    times = Decimal(result["times"]["static"]["profit_per_day"]["value"])
    played = count_of(len(episodes), "episode")
    return f"{played} played: {times:.2f} times what never changing the ask earns per day at work."


def remembered(session: Session, currency: str) -> Iterator[tuple[str, str, date, Decimal]]:
    """Yield product, size, day and price of every remembered sale in a currency, in the order they were sold."""
    query = (
        select(Product.id, Product.title, Variant.size, PastSale.sold_on, PastSale.price)
        .join(Variant, Variant.id == PastSale.variant_id)
        .join(Product, Product.id == Variant.product_id)
        .where(PastSale.currency == currency)
        .order_by(PastSale.sold_on, PastSale.id)
    )
    for product_id, title, size, day, price in session.execute(query):
        yield f"{title} ({product_id})", size, day, price


def _uploaded(sales: bytes, name: str) -> list[tuple[str, str, date, Decimal]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(name).name or "sales.csv")
        path.write_bytes(sales)
        return list(replay.read_sales(path))


def _curve(comparison: Comparison) -> dict[str, Any]:
    """Return what each rule had earned in all, over the starts of the episodes: days, and amounts as text."""
    order = sorted(
        range(len(comparison.outcomes[comparison.strategy])),
        key=lambda place: comparison.outcomes[comparison.strategy][place].episode.start,
    )
    step = max(len(order) // MOST_POINTS, 1)
    shown = [*range(step - 1, len(order) - 1, step), len(order) - 1]
    sums: dict[str, list[str]] = {}
    for name, outcomes in comparison.outcomes.items():
        total, line = Decimal(0), []
        for place in order:
            total += outcomes[place].profit
            line.append(total)
        sums[name] = [f"{line[place]:.2f}" for place in shown]
    starts = [comparison.outcomes[comparison.strategy][order[place]].episode.start.isoformat() for place in shown]
    return {"starts": starts, "sums": sums}
