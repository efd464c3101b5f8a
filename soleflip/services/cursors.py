"""Places in lists that are sorted by a time and an id: written into a cursor, and read back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from soleflip.domain.errors import InvalidInput


def write(moment: datetime, key: UUID) -> str:
    """Return the cursor behind a row."""
    return f"{moment.isoformat()}~{key}"


def read(cursor: str) -> tuple[datetime, UUID]:
    """Return the time and the id of the row that a cursor stands behind; raises InvalidInput."""
    moment, _, key = cursor.partition("~")
    try:
        return datetime.fromisoformat(moment), UUID(key)
    except ValueError as error:
        why = "This page of the list is no longer there: start at the first one."
        raise InvalidInput(why, field="cursor") from error
