"""Requests that act once: the answer to an Idempotency-Key is written in the transaction of the act itself."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.models import ApiAnswer

KEPT = timedelta(hours=24)
LONGEST_KEY = 255


class InFlight(Conflict):
    """The first request with this key is still being worked on."""


def claim(session: Session, token_id: UUID, key: str, fingerprint: str) -> ApiAnswer | None:
    """Claim a key for this transaction; returns the stored answer when there is one.

    None means: act now, and `keep` the answer before the commit. Until then every other claim raises InFlight; if this
    process dies, nothing was done and the key is free again. Raises InvalidInput when the key was used for another
    request.
    """
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise InvalidInput(
            f"An Idempotency-Key has 1 to {LONGEST_KEY} visible ASCII characters.", field="Idempotency-Key"
        )
    if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _lock_key(token_id, key)}):
        raise InFlight("The first request with this Idempotency-Key is still being worked on. Ask again in a moment.")
    _forget_old(session)
    stored = session.scalar(select(ApiAnswer).where(ApiAnswer.token_id == token_id, ApiAnswer.key == key))
    if stored is not None and stored.fingerprint != fingerprint:
        raise InvalidInput(
            "This Idempotency-Key was used for another request. Use a new key for every new request.",
            field="Idempotency-Key",
        )
    return stored


def keep(
    session: Session,
    token_id: UUID,
    key: str,
    fingerprint: str,
    *,
    status: int,
    content_type: str,
    location: str | None,
    body: bytes,
) -> None:
    """Keep the answer of a claimed key."""
    session.add(
        ApiAnswer(
            token_id=token_id,
            key=key,
            fingerprint=fingerprint,
            status=status,
            content_type=content_type,
            location=location,
            body=body,
        )
    )
    session.flush()


def _forget_old(session: Session) -> None:
    """Drop some of the answers that are older than a day, passing by those that another request is dropping."""
    identity = tuple_(ApiAnswer.token_id, ApiAnswer.key)
    old = (
        select(ApiAnswer.token_id, ApiAnswer.key)
        .where(ApiAnswer.created_at < func.now() - KEPT)
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    session.execute(delete(ApiAnswer).where(identity.in_(old)).execution_options(synchronize_session=False))


def _lock_key(token_id: UUID, key: str) -> int:
    """Fold token and key into the 64 bits of an advisory lock."""
    digest = hashlib.sha256(token_id.bytes + key.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
