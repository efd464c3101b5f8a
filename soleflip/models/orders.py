"""Sales of ours and the one append-only ledger (schema `selling`)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, Json, LongText, Moment, Percent, Updated, UuidKey
from soleflip.models.catalog import Product, Variant
from soleflip.models.listings import StockxListing
from soleflip.models.stock import Item

UNSETTLED = (
    "source = 'stockx' AND order_status <> 'cancelled' AND (realised_at IS NULL OR"
    " (order_status = 'completed' AND payout_status NOT IN ('PAYOUTCOMPLETED', 'COMPLETED')))"
)
"""Orders that StockX may still have to tell us something about."""


class StockxOrder(Base):
    """A sale, from match to payout; amounts in `currency` as StockX states them.

    `order_status` is ours (pending, authenticated, shipped, completed, cancelled), `stockx_status` the raw one.
    `net_proceeds` is StockX's total payout. `match_state`: matched, review. `source`: stockx, report.
    `detailed_status` and `payout_status` are the raw statuses at the last single-order call and the last payout read.
    `realised_at` is set while the sale stands in the ledger.
    """

    __tablename__ = "stockx_orders"
    __table_args__ = (
        Index("idx_orders_status", "order_status"),
        Index("ix_stockx_orders_sold_at", "sold_at", "id"),
        Index("ix_stockx_orders_review", "sold_at", postgresql_where=text("match_state = 'review'")),
        Index("ix_stockx_orders_unsettled", "sold_at", postgresql_where=text(UNSETTLED)),
        Index("ix_stockx_orders_open", "ship_by", postgresql_where=text("order_status IN ('pending', 'shipped')")),
        {"schema": "selling"},
    )

    id: Mapped[UuidKey]
    listing_id: Mapped[UUID | None] = mapped_column(ForeignKey("selling.stockx_listings.id"), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("inventory.items.id"), index=True)
    product_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.products.id"), index=True)
    catalog_variant_id: Mapped[UUID | None] = mapped_column(ForeignKey("products.variants.id"), index=True)
    stockx_order_number: Mapped[str] = mapped_column(String(100), unique=True)
    stockx_listing_id: Mapped[str | None] = mapped_column(String(100), index=True)
    title: Mapped[str | None] = mapped_column(String(300))
    style_code: Mapped[str | None] = mapped_column(String(100))
    size: Mapped[str | None] = mapped_column(String(40))
    currency: Mapped[Currency]
    sale_price: Mapped[Amount]
    buyer_premium: Mapped[Amount | None]
    seller_fee: Mapped[Amount | None]
    processing_fee: Mapped[Amount | None]
    total_adjustments: Mapped[Amount | None]
    net_proceeds: Mapped[Amount | None]
    original_buy_price: Mapped[Amount | None]
    gross_profit: Mapped[Amount | None]
    net_profit: Mapped[Amount | None]
    actual_margin: Mapped[Percent | None]
    roi: Mapped[Percent | None]
    estimated_payout: Mapped[Amount | None]
    order_status: Mapped[str] = mapped_column(String(20), server_default="pending")
    stockx_status: Mapped[str] = mapped_column(String(40))
    shipping_status: Mapped[str | None] = mapped_column(String(20))
    tracking_number: Mapped[str | None] = mapped_column(String(100))
    tracking_url: Mapped[LongText | None]
    shipping_id: Mapped[str | None] = mapped_column(String(100))
    ship_by: Mapped[Moment | None]
    match_state: Mapped[str] = mapped_column(String(12), server_default="review")
    source: Mapped[str] = mapped_column(String(12), server_default="stockx")
    payout_raw: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    payout_status: Mapped[str | None] = mapped_column(String(40))
    report: Mapped[Json]
    payout_id: Mapped[str | None] = mapped_column(String(100))
    destination: Mapped[str | None] = mapped_column(String(60))
    sold_at: Mapped[Moment]
    shipped_at: Mapped[Moment | None]
    completed_at: Mapped[Moment | None]
    paid_at: Mapped[Moment | None]
    stockx_updated_at: Mapped[Moment | None]
    detailed_at: Mapped[Moment | None]
    detailed_status: Mapped[str | None] = mapped_column(String(40))
    realised_at: Mapped[Moment | None]
    carrier: Mapped[str | None] = mapped_column(String(40))
    inventory_type: Mapped[str | None] = mapped_column(String(20))
    authentication_note: Mapped[LongText | None]
    match_note: Mapped[LongText | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]

    listing: Mapped[StockxListing | None] = relationship()
    item: Mapped[Item | None] = relationship()
    product: Mapped[Product | None] = relationship()
    variant: Mapped[Variant | None] = relationship()


class PayoutLine(Base):
    """One adjustment of a payout, verbatim: name, signed amount, percentage as a fraction.

    `kind`: transaction, processing, shipping, other, unexplained (the difference to StockX's own total).
    """

    __tablename__ = "payout_lines"
    __table_args__ = (UniqueConstraint("order_id", "position"), {"schema": "selling"})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("selling.stockx_orders.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(12))
    amount: Mapped[Amount]
    percentage: Mapped[Decimal | None] = mapped_column(Numeric(9, 6))


class OrderEvent(Base):
    """A status that StockX showed for an order, and when we first saw it: the order's timeline."""

    __tablename__ = "order_events"
    __table_args__ = (UniqueConstraint("order_id", "stockx_status"), {"schema": "selling"})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("selling.stockx_orders.id", ondelete="CASCADE"), index=True)
    stockx_status: Mapped[str] = mapped_column(String(40))
    at: Mapped[Moment]


LEDGER_GUARD = (
    """
CREATE FUNCTION selling.refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: book a reversal instead';
END $$
""",
    """
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON selling.ledger_entries
FOR EACH ROW EXECUTE FUNCTION selling.refuse_ledger_change()
""",
)
"""Statements that make the database itself refuse to change or delete a line of the books."""


class LedgerEntry(Base):
    """One line of the books, append-only: income positive, cost and fees negative.

    `kind`: sale, adjustment, cost, write_off, penalty; a reversal repeats kind and name with the opposite sign and
    names the entry in `reverses_id`. `books_amount` is in the books' currency at `rate`, fixed for ever.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        Index("ix_ledger_entries_booked_at", "booked_at", "id"),
        Index(
            "uq_ledger_entries_reverses",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
        {"schema": "selling"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey("selling.stockx_orders.id"), index=True)
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey("inventory.items.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(200))
    amount: Mapped[Amount]
    currency: Mapped[Currency]
    books_amount: Mapped[Amount]
    books_currency: Mapped[Currency]
    rate: Mapped[Decimal] = mapped_column(Numeric(18, 8))
    rate_source: Mapped[str] = mapped_column(String(40))
    rate_date: Mapped[date]
    booked_at: Mapped[Moment]
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("selling.ledger_entries.id"))
    created_at: Mapped[Created]


class ProfitDay(Base):
    """Stored sums of the ledger for one day in one time zone and one currency of the books.

    `profit` leaves out the sales whose cost is unknown: `unknown_sales` of them, paid `unknown_payout`.
    """

    __tablename__ = "profit_days"
    __table_args__ = ({"schema": "selling"},)

    day: Mapped[date] = mapped_column(primary_key=True)
    timezone: Mapped[str] = mapped_column(String(60), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    sales: Mapped[int]
    revenue: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    fees: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    cost: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    other: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    unknown_sales: Mapped[int]
    unknown_revenue: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    unknown_payout: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    profit: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    computed_at: Mapped[Moment]
