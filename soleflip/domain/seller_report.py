"""One row of StockX's historical seller sales report, read and checked; nothing is guessed, the payout is the truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256

from soleflip.domain.days import EARLIEST
from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import ZERO, cents
from soleflip.domain.orders import Line, kind_of, payout_lines

ORDER = "Order Number"
SOLD_AT = "Sale Date"
PAID_AT = "Payout date"
PRICE = "Listing Price"
PAYOUT = "Total Gross Amount (Total Payout)"
FEES = ("Seller Fee", "Payment Processing", "Shipping Fee")
REQUIRED = (ORDER, SOLD_AT, PRICE, PAYOUT)
KEPT = (
    "Seller VAT Number",
    "Sold To Name",
    "Sold To address",
    "Sold to VAT Number",
    "Fiscal Representative Name",
    "StockX Destination Address",
    "Invoice Date",
    "Invoice Number",
    "Sku Name",
    "VAT Rate",
    "Total Net Amount (Payout Excluding VAT)",
    "Total VAT Amount",
    "Special references",
    "Provider Transaction ID",
    "Total Invoice Amount",
)
"""Columns an accountant needs; buyers' places and our own address are not kept."""

LATEST_YEAR = 2200
"""Years behind it, or before there was anything to sell, are slips: calendars end not far behind them."""
_MISSING = {"", "n/a", "na", "null", "none", "-"}
_AMOUNT = re.compile(r"^[+-]?\d+(?:[.,]\d{1,4})?$|^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d{1,4})?$")


@dataclass(frozen=True, slots=True)
class SellerSale:
    """A sale as the report tells it; amounts in `currency`, lines signed as everywhere (fees negative)."""

    order_number: str
    sold_at: datetime
    paid_at: datetime | None
    title: str | None
    style_code: str | None
    size: str | None
    currency: str
    price: Decimal
    payout: Decimal
    lines: tuple[Line, ...]
    payout_id: str | None
    destination: str | None
    tracking_number: str | None
    kept: dict[str, str]
    fingerprint: str


def read_sale(row: Mapping[str, str]) -> SellerSale:
    """Read one row of the report; raises InvalidInput with the column and what is wrong with it."""
    number = _text(row, ORDER)
    if number is None:
        raise InvalidInput("Order Number is empty.", field=ORDER)
    if len(number) > 100:
        raise InvalidInput("Order Number is too long to be one.", field=ORDER)
    sold_at = _moment(row, SOLD_AT)
    if sold_at is None:
        raise InvalidInput("Sale Date is empty.", field=SOLD_AT)
    if _text(row, "Quantity") not in (None, "1", "1.0", "1.00"):
        raise InvalidInput(f"Quantity is {_text(row, 'Quantity')}, a sale is always of one.", field="Quantity")
    price, payout = _amount(row, PRICE), _amount(row, PAYOUT)
    if price is None or price < 0:
        raise InvalidInput("Listing Price is missing or negative.", field=PRICE)
    if payout is None:
        raise InvalidInput("Total Gross Amount (Total Payout) is empty: the payout is what counts.", field=PAYOUT)
    fees = _fees(row, payout - price)
    payout_id = _text(row, "Payout ID")
    return SellerSale(
        order_number=number,
        sold_at=sold_at,
        paid_at=_moment(row, PAID_AT),
        title=_text(row, "Item", 300),
        style_code=_text(row, "Style", 100),
        size=_text(row, "Sku Size", 40),
        currency=_currency(row),
        price=price,
        payout=payout,
        lines=payout_lines(price, payout, fees),
        payout_id=None if payout_id in (None, "0") else payout_id[:100],
        destination=_text(row, "Buyer Destination Country", 60),
        tracking_number=_text(row, "Seller Tracking Number", 100),
        kept={name: text for name in KEPT if (text := _text(row, name)) is not None},
        fingerprint=fingerprint(row),
    )


def _fees(row: Mapping[str, str], change: Decimal) -> list[Line]:
    """Read the fee columns as signed lines; `change` is payout less price, by which a minus sign is understood.

    StockX writes what it charged without a sign. A file that went through another program may have charges with a
    minus; one column alone with a minus is a credit where the sums say so. Raises InvalidInput where nothing tells.
    """
    given = {name: amount for name in FEES if (amount := _amount(row, name))}
    charged = {name: abs(amount) for name, amount in given.items()}
    sums = {"written": sum(given.values(), ZERO), "charged": sum(charged.values(), ZERO)}
    minus = next((name for name, amount in given.items() if amount < 0), None)
    if minus is None or sums["written"] == -change:
        taken = given
    elif sums["charged"] == -change or (change < 0 and all(amount < 0 for amount in given.values())):
        taken = charged
    else:
        raise InvalidInput(
            f"{minus} is {given[minus]}: with a minus it is a charge or a credit, and the payout fits neither.",
            field=minus,
        )
    return [Line(name, kind_of(name), -amount) for name, amount in taken.items()]


def fingerprint(row: Mapping[str, str]) -> str:
    """Return what tells two rows apart: a hash of every field."""
    return sha256("\x1f".join(f"{name}={(row[name] or '').strip()}" for name in sorted(row)).encode()).hexdigest()[:40]


def _text(row: Mapping[str, str], name: str, limit: int = 1000) -> str | None:
    text = (row.get(name) or "").replace("\x00", "").strip()
    return None if text.lower() in _MISSING else text[:limit]


def _amount(row: Mapping[str, str], name: str) -> Decimal | None:
    """Read 30.65, 1,234.50 or 30,65; nothing else."""
    text = _text(row, name)
    if text is None:
        return None
    if not _AMOUNT.match(text):
        raise InvalidInput(f"{name} is {text[:40]!r}, which is no amount.", field=name)
    has_point = "." in text or re.search(r",\d{3}$", text)
    plain = text.replace(",", "") if has_point else text.replace(",", ".")
    try:
        amount = Decimal(plain)
    except InvalidOperation:
        raise InvalidInput(f"{name} is {text[:40]!r}, which is no amount.", field=name) from None
    if amount != cents(amount):
        raise InvalidInput(f"{name} is {text}: more than two decimals.", field=name)
    if abs(amount) >= Decimal("1e8"):
        raise InvalidInput(f"{name} is {text}: too large to be true.", field=name)
    return cents(amount)


def _moment(row: Mapping[str, str], name: str) -> datetime | None:
    """Read `2022-07-13 09:54:57 +00`; a time without a zone is UTC, as StockX writes it."""
    text = _text(row, name)
    if text is None:
        return None
    plain = re.sub(r"\s+(?=[+-]\d{2}(?::?\d{2})?$)", "", text.removesuffix(" UTC"))
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise InvalidInput(
            f"{name} is {text[:40]!r}, which is no time like 2022-07-13 09:54:57 +00.", field=name
        ) from None
    if not EARLIEST.year <= moment.year <= LATEST_YEAR:
        raise InvalidInput(f"{name} is in the year {moment.year}.", field=name)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _currency(row: Mapping[str, str]) -> str:
    found = {
        code.upper()
        for name in (PRICE, PAYOUT, *FEES)
        if (code := _text(row, f"{name} Currency")) is not None and (name in REQUIRED or _text(row, name) is not None)
    }
    if len(found) > 1:
        raise InvalidInput(f"Amounts of one sale in several currencies: {', '.join(sorted(found))}.", field=PRICE)
    code = next(iter(found), "")
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise InvalidInput("Listing Price Currency is missing or no currency code.", field=f"{PRICE} Currency")
    return code
