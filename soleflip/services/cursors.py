"""Places in lists, by a time and an id or by a number: written into a cursor, and read back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from soleflip.domain.errors import InvalidInput

GONE = "This page of the list is no longer there: start at the first one."


def write(moment: datetime, key: UUID) -> str:
    """Return the cursor behind a row."""
    return f"{moment.isoformat()}~{key}"


def read(cursor: str) -> tuple[datetime, UUID]:
    """Return the time and the id of the row that a cursor stands behind; raises InvalidInput."""
    moment, _, key = cursor.partition("~")
    try:
        return datetime.fromisoformat(moment), UUID(key)
    except ValueError as error:
        raise InvalidInput(GONE, field="cursor") from error


def read_number(cursor: str) -> int:
    """Return the number of the row that a cursor stands behind; raises InvalidInput."""
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidInput(GONE, field="after")
    return int(cursor)
