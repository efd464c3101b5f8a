"""What tests of services share: transactions inside the test's own, the operator's books, a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from soleflip.services.runs import Books


@pytest.fixture
def transaction(session: Session) -> Callable[[], AbstractContextManager[Session]]:
    """Opens sessions that commit into savepoints of the test's own transaction, which is undone at its end."""
    connection = session.connection()

    @contextmanager
    def begin() -> Iterator[Session]:
        with (
            Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as inner,
            inner.begin(),
        ):
            yield inner

    return begin


@pytest.fixture
def books() -> Books:
    return Books("EUR", ZoneInfo("Europe/Berlin"))


@dataclass
class StandingClock:
    """A clock that moves only when told."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **time: float) -> None:
        self.at += timedelta(**time)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
