"""What a rule would do now, and would have done with the prices that were kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.models import Decision, Item, MarketPriceHistory, Opportunity, PricingHistory, Quote
from soleflip.services import pricing_rules
from soleflip.services.rule_preview import RulePreview, preview
from tests.services import sales
from tests.services.ruled import BOOKS, NOW, offer


def look(session: Session, action: str = "buy", subject: str = "opportunity", **asked: Any) -> RulePreview:
    limits = {name: asked.pop(name) for name in ("money_per_day", "actions_per_hour") if name in asked}
    base = {"min_profit": 10, "min_roi": None} if subject == "opportunity" else {}
    return preview(session, automation.read_rule(subject, base | asked, action, {}, limits), books=BOOKS, now=NOW)


def quoted(session: Session, found: Opportunity, days_ago: int, lowest: str) -> None:
    """A quote of an earlier day; the offer was there for a month already."""
    found.offer.created_at = NOW - timedelta(days=40)
    at = NOW - timedelta(days=days_ago)
    session.add(Quote(variant_id=found.variant_id, currency="EUR", lowest_ask=Decimal(lowest), at=at))
    session.flush()


def test_it_shows_what_the_limits_let_through_and_does_nothing(session: Session) -> None:
    for _ in range(3):
        offer(session, "50")
    offer(session, "50", profit="5")
    shown = look(session, money_per_day=110).now
    assert (shown.fitting, shown.allowed, shown.amount) == (3, 2, Decimal(100))
    assert [row.why_not is None for row in shown.rows] == [True, True, False]
    assert session.scalars(select(Decision)).all() == []
    assert session.scalars(select(Item)).all() == []


def test_the_past_is_told_from_kept_quotes_with_the_price_of_that_day(session: Session) -> None:
    found = offer(session, "50")
    quoted(session, found, 20, "120")
    quoted(session, found, 10, "120")
    # Until twelve days ago the shop asked so much that nothing was to be earned.
    session.add(
        MarketPriceHistory(
            market_price_id=found.market_price_id,
            price=Decimal(100),
            currency="EUR",
            seen_at=NOW - timedelta(days=12),
        )
    )
    session.flush()
    past = look(session).past
    assert (past.days_kept, past.round.fitting, past.round.allowed) == (2, 1, 1)
    row = past.round.rows[0]
    assert (row.day, row.amount) == ((NOW - timedelta(days=10)).date(), Decimal(50))


def test_one_thing_at_one_price_counts_once(session: Session) -> None:
    found = offer(session, "50")
    for days in (9, 8, 7):
        quoted(session, found, days, "120")
    assert look(session).past.round.allowed == 1
    assert look(session, min_profit=200).past.round.fitting == 0


def test_of_one_day_the_best_goes_first_as_it_does_live(session: Session) -> None:
    asks = ("110", "150", "130")
    found = [offer(session, "50", profit=profit) for profit in ("20", "60", "40")]
    for hour, (each, ask) in enumerate(zip(found, asks, strict=True)):
        each.offer.created_at = NOW - timedelta(days=40)
        at = (NOW - timedelta(days=3)).replace(hour=8 + hour)
        session.add(Quote(variant_id=each.variant_id, currency="EUR", lowest_ask=Decimal(ask), at=at))
    session.flush()
    shown = look(session, money_per_day=60)
    past = [row.subject_id for row in shown.past.round.rows if row.why_not is None]
    now = [row.subject_id for row in shown.now.rows if row.why_not is None]
    assert past == [found[1].market_price_id]
    assert now == [found[1].id]


def test_a_limit_of_the_house_below_the_rules_own_is_told(session: Session) -> None:
    assert look(session, money_per_day=1001).house_limit == Decimal(1000)
    assert look(session, money_per_day=1000).house_limit is None
    assert look(session, "alert", money_per_day=5000).house_limit is None


def test_where_nothing_was_kept_it_says_so(session: Session) -> None:
    offer(session)
    past = look(session, max_held=1).past
    assert (past.days_kept, past.since, past.round.fitting) == (0, None, 0)
    assert any("not kept" in caveat for caveat in past.caveats)
    assert any("held then" in caveat for caveat in past.caveats)


def test_listings_are_seen_with_the_ask_of_that_day(session: Session) -> None:
    listing = sales.make_listing(session, "A", cost="50.00", ask="100")
    listing.status, listing.listed_at = "active", NOW - timedelta(days=25)
    at = NOW - timedelta(days=5)
    session.add(Quote(variant_id=listing.catalog_variant_id, currency="EUR", lowest_ask=Decimal(105), at=at))
    session.add(
        PricingHistory(
            listing_id=listing.id,
            new_price=Decimal(130),
            currency="EUR",
            change_reason="manual",
            created_at=NOW - timedelta(days=6),
        )
    )
    session.flush()
    assert look(session, "delist", "listing", rank="above").past.round.allowed == 1
    assert look(session, "delist", "listing", rank="lowest").past.round.allowed == 0
    assert look(session, "delist", "listing", min_age_days=30).past.round.allowed == 0


def test_the_past_is_valued_by_the_strategy_that_the_brands_rule_names(session: Session) -> None:
    found = offer(session, "50")
    quoted(session, found, 10, "120")
    assert look(session).past.round.fitting == 1
    rule = pricing_rules.add(session, "brand", "Asics", actor="test")
    values = {"by_amount": "60"}
    pricing_rules.save_strategy(
        session, rule.id, acts="competitive", strategy="competitive", values=values, actor="test"
    )
    # 60 below the lowest ask of 120 nothing is left of a pair that cost 50.
    assert look(session).past.round.fitting == 0
