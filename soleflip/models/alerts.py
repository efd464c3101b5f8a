"""Alerts, the channels that bring them to the operator, and their deliveries (schema `automation`)."""

from __future__ import annotations

from datetime import time

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Base, Created, Encrypted, LongText, Moment


class Alert(Base):
    """What the operator should hear of; `key` is what it is about, `url` the path of the page that shows it.

    `raised_at` is business time. `is_current` marks the last of its kind and key: the database refuses a repeat of it
    until it is taken back (`services/alerts.py` says when).
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index("uq_alerts_current", "kind", "key", unique=True, postgresql_where=text("is_current")),
        Index("ix_alerts_unseen", "id", postgresql_where=text("seen_at IS NULL")),
        {"schema": "automation"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(200))
    title: Mapped[str] = mapped_column(String(200))
    body: Mapped[LongText]
    url: Mapped[str | None] = mapped_column(String(300))
    is_current: Mapped[bool] = mapped_column(server_default=text("true"))
    raised_at: Mapped[Moment]
    seen_at: Mapped[Moment | None]
    seen_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[Created]

    deliveries: Mapped[list[AlertDelivery]] = relationship(back_populates="alert", order_by="AlertDelivery.id")


class AlertChannel(Base):
    """A way to the operator: an Apprise address, encrypted at rest, and what of it may be shown.

    `pace`: now, hourly, daily (at `daily_at`). Times of day are in the operator's time zone.
    """

    __tablename__ = "alert_channels"
    __table_args__ = ({"schema": "automation"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    service: Mapped[str] = mapped_column(String(60))
    address_encrypted: Mapped[Encrypted]
    address_shown: Mapped[str] = mapped_column(String(120))
    kinds: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    pace: Mapped[str] = mapped_column(String(10), server_default="now")
    daily_at: Mapped[time] = mapped_column(server_default=text("'09:00'"))
    quiet_from: Mapped[time | None]
    quiet_to: Mapped[time | None]
    urgent_passes: Mapped[bool] = mapped_column(server_default=text("true"))
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Created]


class AlertDelivery(Base):
    """One alert on its way through one channel; its times are real ones.

    `state`: waiting (not tried yet), sending (tried, no answer so far), sent, failed (tried again at `due_at`),
    given_up. `due_at` is empty until the delivery run has worked it out.
    """

    __tablename__ = "alert_deliveries"
    __table_args__ = (
        UniqueConstraint("alert_id", "channel_id"),
        Index(
            "ix_alert_deliveries_open",
            "due_at",
            postgresql_where=text("state IN ('waiting', 'sending', 'failed')"),
        ),
        {"schema": "automation"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("automation.alerts.id", ondelete="CASCADE"))
    channel_id: Mapped[int] = mapped_column(ForeignKey("automation.alert_channels.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(10), server_default="waiting")
    attempts: Mapped[int] = mapped_column(server_default="0")
    error: Mapped[LongText | None]
    due_at: Mapped[Moment | None]
    tried_at: Mapped[Moment | None]
    sent_at: Mapped[Moment | None]
    created_at: Mapped[Created]

    alert: Mapped[Alert] = relationship(back_populates="deliveries")
    channel: Mapped[AlertChannel] = relationship()
