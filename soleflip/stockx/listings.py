"""Listings: what StockX says of our asks, and the calls on single ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from soleflip.stockx.budget import Lane
from soleflip.stockx.inputs import ActivateListing, CreateListing, UpdateListing
from soleflip.stockx.paging import Calls
from soleflip.stockx.transport import Call, joined
from soleflip.stockx.wire import (
    Amount,
    Answer,
    AuthenticationDetails,
    Instant,
    ListedProduct,
    ListedVariant,
    Maybe,
    Opaque,
    Page,
    Payout,
    Status,
    Text,
    rows,
)


class Operation(Answer):
    """One asynchronous change of a listing: PENDING, then SUCCEEDED or FAILED (`error` says why)."""

    listing_id: str
    operation_id: str
    operation_type: Text = None
    operation_status: Text = None
    operation_url: Text = None
    operation_initiated_by: Text = None
    operation_initiated_via: Text = None
    created_at: Instant = None
    updated_at: Instant = None
    changes: Opaque = Field(default_factory=dict)
    error: Text = None

    @property
    def has_succeeded(self) -> bool:
        """The marketplace shows the change."""
        return self.operation_status == "SUCCEEDED"

    @property
    def has_failed(self) -> bool:
        """The change was turned down; `error` says why."""
        return self.operation_status == "FAILED"


class OperationsPage(Answer):
    """One cursor page of a listing's operations."""

    next_cursor: Text = None
    operations: Annotated[tuple[Operation, ...], BeforeValidator(rows(Operation))]


class LastOperation(Answer):
    """The newest operation, as a listing shows it."""

    operation_id: str
    operation_type: Text = None
    operation_status: Text = None
    operation_initiated_by: Text = None
    operation_initiated_via: Text = None
    operation_created_at: Instant = None
    operation_updated_at: Instant = None
    changes: Opaque = Field(default_factory=dict)
    error: Text = None


class Ask(Answer):
    """The ask inside an active listing; its id is numeric text beyond 63 bits."""

    ask_id: str
    ask_created_at: Instant = None
    ask_updated_at: Instant = None
    ask_expires_at: Instant = None


class ListingOrder(Answer):
    """The order that a sold listing became."""

    order_number: Text = None
    order_created_at: Instant = None
    order_status: Text = None


class LastBatch(Answer):
    """The batch that touched a listing last; `task_id` is the batch item."""

    batch_id: Text = None
    task_id: Text = None


class ListingEntry(Answer):
    """A listing inside a list: amount in `currency_code`, no payout."""

    listing_id: str
    status: Status = "UNKNOWN"
    amount: Amount = None
    currency_code: Text = None
    inventory_type: Text = None
    created_at: Instant = None
    updated_at: Instant = None
    batch: Maybe[LastBatch] = None
    ask: Maybe[Ask] = None
    order: Maybe[ListingOrder] = None
    product: Maybe[ListedProduct] = None
    variant: Maybe[ListedVariant] = None
    authentication_details: Maybe[AuthenticationDetails] = None
    initiated_shipments: Opaque = Field(default_factory=dict)
    condition: Text = None
    condition_description: Text = None


class ListingDetail(ListingEntry):
    """A single listing, with the payout it would bring and its last operation."""

    payout: Maybe[Payout] = None
    last_operation: Maybe[LastOperation] = None


class ListingsPage(Page):
    """One page of listings."""

    listings: Annotated[tuple[ListingEntry, ...], BeforeValidator(rows(ListingEntry))]


