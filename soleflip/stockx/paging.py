"""Walking numbered pages of a list that changes on the way: each entry once, none left out by a shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from soleflip.stockx.transport import Call, Transport
from soleflip.stockx.wire import Page

T = TypeVar("T")
P = TypeVar("P", bound=Page)
PAGE_SIZE = 100
# A list that keeps shrinking, or a server that repeats itself, must not keep us for ever.
MOST_STEPS_BACK = 10
MOST_IDLE_PAGES = 2


class Calls:
    """Root of the rooms of the client: they share one transport."""

    _transport: Transport

    def _walk(
        self,
        call: Call,
        parse: Callable[[Any], P],
        entries: Callable[[P], Sequence[T]],
        key: Callable[[T], str],
        page_size: int = PAGE_SIZE,
    ) -> Iterator[T]:
        """Walk all pages of `call`, entries keyed by `key`, repeats dropped.

        1. A page that shows the one before again may be a slip of the server: it is fetched once more. After two
           pages in a row with nothing new the walk ends.
        2. When the total has shrunk since the page before, entries have moved up past us: go back as many pages as
           they can have moved, at most ten times.
        """
        seen: set[str] = set()
        before: list[str] = []
        number, furthest, idle, back, total, again = 1, 0, 0, 0, 0, False
        while True:
            params = {**call.params, "pageNumber": str(number), "pageSize": str(page_size)}
            page = self._transport.read(replace(call, params=params), parse)
            keys = [key(entry) for entry in entries(page)]
            unseen = {key(entry): entry for entry in entries(page) if key(entry) not in seen}
            seen.update(unseen)
            yield from unseen.values()
            gone, total = total - page.count, page.count
            if gone > 0 and number > 1 and back < MOST_STEPS_BACK:
                number, back = max(1, number - -(-gone // page_size)), back + 1
                continue
            again, before = bool(keys) and keys == before and not again, keys
            if again:
                continue
            idle = idle + 1 if number > furthest and not unseen else 0
            furthest = max(furthest, number)
            if not page.has_next_page or idle >= MOST_IDLE_PAGES:
                return
            number += 1
