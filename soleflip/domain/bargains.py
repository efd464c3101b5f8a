"""Offers too cheap to be bought unasked: far below the market, or far below what the shop asked a moment ago."""

from __future__ import annotations

from decimal import Decimal

from soleflip.domain.money import HUNDRED, cents, percent


def too_cheap(
    *, cost: Decimal, market: Decimal | None, least: Decimal, price: Decimal, before: Decimal | None, fall: Decimal
) -> str | None:
    """Say why an offer is the operator's to decide, or None.

    `cost` and `market` (the highest bid, or without one the lowest ask) are in the books' currency, `price` and
    `before` in the shop's; below `least` percent of the market, or fallen by more than `fall` percent, it is too
    cheap. A `least` of 0 asks nothing of the market, which also may be unknown.
    """
    if market is not None and market > 0 and cost * HUNDRED < market * least:
        return (
            f"It costs {percent(cost, market)} % of the market's {cents(market)}, less than {least:f} %: a wrong price?"
        )
    if before is not None and before > 0 and (before - price) * HUNDRED > before * fall:
        return f"Its price fell from {cents(before)} to {cents(price)}, by more than {fall:f} %: a wrong price?"
    return None
