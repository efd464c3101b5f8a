"""What the frame and the dashboard show: the state of the house in few statements."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soleflip.models import Run, StockxConnection, StopSwitch
from soleflip.services.connection import CONNECTED, DISCONNECTED
from soleflip.services.runs import OPEN_STATES


@dataclass(frozen=True, slots=True)
class Shell:
    """The state every page shows: the stop switch, the StockX account, and how many runs are under way."""

    is_stopped: bool
    stopped_by: str | None
    stop_reason: str | None
    connection: str
    connection_reason: str | None
    open_runs: int


def shell(session: Session, *, sandbox: bool) -> Shell:
    """Read the frame's state in one statement."""
    one = select(
        select(StopSwitch.is_stopped).scalar_subquery(),
        select(StopSwitch.actor).scalar_subquery(),
        select(StopSwitch.reason).scalar_subquery(),
        select(StockxConnection.state).scalar_subquery(),
        select(StockxConnection.reason).scalar_subquery(),
        select(func.count()).select_from(Run).where(Run.state.in_(OPEN_STATES)).scalar_subquery(),
    )
    stopped, by, why, connection, reason, open_runs = session.execute(one).one()
    return Shell(bool(stopped), by, why, connection or (CONNECTED if sandbox else DISCONNECTED), reason, open_runs)


def overview(session: Session, books, now):
    return None
