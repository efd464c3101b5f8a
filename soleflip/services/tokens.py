"""API tokens: made in Settings, shown once, kept as a hash, with scopes, an end and a way to revoke them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, joinedload

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import ApiToken, AuditEntry, User

PREFIX = "sf_"
SCOPES = {
    "read": "Read everything",
    "list": "Import, buy, list and delist",
    "price": "Change prices and strategies",
    "admin": "Everything, also settings, the books and the stop button",
}
MOST_DAYS = 3650
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made; `secret` exists nowhere else."""

    token: ApiToken
    secret: str


def create(
    session: Session, user_id: UUID, name: str, scopes: Iterable[str], *, days: int | None, now: datetime
) -> NewToken:
    """Make a token for an account; `days` it lasts, None for ever; `now` is the real time (UTC). Raises InvalidInput.

    A viewer's token can only read.
    """
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("This account is gone.")
    name = name.strip()
    chosen = [scope for scope in SCOPES if scope in set(scopes)]
    if not 1 <= len(name) <= 60:
        raise InvalidInput("Give the token a name of 1 to 60 characters.", field="name")
    if not chosen:
        raise InvalidInput("Choose at least one thing that the token may do.", field="scopes")
    if user.role == "viewer" and chosen != ["read"]:
        raise InvalidInput("A viewer's token can only read.", field="scopes")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"A token lasts 1 to {MOST_DAYS} days.", field="days")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user_id=user.id,
        name=name,
        token_hash=_hash(secret),
        scopes=chosen,
        expires_at=now + timedelta(days=days) if days is not None else None,
    )
    session.add(token)
    session.add(AuditEntry(actor=user.email, act="api token made", subject=name, after={"scopes": chosen}))
    session.flush()
    return NewToken(token, secret)


def of_user(session: Session, user_id: UUID) -> Sequence[ApiToken]:
    """Return an account's tokens, those that still work first, newest first."""
    query = select(ApiToken).where(ApiToken.user_id == user_id)
    return session.scalars(query.order_by(ApiToken.revoked_at.is_not(None), ApiToken.created_at.desc())).all()


def revoke(session: Session, token_id: UUID, user_id: UUID, *, now: datetime) -> ApiToken:
    """End a token of an account at once; `now` is the real time (UTC). Raises NotFound, Conflict when it ended."""
    token = session.scalar(
        select(ApiToken).where(ApiToken.id == token_id, ApiToken.user_id == user_id).with_for_update()
    )
    if token is None:
        raise NotFound("There is no such token.")
    if token.revoked_at is not None:
        raise Conflict("This token was revoked before.")
    token.revoked_at = now
    session.add(AuditEntry(actor=token.user.email, act="api token revoked", subject=token.name))
    session.flush()
    return token


def find(session: Session, secret: str, *, now: datetime) -> ApiToken | None:
    """Return the token of a secret with its account; None when it is unknown, over, revoked, or its account is.

    `now` is the real time (UTC).
    """
    if not secret.startswith(PREFIX):
        return None
    query = (
        select(ApiToken)
        .join(ApiToken.user)
        .where(
            ApiToken.token_hash == _hash(secret),
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now),
            User.is_enabled,
        )
    )
    return session.scalar(query.options(joinedload(ApiToken.user)))


def note_use(session: Session, token: ApiToken, *, now: datetime) -> None:
    """Keep when a token was last used, to the minute; `now` is the real time (UTC)."""
    if is_use_due(token, now):
        session.execute(update(ApiToken).where(ApiToken.id == token.id).values(last_used_at=now))


def is_use_due(token: ApiToken, now: datetime) -> bool:
    """Tell whether the last use that is kept is older than a minute."""
    return token.last_used_at is None or now - token.last_used_at >= TOUCH_EVERY


def may(token: ApiToken, scope: str) -> bool:
    """Tell whether a token may do what a scope covers: admin covers all, and a viewer only ever reads."""
    if token.user.role == "viewer" and scope != "read":
        return False
    return scope in token.scopes or "admin" in token.scopes


def _hash(secret: str) -> str:
    # The secret is 256 random bits: a slow hash would guard nothing.
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
