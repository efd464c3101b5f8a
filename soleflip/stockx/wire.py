"""What StockX's answers hold, read tolerantly: only ids are insisted on.

Unknown fields are ignored, unknown statuses stay text, a missing or odd object is None, money of any form is a
Decimal, times are aware UTC datetimes. What we send is in `inputs.py` and is strict.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeVar

import structlog
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

MARKET_CURRENCIES = frozenset(
    {"AUD", "BRL", "CAD", "CHF", "CLP", "CNY", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "JPY", "KRW"}
    | {"KWD", "MOP", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP", "PLN", "SEK", "SGD", "THB", "TWD", "USD", "VND"}
)

T = TypeVar("T")
log = structlog.get_logger(__name__)


def read_money(value: object) -> Decimal | None:
    """Read an amount such as `150`, `"48.94"` or `"76.0000"` without its trailing zeros; None when it is none."""
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip().replace(",", "")
    if not text:
        return None
    if "." in text and "e" not in text.lower():
        text = text.rstrip("0").rstrip(".")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        log.warning("stockx_odd_amount", text=text[:40])
        return None
    return amount if amount.is_finite() else None


def read_instant(value: object) -> datetime | None:
    """Read an ISO 8601 time as an aware UTC datetime; None when it is none. Without a zone it counts as UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        return read_instant(datetime.fromisoformat(value.strip()))
    except ValueError:
        log.warning("stockx_odd_time", text=value[:40])
        return None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value if isinstance(value, bool) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _counts(value: object) -> dict[str, int]:
    amounts = {str(name).lower(): read_money(count) for name, count in _mapping(value).items()}
    return {name: int(amount) for name, amount in amounts.items() if amount is not None}


def _number(value: object) -> int:
    return int(read_money(value) or 0)


def _maybe(value: Any, read: Callable[[Any], Any]) -> Any:
    """Read an object; an empty list, a text or an object without its ids is no reason to lose the rest."""
    if isinstance(value, BaseModel):
        return value
    if not isinstance(value, dict):
        return None
    try:
        return read(value)
    except ValidationError as error:
        log.warning("stockx_odd_object", problem=str(error.errors(include_input=False, include_url=False))[:200])
        return None


Amount = Annotated[Decimal | None, BeforeValidator(read_money)]
Instant = Annotated[datetime | None, BeforeValidator(read_instant)]
Text = Annotated[str | None, BeforeValidator(_text)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Count = Annotated[int, BeforeValidator(_number)]
Counts = Annotated[dict[str, int], BeforeValidator(_counts)]
Status = Annotated[str, BeforeValidator(lambda value: _text(value) or "UNKNOWN")]
Opaque = Annotated[dict[str, Any], BeforeValidator(_mapping)]
Maybe = Annotated[T | None, WrapValidator(lambda value, read: _maybe(value, read))]


class Answer(BaseModel):
    """Root of everything read from StockX."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, coerce_numbers_to_str=True
    )


def rows(kind: type[Answer]) -> Callable[[object], list[Any]]:
    """Return a reader of lists of `kind` that leaves out, and logs, entries without their ids.

    What is no list is an error: an answer that can't be read must not look as if there were nothing.
    """

    def read(value: object) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ValueError("a list was expected")
        found = [_maybe(entry, kind.model_validate) for entry in value]
        return [entry for entry in found if entry is not None]

    return read


def entries(kind: type[Answer]) -> Callable[[object], list[Any]]:
    """Return a reader of lists inside of an object; what is no list counts as empty."""
    read = rows(kind)
    return lambda value: read(value) if isinstance(value, list | tuple) else []


class ListedProduct(Answer):
    """The product of a listing or an order."""

    product_id: str
    product_name: Text = None
    style_id: Text = None


class ListedVariant(Answer):
    """The variant of a listing or an order; `variant_value` is the size as StockX writes it."""

    variant_id: str
    variant_name: Text = None
    variant_value: Text = None


class AuthenticationDetails(Answer):
    """How the verification of a pair went."""

    status: Text = None
    failure_notes: Text = None


class Adjustment(Answer):
    """One payout line, verbatim: a fee is negative, a credit positive; `percentage` is a fraction (0.1 = 10 %)."""

    name: Text = Field(default=None, alias="adjustmentType")
    amount: Amount = None
    percentage: Amount = None
    amount_text: Text = None
    percentage_text: Text = None

    @model_validator(mode="before")
    @classmethod
    def _keep_text(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "amount_text" in value:
            return value
        return {**value, "amount_text": value.get("amount"), "percentage_text": value.get("percentage")}


class Payout(Answer):
    """What StockX says it pays, in `currency_code`; its totals are taken as they are. `raw` is the object as sent."""

    total_payout: Amount = None
    sale_price: Amount = None
    total_adjustments: Amount = None
    currency_code: Text = None
    adjustments: Annotated[tuple[Adjustment, ...], BeforeValidator(entries(Adjustment))] = ()
    raw: dict[str, Any] = Field(default_factory=dict, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _keep_raw(cls, value: Any) -> Any:
        return {**value, "raw": dict(value)} if isinstance(value, dict) and "raw" not in value else value


class Page(Answer):
    """What every numbered page says about itself; `count` is the total over all pages."""

    count: Count = 0
    page_size: Count = 0
    page_number: Count = 1
    has_next_page: bool
