"""Accounts: who may sign in, passwords with argon2id, and a lock that grows but never lasts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
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
from soleflip.services import second_factor, sessions

ROLES = ("owner", "operator", "viewer")
SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
FREE_TRIES = 5
FIRST_LOCK = timedelta(seconds=30)
LONGEST_LOCK = timedelta(minutes=15)

_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class SignIn:
    """The outcome of a try to sign in: the account, or None; `locked_until` (UTC) when tries don't count now.

    `wants_code` says that the password was right and the second factor is still to come.
    """

    user: User | None
    locked_until: datetime | None = None
    wants_code: bool = False


def ensure_first_operator(session: Session, email: str, password: str) -> User | None:
    """Make the owner's account when there is no account yet; None when there is one. Raises InvalidInput."""
    if session.scalar(select(User.id).limit(1)) is not None:
        return None
    return create_operator(session, email, password, role="owner")


def create_operator(
    session: Session, email: str, password: str, role: str = "operator", *, actor: str | None = None
) -> User:
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
    session.add(AuditEntry(actor=actor or address, act="account made", subject=address, after={"role": role}))
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
        return _failed(session, user, now)
    if _hasher.check_needs_rehash(user.password_hash):
        user.password_hash = _hasher.hash(password)
    if second_factor.is_on(session, user.id):
        session.flush()
        return SignIn(user, wants_code=True)
    return _succeeded(session, user, now)


def sign_in_with_code(
    session: Session, user_id: UUID, code: str, keys: Sequence[str], now: datetime, *, known_device: UUID | None = None
) -> SignIn:
    """Check the second factor of an account whose password was right; wrong codes count like wrong passwords."""
    user = session.get(User, user_id, with_for_update=True)
    if user is None or not user.is_enabled:
        return SignIn(None)
    if user.locked_until is not None and user.locked_until > now and known_device != user.id:
        return SignIn(None, user.locked_until)
    if not second_factor.takes(session, user.id, code, keys, now):
        return _failed(session, user, now)
    return _succeeded(session, user, now)


def _failed(session: Session, user: User, now: datetime) -> SignIn:
    user.failed_sign_ins += 1
    if user.failed_sign_ins >= FREE_TRIES:
        user.locked_until = now + _lock(user.failed_sign_ins)
    session.flush()
    return SignIn(None, user.locked_until)


def _succeeded(session: Session, user: User, now: datetime) -> SignIn:
    user.failed_sign_ins = 0
    user.locked_until = None
    user.last_sign_in_at = now
    session.flush()
    return SignIn(user)


def has_password(session: Session, email: str, password: str) -> bool:
    """Tell whether this is the account's password; counts nothing, so only for the machine's own console."""
    user = session.scalar(select(User).where(User.email == email.strip().lower()))
    return user is not None and user.is_enabled and _matches(user.password_hash, password)


def change_password(session: Session, user_id: UUID, old: str, new: str, *, now: datetime) -> User:
    """Set a new password and end all sessions. Raises InvalidInput with the field."""
    user = get(session, user_id, lock=True)
    prove(user, old, field="old")
    _check_password(new, user.email)
    user.password_hash = _hasher.hash(new)
    sessions.end_all(session, user.id, now=now)
    session.add(AuditEntry(actor=user.email, act="password changed", subject=user.email))
    session.flush()
    return user


def prove(user: User, password: str, *, field: str = "password") -> None:
    """Raise InvalidInput unless this is the account's password: asked again before what can't be undone."""
    if not _matches(user.password_hash, password):
        raise InvalidInput("This is not your password.", field=field)


def get(session: Session, user_id: UUID, *, lock: bool = False) -> User:
    """Return an account; raises NotFound."""
    user = session.get(User, user_id, with_for_update=lock)
    if user is None:
        raise NotFound("This account is gone.")
    return user


def everybody(session: Session) -> Sequence[User]:
    """Return all accounts, by e-mail."""
    return session.scalars(select(User).order_by(User.email)).all()


def set_role(session: Session, user_id: UUID, role: str, *, actor: str) -> User:
    """Give an account another role; raises Conflict for the last owner, InvalidInput for no role."""
    if role not in ROLES:
        raise InvalidInput(f"{role[:20]!r} is no role. There are {', '.join(ROLES)}.", field="role")
    user = _changeable(session, user_id, stays=role == "owner")
    if user.role != role:
        session.add(
            AuditEntry(actor=actor, act="role", subject=user.email, before={"role": user.role}, after={"role": role})
        )
        user.role = role
    session.flush()
    return user


def set_enabled(session: Session, user_id: UUID, is_enabled: bool, *, actor: str, now: datetime) -> User:
    """Open or close an account; a closed one is out at once. Raises Conflict for the last owner."""
    user = _changeable(session, user_id, stays=is_enabled)
    if user.is_enabled != is_enabled:
        user.is_enabled = is_enabled
        session.add(
            AuditEntry(actor=actor, act="account opened" if is_enabled else "account closed", subject=user.email)
        )
    if not is_enabled:
        sessions.end_all(session, user.id, now=now)
    session.flush()
    return user


def rescue(session: Session, email: str, password: str, *, now: datetime) -> User:
    """Let somebody in again, from the machine's own console: new password, no lock, no second factor, open."""
    user = session.scalar(select(User).where(User.email == email.strip().lower()).with_for_update())
    if user is None:
        raise NotFound(f"There is no account {email}.")
    _check_password(password, user.email)
    user.password_hash = _hasher.hash(password)
    user.failed_sign_ins, user.locked_until, user.is_enabled = 0, None, True
    second_factor.remove(session, user, actor="command line")
    sessions.end_all(session, user.id, now=now)
    session.add(AuditEntry(actor="command line", act="account rescued", subject=user.email))
    session.flush()
    return user


def _changeable(session: Session, user_id: UUID, *, stays: bool) -> User:
    """Lock the owners and return the account; refuse to lose the last owner who can sign in."""
    owners = session.scalars(
        select(User).where(User.role == "owner", User.is_enabled).order_by(User.id).with_for_update()
    ).all()
    user = get(session, user_id, lock=True)
    if not stays and [owner.id for owner in owners] == [user.id]:
        raise Conflict("This is the last owner. Make somebody else an owner first.")
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
