"""The slow query log: statements that take longer than the operator set, without their values."""

from __future__ import annotations

import time
from typing import Any

import structlog
from sqlalchemy import Engine, event

log = structlog.get_logger(__name__)

_LONGEST = 2000


def watch(engine: Engine, seconds: float) -> None:
    """Log every statement of this engine that takes longer; values may be secrets and are left out."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Any, *_: Any) -> None:
        connection.info.setdefault("begun", []).append(time.perf_counter())

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        took = time.perf_counter() - connection.info["begun"].pop()
        if took > seconds:
            log.warning("slow_query", ms=round(took * 1000), statement=" ".join(statement.split())[:_LONGEST])

    @event.listens_for(engine, "handle_error")
    def forget(context: Any) -> None:
        if context.connection is not None and context.connection.info.get("begun"):
            context.connection.info["begun"].pop()
