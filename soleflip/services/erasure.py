"""Deleting: everything but the account that asks, or, in the sandbox, all that was tried out."""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import Table, delete, func, select, text
from sqlalchemy.orm import Session

from soleflip.config import Settings
from soleflip.db import Base
from soleflip.domain.errors import Conflict, InvalidInput
from soleflip.domain.listings import LIVE_STATES
from soleflip.domain.words import count_of
from soleflip.models import AuditEntry, StockxListing, User
from soleflip.services import accounts, backups, open_files, restores

WORD = "DELETE EVERYTHING"
# Whoever asks stays signed in, with the second factor.
KEPT = frozenset({"auth.users", "auth.sessions", "auth.second_factors", "auth.recovery_codes"})
# What stays when the operator starts anew: accounts, settings, rules, and what is known of products.
SETUP = frozenset(
    {
        "automation.alert_channels",
        "automation.rules",
        "automation.stop_switch",
        "automation.timetable",
        "ops.audit",
        "ops.settings",
        "selling.pricing_rules",
    }
)
SETUP_SCHEMAS = frozenset({"auth", "products"})


def asks_up(session: Session) -> int:
    """Count the asks that are up on StockX or on their way there."""
    return session.scalar(select(func.count()).where(StockxListing.status.in_(LIVE_STATES))) or 0


def erase(session: Session, user: User, password: str, word: str, *, asks_stay: bool) -> None:
    """Empty every table; only this account stays. Raises InvalidInput, and Conflict while asks are up on StockX.

    `asks_stay` is the operator's word that asks on StockX stay there, for nobody here knows of them afterwards.
    """
    accounts.prove(user, password)
    if word != WORD:
        raise InvalidInput(f"Type {WORD}, in capital letters.", field="word")
    up = asks_up(session)
    if up and not asks_stay:
        asks = count_of(up, "ask is", "asks are")
        raise Conflict(f"{asks} up on StockX or on the way there. Delist first, or tick that they stay there.")
    _empty(session, [table for table in Base.metadata.sorted_tables if table.fullname not in KEPT])
    session.execute(delete(User).where(User.id != user.id))
    session.add(AuditEntry(actor=user.email, act="everything deleted", after={"asks left on StockX": up}))
    session.flush()


def start_anew(session: Session, *, actor: str) -> None:
    """Empty the tables of offers, stock, asks, orders, books and runs, for a sandbox that forgets its part of them.

    Accounts, settings, rules and products stay.
    """
    every = Base.metadata.sorted_tables
    _empty(session, [each for each in every if each.schema not in SETUP_SCHEMAS and each.fullname not in SETUP])
    session.add(AuditEntry(actor=actor, act="sample data removed"))
    session.flush()


def _empty(session: Session, tables: list[Table]) -> None:
    names = ", ".join(f'"{table.schema}"."{table.name}"' for table in tables)
    # A worker in the middle of something holds its tables: rather give up than hold everybody up.
    session.execute(text("SET LOCAL lock_timeout = '10s'"))
    # The database lets nobody else empty the audit log and the ledger.
    session.execute(text("SET LOCAL soleflip.erasing = 'yes'"))
    session.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))


def remove_files(place: Settings, *, with_backups: bool) -> None:
    """Remove uploads and exports, and backups where asked for, with what restores put aside: after the tables."""
    shutil.rmtree(place.data / "uploads", ignore_errors=True)
    gone: list[Path] = [export.path for export in open_files.found(place.backups)]
    if with_backups:
        gone += [backup.path for backup in backups.found(place.backups)]
    for path in gone:
        path.unlink(missing_ok=True)
    if with_backups:
        restores.drop_put_aside(place.database_url)
