"""A small world for the API: a feed's offers with quotes, pairs in stock, listings, a sale with its payout."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from soleflip.config import PROJECT
from soleflip.domain import automation
from soleflip.models import Decision, Item, ListingChange, Opportunity, Run, StockxListing, StockxOrder, Variant
from soleflip.services import automation_rules, decisions, feeds, ledger, pricing_rules, replays, runs, stock
from soleflip.services.order_snapshots import record, record_detail
from soleflip.services.runs import Books
from soleflip.services.stock import Buying
from soleflip.stockx.orders import OrderDetail
from tests.services import sales
from tests.services.market_data import make_market

DEMO_FEED = PROJECT / "soleflip" / "feeds" / "demo.csv.gz"


@dataclass
class World:
    """Ids of what is there, by what names it in an address or a body."""

    opportunity_id: list[str] = field(default_factory=list)
    product_id: list[str] = field(default_factory=list)
    shop_id: list[int] = field(default_factory=list)
    variant_id: list[str] = field(default_factory=list)
    item_id: list[str] = field(default_factory=list)
    listing_id: list[str] = field(default_factory=list)
    number: list[str] = field(default_factory=list)
    entry_id: list[int] = field(default_factory=list)
    run_id: list[str] = field(default_factory=list)
    export_id: list[str] = field(default_factory=list)
    import_id: list[str] = field(default_factory=list)
    change_id: list[str] = field(default_factory=list)
    rule_id: list[str] = field(default_factory=list)
    replay_id: list[str] = field(default_factory=list)
    alert_id: list[int] = field(default_factory=list)
    automation_rule_id: list[str] = field(default_factory=list)
    decision_id: list[str] = field(default_factory=list)


def make_world(session: Session, books: Books, now: datetime | None = None) -> World:
    """Fill a database that has nothing but tables; times are around `now`."""
    now = now or datetime.now(UTC)
    world = World()
    entry = feeds.register(session, filename="demo.csv.gz")
    feeds.record(session, entry.id, feeds.import_file(session, DEMO_FEED, now=now, import_id=entry.id))
    world.import_id.append(str(entry.id))
    assert make_market(session, now) > 100
    best = session.scalars(select(Opportunity).order_by(Opportunity.net_profit.desc().nullslast()).limit(60)).all()
    world.opportunity_id = [str(each.id) for each in best]
    world.shop_id = sorted({each.offer.shop_id for each in best})
    variants = session.scalars(select(Variant).order_by(Variant.id).limit(20)).all()
    world.variant_id = [str(each.id) for each in variants]
    world.product_id = [str(each.product_id) for each in variants]
    buying = Buying(cost=Decimal("60.00"), currency="EUR", supplier="Sole Shop", document="R-1")
    for state in ("in_stock", "ordered"):
        items = stock.create_items(session, variants[0].id, 10, buying, state=state, today=now.date())
        world.item_id += [str(item.id) for item in items]
    _listings(session, world, variants, now)
    _sale(session, world, books, now)
    world.rule_id = [str(pricing_rules.add(session, "tag", name, actor="test").id) for name in ("summer", "winter")]
    tried, _ = replays.start(session, "hold", {}, sales=None, filename=None, episodes=200, actor="test")
    world.replay_id = [str(tried.id)]
    _decisions(session, world, now)
    done = runs.start(session, "detect", actor="timetable")
    runs.finish(session, done.id, "done", message="Nothing to do.")
    world.run_id.append(str(done.id))
    session.flush()
    return world


def _decisions(session: Session, world: World, now: datetime) -> None:
    """A rule over the offers with decisions that wait."""
    read = automation.read_rule("opportunity", {"min_profit": 5, "min_roi": None}, "buy", {}, {"money_per_day": 5000})
    rule = automation_rules.save(session, None, "Whatever earns", read, autopilot=False, actor="test")
    decisions.propose(session, now)
    world.automation_rule_id = [str(rule.id)]
    # The best offers are used up by the tests of listing.
    found = session.scalars(select(Decision).order_by(Decision.created_at, Decision.amount, Decision.id)).all()
    best = set(world.opportunity_id[:12])
    world.decision_id = [str(each.id) for each in found if str(each.subject_id) not in best]


def _listings(session: Session, world: World, variants: Any, now: datetime) -> None:
    run = runs.start(session, "list", actor="test")
    states = ("active", "active", "active", "inactive", "expired", "failed", "review", "pending", "delisted")
    for number, status in enumerate(states):
        variant = variants[number]
        item = Item(
            product_id=variant.product_id,
            variant_id=variant.id,
            state="in_stock" if status == "failed" else "listed",
            cost=Decimal("50.00") if number else None,
            currency="EUR",
        )
        session.add(item)
        session.flush()
        listing = _listing(variant, item, status, run.id, now)
        session.add(listing)
        session.flush()
        world.listing_id.append(str(listing.id))
    proposed = runs.start(session, "reprice", actor="test", params={"approve": True})
    for listing_id in world.listing_id[:3]:
        change = ListingChange(
            listing_id=UUID(listing_id),
            run_id=proposed.id,
            kind="price",
            state="proposed",
            old_price=Decimal(180),
            new_price=Decimal(175),
            inputs={},
        )
        session.add(change)
        session.flush()
        world.change_id.append(str(change.id))
    runs.finish(session, run.id, "failed", error="Writes were stopped.")
    runs.finish(session, proposed.id, "done")
    world.run_id += [str(run.id), str(proposed.id)]


def _listing(variant: Variant, item: Item, status: str, run_id: UUID, now: datetime) -> StockxListing:
    live = status not in ("pending", "failed", "review")
    return StockxListing(
        product_id=variant.product_id,
        catalog_variant_id=variant.id,
        item_id=item.id if status not in ("expired", "delisted") else None,
        stockx_listing_id=str(uuid4()) if live else None,
        stockx_product_id=variant.product.stockx_product_id or "",
        variant_id=variant.stockx_variant_id,
        currency="EUR",
        ask_price=Decimal(180),
        original_ask_price=Decimal(180),
        buy_price=item.cost,
        status=status,
        is_active=status == "active",
        strategy_settings={},
        review={"why": "Nobody knows.", "candidates": []} if status == "review" else None,
        run_id=run_id,
        listed_at=now - timedelta(days=3) if live else None,
        created_at=now - timedelta(days=3),
    )


def _sale(session: Session, world: World, books: Books, now: datetime) -> None:
    sales.make_listing(session, "L1")
    paid = sales.snapshot("1-1", "COMPLETED", payout=sales.payout("48.94", "37.97"))
    record(session, [sales.entry("1-1"), sales.entry("2-2", "CREATED", listing=None)], books, now, actor="test")
    record_detail(session, OrderDetail.model_validate({**paid, "shipment": sales.shipment()}), books, now, actor="test")
    orders = session.scalars(select(StockxOrder).order_by(StockxOrder.stockx_order_number)).all()
    world.number = [order.stockx_order_number for order in orders]
    fine = ledger.book_penalty(session, orders[0].id, Decimal("5.00"), "late", actor="test", books=books, now=now)
    world.entry_id.append(fine.id)


def open_runs(session: Session) -> list[Run]:
    """Return the runs that wait or work."""
    return list(session.scalars(select(Run).where(Run.state.in_(runs.OPEN_STATES))))
