"""Automation: runs and how they go, the stop switch, and what runs by itself."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    Count,
    Ids,
    Moment,
    Number,
    Page,
    Paged,
    Percent,
    RunShape,
    Shape,
    Started,
    seal,
    started,
    unseal,
)
from soleflip.api.timetable import TimetableShape
from soleflip.api.unit import actor, now, runtime, session, wake_after_commit
from soleflip.services import automation_overview, failures, listing_runs, resumption, runs, stop, wishes
from soleflip.stockx import BudgetUnreachable

bp = Blueprint("automation", __name__, url_prefix="/automation")

TAG = "Automation"


class RunQuery(Paged):
    """Which runs are wanted."""

    kind: str | None = Field(default=None, max_length=30)
    state: Literal["queued", "running", "done", "failed", "cancelled"] | None = None
    unseen: bool = Field(default=False, description="Failed ones only that nobody has marked as seen.")


class RunPage(Page[RunShape]):
    """A page of runs, newest first."""


class LineShape(Shape):
    """What a run did with one thing."""

    outcome: str
    sentence: str
    subject_id: UUID | None
    at: Moment


class RowShape(Shape):
    """What became of one listing in a run: amounts in `currency`."""

    listing_id: UUID
    title: str
    size: str
    state: str
    kind: str
    currency: str
    old_price: Amount | None
    price: Amount | None
    note: str | None


class RunDetail(RunShape):
    """A run with its log and, where it lists or changes listings, its rows."""

    lines: list[LineShape]
    rows: list[RowShape]
    can_retry: bool
    can_go_on: bool
    can_undo: bool


class SwitchShape(Shape):
    """The stop switch."""

    is_stopped: bool
    actor: str | None
    reason: str | None
    at: Moment | None


class WaitingShape(Shape):
    """What waits of one kind: `amount` is the sum of its asks in `currency`, `largest_fall` in percent."""

    kind: str
    goes_by_itself: bool = Field(description="False: it goes only if the runs that stood still go on.")
    currency: str
    count: int
    amount: Amount | None
    oldest: Moment
    largest_fall: Percent | None
    requests: int


class DecidedShape(Shape):
    """What of one rule is approved: `amount` is the money of its `pairs`, in `currency`."""

    rule_name: str
    action: str
    count: int
    pairs: int
    amount: Amount | None
    currency: str | None


class OutlookShape(Shape):
    """What resuming would let out."""

    switch: SwitchShape
    waiting: list[WaitingShape]
    halted: list[RunShape] = Field(description="Runs that failed with something left to send.")
    decisions: int = Field(description="Approved decisions of rules, carried out by the next automation run.")
    approved: list[DecidedShape] = Field(description="The same by rule.")
    fallen: int = Field(description="Opportunities at prices as they made everything halt by itself.")
    requests: int
    minutes: Number = Field(description="How long the requests take at the allowed rate.")


class BudgetShape(Shape):
    """What is left of the day's requests to StockX."""

    used_today: int
    left_today: int
    blocked_until: Moment | None


class MonitorShape(Shape):
    """How the machinery stands."""

    switch: SwitchShape
    waiting: int = Field(description="Listings and changes that wait to be sent.")
    halted: list[RunShape] = Field(description="Runs that failed with something left to send.")
    timetable: list[TimetableShape]
    budget: BudgetShape | None = Field(description="Missing while the queue server is away.")


class FailuresSeen(Asked):
    """Failed runs that were seen; without ids all of them."""

    run_ids: Ids | None = None


class StopWanted(Asked):
    """Why everything is to stop."""

    reason: str = Field(default="no reason given", min_length=1, max_length=300)


class ResumeWanted(Asked):
    """Whether the runs that stood still go on."""

    go_on: bool = False


@bp.get("/runs")
@operation(TAG, "read", RunPage)
def list_runs(query: RunQuery) -> RunPage:
    """List the runs, newest first."""
    found, cursor = runs.history(
        session(),
        kind=query.kind,
        state=query.state,
        unseen=query.unseen,
        after=unseal(query.cursor),
        limit=query.limit,
    )
    return RunPage(items=[RunShape.of(run) for run in found], next_cursor=seal(cursor))


@bp.get("/runs/<uuid:run_id>")
@operation(TAG, "read", RunDetail)
def show_run(run_id: UUID) -> RunDetail:
    """Show a run: its progress, its log, and what became of each listing."""
    return _detail(run_id)


