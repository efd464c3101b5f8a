"""Runs of jobs, the audit log and stored settings (schema `ops`)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from soleflip.db import Base, Created, Json, LongText, Moment, Updated, UuidKey


class Run(Base):
    """One execution of a job. `state`: queued, running, done, failed, cancelled.

    `total` and `done` are counts of what it looks at, `counts` what came of it, `params` only ids and plain options.
    `attempt_at` is when the present attempt began, `job_id` the queue's name for it; `seen_at` is when the operator
    said that a failure is known.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_created_at", "created_at"),
        Index("ix_runs_kind_created_at", "kind", "created_at"),
        Index("ix_runs_open", "state", postgresql_where=text("state IN ('queued', 'running')")),
        {"schema": "ops"},
    )

    id: Mapped[UuidKey]
    kind: Mapped[str] = mapped_column(String(30))
    state: Mapped[str] = mapped_column(String(12), server_default="queued")
    params: Mapped[Json]
    total: Mapped[int | None]
    done: Mapped[int] = mapped_column(server_default="0")
    counts: Mapped[Json]
    message: Mapped[LongText | None]
    error: Mapped[LongText | None]
    requests_used: Mapped[int] = mapped_column(server_default="0")
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    attempts: Mapped[int] = mapped_column(server_default="0")
    actor: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    heartbeat_at: Mapped[Moment | None]
    retry_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    attempt_at: Mapped[Moment | None]
    job_id: Mapped[str | None] = mapped_column(String(64))
    seen_at: Mapped[Moment | None]
    seen_by: Mapped[str | None] = mapped_column(String(120))


class Replay(Base):
    """One replay of a strategy: what it was asked, and its result; `sales` is the uploaded file until it is played."""

    __tablename__ = "replays"
    __table_args__ = ({"schema": "ops"},)

    id: Mapped[UuidKey]
    run_id: Mapped[UUID] = mapped_column(ForeignKey("ops.runs.id", ondelete="CASCADE"), index=True)
    strategy: Mapped[str] = mapped_column(String(40))
    settings: Mapped[Json]
    source: Mapped[str] = mapped_column(String(300))
    sales: Mapped[bytes | None] = mapped_column(LargeBinary)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Created]


class Export(Base):
    """A file that a run made for download; its content is in chunks: worker and web need no disk in common."""

    __tablename__ = "exports"
    __table_args__ = ({"schema": "ops"},)

    run_id: Mapped[UUID] = mapped_column(ForeignKey("ops.runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    media_type: Mapped[str] = mapped_column(String(120))
    rows: Mapped[int]
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Created]


class ExportChunk(Base):
    """A piece of an exported file, by its place in it."""

    __tablename__ = "export_chunks"
    __table_args__ = ({"schema": "ops"},)

    run_id: Mapped[UUID] = mapped_column(ForeignKey("ops.exports.run_id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class RunLine(Base):
    """What a run did with one thing, in one sentence."""

    __tablename__ = "run_lines"
    __table_args__ = ({"schema": "ops"},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("ops.runs.id", ondelete="CASCADE"), index=True)
    subject_id: Mapped[UUID | None]
    outcome: Mapped[str] = mapped_column(String(20))
    sentence: Mapped[LongText]
    at: Mapped[Created]


AUDIT_GUARD = (
    """
CREATE FUNCTION ops.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$
""",
    """
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON ops.audit
FOR EACH ROW EXECUTE FUNCTION ops.refuse_audit_change()
""",
)
"""Statements that make the database itself refuse to change or delete an entry of the audit log."""


class AuditEntry(Base):
    """Who did what when, before and after, append-only."""

    __tablename__ = "audit"
    __table_args__ = ({"schema": "ops"},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    actor: Mapped[str] = mapped_column(String(120))
    act: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str | None] = mapped_column(String(120))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    at: Mapped[Created]


class Setting(Base):
    """A stored setting of the operator: fees, VAT, thresholds, guard rails."""

    __tablename__ = "settings"
    __table_args__ = ({"schema": "ops"},)

    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[Json]
    updated_at: Mapped[Updated]
