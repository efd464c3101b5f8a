"""Times in which the operator is away and every ask is paused (schema `automation`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Amount, Base, Created, Currency, LongText, Moment, UuidKey
from soleflip.models.listings import StockxListing


class Away(Base):
    """One time away. `state`: planned, away, over, cancelled; the database allows one of `away` at a time.

    `starts_at` and `ends_at` are plans in business time; coming back is always the operator's own act.
    """

    __tablename__ = "away"
    __table_args__ = (
        Index("uq_away_in_force", "state", unique=True, postgresql_where=text("state = 'away'")),
        {"schema": "automation"},
    )

    id: Mapped[UuidKey]
    state: Mapped[str] = mapped_column(String(12), server_default="planned")
    reason: Mapped[LongText | None]
    starts_at: Mapped[Moment]
    ends_at: Mapped[Moment | None]
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"))
    actor: Mapped[str] = mapped_column(String(120))
    began_at: Mapped[Moment | None]
    over_at: Mapped[Moment | None]
    over_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[Created]


class AwayAsk(Base):
    """One ask that a time away paused, and what its return would mean; amounts in `currency`.

    `decision` is the operator's word on it: back, or kept (it stays paused). What was looked up of the market is of
    `looked_at`.
    """

    __tablename__ = "away_asks"
    __table_args__ = ({"schema": "automation"},)

    away_id: Mapped[UUID] = mapped_column(ForeignKey("automation.away.id"), primary_key=True)
    listing_id: Mapped[UUID] = mapped_column(ForeignKey("selling.stockx_listings.id"), primary_key=True, index=True)
    currency: Mapped[Currency]
    ask: Mapped[Amount]
    looked_at: Mapped[Moment | None]
    lowest_ask: Mapped[Amount | None]
    highest_bid: Mapped[Amount | None]
    proposed: Mapped[Amount | None]
    sentence: Mapped[LongText | None]
    decision: Mapped[str | None] = mapped_column(String(12))
    decided_at: Mapped[Moment | None]
    decided_by: Mapped[str | None] = mapped_column(String(120))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"))

    listing: Mapped[StockxListing] = relationship()
