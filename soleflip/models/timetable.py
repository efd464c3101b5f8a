"""What the operator changed of the timetable (schema `automation`)."""

from __future__ import annotations

from sqlalchemy import String, text
from sqlalchemy.orm import Mapped, mapped_column

from soleflip.db import Base, Updated


class TimetableSetting(Base):
    """The operator's word on one kind of run; what is null is as the code has it. All in real seconds.

    `every` and `every_in_sandbox` are intervals, `time_limit` is how long one attempt may take.
    """

    __tablename__ = "timetable"
    __table_args__ = ({"schema": "automation"},)

    kind: Mapped[str] = mapped_column(String(30), primary_key=True)
    every: Mapped[int | None]
    every_in_sandbox: Mapped[int | None]
    time_limit: Mapped[int | None]
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    updated_by: Mapped[str | None] = mapped_column(String(120))
    updated_at: Mapped[Updated]
