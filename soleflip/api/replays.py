"""Replay: a strategy tried on past sales before it touches money, and the past sales themselves, from files."""

from __future__ import annotations

import json as plain_json
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field
from werkzeug.utils import secure_filename

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Moment, RunShape, Shape, Upload
from soleflip.api.selling import STRATEGY
from soleflip.api.unit import actor, now, runtime, session, wake_after_commit
from soleflip.domain.errors import InvalidInput
from soleflip.models import Replay, Run
from soleflip.services import replays, sales_files

bp = Blueprint("replays", __name__, url_prefix="/selling/pricing")

TAG = "Pricing"


class ReplayWanted(Asked):
    """A strategy to try, on a file of past sales or, without one, on the market memory."""

    strategy: str = Field(pattern=STRATEGY)
    settings: str | None = Field(default=None, max_length=5000, description="A JSON object; the defaults without it.")
    episodes: Literal["200", "500", "1000", "2000"] = "500"
    sales: Annotated[Upload | None, Field(description="CSV or CSV.GZ.")] = None


class ReplayShape(Shape):
    """One replay and the run that plays it."""

    id: UUID
    strategy: str
    settings: dict[str, Any]
    source: str
    created_at: Moment
    run: RunShape


class ReplayDetail(ReplayShape):
    """A replay with what each rule earned, once it is played."""

    result: dict[str, Any] | None


class KnownShape(Shape):
    """The sales that the market memory holds in one currency from one source."""

    source: str
    currency: str
    sales: int
    first: date
    last: date


class ReplayList(Shape):
    """The newest replays, and the past sales that are known."""

    items: list[ReplayShape]
    known_sales: list[KnownShape]


class SalesFile(Asked):
    """A file of past sales by anybody."""

    file: Annotated[Upload, Field(description="CSV or CSV.GZ.")]


class SalesResult(Shape):
    """What came of a file of past sales."""

    sentence: str
    result: dict[str, Any] = Field(description="Counts, and the refused lines with their reasons.")


@bp.get("/replays")
@operation(TAG, "read", ReplayList)
def list_replays() -> ReplayList:
    """List the newest replays, and the past sales that are known."""
    return ReplayList(
        items=[_shape(row, run) for row, run in replays.latest(session())],
        known_sales=[KnownShape.model_validate(each) for each in replays.known(session())],
    )


@bp.post("/replays")
@operation(TAG, "price", ReplayShape, status=202, acts=True)
def start_replay(form: ReplayWanted) -> Any:
    """Try a strategy on past sales: follow the run."""
    given: Any = form.sales
    row, run = replays.start(
        session(),
        form.strategy,
        _settings(form.settings),
        sales=given.read() if given else None,
        filename=secure_filename(given.filename or "") if given else None,
        episodes=int(form.episodes),
        actor=actor(),
    )
    wake_after_commit(run)
    return _shape(row, run), 202, {"Location": f"/api/v1/automation/runs/{run.id}"}


@bp.get("/replays/<uuid:replay_id>")
@operation(TAG, "read", ReplayDetail)
def show_replay(replay_id: UUID) -> ReplayDetail:
    """Show one replay: what each rule earned, with intervals."""
    row, run = replays.get(session(), replay_id)
    base = _shape(row, run)
    return ReplayDetail(**{name: getattr(base, name) for name in ReplayShape.model_fields}, result=row.result)


@bp.post("/sales")
@operation(TAG, "price", SalesResult, acts=True)
def import_sales(form: SalesFile) -> SalesResult:
    """Take a file of past sales into the market memory; each sale counts once."""
    given: Any = form.file
    currency = runtime().books.currency
    result = sales_files.import_sales(session(), given.stream, currency=currency, today=now().date())
    return SalesResult(sentence=result.sentence, result=result.as_json())


def _shape(row: Replay, run: Run) -> ReplayShape:
    names = ("id", "strategy", "settings", "source", "created_at")
    return ReplayShape(**{name: getattr(row, name) for name in names}, run=RunShape.of(run))


def _settings(text: str | None) -> dict[str, Any]:
    try:
        values = plain_json.loads(text or "{}")
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidInput("Send the settings as a JSON object.", field="settings")
    return values
