"""Rules and their decisions (schema `automation`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Base, Created, Json, LongText, Moment, Updated, UuidKey


class Rule(Base):
    """A rule over opportunities or listings; decisions wait for approval unless `autopilot`."""

    __tablename__ = "rules"
    __table_args__ = ({"schema": "automation"},)

    id: Mapped[UuidKey]
    name: Mapped[str] = mapped_column(String(120), unique=True)
    subject: Mapped[str] = mapped_column(String(20))
    conditions: Mapped[Json]
    action: Mapped[str] = mapped_column(String(30))
    action_settings: Mapped[Json]
    limits: Mapped[Json]
    autopilot: Mapped[bool] = mapped_column(server_default=text("false"))
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Created]
    updated_at: Mapped[Updated]


class Decision(Base):
    """What a rule wants done with one thing. `state`: waiting, approved, done, rejected, failed."""

    __tablename__ = "decisions"
    __table_args__ = ({"schema": "automation"},)

    id: Mapped[UuidKey]
    rule_id: Mapped[UUID] = mapped_column(ForeignKey("automation.rules.id"), index=True)
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("ops.runs.id"), index=True)
    subject_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(String(12), server_default="waiting")
    sentence: Mapped[LongText]
    detail: Mapped[Json]
    decided_by: Mapped[str | None] = mapped_column(String(120))
    decided_at: Mapped[Moment | None]
    created_at: Mapped[Created]

    rule: Mapped[Rule] = relationship()
