"""Brands, products, variants and their GTINs (schema `products`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Identity, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Base, Created, Json, LongText, Moment, Updated, UuidKey


class Brand(Base):
    """A maker of shoes; `key` is the case-folded name."""

    __tablename__ = "brands"
    __table_args__ = ({"schema": "products"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    key: Mapped[str] = mapped_column(String(120), unique=True)


class Product(Base):
    """One model in one colour; `style_key` is the style code with letters and digits only, in upper case."""

    __tablename__ = "products"
    __table_args__ = (
        Index("ix_products_style_key", "style_key"),
        Index("ix_products_title", text("lower(title)")),
        {"schema": "products"},
    )

    id: Mapped[UuidKey]
    brand_id: Mapped[int | None] = mapped_column(ForeignKey("products.brands.id"), index=True)
    title: Mapped[str] = mapped_column(String(300))
    style_code: Mapped[str | None] = mapped_column(String(100))
    style_key: Mapped[str | None] = mapped_column(String(100))
    stockx_product_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    url_key: Mapped[str | None] = mapped_column(String(300))
    product_type: Mapped[str | None] = mapped_column(String(60))
    image_url: Mapped[LongText | None]
    quoted_at: Mapped[Moment | None]
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]

    brand: Mapped[Brand | None] = relationship()


class Variant(Base):
    """One product in one size, the unit of trade; `size` is StockX's label, `sizes` all systems (`eu`, `us_m`)."""

    __tablename__ = "variants"
    __table_args__ = (UniqueConstraint("product_id", "size"), {"schema": "products"})

    id: Mapped[UuidKey]
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.products.id"), index=True)
    stockx_variant_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    size: Mapped[str] = mapped_column(String(40))
    sizes: Mapped[Json]
    created_at: Mapped[Created]

    product: Mapped[Product] = relationship()


class StyleCode(Base):
    """A style code's key and a product it names; a product can have two codes, and a code two products."""

    __tablename__ = "style_codes"
    __table_args__ = ({"schema": "products"},)

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    product_id: Mapped[UUID] = mapped_column(ForeignKey("products.products.id"), primary_key=True, index=True)


class Gtin(Base):
    """A GTIN in its 14-digit form and the variant it names."""

    __tablename__ = "gtins"
    __table_args__ = ({"schema": "products"},)

    gtin: Mapped[str] = mapped_column(String(14), primary_key=True)
    variant_id: Mapped[UUID] = mapped_column(ForeignKey("products.variants.id"), index=True)
    source: Mapped[str] = mapped_column(String(30))
