"""A small furnished house for browser tests: goods, offers, asks, sales, profits and runs, always the same."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from soleflip.domain import automation
from soleflip.models import (
    Brand,
    FeedImport,
    Gtin,
    Item,
    LatestQuote,
    MarketPrice,
    Opportunity,
    Product,
    ProfitDay,
    Purchase,
    Run,
    RunLine,
    Setting,
    Shop,
    StockxListing,
    StockxOrder,
    Variant,
)
from soleflip.services import accounts, automation_rules, decisions, profit_days

EMAIL = "owner@soleflip.test"
PASSWORD = "correct horse battery"
GOODS = (
    ("adidas", "Samba OG Cloud White Core Black", "B75806"),
    ("Nike", "Air Force 1 '07 Triple White", "CW2288-111"),
    ("New Balance", "530 White Silver Navy", "MR530SG"),
    ("ASICS", "Gel-Kayano 14 Cream Black and a colour name that is very long indeed", "1201A019-108"),
    ("Jordan", "4 Retro Military Blue (2024)", "FV5029-141"),
)
RUNS = (
    ("list", "running", 100, 42, "Sending the second batch", None, {"active": 40, "failed": 2}),
    ("reprice", "done", 480, 480, "Looked at 480 asks, changed 37, left 443 alone.", None, {"changed": 37}),
    ("import", "done", 1210, 1210, "1190 offers made, 12 updated, 8 refused.", None, {"made": 1190, "refused": 8}),
    ("order_sync", "failed", None, 3, None, "StockX did not answer usefully for an hour: nothing was changed.", {}),
    ("quotes", "queued", None, 0, None, None, {}),
)


def furnish(session: Session, now: datetime) -> None:
    """Fill a fresh database; `now` is the business clock's time (UTC)."""
    chance = random.Random(7)
    accounts.create_operator(session, EMAIL, PASSWORD, role="owner")
    variants = _goods(session)
    shop = Shop(name="Sole Shop", currency="EUR")
    session.add(shop)
    session.flush()
    session.add(FeedImport(shop_id=shop.id, filename="feed.csv.gz", state="done", rows=40, imported=38, refused=2))
    for number, variant in enumerate(variants):
        _offer(session, shop, variant, number, now, chance)
    for number in range(30):
        _pair(session, chance.choice(variants), number, now, chance)
    for number in range(14):
        _sale(session, chance.choice(variants), number, now, chance)
    session.add(Setting(key=profit_days.KEPT, value={"timezone": "Europe/Berlin", "currency": "EUR"}))
    for back in range(60):
        _day(session, now - timedelta(days=back), chance)
    _runs(session)
    _decisions(session, now)


def _decisions(session: Session, now: datetime) -> None:
    """Two rules, one of them with decisions that wait."""
    buying = automation.read_rule("opportunity", {"min_profit": 1, "min_roi": None}, "list", {}, {})
    telling = automation.read_rule("listing", {"min_age_days": 1}, "alert", {}, {})
    for name, read in (("Bargains", buying), ("Old asks", telling)):
        automation_rules.save(session, None, name, read, autopilot=False, actor=EMAIL)
    decisions.propose(session, now)


def _goods(session: Session) -> list[Variant]:
    variants = []
    for number, (brand, title, code) in enumerate(GOODS):
        maker = Brand(name=brand, key=brand.casefold())
        session.add(maker)
        session.flush()
        product = Product(
            brand_id=maker.id,
            title=f"{brand} {title}",
            style_code=code,
            style_key=code.replace("-", ""),
            stockx_product_id=f"P{number}",
        )
        session.add(product)
        session.flush()
        for size in ("US 8", "US 9.5", "US 11"):
            name = f"V{number}{size}"
            variant = Variant(product_id=product.id, size=size, sizes={"eu": "42"}, stockx_variant_id=name)
            session.add(variant)
            session.flush()
            session.add(Gtin(gtin=f"{40000000000000 + len(variants):014}", variant_id=variant.id, source="feed"))
            variants.append(variant)
    return variants


def _offer(session: Session, shop: Shop, variant: Variant, number: int, now: datetime, chance: random.Random) -> None:
    price, ask = Decimal(chance.randint(45, 95)), Decimal(chance.randint(100, 190))
    offer = MarketPrice(
        shop_id=shop.id,
        external_id=f"offer-{number}",
        title=f"Offer {number}",
        price=price,
        delivery=Decimal("4.95"),
        currency="EUR",
        size="42",
        size_system="eu",
        content_hash="x",
        match_state="doubtful" if number == 3 else "firm",
        match_reason="Style code fits, size system unknown" if number == 3 else "GTIN",
        variant_id=variant.id,
        seen_at=now - timedelta(hours=1),
        changed_at=now - timedelta(hours=1),
    )
    session.add(offer)
    session.flush()
    quote = LatestQuote(variant_id=variant.id, currency="EUR", lowest_ask=ask, highest_bid=ask - 12, at=now)
    payout = (ask * Decimal("0.88") - Decimal("4.50")).quantize(Decimal("0.01"))
    profit = payout - price - Decimal("4.95")
    session.add_all(
        [
            quote,
            Opportunity(
                market_price_id=offer.id,
                variant_id=variant.id,
                match_state=offer.match_state,
                currency="EUR",
                cost=price + Decimal("4.95"),
                ask=ask,
                payout=payout,
                net_profit=profit,
                expected_profit=profit - Decimal("0.30"),
                is_worth=offer.match_state == "firm",
                shop_id=shop.id,
                shop_name=shop.name,
                product_id=variant.product_id,
                title=variant.product.title,
                size=variant.size,
                price=price,
                margin=(profit / ask * 100).quantize(Decimal("0.01")),
                roi=(profit / price * 100).quantize(Decimal("0.01")),
                bid=ask - 12,
                payout_now=payout - 11,
                net_profit_now=profit - 11,
                stock=3,
                quote_at=now,
                offer_seen_at=now,
                computed_at=now,
            ),
        ]
    )


