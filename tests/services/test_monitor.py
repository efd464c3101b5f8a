"""The monitor: each thing found once, closed when it is no longer so, open again when it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from soleflip.domain.errors import Conflict
from soleflip.domain.findings import FINDINGS
from soleflip.models import (
    Alert,
    Finding,
    Item,
    LatestQuote,
    MarketPrice,
    Opportunity,
    PayoutLine,
    Run,
    Shop,
    StockxListing,
    StockxOrder,
)
from soleflip.services import fees, findings, monitor
from soleflip.services.stock import TO_BUY
from tests.services.sales import make_listing, unique

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def a_listing(session: Session, *, ask: int = 100, lowest: int | None = 100, quoted: datetime = NOW) -> StockxListing:
    key = unique()
    listing = make_listing(session, key, ask=str(ask), style=f"{key}-1")
    listing.listed_at = NOW - timedelta(days=30)
    if lowest is not None:
        quote = LatestQuote(variant_id=listing.catalog_variant_id, currency="EUR", lowest_ask=lowest, at=quoted)
        session.add(quote)
    session.flush()
    return listing


def an_order(session: Session, number: str = "1-1", **values: Any) -> StockxOrder:
    order = StockxOrder(
        **{
            "stockx_order_number": number,
            "title": "Gel One",
            "currency": "EUR",
            "sale_price": Decimal(120),
            "stockx_status": "CREATED",
            "sold_at": NOW - timedelta(days=1),
            "match_state": "matched",
            "ship_by": NOW + timedelta(days=3),
        }
        | values
    )
    session.add(order)
    session.flush()
    return order


def open_kinds(session: Session) -> list[str]:
    return sorted(session.scalars(select(Finding.kind).where(Finding.solved_at.is_(None))))


def test_nothing_is_found_where_nothing_is_wrong(session: Session) -> None:
    a_listing(session)
    an_order(session)
    assert monitor.look(session, NOW, BERLIN) == monitor.Looked(0, 0, 0)


def test_an_ask_too_far_above_the_market_for_too_long_is_found(session: Session) -> None:
    listing = a_listing(session, ask=112)
    fresh = a_listing(session, ask=112)
    fresh.listed_at = NOW - timedelta(days=2)
    a_listing(session, ask=109)
    session.flush()
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    assert (line.finding.kind, line.finding.subject_id) == ("never_seen", str(listing.id))
    assert "our ask of 112 EUR has stood 12 % above the lowest (100 EUR) for 30 days" in line.sentence
    assert (line.url, line.act) == (f"/listings/{listing.id}", "reprice")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("market_below_floor", {"floor_price": Decimal(100), "current_lowest_ask": Decimal(90), "ask_price": 100}),
        ("below_floor", {"floor_price": Decimal(101)}),
        ("expiring", {"expires_at": NOW + timedelta(days=1)}),
        ("failed_listing", {"error": "StockX said no."}),
        ("listing_review", {"status": "review"}),
    ],
)
def test_what_is_wrong_with_a_listing_is_found_and_closed(session: Session, kind: str, change: dict[str, Any]) -> None:
    listing = a_listing(session, lowest=None if "current_lowest_ask" in change else 100)
    listing.updated_at = NOW
    before = {name: getattr(listing, name) for name in change}
    for name, value in change.items():
        setattr(listing, name, value)
    session.flush()
    monitor.look(session, NOW, BERLIN)
    assert open_kinds(session) == [kind]
    assert "–" not in findings.overview(session, NOW, BERLIN).lines[0].sentence
    for name, value in before.items():
        setattr(listing, name, value)
    session.flush()
    assert monitor.look(session, NOW + timedelta(minutes=10), BERLIN) == monitor.Looked(0, 0, 1)


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("to_ship", {"ship_by": NOW + timedelta(hours=11)}),
        ("to_ship", {"ship_by": NOW - timedelta(hours=1)}),
        (
            "payout_overdue",
            {"order_status": "authenticated", "stockx_status": "AUTHENTICATED", "sold_at": NOW - timedelta(days=40)},
        ),
        ("order_review", {"match_state": "review"}),
        ("estimate_off", {"realised_at": NOW, "net_proceeds": Decimal(95), "estimated_payout": Decimal(100)}),
    ],
)
def test_what_is_wrong_with_a_sale_is_found(session: Session, kind: str, order: dict[str, Any]) -> None:
    found = an_order(session, **order)
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    assert (line.finding.kind, line.url) == (kind, f"/orders/{found.id}")
    assert "–" not in line.sentence


def test_an_estimate_that_was_too_high_is_said_to_be_so(session: Session) -> None:
    an_order(session, realised_at=NOW, net_proceeds=Decimal(95), estimated_payout=Decimal(100))
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    assert "paid 95 EUR, 5 EUR less than estimated" in line.sentence


def test_old_quotes_are_one_finding(session: Session) -> None:
    for _ in range(3):
        a_listing(session, quoted=NOW - timedelta(days=3))
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    assert line.sentence.startswith("3 live asks go by a quote that is older than 24 hours")
    (run,) = findings.mend(session, [line.finding.id], actor="me", now=NOW)
    assert run.kind == "quotes"


def a_pair_to_buy(session: Session) -> tuple[StockxListing, MarketPrice]:
    listing = a_listing(session)
    item = session.get_one(Item, listing.item_id)
    shop = Shop(name="Sole Shop", currency="EUR")
    session.add(shop)
    session.flush()
    offer = MarketPrice(
        shop_id=shop.id,
        external_id="1",
        title="Gel",
        price=60,
        currency="EUR",
        content_hash="-",
        seen_at=NOW,
        changed_at=NOW,
    )
    session.add(offer)
    session.flush()
    opportunity = Opportunity(
        market_price_id=offer.id,
        variant_id=item.variant_id,
        currency="EUR",
        cost=60,
        offer_seen_at=NOW,
        computed_at=NOW,
    )
    session.add(opportunity)
    session.flush()
    item.opportunity_id, item.note = opportunity.id, TO_BUY
    session.flush()
    return listing, offer


def test_a_pair_that_is_sold_out_before_it_is_bought_can_be_delisted_and_its_return_is_told(session: Session) -> None:
    listing, offer = a_pair_to_buy(session)
    monitor.look(session, NOW, BERLIN)
    assert open_kinds(session) == []
    offer.in_stock = False
    session.flush()
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    assert (line.finding.kind, line.act, line.url) == ("sold_out", "delist", f"/inventory/{listing.item_id}")
    offer.in_stock = True
    opportunity = session.scalars(select(Opportunity)).one()
    opportunity.restocked_at, opportunity.watched_at = NOW, NOW
    session.flush()
    monitor.look(session, NOW + timedelta(hours=1), BERLIN)
    assert open_kinds(session) == ["back_in_stock", "watched_is_back"]
    watched = findings.overview(session, NOW, BERLIN, kind="watched_is_back").lines[0]
    assert watched.url == f"/opportunities/{opportunity.id}"
    opportunity.watched_at = None
    session.get_one(Item, listing.item_id).note = None
    session.flush()
    monitor.look(session, NOW + timedelta(hours=2), BERLIN)
    assert open_kinds(session) == []


def test_a_fee_that_changed_is_found_and_taken_over(session: Session) -> None:
    order = an_order(session, realised_at=NOW, order_status="completed", stockx_status="COMPLETED", paid_at=NOW)
    lines = (("transaction", "-12.00", "0.10"), ("processing", "-3.60", "0.03"), ("shipping", "-5.10", None))
    for position, (kind, amount, share) in enumerate(lines):
        session.add(
            PayoutLine(order_id=order.id, position=position, name=kind, kind=kind, amount=amount, percentage=share)
        )
    session.flush()
    monitor.look(session, NOW, BERLIN)
    found = {line.finding.subject_id: line for line in findings.overview(session, NOW, BERLIN).lines}
    assert set(found) == {"transaction", "shipping"}
    assert "StockX took 10 % for the transaction fee" in found["transaction"].sentence
    assert "the schedule says 4.50 EUR" in found["shipping"].sentence
    for line in found.values():
        assert findings.mend(session, [line.finding.id], actor="me", now=NOW) == []
    schedule = fees.book(session).schedule(None, NOW.date())
    assert (schedule.transaction_rate, schedule.shipping) == (Decimal("0.10"), Decimal("5.10"))
    monitor.look(session, NOW + timedelta(hours=1), BERLIN)
    assert open_kinds(session) == []


def test_a_finding_stands_once_and_comes_back_as_itself(session: Session) -> None:
    listing = a_listing(session, ask=150)
    looks = []
    for hours, ask in ((0, 150), (1, 150), (2, 100), (3, 150)):
        listing.ask_price = Decimal(ask)
        session.flush()
        looks.append(monitor.look(session, NOW + timedelta(hours=hours), BERLIN))
    assert [(found.open, found.new, found.solved) for found in looks] == [(1, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 0)]
    (finding,) = session.scalars(select(Finding).execution_options(populate_existing=True)).all()
    assert (finding.times, finding.first_seen, finding.opened_at) == (2, NOW, NOW + timedelta(hours=3))


def test_what_is_put_off_waits_unless_it_comes_back_anew(session: Session) -> None:
    listing = a_listing(session, ask=150, quoted=NOW + timedelta(days=8))
    monitor.look(session, NOW, BERLIN)
    finding_id = findings.overview(session, NOW, BERLIN).lines[0].finding.id
    assert findings.put_off(session, [finding_id], actor="me", now=NOW) == 1
    monitor.look(session, NOW + timedelta(days=1), BERLIN)
    assert findings.overview(session, NOW + timedelta(days=1), BERLIN).total == 0
    assert findings.overview(session, NOW + timedelta(days=1), BERLIN, put_off=True).lines[0].finding.id == finding_id
    assert findings.overview(session, NOW + timedelta(days=8), BERLIN).total == 1
    for ask in (100, 150):
        listing.ask_price = Decimal(ask)
        session.flush()
        monitor.look(session, NOW + timedelta(days=1, hours=ask), BERLIN)
    session.expire_all()
    assert findings.overview(session, NOW + timedelta(days=2), BERLIN).total == 1


def test_deadlines_are_told_one_by_one_and_the_rest_by_kind(session: Session) -> None:
    for number in ("1-1", "2-2"):
        an_order(session, number, ship_by=NOW + timedelta(hours=5))
    for _ in range(3):
        a_listing(session, ask=150)
    monitor.look(session, NOW, BERLIN)
    monitor.look(session, NOW + timedelta(minutes=10), BERLIN)
    told = session.execute(select(Alert.kind, Alert.title).order_by(Alert.kind, Alert.id)).all()
    assert [tuple(row) for row in told] == [
        ("finding", "3 asks stand too far above the market to be seen"),
        ("ship_by", "To ship: Gel One"),
        ("ship_by", "To ship: Gel One"),
    ]


def test_an_ask_can_be_repriced_from_its_finding(session: Session) -> None:
    listing = a_listing(session, ask=150)
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    (run,) = findings.mend(session, [line.finding.id], actor="me", now=NOW)
    assert (run.kind, run.params) == ("reprice", {"listing_ids": [str(listing.id)]})


def test_what_is_solved_or_has_no_act_is_refused(session: Session) -> None:
    an_order(session, match_state="review")
    a_listing(session, ask=150)
    monitor.look(session, NOW, BERLIN)
    by_kind = {line.finding.kind: line.finding for line in findings.overview(session, NOW, BERLIN).lines}
    with pytest.raises(Conflict, match="open its page"):
        findings.mend(session, [by_kind["order_review"].id], actor="me", now=NOW)
    by_kind["never_seen"].solved_at = NOW
    with pytest.raises(Conflict, match="solved already"):
        findings.mend(session, [by_kind["never_seen"].id], actor="me", now=NOW)
    assert session.scalars(select(Run)).all() == []


@contextmanager
def statements(session: Session) -> Iterator[list[str]]:
    said: list[str] = []
    connection = session.connection()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        said.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(connection, "before_cursor_execute", note)


def test_a_look_takes_as_many_statements_for_500_listings_as_for_10(session: Session) -> None:
    counts = []
    for wanted in (10, 490):
        for _ in range(wanted):
            a_listing(session, ask=150)
        session.execute(update(Alert).values(is_current=False))
        session.info.pop("settings", None)
        with statements(session) as said:
            found = monitor.look(session, NOW + timedelta(minutes=len(counts)), BERLIN)
        counts.append((len(said), found.new))
    assert [new for _, new in counts] == [10, 490]
    assert counts[0][0] == counts[1][0] < 20


def test_every_kind_has_an_act_that_there_is() -> None:
    assert {kind.act for kind in FINDINGS.values() if kind.act} == set(findings.ACTS)


def test_what_matters_most_comes_first_and_pages_show_everything_once(session: Session) -> None:
    for number in range(3):
        a_listing(session, ask=150)
        an_order(session, f"{number}-{number}", ship_by=NOW - timedelta(hours=number + 1))
    monitor.look(session, NOW, BERLIN)
    seen, cursor = [], None
    while True:
        page = findings.overview(session, NOW, BERLIN, after=cursor, limit=2)
        seen += [line.finding.kind for line in page.lines]
        cursor = page.next
        if cursor is None:
            break
    assert seen == ["to_ship"] * 3 + ["never_seen"] * 3
    assert page.counts == {"to_ship": 3, "never_seen": 3}


def test_deadlines_are_said_in_the_operators_time(session: Session) -> None:
    an_order(session, ship_by=NOW - timedelta(hours=3))
    monitor.look(session, NOW, BERLIN)
    (line,) = findings.overview(session, NOW, BERLIN).lines
    assert line.sentence == "Gel One: ship order 1-1 by 2026-03-02 10:00, 3 h late."
