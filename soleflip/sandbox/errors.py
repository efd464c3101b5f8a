"""The one error of the sandbox: an answer that is not the one hoped for."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal with its HTTP status, a sentence for the caller, and the methods that a 405 allows instead."""

    def __init__(self, status: int, message: str, allowed: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.allowed = allowed
