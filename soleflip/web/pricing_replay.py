"""Replay: try a strategy on past sales before it touches money; and the past sales themselves, from files."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for
from werkzeug.utils import secure_filename

from soleflip.domain import pricing
from soleflip.domain.errors import InvalidInput
from soleflip.domain.replay import BASELINES
from soleflip.models import Replay
from soleflip.services import replays, sales_files
from soleflip.services.sales_files import Imported
from soleflip.web.htmx import go, page
from soleflip.web.pricing_forms import StrategyForm, setting_fields, typed_settings
from soleflip.web.unit import actor, now, runtime, wake_after_commit

bp = Blueprint("replay", __name__, url_prefix="/replay")

COLOURS = ("accent", "muted", "market")


@bp.get("")
def index() -> Response:
    """Show the form of a replay, earlier ones, and the past sales that are known."""
    return _show()


@bp.post("")
def start() -> Response:
    """Start a replay of a strategy."""
    form = request.form
    typed = typed_settings("strategy", "episodes", "source")
    given = request.files.get("sales") if form.get("source") == "file" else None
    try:
        if form.get("source") == "file" and (given is None or not given.filename):
            raise InvalidInput("Choose a file of sales, or take what SoleFlip remembers.", field="sales")
        row, run = replays.start(
            g.session,
            form.get("strategy", ""),
            typed,
            sales=given.read() if given else None,
            filename=secure_filename(given.filename or "") if given else None,
            episodes={str(number): number for number in replays.EPISODES}.get(form.get("episodes", ""), 0),
            actor=actor(),
        )
    except InvalidInput as error:
        return _show(status=422, typed=typed, error=error)
    wake_after_commit(run)
    return go(url_for("pricing.replay.show", replay_id=row.id))


@bp.get("/<uuid:replay_id>")
def show(replay_id: UUID) -> Response:
    """Show one replay: what each rule earned, with intervals and a chart."""
    row, run = replays.get(g.session, replay_id)
    view = {"replay": row, "run": run, "chart": _chart(row), "label": pricing.STRATEGIES[row.strategy].label}
    return page("pricing/replayed.html", "pricing/_replayed.html", baselines=tuple(BASELINES), **view)


@bp.post("/sales")
def import_sales() -> Response:
    """Take a file of past sales into the market memory, and say what became of its rows."""
    given = request.files.get("file")
    try:
        if given is None or not given.filename:
            raise InvalidInput("Choose a file first: a CSV or a CSV.GZ.", field="file")
        currency = runtime().books.currency
        result = sales_files.import_sales(g.session, given.stream, currency=currency, today=now().date())
    except InvalidInput as error:
        return _show(status=422, sales_error=error)
    return _show(imported=result)


def _show(
    *,
    status: int = 200,
    typed: dict[str, str] | None = None,
    error: InvalidInput | None = None,
    imported: Imported | None = None,
    sales_error: InvalidInput | None = None,
) -> Response:
    name = request.values.get("strategy", "profit_maximization")
    chosen = pricing.STRATEGIES.get(name, pricing.STRATEGIES["profit_maximization"])
    values = typed if typed is not None else replays.default_settings(g.session, chosen.name)
    return page(
        "pricing/replay.html",
        "pricing/_replay.html",
        status=status,
        form=StrategyForm(chosen, setting_fields(chosen.settings_type, values, error, prefix="replay-")),
        strategies=[(each.name, each.label) for each in pricing.STRATEGIES.values()],
        error=error,
        known=replays.known(g.session),
        replays=replays.latest(g.session),
        episodes=[(str(number), f"{number:,}") for number in replays.EPISODES],
        imported=imported,
        sales_error=sales_error,
    )


def _chart(row: Replay) -> dict[str, Any] | None:
    """Return the chart of what each rule had earned in all, over the starts of the episodes."""
    if row.result is None:
        return None
    curve = row.result["curve"]
    return {
        "legend": {},
        "xAxis": {"type": "time"},
        "yAxis": {"type": "value", "scale": True},
        "series": [
            {
                "name": name.replace("_", " "),
                "type": "line",
                "showSymbol": False,
                "data": [[start, float(amount)] for start, amount in zip(curve["starts"], sums, strict=True)],
                "lineStyle": {"color": colour, "width": 2, "type": kind},
                "itemStyle": {"color": colour},
            }
            for (name, sums), colour, kind in zip(
                sorted(curve["sums"].items(), key=lambda each: each[0] != row.strategy),
                COLOURS,
                ("solid", "dashed", "dotted"),
                strict=True,
            )
        ],
    }
