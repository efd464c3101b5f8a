"""Filters of the big tables, kept by name; what passes one of opportunities for the first time is told once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from sqlalchemy import delete, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.errors import InvalidInput, NotFound
from soleflip.domain.words import count_of
from soleflip.models import Opportunity, SavedSearch, SearchHit
from soleflip.services import alerts
from soleflip.services.opportunity_filter import OpportunityFilter, narrow
from soleflip.services.runs import Work
from soleflip.services.settings import Thresholds, load

MOST = 100
OPPORTUNITIES = "opportunities"
ROOMS = (OPPORTUNITIES, "listings", "inventory", "orders", "runs")
"""The rooms whose filters are kept."""
TOLD = 5
"""So many pairs stand in one alert by name; the rest is counted."""


def everything(session: Session) -> Sequence[SavedSearch]:
    """Return the saved searches by room and name."""
    return session.scalars(select(SavedSearch).order_by(SavedSearch.room, SavedSearch.name).limit(MOST)).all()


def get(session: Session, search_id: int) -> SavedSearch:
    """Return a saved search; raises NotFound."""
    found = session.get(SavedSearch, search_id)
    if found is None:
        raise NotFound("There is no such saved filter.")
    return found


def save(session: Session, room: str, name: str, query: str, *, now: datetime, has_alerts: bool = False) -> SavedSearch:
    """Keep a filter of a room under a name, in place of one that has it there already.

    Raises InvalidInput without a name, for a room without filters, and for one too many. A place in the pages is not
    kept.
    """
    if room not in ROOMS:
        raise InvalidInput(f"Filters are kept of {', '.join(ROOMS)}.", field="room")
    plain = " ".join(name.split())[:80]
    if not plain:
        raise InvalidInput("Give the filter a name.", field="name")
    kept = urlencode([(key, value) for key, value in parse_qsl(query.removeprefix("?")[:2000]) if key != "after"])
    statement = insert(SavedSearch).values(room=room, name=plain, query=kept)
    statement = statement.on_conflict_do_update(index_elements=["room", "name"], set_={"query": kept, "alerts": False})
    search_id = session.scalars(statement.returning(SavedSearch.id)).one()
    if len(session.scalars(select(SavedSearch.id).limit(MOST + 1)).all()) > MOST:
        raise InvalidInput(f"{MOST} filters are kept already. Forget one first.", field="name")
    set_alerts(session, search_id, on=has_alerts, now=now)
    return get(session, search_id)


def set_alerts(session: Session, search_id: int, *, on: bool, now: datetime) -> None:
    """Begin or stop telling what is new in a saved search; what passes it already is not new.

    Raises NotFound, and InvalidInput in a room other than the opportunities.
    """
    found = session.get(SavedSearch, search_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound("There is no such saved filter.")
    if on and found.room != OPPORTUNITIES:
        raise InvalidInput("Only what is new among the opportunities is told.", field="alerts")
    was_on, found.alerts = found.alerts, on
    if on and not was_on:
        session.execute(delete(SearchHit).where(SearchHit.search_id == search_id))
        _hits(session, found, now)
    session.flush()


def forget(session: Session, search_id: int) -> None:
    """Remove a saved search; one that is gone already stays gone."""
    session.execute(delete(SavedSearch).where(SavedSearch.id == search_id))


def look(work: Work) -> str:
    """Look for pairs that pass a saved search with alerts for the first time, and tell of them (run `searches`)."""
    with work.transaction() as session:
        count = tell_new(session, work.clock())
    return f"{count} new in saved searches." if count else "Nothing new in saved searches."


def tell_new(session: Session, now: datetime) -> int:
    """Raise one alert per saved search with what passes it for the first time; returns how many pairs were new."""
    wanted = select(SavedSearch).where(SavedSearch.alerts).order_by(SavedSearch.id).with_for_update()
    count = 0
    for search in session.scalars(wanted).all():
        new = _hits(session, search, now)
        count += len(new)
        if new:
            title, body = _words(session, search, new)
            key = f"search {search.id}: {min(new)}"
            alerts.raise_alert(session, "opportunity", key, title, body, f"/searches/{search.id}", now)
    return count


def _hits(session: Session, search: SavedSearch, now: datetime) -> list[UUID]:
    """Remember what passes a search, and return what never did before."""
    filter_ = OpportunityFilter.from_args(dict(parse_qsl(search.query)))
    columns: list[Any] = [literal(search.id), Opportunity.id, literal(now)]
    passing = narrow(select(*columns), filter_, load(session, Thresholds), now)
    statement = insert(SearchHit).from_select(["search_id", "opportunity_id", "found_at"], passing)
    return list(session.scalars(statement.on_conflict_do_nothing().returning(SearchHit.opportunity_id)))


def _words(session: Session, search: SavedSearch, new: Sequence[UUID]) -> tuple[str, str]:
    best = session.scalars(
        select(Opportunity)
        .where(Opportunity.id.in_(new))
        .order_by(Opportunity.net_profit.desc().nullslast(), Opportunity.id)
        .limit(TOLD)
    ).all()
    lines = [
        f"{each.title}, {each.size}, at {each.shop_name} for {each.cost} {each.currency}: "
        f"net profit {each.net_profit} {each.currency}"
        for each in best
    ]
    if len(new) > len(best):
        lines.append(f"and {len(new) - len(best)} more")
    return f"{count_of(len(new), 'new pair')} in {search.name!r}", "\n".join(lines)
