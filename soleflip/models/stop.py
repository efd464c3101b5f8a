"""The stop switch (schema `automation`)."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String, text
from sqlalchemy.orm import Mapped, mapped_column

from soleflip.db import Base, LongText, Moment


class StopSwitch(Base):
    """The one row that halts every write to StockX."""

    __tablename__ = "stop_switch"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), {"schema": "automation"})

    id: Mapped[int] = mapped_column(primary_key=True, server_default="1", autoincrement=False)
    is_stopped: Mapped[bool] = mapped_column(server_default=text("false"))
    actor: Mapped[str | None] = mapped_column(String(120))
    reason: Mapped[LongText | None]
    at: Mapped[Moment | None]
