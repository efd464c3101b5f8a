"""Errors named by what the caller can do about them."""

from __future__ import annotations

from collections.abc import Iterable


class SoleFlipError(Exception):
    """Root of every error that this program raises on purpose; its text is written for the operator."""


class InvalidInput(SoleFlipError):
    """Fix the input: the value was refused, nothing was changed.

    `field` names the offending field of a form or record where there is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(SoleFlipError):
    """The thing asked for does not exist, or no longer."""


class Conflict(SoleFlipError):
    """Somebody else got here first, or the thing is in a state that forbids the move."""


class Refused(SoleFlipError):
    """A guard said no, on purpose: below the floor, stale data, stopped. `guard` is its short name."""

    def __init__(self, message: str, *, guard: str) -> None:
        super().__init__(message)
        self.guard = guard


class RetryLater(SoleFlipError):
    """Nothing is wrong with the request; the same call may go through later."""


class NeedsHuman(SoleFlipError):
    """Only a person can decide or act (reconnect, review)."""


def nothing_left(start: str, reasons: Iterable[str], guard: str | None) -> SoleFlipError:
    """Return the error for things of which none was taken: Refused where it was one guard's word, else Conflict."""
    said = f"{start} {' '.join(sorted(set(reasons))[:3])}"
    return Refused(said, guard=guard) if guard else Conflict(said)
