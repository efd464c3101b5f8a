"""What a benchmark says: figures with their goals, and the ways to take them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import psutil
from sqlalchemy import Connection, Engine, event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a count, or a ratio to a bare limit of the same run; a goal is the most or the least it may be."""

    work: str
    what: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def verdict(self) -> str:
        """Tell whether the goal was held or missed; '-' without a goal."""
        if self.most is None and self.least is None:
            return "-"
        too_much = self.most is not None and self.value > self.most
        too_little = self.least is not None and self.value < self.least
        return "missed" if too_much or too_little else "held"

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.most is not None and self.most == self.least:
            return f"= {self.most:,g}"
        if self.most is not None:
            return f"<= {self.most:,g}"
        return f">= {self.least:,g}" if self.least is not None else ""


class Statement(NamedTuple):
    """A statement as it was sent to the database."""

    sql: str
    parameters: Any


@contextmanager
def statements(engine: Engine | Connection) -> Iterator[list[Statement]]:
    """Collect the statements that are sent inside the block."""
    sent: list[Statement] = []

    def listen(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        sent.append(Statement(sql, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", listen)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", listen)


def rows_read(connection: Connection, statement: Statement) -> Counter[str]:
    """Count the rows that a statement takes from each table, those that it drops again included."""
    explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", statement.parameters)
    read: Counter[str] = Counter()

    def walk(node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read[node["Relation Name"]] += round((node["Actual Rows"] + dropped) * node["Actual Loops"])
        for child in node.get("Plans", ()):
            walk(child)

    walk(explained.scalar_one()[0]["Plan"])
    return read


def timed(act: Callable[[], T]) -> tuple[float, T]:
    """Do it once; return the seconds it took and what it returned."""
    began = time.perf_counter()
    result = act()
    return time.perf_counter() - began, result


def fastest(act: Callable[[], object], times: int = 5) -> float:
    """Return the seconds of the fastest of some tries: what else the machine does only ever adds."""
    return min(timed(act)[0] for _ in range(times))


def memory() -> float:
    """Return the memory this process holds now, in MB."""
    return float(psutil.Process(os.getpid()).memory_info().rss) / 1e6
