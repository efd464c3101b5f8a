"""Saved searches: what passes one for the first time is told once, and never again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import NotFound
from soleflip.models import Alert, LatestQuote, Opportunity, SavedSearch, SearchHit
from soleflip.services import evaluation, feeds, opportunities, searches
from tests.services.market_data import make_market, write_feed

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def market(session: Session, tmp_path: Path) -> Session:
    """Twenty offers that all pay well."""
    feeds.import_file(session, write_feed(tmp_path / "feed.csv.gz", 20), now=NOW)
    make_market(session, NOW)
    return session


def _search(session: Session, query: str = "min_profit=60", *, alerts: bool = True) -> SavedSearch:
    searches.save(session, "opportunities", "Good ones", query, now=NOW, has_alerts=alerts)
    return session.scalars(select(SavedSearch)).one()


def _raise_asks(session: Session, count: int, at: datetime) -> list[Opportunity]:
    """Let the market rise for some sizes that did not pass before."""
    poor = session.scalars(
        select(Opportunity)
        .where(Opportunity.is_current, Opportunity.net_profit < 60)
        .order_by(Opportunity.net_profit, Opportunity.id)
        .limit(count)
    ).all()
    variants = [each.variant_id for each in poor]
    session.execute(update(LatestQuote).where(LatestQuote.variant_id.in_(variants)).values(lowest_ask=900, at=at))
    evaluation.recompute(session, at)
    return list(poor)


def test_what_passes_already_is_not_new(market: Session) -> None:
    _search(market, "min_profit=1")
    assert market.scalar(select(func.count()).select_from(SearchHit)) > 0
    assert searches.tell_new(market, NOW) == 0
    assert market.scalar(select(func.count()).select_from(Alert)) == 0


def test_what_is_new_is_told_once(market: Session) -> None:
    search = _search(market)
    later = NOW + timedelta(hours=1)
    new = _raise_asks(market, 3, later)
    assert searches.tell_new(market, later) == 3
    alert = market.scalars(select(Alert)).one()
    assert alert.kind == "opportunity"
    assert alert.title == "3 new pairs in 'Good ones'"
    assert alert.url == f"/searches/{search.id}"
    assert all(each.title in alert.body and str(each.net_profit) in alert.body for each in new)
    assert searches.tell_new(market, later) == 0
    market.execute(update(LatestQuote).values(lowest_ask=90, at=later + timedelta(hours=1)))
    evaluation.recompute(market, later + timedelta(hours=1))
    _raise_asks(market, 1, later + timedelta(hours=2))
    market.execute(update(LatestQuote).values(lowest_ask=901, at=later + timedelta(hours=3)))
    evaluation.recompute(market, later + timedelta(hours=3))
    told = searches.tell_new(market, later + timedelta(hours=3))
    every = market.scalar(select(func.count()).select_from(SearchHit))
    passing = market.scalar(opportunities.counted(market, _filter(), now=later + timedelta(hours=3)))
    assert told == passing - 3, "the three of before are no news, though they fell and rose again"
    assert every >= passing


def _filter() -> opportunities.OpportunityFilter:
    return opportunities.OpportunityFilter(min_profit=Decimal(60))


def test_many_new_ones_are_counted_not_listed(market: Session) -> None:
    _search(market, "min_profit=500")
    _raise_asks(market, 9, NOW + timedelta(hours=1))
    assert searches.tell_new(market, NOW + timedelta(hours=1)) == 9
    body = market.scalars(select(Alert.body)).one()
    assert body.count("\n") == searches.TOLD
    assert body.endswith("and 4 more")


def test_without_alerts_nothing_is_looked_for(market: Session) -> None:
    search = _search(market, alerts=False)
    _raise_asks(market, 2, NOW + timedelta(hours=1))
    assert searches.tell_new(market, NOW + timedelta(hours=1)) == 0
    searches.set_alerts(market, search.id, on=True, now=NOW + timedelta(hours=1))
    assert searches.tell_new(market, NOW + timedelta(hours=1)) == 0, "what passes when it is switched on is no news"
    searches.set_alerts(market, search.id, on=False, now=NOW)
    assert not market.get_one(SavedSearch, search.id).alerts


def test_a_search_that_is_gone_is_said_to_be(session: Session) -> None:
    with pytest.raises(NotFound):
        searches.set_alerts(session, 17, on=True, now=NOW)
    with pytest.raises(NotFound):
        searches.get(session, 17)
