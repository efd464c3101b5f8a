"""Words for numbers of things, as sentences need them."""

from __future__ import annotations


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 order`, `2 orders`, `1,200 opportunities` where the plural is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
