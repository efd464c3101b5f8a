"""What the monitor found (schema `automation`)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Identity, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from soleflip.db import Base, Json, Moment


class Finding(Base):
    """Something about one subject that wants the operator's eye; one row for ever, closed and opened again.

    `subject_type`: listing, order, item, opportunity, fee, market; `subject_id` is its id as text. `figures` are what
    `domain/findings.py` makes the sentence of. Its times are business times; `times` counts how often it opened.
    """

    __tablename__ = "findings"
    __table_args__ = (
        UniqueConstraint("kind", "subject_type", "subject_id"),
        Index("ix_findings_open", "kind", "opened_at", postgresql_where=text("solved_at IS NULL")),
        {"schema": "automation"},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30))
    subject_type: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(300))
    figures: Mapped[Json]
    times: Mapped[int] = mapped_column(server_default="1")
    first_seen: Mapped[Moment]
    opened_at: Mapped[Moment]
    last_seen: Mapped[Moment]
    solved_at: Mapped[Moment | None]
    dismissed_until: Mapped[Moment | None]
    dismissed_by: Mapped[str | None] = mapped_column(String(120))