class ListingCalls(Calls):
    """The nine calls on single listings; a write answers with an operation that has to be watched."""

    def create_listing(self, listing: CreateListing, *, lane: Lane = Lane.LISTING) -> Operation:
        """Put up one listing; the answer has its id while the operation is still PENDING."""
        call = Call("create_listing", "POST", "/selling/listings", lane, body=listing.payload())
        return self._transport.write(call, Operation.model_validate)

    def listings(
        self,
        *,
        product_ids: Iterable[str] = (),
        variant_ids: Iterable[str] = (),
        batch_ids: Iterable[str] = (),
        statuses: Iterable[str] = (),
        inventory_types: Iterable[str] = (),
        from_date: date | None = None,
        to_date: date | None = None,
        include_expired: bool = False,
        lane: Lane = Lane.LISTING,
    ) -> Iterator[ListingEntry]:
        """Walk our listings, each once, even when the list changes on the way; expired ones only when asked for."""
        params = {
            "productIds": joined(product_ids),
            "variantIds": joined(variant_ids),
            "batchIds": joined(batch_ids),
            "listingStatuses": joined(statuses),
            "inventoryTypes": joined(inventory_types),
            "fromDate": from_date.isoformat() if from_date else None,
            "toDate": to_date.isoformat() if to_date else None,
            "isExpired": "true" if include_expired else None,
        }
        call = Call("listings", "GET", "/selling/listings", lane, params=params)
        return self._walk(call, ListingsPage.model_validate, lambda page: page.listings, lambda entry: entry.listing_id)

    def listing(self, listing_id: str, *, lane: Lane = Lane.LISTING) -> ListingDetail:
        """Fetch one listing with its payout and last operation."""
        call = Call("listing", "GET", "/selling/listings/{listing_id}", lane, subject={"listing_id": listing_id})
        return self._transport.read(call, ListingDetail.model_validate)

    def update_listing(self, listing_id: str, change: UpdateListing, *, lane: Lane = Lane.LISTING) -> Operation:
        """Change amount or expiry of one listing; a cut at or below the floor belongs into Lane.CUTS."""
        return self._change("update_listing", "PATCH", "", listing_id, lane, change.payload())

    def delete_listing(self, listing_id: str, *, lane: Lane = Lane.SALES) -> Operation:
        """Delete one listing."""
        return self._change("delete_listing", "DELETE", "", listing_id, lane)

    def activate_listing(self, listing_id: str, ask: ActivateListing, *, lane: Lane = Lane.LISTING) -> Operation:
        """Put the ask of an inactive listing live."""
        return self._change("activate_listing", "PUT", "/activate", listing_id, lane, ask.payload())

    def deactivate_listing(self, listing_id: str, *, lane: Lane = Lane.SALES) -> Operation:
        """Take the ask down and keep the listing."""
        return self._change("deactivate_listing", "PUT", "/deactivate", listing_id, lane)

    def operations(self, listing_id: str, *, lane: Lane = Lane.LISTING) -> Iterator[Operation]:
        """Walk all operations of one listing, each once."""
        seen: set[str] = set()
        cursor: str | None = None
        while True:
            call = Call(
                "operations",
                "GET",
                "/selling/listings/{listing_id}/operations",
                lane,
                subject={"listing_id": listing_id},
                params={"pageSize": "100", "cursor": cursor},
            )
            page = self._transport.read(call, OperationsPage.model_validate)
            new = [entry for entry in page.operations if entry.operation_id not in seen]
            seen.update(entry.operation_id for entry in new)
            yield from new
            # The cursor is documented to stay the same on later pages: only nothing new, or null, is the end.
            if not new or page.next_cursor is None:
                return
            cursor = page.next_cursor

    def operation(self, listing_id: str, operation_id: str, *, lane: Lane = Lane.LISTING) -> Operation:
        """Fetch one operation: the way to watch a write until it has succeeded or failed."""
        subject = {"listing_id": listing_id, "operation_id": operation_id}
        path = "/selling/listings/{listing_id}/operations/{operation_id}"
        return self._transport.read(Call("operation", "GET", path, lane, subject=subject), Operation.model_validate)

    def _change(
        self, name: str, method: str, tail: str, listing_id: str, lane: Lane, body: dict[str, Any] | None = None
    ) -> Operation:
        path = "/selling/listings/{listing_id}" + tail
        call = Call(name, method, path, lane, subject={"listing_id": listing_id}, body=body)
        return self._transport.write(call, Operation.model_validate)
