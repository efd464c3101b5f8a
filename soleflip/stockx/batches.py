"""Batches: many listings created, updated or deleted by one call, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from soleflip.domain.errors import InvalidInput
from soleflip.stockx.budget import Lane
from soleflip.stockx.inputs import CreateItem, UpdateItem
from soleflip.stockx.paging import Calls
from soleflip.stockx.transport import Call
from soleflip.stockx.wire import Amount, Answer, Count, Counts, Flag, Instant, Maybe, Text, rows

BATCH_LIMIT = 100


class BatchStatus(Answer):
    """The state of a batch; COMPLETED says that no item is left to work on, not that all went well."""

    batch_id: str
    status: Text = None
    completed_at: Instant = None
    created_at: Instant = None
    updated_at: Instant = None
    total_items: Count = 0
    item_statuses: Counts = Field(default_factory=dict)

    @property
    def is_finished(self) -> bool:
        """No item is left to work on."""
        return self.status == "COMPLETED" or self.completed_at is not None


class BatchResult(Answer):
    """What a processed batch item made or touched."""

    ask_id: Text = None
    listing_id: Text = None


class BatchItem(Answer):
    """One item of a batch; an unknown status counts as not finished."""

    item_id: Text = None
    status: Text = None
    result: Maybe[BatchResult] = None
    error: Text = None

    @property
    def has_succeeded(self) -> bool:
        """The item was carried out."""
        return self.status == "COMPLETED"

    @property
    def has_failed(self) -> bool:
        """The item was turned down; `error` says why."""
        return self.status == "FAILED"


class CreateEcho(Answer):
    """A create item as StockX understood it."""

    variant_id: Text = None
    amount: Amount = None
    currency_code: Text = None
    expires_at: Instant = None
    active: Flag = None


class UpdateEcho(Answer):
    """An update item as StockX understood it."""

    listing_id: Text = None
    amount: Amount = None
    currency_code: Text = None
    expires_at: Instant = None
    active: Flag = None


class DeleteEcho(Answer):
    """A delete item as StockX understood it; the listing's id is called `id` there."""

    listing_id: Text = Field(default=None, alias="id")


class CreateBatchItem(BatchItem):
    """One item of a create batch; found again by variant and amount, there is no other key."""

    listing_input: Maybe[CreateEcho] = None


class UpdateBatchItem(BatchItem):
    """One item of an update batch."""

    listing_input: Maybe[UpdateEcho] = None


class DeleteBatchItem(BatchItem):
    """One item of a delete batch."""

    listing_input: Maybe[DeleteEcho] = None


class CreateBatchItems(Answer):
    """All items of a create batch."""

    items: Annotated[tuple[CreateBatchItem, ...], BeforeValidator(rows(CreateBatchItem))]


class UpdateBatchItems(Answer):
    """All items of an update batch."""

    items: Annotated[tuple[UpdateBatchItem, ...], BeforeValidator(rows(UpdateBatchItem))]


class DeleteBatchItems(Answer):
    """All items of a delete batch."""

    items: Annotated[tuple[DeleteBatchItem, ...], BeforeValidator(rows(DeleteBatchItem))]


class BatchCalls(Calls):
    """The nine batch calls: send, watch and read the results of each kind, at most 100 items a call."""

    def create_listings(self, items: Sequence[CreateItem], *, lane: Lane = Lane.LISTING) -> BatchStatus:
        """Put up many listings; items count against 500 per 5 minutes."""
        count = sum(item.quantity for item in items)
        return self._send("create", [item.payload() for item in items], count, lane)

    def create_batch(self, batch_id: str, *, lane: Lane = Lane.LISTING) -> BatchStatus:
        """Fetch the state of a create batch."""
        return self._status("create", batch_id, lane)

    def create_batch_items(
        self, batch_id: str, *, status: str | None = None, lane: Lane = Lane.LISTING
    ) -> list[CreateBatchItem]:
        """Fetch the items of a create batch, all or those in one status."""
        return list(
            self._transport.read(_items("create", batch_id, status, lane), CreateBatchItems.model_validate).items
        )

    def update_listings(self, items: Sequence[UpdateItem], *, lane: Lane = Lane.LISTING) -> BatchStatus:
        """Change many listings; cuts at or below the floor belong into Lane.CUTS."""
        return self._send("update", [item.payload() for item in items], len(items), lane)

    def update_batch(self, batch_id: str, *, lane: Lane = Lane.LISTING) -> BatchStatus:
        """Fetch the state of an update batch."""
        return self._status("update", batch_id, lane)

    def update_batch_items(
        self, batch_id: str, *, status: str | None = None, lane: Lane = Lane.LISTING
    ) -> list[UpdateBatchItem]:
        """Fetch the items of an update batch, all or those in one status."""
        return list(
            self._transport.read(_items("update", batch_id, status, lane), UpdateBatchItems.model_validate).items
        )

    def delete_listings(self, listing_ids: Sequence[str], *, lane: Lane = Lane.SALES) -> BatchStatus:
        """Delete many listings."""
        items = [{"listingId": listing_id} for listing_id in listing_ids]
        return self._send("delete", items, len(items), lane)

    def delete_batch(self, batch_id: str, *, lane: Lane = Lane.SALES) -> BatchStatus:
        """Fetch the state of a delete batch."""
        return self._status("delete", batch_id, lane)

    def delete_batch_items(
        self, batch_id: str, *, status: str | None = None, lane: Lane = Lane.SALES
    ) -> list[DeleteBatchItem]:
        """Fetch the items of a delete batch, all or those in one status."""
        return list(
            self._transport.read(_items("delete", batch_id, status, lane), DeleteBatchItems.model_validate).items
        )

    def _send(self, kind: str, items: list[dict[str, Any]], count: int, lane: Lane) -> BatchStatus:
        if not 1 <= len(items) <= BATCH_LIMIT:
            raise InvalidInput(f"A batch holds 1 to {BATCH_LIMIT} items, this one has {len(items)}: split it.")
        path = f"/selling/batch/{kind}-listing"
        call = Call(f"{kind}_listings", "POST", path, lane, body={"items": items}, items=count)
        return self._transport.write(call, BatchStatus.model_validate)

    def _status(self, kind: str, batch_id: str, lane: Lane) -> BatchStatus:
        path = f"/selling/batch/{kind}-listing/{{batch_id}}"
        call = Call(f"{kind}_batch", "GET", path, lane, subject={"batch_id": batch_id})
        return self._transport.read(call, BatchStatus.model_validate)


def _items(kind: str, batch_id: str, status: str | None, lane: Lane) -> Call:
    path = f"/selling/batch/{kind}-listing/{{batch_id}}/items"
    subject = {"batch_id": batch_id}
    return Call(f"{kind}_batch_items", "GET", path, lane, subject=subject, params={"status": status})
