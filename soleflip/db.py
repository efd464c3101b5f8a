"""The database: one declarative base, named constraints, and the transaction every edge opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    MetaData,
    Numeric,
    Select,
    String,
    Text,
    Uuid,
    cast,
    create_engine,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.pool import NullPool

SCHEMAS = ("products", "integration", "selling", "inventory", "automation", "auth", "ops")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

UuidKey = Annotated[
    UUID, mapped_column(PG_UUID(as_uuid=True), primary_key=True, server_default=text("gen_random_uuid()"))
]
Amount = Annotated[Decimal, mapped_column(Numeric(10, 2))]
Percent = Annotated[Decimal, mapped_column(Numeric(9, 2))]
Currency = Annotated[str, mapped_column(String(3))]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Updated = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now(), onupdate=func.now())]
Json = Annotated[dict[str, Any], mapped_column(JSONB, server_default=text("'{}'::jsonb"))]


class EncryptedText(Text):
    """A secret, encrypted by services/secrets.py: the type by which key rotation finds every column that holds one."""


Encrypted = Annotated[str, mapped_column(EncryptedText)]
LongText = Annotated[str, mapped_column(Text)]


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base, engine_options={"pool_pre_ping": True})

Transaction = Callable[[], AbstractContextManager[Session]]
"""Opens one transaction: commits when the block ends, rolls back when it raises."""

Clock = Callable[[], datetime]
"""Tells the time as an aware UTC datetime; in the sandbox, the sandbox's time."""


def open_session() -> Session:
    """Return a session on the application's engine; its `info` names the currency of the books."""
    info = {"currency": current_app.config.get("BOOKS_CURRENCY")}
    return Session(db.engine, expire_on_commit=False, info=info)


@contextmanager
def transaction() -> Iterator[Session]:
    """Open a session of its own on the application's engine; commit at the end, roll back on an error."""
    with open_session() as session, session.begin():
        yield session


@contextmanager
def transaction_on(database_url: str) -> Iterator[Session]:
    """Open a transaction in another database than the application's; commit at the end, roll back on an error."""
    engine = create_engine(database_url, poolclass=NullPool)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def together(session: Session, *queries: Select[Any]) -> list[list[tuple[Any, ...]]]:
    """Read several small lists in one statement; returns the rows of each, in its order, with their Python types."""
    parts = [query.subquery() for query in queries]
    values = [func.jsonb_agg(func.jsonb_build_array(*map(_in_json, part.c))) for part in parts]
    lists = session.execute(select(*(select(value).scalar_subquery() for value in values))).one()
    readers = [[_READERS.get(type(column.type), _as_it_is) for column in part.c] for part in parts]
    return [
        [tuple(value if value is None else read(value) for read, value in zip(reads, row, strict=True)) for row in rows]
        for reads, rows in zip(readers, (found or [] for found in lists), strict=True)
    ]


def _in_json(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Let a number travel as text: JSON's would come as float."""
    return cast(column, Text) if isinstance(column.type, Numeric) else column


def _as_it_is(value: Any) -> Any:
    return value


_READERS: dict[type[Any], Callable[[Any], Any]] = {
    Numeric: Decimal,
    Date: date.fromisoformat,
    DateTime: datetime.fromisoformat,
    PG_UUID: UUID,
    Uuid: UUID,
}
