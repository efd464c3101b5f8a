"""QuickFlip: which pairs would pay, by product and by shop; what was bought, and what is put away."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import (
    Amount,
    Asked,
    AskedAmount,
    AskedDay,
    Count,
    Ids,
    Moment,
    Number,
    Page,
    Paged,
    Percent,
    Plain,
    ProductShape,
    Shape,
    Started,
    VariantShape,
    seal,
    started,
    unseal,
)
from soleflip.api.unit import actor, now, runtime, session, start_run
from soleflip.domain.opportunities import lines_of
from soleflip.models import Opportunity
from soleflip.services import buying, opportunities
from soleflip.services.buying import Purchase
from soleflip.services.opportunities import Summary
from soleflip.services.opportunity_filter import SORTS, OpportunityFilter

bp = Blueprint("quickflip", __name__, url_prefix="/quickflip")

TAG = "QuickFlip"
Least = Annotated[Decimal, Field(gt=-10_000_000, lt=10_000_000, decimal_places=2), Plain]


class OpportunityQuery(Asked):
    """Which opportunities are meant: amounts in the books' currency, percentages, ages in hours."""

    q: str = Field(default="", max_length=100, description="Words in title or style code.")
    shop: int | None = Field(default=None, ge=1, le=2**31 - 1)
    brand: int | None = Field(default=None, ge=1, le=2**31 - 1)
    product: UUID | None = None
    size: str = Field(default="", max_length=40, description="Such as 9 or EU 42.5.")
    state: Literal["open", "dismissed", "acted", "gone", "any"] = "open"
    match: Literal["firm", "doubtful", "any"] = "firm"
    in_stock: bool = True
    min_price: AskedAmount | None = Field(default=None, description="Of the shop, in its currency.")
    max_price: AskedAmount | None = None
    min_profit: Least | None = Field(default=None, description="The operator's threshold without it.")
    min_roi: Least | None = Field(default=None, description="The operator's threshold without it.")
    min_margin: Least | None = None
    max_age: int | None = Field(default=None, ge=0, le=100_000, description="Of the StockX price, in hours.")
    max_days: Least | None = Field(default=None, description="Days to sell, where history knows.")
    watched: bool = Field(default=False, description="Only what is watched.")
    everything: bool = Field(default=False, description="Also what is below the thresholds, old or sold out.")

    def wanted(self, **more: Any) -> OpportunityFilter:
        """Return the filter as the service takes it."""
        return OpportunityFilter(**{**self.model_dump(exclude={"limit", "cursor"}), **more})


class OpportunityPageQuery(OpportunityQuery, Paged):
    """One page of opportunities."""

    sort: str = Field(
        default="-profit",
        pattern=f"^-?({'|'.join(SORTS)})$",
        description="A column; with a minus, downwards. Beyond what the page shows by itself (all, other states, "
        "other matches, lower limits) there are profit, price and age; any other is answered by profit.",
    )


class OfferShape(Shape):
    """What the shop asks, in its own currency."""

    shop_id: int
    shop: str
    price: Amount
    delivery: Amount | None
    currency: str
    size: str | None
    stock: int | None
    link: str | None
    seen_at: Moment


class OpportunityShape(Shape):
    """A pair that could be bought and sold: amounts in `currency`; `net_profit` is for listing it at `ask`."""

    id: UUID
    state: str
    match_state: str
    is_current: bool
    product: ProductShape
    variant: VariantShape
    offer: OfferShape
    currency: str
    cost: Amount
    ask: Amount | None
    payout: Amount | None
    net_profit: Amount | None = Field(description="What the books will show when it sells at `ask`.")
    expected_profit: Amount | None = Field(description="What is left of it after VAT due and failed sales.")
    margin: Percent | None = Field(description="Profit in percent of the ask.")
    roi: Percent | None = Field(description="Profit in percent of the cost.")
    bid: Amount | None
    payout_now: Amount | None
    net_profit_now: Amount | None = Field(description="For selling into the highest bid at once.")
    quote_at: Moment | None
    days_to_sell: Number | None = Field(
        description="Median of our own sales of the product, else of the market's gaps."
    )
    watched_at: Moment | None

    @classmethod
    def of(cls, found: Opportunity) -> OpportunityShape:
        """Write an opportunity with everything it rests on."""
        offer = found.offer
        names = ("id", "state", "match_state", "is_current", "currency", "cost", "ask", "payout", "net_profit")
        more = ("expected_profit", "margin", "roi", "bid", "payout_now", "net_profit_now", "quote_at", "days_to_sell")
        return cls(
            **{name: getattr(found, name) for name in (*names, *more, "watched_at")},
            product=ProductShape.of(found.variant.product),
            variant=VariantShape.of(found.variant),
            offer=OfferShape(
                shop=offer.shop.name,
                **{name: getattr(offer, name) for name in ("shop_id", "price", "delivery", "currency", "size")},
                **{name: getattr(offer, name) for name in ("stock", "link", "seen_at")},
            ),
        )


