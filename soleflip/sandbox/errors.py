"""The one error of the sandbox: an answer that is not the one hoped for."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal with its HTTP status and a sentence for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
