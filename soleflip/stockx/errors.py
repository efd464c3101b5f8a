"""What can go wrong with StockX, each error named by what the caller can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from soleflip.domain.errors import InvalidInput, NeedsHuman, NotFound, RetryLater, SoleFlipError

if TYPE_CHECKING:
    from soleflip.stockx.budget import Lane


class StockXUnavailable(RetryLater):
    """Retry later: StockX did not answer usefully, and nothing was changed there."""


class RateLimited(RetryLater):
    """Retry later: StockX answered 429; everybody is blocked until `until` (UTC, on the client's clock)."""

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class BudgetExhausted(RetryLater):
    """Retry later: our own budget gave no slot in time; nothing was sent.

    `until` is the earliest moment worth another try (UTC, on the budget's clock). `reason` is `day` (the lane's
    share of the day is used), `items_day`, `items` (batch window), `blocked` (StockX said 429) or `busy` (others
    were first).
    """

    def __init__(self, message: str, *, until: datetime, reason: str) -> None:
        super().__init__(message)
        self.until = until
        self.reason = reason


class BudgetUnreachable(RetryLater):
    """Retry later: Redis does not answer, so the shared budget can't be kept; nothing was sent."""


class StockXRefused(InvalidInput):
    """Fix the input or give up: StockX understood the request and said no (`status` is the HTTP status)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class StockXNotFound(NotFound):
    """StockX has no such listing, order, product or variant."""


class ReconnectNeeded(NeedsHuman):
    """Reconnect: StockX no longer accepts our credentials; the operator has to sign in at StockX again."""


class Ambiguous(SoleFlipError):
    """Reconcile: a write was sent and its answer was lost or unreadable, so it may or may not have happened.

    Never send it again before looking. `operation` names the client method, `subject` the ids in its address,
    `payload` is the body as sent, `sent_at` and `finished_at` (UTC, on the client's clock) bracket the moment at
    which StockX may have acted; `status` is the HTTP status where one arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        lane: Lane,
        subject: Mapping[str, str],
        payload: Mapping[str, Any],
        sent_at: datetime,
        finished_at: datetime,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.lane = lane
        self.subject = dict(subject)
        self.payload = dict(payload)
        self.sent_at = sent_at
        self.finished_at = finished_at
        self.status = status