class OpportunityPage(Page[OpportunityShape]):
    """A page of opportunities."""


class ArithmeticLine(Shape):
    """One line of an opportunity's arithmetic."""

    label: str
    amount: Amount


class OpportunityDetail(OpportunityShape):
    """An opportunity with its arithmetic and what was bought of it."""

    cost_lines: list[ArithmeticLine] = Field(description="From the shop's price to the cost.")
    listed_lines: list[ArithmeticLine] = Field(description="From the ask to the profit.")
    now_lines: list[ArithmeticLine] = Field(description="From the highest bid to the profit.")
    break_even: Amount | None = Field(description="The highest price, delivery included, at which nothing is lost.")
    item_ids: list[UUID] = Field(description="Pairs that were bought of it.")


class SummaryShape(Shape):
    """Sums over opportunities: amounts in `currency`, the books' own, ROI in percent."""

    currency: str
    key: str = Field(description="Id of the product or shop; empty for all together.")
    name: str
    count: int
    profit: Amount
    average_profit: Amount | None
    average_roi: Percent | None
    best_profit: Amount | None
    cost: Amount


class SummaryList(Shape):
    """Sums by product or by shop, the most profitable first."""

    items: list[SummaryShape]


class Bought(Asked):
    """What was bought, as on the shop's document: gross price and delivery per pair in the shop's currency."""

    quantity: int = Field(default=1, ge=1, le=1000)
    price: AskedAmount
    delivery: AskedAmount | None = None
    document: str | None = Field(default=None, max_length=120, description="Number of the invoice.")
    purchased_on: AskedDay | None = None
    expected_on: AskedDay | None = None


class BoughtItems(Shape):
    """The pairs that are now in stock as ordered."""

    item_ids: list[UUID]


class OpportunityIds(Asked):
    """Some opportunities."""

    opportunity_ids: Ids


@bp.get("/opportunities")
@operation(TAG, "read", OpportunityPage)
def list_opportunities(query: OpportunityPageQuery) -> OpportunityPage:
    """List what would pay, the best profit first."""
    return _page(query)


@bp.get("/summary")
@operation(TAG, "read", SummaryShape)
def summarise_opportunities(query: OpportunityQuery) -> SummaryShape:
    """Sum up everything a filter means."""
    return _summary(opportunities.summary(session(), query.wanted(), now=now()))


@bp.get("/products")
@operation(TAG, "read", SummaryList)
def summarise_products(query: OpportunityQuery) -> SummaryList:
    """Sum up per product."""
    found = opportunities.by_product(session(), query.wanted(), now=now())
    return SummaryList(items=[_summary(each) for each in found])


@bp.get("/products/<uuid:product_id>")
@operation(TAG, "read", OpportunityPage)
def list_opportunities_of_product(product_id: UUID, query: OpportunityPageQuery) -> OpportunityPage:
    """List the opportunities of one product."""
    return _page(query, product=product_id)


@bp.get("/sources")
@operation(TAG, "read", SummaryList)
def summarise_sources(query: OpportunityQuery) -> SummaryList:
    """Sum up per shop."""
    found = opportunities.by_source(session(), query.wanted(), now=now())
    return SummaryList(items=[_summary(each) for each in found])


