"""Listings as the API writes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from soleflip.api.fields import Amount, Moment, Percent, ProductShape, Shape, VariantShape
from soleflip.models import StockxListing
from soleflip.services.asks import AskRow
from soleflip.services.listing_detail import Detail


class ListingShape(Shape):
    """One ask of ours: amounts in `currency`."""

    id: UUID
    stockx_listing_id: str | None
    product: ProductShape
    variant: VariantShape | None
    item_id: UUID | None
    status: str
    currency: str
    ask_price: Amount
    buy_price: Amount | None
    floor_price: Amount | None = Field(description="The lowest ask that may be sent.")
    expected_profit: Amount | None
    expected_margin: Percent | None
    current_lowest_ask: Amount | None
    current_highest_bid: Amount | None
    strategy: str
    source_opportunity_id: UUID | None
    created_from: str | None
    run_id: UUID | None
    error: str | None
    cost_unknown_accepted: bool
    created_at: Moment
    listed_at: Moment | None
    expires_at: Moment | None
    delisted_at: Moment | None
    last_price_update: Moment | None

    @classmethod
    def of(cls, listing: StockxListing) -> ListingShape:
        """Write a listing."""
        return cls(**_facts(listing))


class MoveShape(Shape):
    """A move of a listing from one state to another."""

    from_status: str | None
    to_status: str
    cause: str
    actor: str
    at: Moment


class PriceShape(Shape):
    """A change of an ask, with the market it was made in and its reason."""

    old_price: Amount | None
    new_price: Amount
    currency: str
    change_reason: str
    sentence: str | None
    market_lowest_ask: Amount | None
    market_highest_bid: Amount | None
    strategy: str | None
    actor: str | None
    created_at: Moment


class ChangeShape(Shape):
    """A change that is wanted and not over, or went wrong."""

    id: UUID
    kind: str
    state: str
    old_price: Amount | None
    new_price: Amount | None
    sentence: str | None
    error: str | None
    created_at: Moment


class ListingDetail(ListingShape):
    """A listing with its market, its history, and what needs the operator."""

    place: str = Field(description="Where the ask stands: lowest, tied, above, or alone.")
    warnings: list[str]
    cost: Amount | None
    payout: Amount = Field(description="What a sale at the ask should pay out.")
    strategy_settings: dict[str, Any]
    review: dict[str, Any] | None = Field(description="What StockX shows where its fate is not certain.")
    moves: list[MoveShape]
    prices: list[PriceShape]
    changes: list[ChangeShape]
    order_number: str | None = Field(description="The sale, if it was sold.")

    @classmethod
    def of_detail(cls, found: Detail) -> ListingDetail:
        """Write a listing in full."""
        listing = found.listing
        return cls(
            **_facts(listing),
            place=found.line.place,
            warnings=list(found.line.warnings),
            cost=found.cost,
            payout=found.estimate.payout,
            strategy_settings=listing.strategy_settings,
            review=listing.review,
            moves=[MoveShape.model_validate(move) for move in found.moves],
            prices=[PriceShape.model_validate(price) for price in found.prices],
            changes=[ChangeShape.model_validate(change) for change in found.changes],
            order_number=found.order.stockx_order_number if found.order else None,
        )


class PreviewRowShape(Shape):
    """One pair as it would be listed: amounts in `currency`; `refused` says why it can't be."""

    source: UUID = Field(description="The opportunity or the pair.")
    item_id: UUID | None
    opportunity_id: UUID | None
    product: ProductShape
    variant: VariantShape
    shop: str | None
    currency: str
    cost: Amount | None
    ask: Amount | None
    fees: Amount | None
    payout: Amount | None
    profit: Amount | None
    margin: Percent | None
    roi: Percent | None
    floor: Amount | None
    lowest_ask: Amount | None
    highest_bid: Amount | None
    strategy: str
    strategy_by: str = Field(
        description="Whose word the strategy is: you, a brand's rule, the experiment, or the default."
    )
    reason: str
    warnings: list[str]
    refused: str | None

    @classmethod
    def of(cls, row: AskRow) -> PreviewRowShape:
        """Write a row of a preview."""
        given = ("product", "variant", "warnings")
        return cls(
            product=ProductShape.of(row.product),
            variant=VariantShape.of(row.variant),
            warnings=list(row.warnings),
            **{name: getattr(row, name) for name in cls.model_fields if name not in given},
        )


def _facts(listing: StockxListing) -> dict[str, Any]:
    """Return the values of everything that a ListingShape has."""
    facts = {name: getattr(listing, name) for name in ListingShape.model_fields if name not in ("product", "variant")}
    facts["product"] = ProductShape.of(listing.product)
    facts["variant"] = VariantShape.of(listing.variant) if listing.variant else None
    return facts
