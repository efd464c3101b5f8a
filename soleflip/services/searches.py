"""Filters of the Opportunities page, kept by name."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput
from soleflip.models import SavedSearch

MOST = 50


def everything(session: Session) -> Sequence[SavedSearch]:
    """Return the saved searches by name."""
    return session.scalars(select(SavedSearch).order_by(SavedSearch.name).limit(MOST)).all()


def save(session: Session, name: str, query: str) -> str:
    """Keep a filter under a name, in place of one that has it already; returns the query as kept.

    Raises InvalidInput without a name. A place in the pages is not kept.
    """
    plain = " ".join(name.split())[:80]
    if not plain:
        raise InvalidInput("Give the filter a name.", field="name")
    kept = urlencode([(key, value) for key, value in parse_qsl(query.removeprefix("?")[:2000]) if key != "after"])
    statement = insert(SavedSearch).values(name=plain, query=kept)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"query": kept}))
    return kept


def forget(session: Session, search_id: int) -> None:
    """Remove a saved search; one that is gone already stays gone."""
    session.execute(delete(SavedSearch).where(SavedSearch.id == search_id))
