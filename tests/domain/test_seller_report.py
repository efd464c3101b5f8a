"""What a row of the seller report says: fees by their columns, whatever sign a file gives them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from soleflip.domain.errors import InvalidInput
from soleflip.domain.seller_report import read_sale


def row(price: str, payout: str, fee: str = "", processing: str = "", shipping: str = "") -> dict[str, str]:
    """A row with its amounts in euros."""
    amounts = {
        "Listing Price": price,
        "Total Gross Amount (Total Payout)": payout,
        "Seller Fee": fee,
        "Payment Processing": processing,
        "Shipping Fee": shipping,
    }
    currencies = {f"{name} Currency": "EUR" for name in amounts}
    return {"Order Number": "1-1", "Sale Date": "2024-07-08 00:46:09 +00", **amounts, **currencies}


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("payout", "fees", "unexplained"),
    [
        ("38.03", ("5.00", "1.47", "4.44"), None),
        ("37.97", ("5.00", "1.47", "4.50"), None),
        ("38.03", ("5.00", "1.47", "4.50"), "0.06"),
        ("37.97", ("", "1.47", "4.50"), "-5.00"),
        ("-5.06", ("48.00", "1.50", "4.50"), None),
    ],
)
def test_a_fee_is_a_fee_with_and_without_a_minus(
    sign: str, payout: str, fees: tuple[str, str, str], unexplained: str | None
) -> None:
    """48.94 less the fees is the payout: the file's, to the cent, and no fee becomes a credit."""
    sale = read_sale(row("48.94", payout, *(f"{sign}{fee}" if fee else "" for fee in fees)))
    assert sale.price + sum(line.amount for line in sale.lines) == sale.payout == Decimal(payout)
    lines = {line.name: line.amount for line in sale.lines}
    gap = lines.pop("Difference to StockX's total", None)
    assert gap == (Decimal(unexplained) if unexplained else None)
    assert list(lines.values()) == [-Decimal(fee) for fee in fees if fee]


def test_one_column_with_a_minus_is_the_credit_that_the_payout_says() -> None:
    """45 - 5 - 1.35 + 5 credited for shipping = 43.65."""
    sale = read_sale(row("45", "43.65", "5.00", "1.35", "-5.00"))
    assert [line.amount for line in sale.lines] == [Decimal("-5.00"), Decimal("-1.35"), Decimal("5.00")]


def test_one_column_with_a_minus_is_the_charge_that_the_payout_says() -> None:
    """45 - 5 - 1.35 - 5 = 33.65."""
    sale = read_sale(row("45", "33.65", "5.00", "1.35", "-5.00"))
    assert [line.amount for line in sale.lines] == [Decimal("-5.00"), Decimal("-1.35"), Decimal("-5.00")]


@pytest.mark.parametrize(
    "amounts", [("45", "30.65", "5.00", "1.35", "-5.00"), ("45", "60.00", "-5.00", "-1.35", "-5.00")]
)
def test_a_minus_that_fits_nothing_is_refused_by_its_column(amounts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"is -5\.00: with a minus it is a charge or a credit") as error:
        read_sale(row(*amounts))
    assert error.value.field in ("Seller Fee", "Shipping Fee")
