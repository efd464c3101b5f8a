"""Accounts: who may sign in, passwords with argon2id, and a lock that grows but never lasts."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NotFound
from soleflip.models import AuditEntry, User

ROLES = ("owner", "operator", "viewer")
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
FREE_TRIES = 5
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(minutes=15)

_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class SignIn:
    """The outcome of a try to sign in: the account, or None; `locked_until` (UTC) when tries don't count now."""

    user: User | None
    locked_until: datetime | None = None


def ensure_first_operator(session: Session, email: str, password: str) -> User | None:
    """Make the owner's account when there is no account yet; None when there is one. Raises InvalidInput."""
    if session.scalar(select(User.id).limit(1)) is not None:
        return None
    return create_operator(session, email, password, role="owner")


def create_operator(session: Session, email: str, password: str, role: str = "operator") -> User:
    """Make an account. Raises InvalidInput (no address, weak password, unknown role), Conflict when it exists."""
    address = _address(email)
    if role not in ROLES:
        raise InvalidInput(f"{role!r} is no role. There are {', '.join(ROLES)}.", field="role")
    _check_password(password, address)
    made = session.scalar(
        insert(User)
        .values(email=address, password_hash=_hasher.hash(password), role=role)
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(User.id)
    )
    if made is None:
        raise Conflict(f"There is an account {address} already.")
    session.add(AuditEntry(actor=address, act="account made", subject=address, after={"role": role}))
    session.flush()
    return session.get_one(User, made)


def sign_in(session: Session, email: str, password: str, now: datetime, *, known_device: UUID | None = None) -> SignIn:
    """Check an e-mail and a password; wrong ones count, and after five the account is locked for a while.

    `now` is the real time (UTC). The lock does not hold for a device that signed in to this account before, so that
    nobody can lock the owner out by guessing. The caller commits failures too.
    """
    user = session.scalar(select(User).where(User.email == email.strip().lower()).with_for_update())
    if user is None or not user.is_enabled:
        _matches(_nobody(), password)
        return SignIn(None)
    if user.locked_until is not None and user.locked_until > now and known_device != user.id:
        return SignIn(None, user.locked_until)
    if not _matches(user.password_hash, password):
        user.failed_sign_ins += 1
        if user.failed_sign_ins >= FREE_TRIES:
            user.locked_until = now + _lock(user.failed_sign_ins)
        session.flush()
        return SignIn(None, user.locked_until)
    user.failed_sign_ins = 0
    user.locked_until = None
    user.last_sign_in_at = now
    if _hasher.check_needs_rehash(user.password_hash):
        user.password_hash = _hasher.hash(password)
    session.flush()
    return SignIn(user)


def has_password(session: Session, email: str, password: str) -> bool:
    """Tell whether this is the account's password; counts nothing, so only for the machine's own console."""
    user = session.scalar(select(User).where(User.email == email.strip().lower()))
    return user is not None and user.is_enabled and _matches(user.password_hash, password)


def change_password(session: Session, user_id: UUID, old: str, new: str) -> User:
    """Set a new password and end all other sessions. Raises InvalidInput with the field."""
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound("This account is gone.")
    if not _matches(user.password_hash, old):
        raise InvalidInput("This is not your password.", field="old")
    _check_password(new, user.email)
    user.password_hash = _hasher.hash(new)
    user.session_epoch += 1
    session.add(AuditEntry(actor=user.email, act="password changed", subject=user.email))
    session.flush()
    return user


def sign_out_everywhere(session: Session, user_id: UUID) -> User:
    """End every session of an account."""
    user = session.get(User, user_id, with_for_update=True)
    if user is None:
        raise NotFound("This account is gone.")
    user.session_epoch += 1
    session.add(AuditEntry(actor=user.email, act="signed out everywhere", subject=user.email))
    session.flush()
    return user


@cache
def _nobody() -> str:
    """Checked when there is no such account, so that the answer takes as long as for one that is there."""
    return _hasher.hash(secrets.token_hex())


def _lock(failures: int) -> timedelta:
    doublings = min(failures - FREE_TRIES, 10)
    return min(FIRST_LOCK * (1 << doublings), LONGEST_LOCK)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password[:LONGEST_PASSWORD])
    except VerificationError:
        return False


def _address(email: str) -> str:
    try:
        return validate_email(email.strip(), check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as error:
        raise InvalidInput(f"{email!r} is no e-mail address: {error}", field="email") from error


def _check_password(password: str, address: str) -> None:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters; this one has {len(password)}.",
            field="password",
        )
    if password.lower() in address or len(set(password)) < 4:
        raise InvalidInput("This password is too easy to guess.", field="password")