@bp.post("/runs/seen")
@operation(TAG, "list", Count, acts=True)
def see_failures(json: FailuresSeen) -> Count:
    """Take failed runs off the list of what needs the operator."""
    return Count(changed=failures.mark_seen(session(), json.run_ids, actor=actor()))


@bp.post("/runs/<uuid:run_id>/cancel")
@operation(TAG, "list", RunDetail, acts=True)
def cancel_run(run_id: UUID) -> RunDetail:
    """Ask a run to stop at its next safe place."""
    runs.request_cancel(session(), run_id)
    return _detail(run_id)


@bp.post("/runs/<uuid:run_id>/retry")
@operation(TAG, "list", Started, status=202, acts=True)
def retry_run(run_id: UUID) -> Any:
    """Try the failed listings of a run again, alone."""
    runs.get(session(), run_id)
    return started(wake_after_commit(wishes.retry_failed(session(), run_id, actor=actor(), now=now())))


@bp.post("/runs/<uuid:run_id>/go-on")
@operation(TAG, "list", Started, status=202, acts=True)
def go_on_with_run(run_id: UUID) -> Any:
    """Let a run that failed half-way go on where it stopped."""
    runs.get(session(), run_id)
    return started(wake_after_commit(runs.reopen(session(), run_id)))


@bp.post("/runs/<uuid:run_id>/undo")
@operation(TAG, "list", Started, status=202, acts=True)
def undo_run(run_id: UUID) -> Any:
    """Take back what a run did: delist what it listed, or set the prices it replaced."""
    is_listing = runs.get(session(), run_id).kind == "list"
    take_back = wishes.undo_listing if is_listing else wishes.undo_prices
    return started(wake_after_commit(take_back(session(), run_id, actor=actor(), now=now()).run))


@bp.get("/monitor")
@operation(TAG, "read", MonitorShape)
def monitor() -> MonitorShape:
    """Show how the machinery stands: the switch, what waits, what runs by itself, and the request budget."""
    settings = runtime().settings
    view = automation_overview.view(session(), sandbox=settings.sandbox, rate=settings.stockx_rate)
    return MonitorShape(
        switch=_switch(),
        waiting=view.outlook.count,
        halted=[RunShape.of(run) for run in view.outlook.halted],
        timetable=[TimetableShape.of(line) for line in view.lines],
        budget=_budget(),
    )


@bp.post("/stop")
@operation(TAG, "admin", SwitchShape, acts=True)
def stop_everything(json: StopWanted) -> SwitchShape:
    """Halt every write to StockX, at once."""
    stop.stop(session(), actor=actor(), reason=json.reason, now=now())
    return _switch()


@bp.get("/resume")
@operation(TAG, "read", OutlookShape)
def preview_resume() -> OutlookShape:
    """Show what letting writes go on would mean, before it does."""
    found = resumption.outlook(session(), rate=runtime().settings.stockx_rate)
    return OutlookShape(
        switch=_switch(),
        waiting=[WaitingShape.model_validate(each) for each in found.waiting],
        halted=[RunShape.of(run) for run in found.halted],
        decisions=found.decisions,
        approved=[DecidedShape.model_validate(each) for each in found.approved],
        fallen=found.fallen,
        requests=found.requests,
        minutes=found.minutes,
    )


@bp.post("/resume")
@operation(TAG, "admin", SwitchShape, acts=True)
def resume_everything(json: ResumeWanted) -> SwitchShape:
    """Let writes to StockX go on, with the runs that stood still if wanted."""
    for run in resumption.resume(session(), go_on=json.go_on, actor=actor(), now=now()):
        wake_after_commit(run)
    return _switch()


def _detail(run_id: UUID) -> RunDetail:
    view = listing_runs.view(session(), run_id)
    base = RunShape.of(view.run)
    return RunDetail(
        **{name: getattr(base, name) for name in RunShape.model_fields},
        lines=[LineShape.model_validate(line) for line in runs.lines(session(), run_id)],
        rows=[RowShape.model_validate(row) for row in view.rows],
        can_retry=view.can_retry,
        can_go_on=view.can_go_on,
        can_undo=view.can_undo,
    )


def _switch() -> SwitchShape:
    row = stop.switch(session())
    if row is None:
        return SwitchShape(is_stopped=False, actor=None, reason=None, at=None)
    session().refresh(row)
    return SwitchShape.model_validate(row)


def _budget() -> BudgetShape | None:
    try:
        state = runtime().stockx.budget.state()
    except BudgetUnreachable:
        return None
    return BudgetShape.model_validate(state)
