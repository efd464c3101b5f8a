"""What we own or have committed to buy (schema `inventory`)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, LongText, Updated, UuidKey
from soleflip.models.catalog import Product, Variant
from soleflip.models.market import Opportunity


class Purchase(Base):
    """One purchase document of one supplier."""

    __tablename__ = "purchases"
    __table_args__ = ({"schema": "inventory"},)

    id: Mapped[UuidKey]
    supplier: Mapped[str | None] = mapped_column(String(120))
    document: Mapped[str | None] = mapped_column(String(120))
    purchased_on: Mapped[date | None]
    note: Mapped[LongText | None]
    created_at: Mapped[Created]


class Item(Base):
    """One pair. `cost` is what it cost the books, delivery and non-deductible VAT included, in `currency`.

    `state`: ordered, in_stock, reserved, listed, sold, returned, written_off. `price`, `vat_amount` and `delivery`
    are as on the purchase document; unknown ones stay empty. `is_awaited`: it has not arrived, whatever its state.
    """

    __tablename__ = "items"
    __table_args__ = (
        Index("ix_items_free", "variant_id", "state", postgresql_where=text("state IN ('ordered', 'in_stock')")),
        {"schema": "inventory"},
    )

    id: Mapped[UuidKey]
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.products.id"), index=True)
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("products.variants.id"), index=True)
    state: Mapped[str] = mapped_column(String(12), server_default="ordered")
    cost: Mapped[Amount | None]
    currency: Mapped[Currency]
    price: Mapped[Amount | None]
    delivery: Mapped[Amount | None]
    vat_rate: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    vat_amount: Mapped[Amount | None]
    purchase_id: Mapped[UUID | None] = mapped_column(ForeignKey("inventory.purchases.id"), index=True)
    opportunity_id: Mapped[UUID | None] = mapped_column(ForeignKey("integration.opportunities.id"), index=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("integration.shops.id"))
    expected_on: Mapped[date | None]
    is_awaited: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[LongText | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]

    product: Mapped[Product] = relationship()
    variant: Mapped[Variant] = relationship()
    purchase: Mapped[Purchase | None] = relationship()
    opportunity: Mapped[Opportunity | None] = relationship()