def _pair(session: Session, variant: Variant, number: int, now: datetime, chance: random.Random) -> None:
    item, ask = _item(session, variant, "listed", now, chance), Decimal(chance.randint(95, 190))
    session.add(
        StockxListing(
            product_id=variant.product_id,
            catalog_variant_id=variant.id,
            item_id=item.id,
            stockx_listing_id=f"listing-{number}",
            stockx_product_id="P0",
            variant_id=variant.stockx_variant_id,
            currency="EUR",
            ask_price=ask,
            buy_price=item.cost,
            floor_price=Decimal("80"),
            expected_profit=Decimal("12.40"),
            status=("active", "active", "active", "inactive", "review", "pending")[number % 6],
            current_lowest_ask=ask - chance.choice((0, 0, 3, 20)),
            current_highest_bid=ask - 30,
            listed_at=now - timedelta(days=number),
        )
    )


def _sale(session: Session, variant: Variant, number: int, now: datetime, chance: random.Random) -> None:
    ours, raw = (("pending", "CREATED"), ("shipped", "SHIPPED"), ("completed", "PAYOUTCOMPLETED"))[number % 3]
    item = _item(session, variant, "sold", now, chance)
    paid = ours == "completed"
    profit = Decimal(chance.randint(-15, 48))
    session.add(
        StockxOrder(
            stockx_order_number=f"{70000000 + number}-{80000000 + number}",
            product_id=variant.product_id,
            catalog_variant_id=variant.id,
            item_id=item.id,
            title=f"Pair {number}",
            style_code="B75806",
            size=variant.size,
            currency="EUR",
            sale_price=Decimal(140),
            total_adjustments=Decimal("-21.10") if paid else None,
            net_proceeds=Decimal("118.90") if paid else None,
            original_buy_price=item.cost,
            net_profit=profit if paid else None,
            roi=profit if paid else None,
            estimated_payout=Decimal("118.90"),
            order_status=ours,
            stockx_status=raw,
            match_state="matched",
            sold_at=now - timedelta(days=number),
            realised_at=now - timedelta(days=number) if paid else None,
            ship_by=now + timedelta(hours=30 - 8 * number) if ours == "pending" else None,
        )
    )


def _item(session: Session, variant: Variant, state: str, now: datetime, chance: random.Random) -> Item:
    bought = (now - timedelta(days=chance.randint(1, 120))).date()
    purchase = Purchase(supplier="Sole Shop", document="R-1", purchased_on=bought)
    session.add(purchase)
    session.flush()
    item = Item(
        product_id=variant.product_id,
        variant_id=variant.id,
        state=state,
        cost=Decimal(chance.randint(50, 110)),
        currency="EUR",
        purchase_id=purchase.id,
    )
    session.add(item)
    session.flush()
    return item


def _day(session: Session, at: datetime, chance: random.Random) -> None:
    sales = chance.randint(0, 5)
    revenue = Decimal(sales * chance.randint(90, 160))
    fees = -(revenue * Decimal("0.15")).quantize(Decimal("0.01"))
    cost = (revenue * Decimal(chance.randint(55, 90)) / 100).quantize(Decimal("0.01"))
    session.add(
        ProfitDay(
            day=at.date(),
            timezone="Europe/Berlin",
            currency="EUR",
            sales=sales,
            revenue=revenue,
            fees=fees,
            cost=cost,
            other=Decimal(0),
            unknown_sales=0,
            unknown_revenue=Decimal(0),
            unknown_payout=Decimal(0),
            profit=revenue + fees - cost,
            computed_at=at,
        )
    )


def _runs(session: Session) -> None:
    for kind, state, total, done, message, error, counts in RUNS:
        run = Run(kind=kind, state=state, total=total, done=done, message=message, error=error, counts=counts)
        run.actor = EMAIL
        session.add(run)
        session.flush()
        for number in range(4):
            sentence = f"Samba OG in EU {40 + number}: the lowest ask is 128, ours follows at 127, floor 96."
            session.add(RunLine(run_id=run.id, outcome="changed", sentence=sentence))
