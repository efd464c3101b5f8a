"""The second factor: a code from an app (TOTP, RFC 6238), and recovery codes for the day the phone is gone."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput, NeedsHuman
from soleflip.models import AuditEntry, RecoveryCode, SecondFactor, User
from soleflip.services import keyring

STEP = 30
CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Offer:
    """A second factor that waits for its first code: the secret to type, and the address that a QR code holds."""

    secret: str
    address: str


def begin(session: Session, user: User, keys: Sequence[str]) -> Offer:
    """Offer a secret, the same again until it is confirmed; raises Conflict when there is a second factor already."""
    factor = session.get(SecondFactor, user.id, with_for_update=True)
    if factor is not None and factor.confirmed_at is not None:
        raise Conflict("This account has a second factor already. Remove it first.")
    if factor is None:
        sealed = keyring.encrypt(keys, pyotp.random_base32())
        factor = SecondFactor(user_id=user.id, secret_encrypted=sealed)
        session.add(factor)
        session.flush()
    secret = _secret(factor, keys)
    return Offer(secret, pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name="SoleFlip"))


def confirm(session: Session, user: User, code: str, keys: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Take the first code and switch the second factor on; returns the recovery codes. Raises InvalidInput."""
    factor = session.get(SecondFactor, user.id, with_for_update=True)
    if factor is None or factor.confirmed_at is not None:
        raise Conflict("There is no second factor that waits for its first code.")
    step = _step_of(_secret(factor, keys), code, now)
    if step is None:
        raise InvalidInput("This code is wrong. Is the clock of your phone right?", field="code")
    factor.confirmed_at, factor.last_step = now, step
    session.add(AuditEntry(actor=user.email, act="second factor on", subject=user.email))
    return new_codes(session, user.id)


def is_on(session: Session, user_id: UUID) -> bool:
    """Tell whether signing in to this account asks for a code."""
    query = select(SecondFactor.user_id).where(SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    return session.scalar(query) is not None


def holders(session: Session) -> frozenset[UUID]:
    """Return the accounts whose sign-in asks for a code."""
    return frozenset(session.scalars(select(SecondFactor.user_id).where(SecondFactor.confirmed_at.is_not(None))))


def takes(session: Session, user_id: UUID, code: str, keys: Sequence[str], now: datetime) -> bool:
    """Tell whether a code counts, and use it up: each counts once, be it of the app or for recovery."""
    factor = session.get(SecondFactor, user_id, with_for_update=True)
    if factor is None or factor.confirmed_at is None:
        return False
    if re.fullmatch(r"\d{6}", code := re.sub(r"\s", "", code)):
        step = _step_of(_secret(factor, keys), code, now)
        if step is None or step <= factor.last_step:
            return False
        factor.last_step = step
        session.flush()
        return True
    used = session.scalar(
        update(RecoveryCode)
        .where(RecoveryCode.code_hash == _hash(code), RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        .values(used_at=now)
        .returning(RecoveryCode.code_hash)
    )
    return used is not None


def new_codes(session: Session, user_id: UUID) -> tuple[str, ...]:
    """Make recovery codes in place of those there are; they are kept as hashes and can't be shown again."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = tuple(f"{_word()}-{_word()}" for _ in range(CODES))
    session.add_all([RecoveryCode(user_id=user_id, code_hash=_hash(code)) for code in codes])
    session.flush()
    return codes


def codes_left(session: Session, user_id: UUID) -> int:
    """Count the recovery codes that were not used."""
    query = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.scalar(query) or 0


def remove(session: Session, user: User, *, actor: str) -> None:
    """Switch the second factor of an account off."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    gone = session.scalar(delete(SecondFactor).where(SecondFactor.user_id == user.id).returning(SecondFactor.user_id))
    if gone is not None:
        session.add(AuditEntry(actor=actor, act="second factor off", subject=user.email))
    session.flush()


def _secret(factor: SecondFactor, keys: Sequence[str]) -> str:
    secret = keyring.decrypt(keys, factor.secret_encrypted)
    if secret is None:
        raise NeedsHuman("The second factor can't be read with ENCRYPTION_KEY as it is set now. Use a recovery code.")
    return secret


def _step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is: the present one, or a neighbour for clocks that differ a little."""
    totp = pyotp.TOTP(secret)
    present = int(now.timestamp()) // STEP
    steps = [
        step for step in (present, present - 1, present + 1) if secrets.compare_digest(totp.generate_otp(step), code)
    ]
    return steps[0] if steps else None


def _word() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(5))


def _hash(code: str) -> str:
    return hashlib.sha256(re.sub(r"[^a-z0-9]", "", code.lower()).encode()).hexdigest()
