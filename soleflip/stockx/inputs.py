"""What we send to StockX, written strictly: whole amounts, currency and expiry always, nothing unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from soleflip.domain.errors import InvalidInput

LISTING_CURRENCIES = frozenset(["AUD", "CAD", "CHF", "EUR", "GBP", "HKD", "JPY", "KRW", "MXN", "NZD", "SGD", "USD"])


def _whole(value: object) -> Decimal:
    if not isinstance(value, Decimal):
        raise ValueError("an amount has to be a Decimal")
    if not value.is_finite() or value <= 0 or value != value.to_integral_value():
        raise ValueError(f"an ask is a whole number of currency units above zero, not {value}")
    return value


def _currency(value: object) -> object:
    if value not in LISTING_CURRENCIES:
        raise ValueError(f"StockX takes no listings in {value!r}")
    return value


def _aware(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("an expiry has to be a time with its zone")
    return value.astimezone(UTC)


def _instant(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


WholeAmount = Annotated[
    Decimal, BeforeValidator(_whole), PlainSerializer(lambda amount: str(int(amount)), when_used="json")
]
Currency = Annotated[str, BeforeValidator(_currency)]
Expiry = Annotated[datetime, BeforeValidator(_aware), PlainSerializer(_instant, when_used="json")]
Id = Annotated[str, Field(min_length=1, max_length=100)]
InventoryType = Literal["STANDARD", "DIRECT"]


class Input(BaseModel):
    """Root of everything sent to StockX; a wrong value raises InvalidInput before anything leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="wrap")
    @classmethod
    def _named(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return read(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or None
            reason = first["msg"].removeprefix("Value error, ")
            raise InvalidInput(f"Not sent to StockX: {field or cls.__name__}: {reason}.", field=field) from None

    def payload(self) -> dict[str, Any]:
        """Return the JSON body, amounts as plain text in whole currency units, times in UTC."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class CreateListing(Input):
    """One new listing; StockX would fall back to USD and 999 days, so currency and expiry are a must."""

    variant_id: Id
    amount: WholeAmount
    currency_code: Currency
    expires_at: Expiry
    active: bool = True
    inventory_type: InventoryType = "STANDARD"


class UpdateListing(Input):
    """A change of one listing; without `amount` only the expiry moves."""

    currency_code: Currency
    expires_at: Expiry
    amount: WholeAmount | None = None


class ActivateListing(Input):
    """How an inactive listing goes live; without `amount` it keeps its own."""

    currency_code: Currency
    expires_at: Expiry
    amount: WholeAmount | None = None


class CreateItem(CreateListing):
    """One item of a create batch; a quantity above 1 makes results ambiguous, so 1 is the default."""

    quantity: Annotated[int, Field(ge=1)] = 1


class UpdateItem(Input):
    """One item of an update batch; `active` switches the ask on or off."""

    listing_id: Id
    currency_code: Currency
    expires_at: Expiry
    amount: WholeAmount | None = None
    active: bool | None = None
