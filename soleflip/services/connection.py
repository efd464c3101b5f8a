"""The StockX account we sell with: its refresh token, encrypted at rest, and whether it still works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.db import Clock, Transaction
from soleflip.models import AuditEntry, StockxConnection
from soleflip.services import alerts
from soleflip.services.keyring import decrypt, encrypt
from soleflip.stockx import StoredTokens

CONNECTED = "connected"
DISCONNECTED = "disconnected"
RECONNECT = "reconnect"


@dataclass(frozen=True, slots=True)
class Account:
    """The state of the StockX account: connected, disconnected or reconnect; since when (UTC), and why it was lost."""

    state: str
    since: datetime | None
    reason: str | None


class DatabaseTokens:
    """Keeps the refresh token in the database, encrypted with the newest of several keys.

    `first_token` is what counts while nobody has connected or disconnected: the sandbox's own, which everybody has.
    """

    def __init__(
        self, transaction: Transaction, keys: Sequence[str], clock: Clock, first_token: str | None = None
    ) -> None:
        self._transaction = transaction
        self._keys = keys
        self._clock = clock
        self._first_token = first_token

    def load(self) -> StoredTokens | None:
        """Return the token, or None when no account is connected or its token can't be read with our keys."""
        with self._transaction() as session:
            row = session.get(StockxConnection, 1)
            if row is None:
                return StoredTokens(self._first_token, self._clock()) if self._first_token else None
            if row.state != CONNECTED or row.refresh_token_encrypted is None:
                return None
            sealed, obtained_at = row.refresh_token_encrypted, row.connected_at or self._clock()
        token = decrypt(self._keys, sealed)
        if token is None:
            self.mark_disconnected("The stored token can't be read with ENCRYPTION_KEY as it is set now.")
            return None
        return StoredTokens(token, obtained_at)

    def save(self, tokens: StoredTokens) -> None:
        """Keep a token and mark the account as connected."""
        sealed = encrypt(self._keys, tokens.refresh_token)
        with self._transaction() as session:
            _write(session, CONNECTED, sealed, None, tokens.obtained_at)

    def mark_disconnected(self, reason: str) -> None:
        """Note that StockX no longer takes the token; every page then asks to reconnect."""
        with self._transaction() as session:
            _write(session, RECONNECT, None, reason, None)
            session.add(AuditEntry(actor="StockX", act="connection lost", after={"reason": reason}))
            alerts.raise_alert(
                session,
                "reconnect",
                "stockx",
                "StockX must be connected again",
                reason,
                "/settings/stockx",
                self._clock(),
            )


def account(session: Session, *, sandbox: bool) -> Account:
    """Return the state of the account; one that nobody touched is connected in the sandbox, and not live."""
    row = session.get(StockxConnection, 1)
    if row is None:
        return Account(CONNECTED if sandbox else DISCONNECTED, None, None)
    return Account(row.state, row.connected_at, row.reason)


def note_connected(session: Session, *, actor: str) -> None:
    """Write the audit entry of a connection the operator made."""
    session.add(AuditEntry(actor=actor, act="StockX connected"))
    session.flush()


def disconnect(session: Session, *, actor: str) -> None:
    """Forget the token: nothing is sent to StockX until somebody connects again."""
    _write(session, DISCONNECTED, None, None, None)
    session.add(AuditEntry(actor=actor, act="StockX disconnected"))
    session.flush()


def _write(session: Session, state: str, sealed: str | None, reason: str | None, connected_at: datetime | None) -> None:
    values = {
        "state": state,
        "refresh_token_encrypted": sealed,
        "reason": reason,
        "connected_at": connected_at,
    }
    session.execute(
        insert(StockxConnection).values(id=1, **values).on_conflict_do_update(index_elements=["id"], set_=values)
    )
