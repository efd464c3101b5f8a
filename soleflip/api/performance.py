"""What each strategy has earned, and the experiment that compares strategies fairly."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Moment, Number, Percent, Rounded, Shape
from soleflip.api.figures import FiguresShape
from soleflip.api.unit import actor, now, runtime, session
from soleflip.services import strategy_performance
from soleflip.services.strategy_performance import Arm, StrategyResult

bp = Blueprint("performance", __name__, url_prefix="/selling/pricing")

TAG = "Pricing"


class EstimateShape(Shape):
    """A mean or a share with its 95 % interval."""

    count: int
    value: Rounded
    low: Rounded
    high: Rounded


class StrategyResultShape(Shape):
    """What a strategy has done in the last 365 days."""

    strategy: str
    label: str
    live: int
    listed: int
    sold: int = Field(description="Of those listed.")
    unpaid: int = Field(description="Of those sold: not in the ledger yet.")
    changes: int
    days_to_sell: Number | None = Field(description="Median days from listing to sale.")
    days: EstimateShape | None = Field(description="Mean days from listing to sale.")
    sell_through: Percent | None = Field(description="Sales in percent of what was listed.")
    sold_share: EstimateShape | None = Field(description="The same with its interval.")
    changes_per_sale: Number | None
    profit_per_sale: EstimateShape | None
    against_hold: EstimateShape | None = Field(description="Difference of profit per sale to the strategy hold.")
    verdict: str | None = Field(description="better, worse, no difference shown, or not enough data yet")
    says_enough: bool = Field(description="Whether there are enough sales to compare it.")
    figures: FiguresShape


class PerformanceShape(Shape):
    """Results by strategy, amounts in `currency`."""

    currency: str
    items: list[StrategyResultShape]


class ArmShape(Shape):
    """One strategy of an experiment: what was dealt to it and came of it."""

    strategy: str
    share: int
    listed: int
    sold: int
    unpaid: int = Field(description="Of those sold: not paid out yet; they count in per_pair once they are.")
    sell_through: Percent | None
    sold_share: EstimateShape | None = Field(description="Sales in percent of what was listed, with its interval.")
    per_pair: EstimateShape | None = Field(description="Realised profit per pair listed.")
    difference: EstimateShape | None
    verdict: str | None


class ExperimentShape(Shape):
    """The experiment that runs, or the last one; amounts in `currency`."""

    currency: str
    running: bool
    since: Moment | None
    arms: list[ArmShape]


class Shares(Asked):
    """Which share of new listings each strategy gets, in percent; together 100."""

    shares: dict[str, int] = Field(min_length=1, max_length=20, examples=[{"competitive": 50, "hold": 50}])


@bp.get("/performance")
@operation(TAG, "read", PerformanceShape)
def show_performance() -> PerformanceShape:
    """Show what each strategy has earned."""
    books = runtime().books
    return PerformanceShape(
        currency=books.currency,
        items=[_result(each) for each in strategy_performance.strategy_performance(session(), books, now())],
    )


def _result(found: StrategyResult) -> StrategyResultShape:
    values: dict[str, Any] = {
        name: _estimate(getattr(found, name)) for name in ("days", "sold_share", "profit_per_sale", "against_hold")
    }
    values |= {
        "strategy": found.strategy.name,
        "label": found.strategy.label,
        "figures": FiguresShape.of(found.figures),
    }
    return StrategyResultShape(
        **values, **{name: getattr(found, name) for name in StrategyResultShape.model_fields if name not in values}
    )


@bp.get("/experiment")
@operation(TAG, "read", ExperimentShape)
def show_experiment() -> ExperimentShape:
    """Show the experiment that runs, or how the last one ended."""
    return _experiment()


@bp.post("/experiment")
@operation(TAG, "price", ExperimentShape, acts=True, names={"strategy": "shares"})
def begin_experiment(json: Shares) -> ExperimentShape:
    """Deal new listings to strategies by lot from now on."""
    strategy_performance.begin_experiment(session(), json.shares, actor=actor(), now=now())
    return _experiment()


@bp.delete("/experiment")
@operation(TAG, "price", ExperimentShape, acts=True)
def end_experiment() -> ExperimentShape:
    """Deal no more listings; those dealt keep their strategy, and the result stays."""
    strategy_performance.end_experiment(session(), actor=actor())
    return _experiment()


def _experiment() -> ExperimentShape:
    books = runtime().books
    found = strategy_performance.experiment(session())
    if found is None:
        return ExperimentShape(currency=books.currency, running=False, since=None, arms=[])
    arms = [_arm(each) for each in strategy_performance.arms(session(), found, books, now())]
    return ExperimentShape(currency=books.currency, running=found.running, since=found.since, arms=arms)


def _arm(found: Arm) -> ArmShape:
    values: dict[str, Any] = {
        name: _estimate(getattr(found, name)) for name in ("sold_share", "per_pair", "difference")
    }
    rest = ("share", "listed", "sold", "unpaid", "sell_through", "verdict")
    return ArmShape(strategy=found.strategy.name, **values, **{name: getattr(found, name) for name in rest})


def _estimate(found: object) -> EstimateShape | None:
    return EstimateShape.model_validate(found) if found is not None else None
