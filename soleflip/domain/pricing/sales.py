"""Sales of a product by size, and how the other sizes moved while one of them stood still."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate

from soleflip.domain.money import ZERO

WINDOW = 10
"""Days that sales count back as the present, and before a day as that day's level."""
AFTER = 3
"""Days after a day in which sales still count for that day's level."""
DOUBT = Decimal("0.5")
"""Weight of 'nothing moved': a single sale elsewhere is half believed."""


@dataclass(frozen=True, slots=True)
class PastSale:
    """One sale of the same product and size, by anybody, on a day (UTC), in the listing's currency."""

    on: date
    price: Decimal


class ProductSales:
    """All known sales of one product, by size, each from old to new; built once and asked often."""

    def __init__(self, sizes: Mapping[str, Sequence[PastSale]]) -> None:
        self.sizes = sizes
        self._tracks = {size: _Track(sales) for size, sales in sizes.items()}

    def others(self, size: str) -> OtherSizes:
        """Return the view of all sizes but one."""
        return OtherSizes(tuple(track for each, track in self._tracks.items() if each != size))


class _Track:
    """The sales of one size with running sums, so that the mean of any days costs two look-ups."""

    def __init__(self, sales: Sequence[PastSale]) -> None:
        self.days = [sale.on.toordinal() for sale in sales]
        self.sums = list(accumulate((sale.price for sale in sales), initial=ZERO))

    def span(self, start: int, end: int) -> tuple[int, Decimal]:
        """Return how many sales there are from `start` to before `end`, and their sum."""
        first = bisect_left(self.days, start)
        last = bisect_left(self.days, end, first)
        return last - first, self.sums[last] - self.sums[first]


@dataclass(frozen=True, slots=True)
class OtherSizes:
    """How the market of the product's other sizes moved."""

    tracks: tuple[_Track, ...]

    def changes(self, days: Sequence[date], until: date) -> list[Decimal] | None:
        """Return for each day by which fraction the other sizes rose from around it to now.

        Now is the last ten days before `until`; no sale on `until` or later is looked at. Sizes count by
        how many sales they have on both sides; None means that no other size was sold of late.
        """
        today = until.toordinal()
        present = [
            (track, count, total / count)
            for track in self.tracks
            for count, total in (track.span(today - WINDOW, today),)
            if count
        ]
        return [_rise(present, day.toordinal(), today) for day in days] if present else None


def _rise(present: Sequence[tuple[_Track, int, Decimal]], day: int, today: int) -> Decimal:
    rise, weights = ZERO, DOUBT
    start, end = day - WINDOW, min(today, day + AFTER)
    for track, count, mean in present:
        earlier, total = track.span(start, end)
        if earlier:
            weight = Decimal(count * earlier) / (count + earlier)
            rise += weight * (mean * earlier / total - 1)
            weights += weight
    return rise / weights
