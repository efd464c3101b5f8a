"""What the marketplace keeps: fee arithmetic of the sandbox's own, so that ours is checked by an independent one."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

# Units of each listing currency for one euro, fixed, so that a test can recompute them.
PER_EURO = {
    "AUD": Decimal("1.65"),
    "CAD": Decimal("1.50"),
    "CHF": Decimal("0.95"),
    "EUR": Decimal("1"),
    "GBP": Decimal("0.85"),
    "HKD": Decimal("8.50"),
    "JPY": Decimal("160"),
    "KRW": Decimal("1500"),
    "MXN": Decimal("20"),
    "NZD": Decimal("1.80"),
    "SGD": Decimal("1.45"),
    "USD": Decimal("1.10"),
}
MINIMUM_FEE = {
    "AUD": Decimal("7.50"),
    "CAD": Decimal("7.00"),
    "CHF": Decimal("4.50"),
    "EUR": Decimal("5.00"),
    "GBP": Decimal("4.00"),
    "HKD": Decimal("45"),
    "JPY": Decimal("800"),
    "KRW": Decimal("7500"),
    "MXN": Decimal("100"),
    "NZD": Decimal("16"),
    "SGD": Decimal("7.00"),
    "USD": Decimal("5.00"),
}
LEVEL_RATE = {1: Decimal("0.09"), 2: Decimal("0.085"), 3: Decimal("0.08"), 4: Decimal("0.075"), 5: Decimal("0.07")}
PROCESSING_RATE = Decimal("0.03")
SHIPPING_EUROS = Decimal("4.50")


def payout(amount: int, currency: str, *, level: int, sold: bool, drop_off: bool = False) -> dict[str, Any]:
    """The payout of an ask of `amount` as the wire shows it; the lines add up to the totals to the cent."""
    price, rate = Decimal(amount), LEVEL_RATE[level]
    fee = _round(price * rate, currency)
    name = f"Transaction Fee ({rate * 100:.1f}%)"
    if fee < MINIMUM_FEE[currency]:
        fee = MINIMUM_FEE[currency]
        name = "MinTransactionFee" if sold else "Minimum Transaction Fee"
    shipping = _round(SHIPPING_EUROS * PER_EURO[currency], currency)
    lines = [
        (name, -fee, rate),
        ("Payment Proc. (3%)", -_round(price * PROCESSING_RATE, currency), PROCESSING_RATE),
        ("Shipping", -shipping, Decimal(0)),
    ]
    if drop_off:
        lines.append(("InPersonDropOff", shipping, Decimal(0)))
    adjustments = sum((line[1] for line in lines), Decimal(0))
    return {
        "totalPayout": text(price + adjustments),
        "salePrice": text(price),
        "totalAdjustments": text(adjustments),
        "currencyCode": currency,
        "adjustments": [
            {"adjustmentType": kind, "amount": text(value), "percentage": text(share)} for kind, value, share in lines
        ],
    }


def nothing(amount: int, currency: str) -> dict[str, Any]:
    """The payout of an order that came to nothing, under the setting payout_of_failed_orders = zero."""
    zero = payout(amount, currency, level=1, sold=True)
    return zero | {"totalPayout": "0", "salePrice": "0", "totalAdjustments": "0", "adjustments": []}


def in_euros(amount: int, currency: str) -> float:
    """An ask in euros, to be compared in the market."""
    return float(amount / PER_EURO[currency])


def ask_from_euros(price: float, currency: str) -> int:
    """A market ask in whole units of a currency, rounded up."""
    return int((Decimal(str(price)) * PER_EURO[currency]).to_integral_value(ROUND_CEILING))


def bid_from_euros(price: float, currency: str) -> int:
    """A market bid in whole units of a currency, rounded down."""
    return int((Decimal(str(price)) * PER_EURO[currency]).to_integral_value(ROUND_FLOOR))


def text(value: Decimal) -> str:
    """A number as StockX writes amounts: no exponent, no trailing zeros, so 48.94 and -5 and 0.09."""
    plain = f"{value:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("", "-0", "-") else plain


def _round(value: Decimal, currency: str) -> Decimal:
    step = Decimal(1) if currency in ("JPY", "KRW") else Decimal("0.01")
    return value.quantize(step, ROUND_HALF_UP)