@bp.get("/sources/<int(max=2147483647):shop_id>")
@operation(TAG, "read", OpportunityPage)
def list_opportunities_of_source(shop_id: int, query: OpportunityPageQuery) -> OpportunityPage:
    """List the opportunities of one shop."""
    return _page(query, shop=shop_id)


@bp.get("/opportunities/<uuid:opportunity_id>")
@operation(TAG, "read", OpportunityDetail)
def show_opportunity(opportunity_id: UUID) -> OpportunityDetail:
    """Show one opportunity with its arithmetic."""
    found = opportunities.detail(session(), opportunity_id)
    row = OpportunityShape.of(found.opportunity)
    return OpportunityDetail(
        **{name: getattr(row, name) for name in OpportunityShape.model_fields},
        cost_lines=_lines(found.opportunity, "cost"),
        listed_lines=_lines(found.opportunity, "listed"),
        now_lines=_lines(found.opportunity, "now"),
        break_even=found.break_even,
        item_ids=[item.id for item in found.items],
    )


@bp.post("/opportunities/<uuid:opportunity_id>/bought")
@operation(TAG, "list", BoughtItems, acts=True)
def mark_bought(opportunity_id: UUID, json: Bought) -> BoughtItems:
    """Mark as bought: pairs go into stock with their true cost."""
    purchase = Purchase(**json.model_dump())
    items = buying.mark_bought(session(), opportunity_id, purchase, actor=actor(), now=now())
    return BoughtItems(item_ids=[item.id for item in items])


@bp.post("/opportunities/bought")
@operation(TAG, "list", BoughtItems, acts=True)
def buy_opportunities(json: OpportunityIds) -> BoughtItems:
    """Put one pair of each open opportunity into stock, bought at what the shop charges."""
    items = buying.buy_as_offered(session(), json.opportunity_ids, actor=actor(), now=now())
    return BoughtItems(item_ids=[item.id for item in items])


@bp.post("/opportunities/dismiss")
@operation(TAG, "list", Count, acts=True)
def dismiss_opportunities(json: OpportunityIds) -> Count:
    """Put opportunities away until the shop's price moves."""
    return Count(changed=opportunities.dismiss(session(), json.opportunity_ids, actor=actor(), now=now()))


@bp.post("/opportunities/watch")
@operation(TAG, "list", Count, acts=True)
def watch_opportunities(json: OpportunityIds) -> Count:
    """Keep an eye on opportunities, whatever their state."""
    return Count(changed=opportunities.watch(session(), json.opportunity_ids, on=True, now=now()))


@bp.post("/opportunities/unwatch")
@operation(TAG, "list", Count, acts=True)
def unwatch_opportunities(json: OpportunityIds) -> Count:
    """Stop watching opportunities."""
    return Count(changed=opportunities.watch(session(), json.opportunity_ids, on=False, now=now()))


@bp.post("/opportunities/reopen")
@operation(TAG, "list", Count, acts=True)
def reopen_opportunities(json: OpportunityIds) -> Count:
    """Take dismissed opportunities, and those acted on, back into the open ones."""
    return Count(changed=opportunities.reopen(session(), json.opportunity_ids, actor=actor(), now=now()))


@bp.post("/detect")
@operation(TAG, "list", Started, status=202, acts=True)
def detect_opportunities() -> Any:
    """Match, look up and quote anew what has grown old."""
    return started(start_run("detect"))


def _page(query: OpportunityPageQuery, **more: Any) -> OpportunityPage:
    wanted = query.wanted(after=unseal(query.cursor), **more)
    found = opportunities.search(session(), wanted, now=now(), limit=query.limit)
    return OpportunityPage(items=[OpportunityShape.of(row) for row in found.rows], next_cursor=seal(found.next))


def _lines(found: Opportunity, part: str) -> list[ArithmeticLine]:
    return [ArithmeticLine(label=label, amount=amount) for label, amount in lines_of(found.arithmetic, part)]


def _summary(found: Summary) -> SummaryShape:
    return SummaryShape(
        currency=runtime().books.currency,
        **{name: getattr(found, name) for name in SummaryShape.model_fields if name != "currency"},
    )
