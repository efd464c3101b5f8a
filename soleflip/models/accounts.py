"""Who may sign in, with what, and the StockX account (schema `auth`)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from soleflip.db import Base, Created, Encrypted, LongText, Moment, Updated, UuidKey


class User(Base):
    """An account; `role`: owner, operator, viewer. `session_epoch` is read by the version before sessions had rows."""

    __tablename__ = "users"
    __table_args__ = ({"schema": "auth"},)

    id: Mapped[UuidKey]
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20), server_default="operator")
    is_enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    session_epoch: Mapped[int] = mapped_column(server_default="0")
    failed_sign_ins: Mapped[int] = mapped_column(server_default="0")
    locked_until: Mapped[Moment | None]
    last_sign_in_at: Mapped[Moment | None]
    created_at: Mapped[Created]


class UserSession(Base):
    """A browser that is signed in: it counts until `idle_until`, which use moves on, and never past `expires_at`."""

    __tablename__ = "sessions"
    __table_args__ = ({"schema": "auth"},)

    id: Mapped[UuidKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id", ondelete="CASCADE"), index=True)
    address: Mapped[str | None] = mapped_column(String(60))
    device: Mapped[str | None] = mapped_column(String(300))
    last_seen_at: Mapped[Moment]
    idle_until: Mapped[Moment]
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    created_at: Mapped[Created]


class SecondFactor(Base):
    """The TOTP secret of an account, encrypted; it counts once confirmed. No code of `last_step` or before counts."""

    __tablename__ = "second_factors"
    __table_args__ = ({"schema": "auth"},)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id", ondelete="CASCADE"), primary_key=True)
    secret_encrypted: Mapped[Encrypted]
    confirmed_at: Mapped[Moment | None]
    last_step: Mapped[int] = mapped_column(BigInteger, server_default="0")
    created_at: Mapped[Created]


class RecoveryCode(Base):
    """A code that counts once in place of one from the app, kept as a hash."""

    __tablename__ = "recovery_codes"
    __table_args__ = ({"schema": "auth"},)

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[Moment | None]


class ApiToken(Base):
    """A bearer token of the JSON API, stored as a hash."""

    __tablename__ = "api_tokens"
    __table_args__ = ({"schema": "auth"},)

    id: Mapped[UuidKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("auth.users.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    expires_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]
    created_at: Mapped[Created]

    user: Mapped[User] = relationship()


class ApiAnswer(Base):
    """What an API request with an Idempotency-Key was answered, kept for a day; `fingerprint` is of the request.

    Written in the transaction of what the request did: either both are there or neither is.
    """

    __tablename__ = "api_answers"
    __table_args__ = (Index("ix_api_answers_created_at", "created_at"), {"schema": "auth"})

    token_id: Mapped[UUID] = mapped_column(ForeignKey("auth.api_tokens.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    content_type: Mapped[str] = mapped_column(String(100))
    location: Mapped[str | None] = mapped_column(String(300))
    body: Mapped[bytes]
    created_at: Mapped[Created]


class StockxConnection(Base):
    """The StockX account we sell with; the refresh token is encrypted at rest. One row."""

    __tablename__ = "stockx_connection"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), {"schema": "auth"})

    id: Mapped[int] = mapped_column(primary_key=True, server_default="1", autoincrement=False)
    state: Mapped[str] = mapped_column(String(20), server_default="disconnected")
    refresh_token_encrypted: Mapped[Encrypted | None]
    reason: Mapped[LongText | None]
    connected_at: Mapped[Moment | None]
    updated_at: Mapped[Updated]
