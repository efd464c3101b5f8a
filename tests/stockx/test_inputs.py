"""What we send is strict, and valid by StockX's document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest
import yaml

from soleflip.domain.errors import InvalidInput
from soleflip.stockx import ActivateListing, CreateItem, CreateListing, UpdateItem, UpdateListing
from soleflip.stockx.inputs import Input

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "soleflip/sandbox/openapi.yaml").read_text())
EXPIRY = datetime(2026, 6, 1, 14, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))
GOOD = {"variant_id": "v", "amount": Decimal("150"), "currency_code": "EUR", "expires_at": EXPIRY}


def test_a_listing_is_sent_with_plain_amount_currency_and_utc_expiry():
    assert CreateListing(**GOOD).payload() == {
        "variantId": "v",
        "amount": "150",
        "currencyCode": "EUR",
        "expiresAt": "2026-06-01T12:30:00.250Z",
        "active": True,
        "inventoryType": "STANDARD",
    }


@pytest.mark.parametrize("amount", ["150.00", "1.5E+2", "150"])
def test_whole_amounts_of_any_form_are_sent_plain(amount: str):
    assert CreateListing(**GOOD | {"amount": Decimal(amount)}).payload()["amount"] == "150"


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": Decimal("150.5")},
        {"amount": Decimal("0")},
        {"amount": Decimal("-3")},
        {"amount": Decimal("NaN")},
        {"amount": 150.0},
        {"amount": "150"},
        {"currency_code": "EURO"},
        {"currency_code": "DKK"},
        {"currency_code": None},
        {"expires_at": datetime(2026, 6, 1)},  # noqa: DTZ001
        {"expires_at": "2026-06-01"},
        {"variant_id": ""},
        {"inventory_type": "FLEX"},
        {"active": "yes"},
        {"price": Decimal("1")},
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong: dict[str, object]):
    with pytest.raises(InvalidInput) as refusal:
        CreateListing(**GOOD | wrong)
    [name] = wrong
    camel = {"currency_code": "currencyCode", "expires_at": "expiresAt", "variant_id": "variantId"}.get(name, name)
    assert refusal.value.field in (name, camel, "inventoryType")


@pytest.mark.parametrize("kind", [UpdateListing, ActivateListing])
def test_currency_and_expiry_are_a_must_on_changes(kind: type[Input]):
    with pytest.raises(InvalidInput):
        kind(amount=Decimal("150"))


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ("CreateListingInput", CreateListing(**GOOD)),
        ("UpdateListingInput", UpdateListing(currency_code="EUR", expires_at=EXPIRY, amount=Decimal(3))),
        ("ActivateListingInput", ActivateListing(currency_code="EUR", expires_at=EXPIRY)),
        ("CreateBatchListingRequestItem", CreateItem(**GOOD)),
        (
            "UpdateBatchListingRequestItem",
            UpdateItem(listing_id="l", currency_code="USD", expires_at=datetime.now(UTC), active=False),
        ),
    ],
)
def test_what_is_sent_is_valid_by_the_document(schema: str, sent: Input):
    jsonschema.validate(sent.payload(), DOCUMENT["components"]["schemas"][schema])
