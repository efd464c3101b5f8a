"""Currency rates: the European Central Bank's reference rates, with the day they are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache

from currency_converter import CurrencyConverter, RateNotFoundError

from soleflip.domain.errors import InvalidInput

SOURCE = "ECB"
LATER = "ECB, last day known"
"""Source of a rate for a day after the last one that came with the library: the books say so."""
SAME = "same currency"
LONGEST_GAP = 10


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency was worth in another, by whom and of which day."""

    value: Decimal
    source: str
    day: date


@cache
def _reference_rates() -> CurrencyConverter:
    return CurrencyConverter(decimal=True)


@cache
def rate(currency: str, into: str, day: date) -> Rate:
    """Return the rate of `day`, or of the last bank day before it; after the last known day, that day's, marked so.

    Raises InvalidInput for a currency that the ECB does not publish.
    """
    if currency == into:
        return Rate(Decimal(1), SAME, day)
    rates = _reference_rates()
    unknown = {currency, into} - rates.currencies
    if unknown:
        raise InvalidInput(f"The ECB publishes no rate for {' and '.join(sorted(unknown))}.", field="currency")
    last = min(rates.bounds[currency].last_date, rates.bounds[into].last_date)
    tried = min(day, last)
    for _ in range(LONGEST_GAP):
        try:
            value = rates.convert(Decimal(1), currency, into, date=tried)
        except RateNotFoundError:
            tried -= timedelta(days=1)
        else:
            return Rate(value.quantize(Decimal("0.00000001")), SOURCE if day <= last else LATER, tried)
    raise InvalidInput(f"The ECB has no rate of {currency} around {day}.", field="currency")


def known(currency: str, into: str, day: date) -> Rate | None:
    """Return the same, or None for a currency that the ECB does not publish."""
    try:
        return rate(currency, into, day)
    except InvalidInput:
        return None
