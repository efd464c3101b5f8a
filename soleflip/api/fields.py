"""The types of the API's requests and answers: amounts as text, times in UTC, pages behind a sealed cursor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from spectree.model_adapter.pydantic_adapter import BaseFile
from werkzeug.datastructures import FileStorage

from soleflip.domain.errors import InvalidInput
from soleflip.domain.money import cents, plain_number
from soleflip.models import Product, Run, Variant

_AMOUNT = {"type": "string", "format": "amount", "pattern": r"^-?[0-9]+\.[0-9]{2}$", "examples": ["95.00"]}
_PERCENT = {"type": "string", "format": "percent", "pattern": r"^-?[0-9]+\.[0-9]{2}$", "examples": ["12.50"]}
_NUMBER = {"type": "string", "format": "decimal", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "examples": ["4.5"]}
_MOMENT = {"type": "string", "format": "date-time", "examples": ["2026-03-31T09:30:00Z"]}


def utc(moment: datetime) -> str:
    """Write a moment as ISO 8601 in UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_Cents = PlainSerializer(lambda value: f"{cents(value):f}", return_type=str)
_Exact = PlainSerializer(lambda value: f"{value:f}", return_type=str)

Amount = Annotated[Decimal, _Cents, WithJsonSchema(_AMOUNT, mode="serialization")]
"""An amount in an answer, as text with two decimals; its currency stands beside it, or at the top of the answer."""

Percent = Annotated[Decimal, _Cents, WithJsonSchema(_PERCENT, mode="serialization")]
"""A percentage in an answer, as text with two decimals: 12.50 is 12.5 %."""

Rounded = Annotated[Decimal, _Cents, WithJsonSchema(_NUMBER, mode="serialization")]
"""A figure of statistics in an answer, as text with two decimals; what it counts is said beside it."""

Number = Annotated[Decimal, _Exact, WithJsonSchema(_NUMBER, mode="serialization")]
"""Any other number in an answer, as text as exact as it is known: days, fractions, rates."""

Moment = Annotated[datetime, PlainSerializer(utc, return_type=str), WithJsonSchema(_MOMENT, mode="serialization")]
"""A time in an answer: ISO 8601, UTC."""


def _plainly(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return plain_number(value)
        except InvalidOperation:
            raise ValueError("An amount is written with digits and a point, like 95.00.") from None
    return value


Plain = BeforeValidator(_plainly)
"""Reads the text of an amount in a request as every form does."""

AskedAmount = Annotated[Decimal, Field(ge=0, lt=10_000_000, decimal_places=2, examples=["95.00"]), Plain]
"""An amount in a request: text or a number, at most two decimals."""


def _one_sentence(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
    """Refuse a value once, not once for each type that it could have had."""
    try:
        return inner(value)
    except ValidationError:
        raise ValueError(
            "Text of at most 1,000 characters, a number of at most 10,000,000, true, false or null is wanted."
        ) from None


Setting = Annotated[
    Annotated[str, Field(max_length=1000)]
    | Annotated[Decimal, Field(ge=-10_000_000, le=10_000_000), WithJsonSchema({"type": "number"}, mode="validation")]
    | bool
    | None,
    WrapValidator(_one_sentence),
]
"""The value of a setting in a request: text or, where it is a number, a number as well; null for none."""

Settings = Annotated[dict[Annotated[str, Field(max_length=60)], Setting], Field(max_length=40)]
"""Settings in a request by name."""

AskedDay = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31), examples=["2026-03-31"])]
Ids = Annotated[list[UUID], Field(min_length=1, max_length=1000)]
Limit = Annotated[int, Field(ge=1, le=200)]


class Shape(BaseModel):
    """Base of answers: nothing undeclared leaves."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Asked(BaseModel):
    """Base of requests: an unknown field is a mistake, and is refused by name."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Upload(BaseFile):
    """A file of a form; text in its place is refused."""

    @classmethod
    def validate(cls, value: Any, *_: Any, **__: Any) -> FileStorage:
        """Return the file; raises ValueError for anything else."""
        if not isinstance(value, FileStorage):
            raise ValueError("Send a file.")
        return value


class Paged(Asked):
    """How much of a list is wanted, and from where on."""

    limit: Limit = Field(default=50, description="How many entries at most.")
    cursor: str | None = Field(default=None, max_length=2000, description="`next_cursor` of the page before.")


Entry = TypeVar("Entry")


class Page(Shape, Generic[Entry]):
    """A page of a list; `next_cursor` leads to the next one and is missing on the last."""

    items: list[Entry]
    next_cursor: str | None = Field(default=None, description="Send it as `cursor` for the next page.")


def seal(cursor: str | None) -> str | None:
    """Make the cursor of a service one that only this list with these filters takes back."""
    return _sealing().dumps(cursor) if cursor else None


def unseal(cursor: str | None) -> str | None:
    """Return the cursor of a service; raises InvalidInput for one of another list, or a damaged one."""
    if not cursor:
        return None
    try:
        return str(_sealing().loads(cursor))
    except BadSignature as error:
        raise InvalidInput("This cursor belongs to another list. Begin at the first page.", field="cursor") from error


def _sealing() -> URLSafeSerializer:
    filters = sorted((key, value) for key, value in request.args.items(multi=True) if key not in ("cursor", "limit"))
    return URLSafeSerializer(current_app.secret_key or "", salt=f"cursor {request.path} {filters}")


class ProductShape(Shape):
    """A product of the catalog."""

    id: UUID
    title: str
    style_code: str | None
    stockx_product_id: str | None

    @classmethod
    def of(cls, product: Product) -> ProductShape:
        """Write a product."""
        return cls.model_validate(product)


class VariantShape(Shape):
    """One size of a product; `size` as StockX labels it."""

    id: UUID
    size: str
    size_eu: str | None
    stockx_variant_id: str | None

    @classmethod
    def of(cls, variant: Variant) -> VariantShape:
        """Write a size."""
        eu = variant.sizes.get("eu")
        return cls(
            id=variant.id, size=variant.size, size_eu=eu and str(eu), stockx_variant_id=variant.stockx_variant_id
        )


class RunShape(Shape):
    """One execution of a job: follow it at its own address until its state is done, failed or cancelled."""

    id: UUID
    kind: str
    state: str = Field(description="queued, running, done, failed or cancelled")
    total: int | None
    done: int
    counts: dict[str, Any] = Field(description="What came of it, by outcome.")
    message: str | None
    error: str | None
    cancel_requested: bool
    actor: str
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None

    @classmethod
    def of(cls, run: Run) -> RunShape:
        """Write a run."""
        return cls.model_validate(run)


class Count(Shape):
    """How many things were changed."""

    changed: int


class RefusedRow(Shape):
    """One thing that was not taken, and why."""

    id: UUID
    reason: str


class Started(Shape):
    """A run that was started for what was asked, and what was refused of it."""

    run: RunShape
    refused: list[RefusedRow] = []


def started(run: Run, refused: Sequence[RefusedRow] = ()) -> tuple[Started, int, dict[str, str]]:
    """Answer 202 with a run and the address at which it can be followed."""
    return Started(run=RunShape.of(run), refused=list(refused)), 202, {"Location": f"/api/v1/automation/runs/{run.id}"}
