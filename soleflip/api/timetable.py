"""The timetable: what runs by itself, how often, for how long at most, and started at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Asked, Moment, RunShape, Shape, Started, started
from soleflip.api.unit import actor, runtime, session, wake_after_commit
from soleflip.services import timetable

bp = Blueprint("timetable", __name__, url_prefix="/automation")

TAG = "Automation"
Seconds = Annotated[int, Field(ge=10, le=31 * 86_400)]


class TimetableShape(Shape):
    """What runs by itself: how often, and when it ran and runs; times are real ones."""

    kind: str
    label: str
    every_seconds: int
    time_limit_seconds: int
    is_enabled: bool
    changed_by: str | None
    is_open: bool
    last_run: RunShape | None
    due_at: Moment | None

    @classmethod
    def of(cls, line: timetable.Line) -> TimetableShape:
        """Write a line."""
        return cls(
            kind=line.entry.kind,
            label=line.entry.label,
            every_seconds=int(line.every.total_seconds()),
            time_limit_seconds=int(line.time_limit.total_seconds()),
            is_enabled=line.is_enabled,
            changed_by=line.changed_by,
            is_open=line.is_open,
            last_run=RunShape.of(line.last) if line.last else None,
            due_at=line.due_at,
        )


class TimetableList(Shape):
    """The whole timetable."""

    items: list[TimetableShape]


class StartWanted(Asked):
    """A line of the timetable to start now."""

    kind: str = Field(pattern=f"^({'|'.join(entry.kind for entry in timetable.TIMETABLE)})$")


class LineWanted(Asked):
    """What changes of a line, in real seconds; what is missing stays. The interval is the sandbox's in the sandbox."""

    every_seconds: Seconds | None = None
    time_limit_seconds: Seconds | None = None
    is_enabled: bool | None = None


@bp.get("/timetable")
@operation(TAG, "read", TimetableList)
def show_timetable() -> TimetableList:
    """Show what runs by itself."""
    found = timetable.lines(session(), sandbox=runtime().settings.sandbox)
    return TimetableList(items=[TimetableShape.of(line) for line in found])


@bp.put("/timetable/<kind>")
@operation(TAG, "admin", TimetableShape, acts=True)
def change_timetable(kind: str, json: LineWanted) -> TimetableShape:
    """Change a line; the scheduler follows at its next look."""
    line = timetable.change(
        session(),
        kind,
        sandbox=runtime().settings.sandbox,
        actor=actor(),
        every=_length(json.every_seconds),
        time_limit=_length(json.time_limit_seconds),
        is_enabled=json.is_enabled,
    )
    return TimetableShape.of(line)


@bp.delete("/timetable/<kind>")
@operation(TAG, "admin", TimetableShape, acts=True)
def reset_timetable(kind: str) -> TimetableShape:
    """Forget what was changed of a line."""
    return TimetableShape.of(timetable.reset(session(), kind, sandbox=runtime().settings.sandbox, actor=actor()))


@bp.post("/start")
@operation(TAG, "list", Started, status=202, acts=True)
def start_now(json: StartWanted) -> Any:
    """Start one line of the timetable now, unless it runs."""
    run = timetable.start_now(session(), json.kind, sandbox=runtime().settings.sandbox, actor=actor())
    return started(wake_after_commit(run))


def _length(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
