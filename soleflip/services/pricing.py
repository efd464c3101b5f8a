"""Repricing: one quote call per product, the strategy and its guards per listing, and only changes are sent.

A run of kind `reprice` takes `dry_run`, `approve` (proposals wait on the Pricing page), `listing_ids`, and `strategy`
(for this run, in place of each listing's own) as params.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Integer, func, select, update
from sqlalchemy.orm import Session

from soleflip.domain import pricing
from soleflip.domain.errors import SoleFlipError
from soleflip.domain.money import ZERO
from soleflip.domain.pricing.guards import CLOCKS_APART
from soleflip.domain.words import count_of
from soleflip.models import (
    Item,
    LatestQuote,
    ListingChange,
    PricingHistory,
    Product,
    Quote,
    RunLine,
    StockxListing,
)
from soleflip.services import change_batches, changes, fees, market, pricing_rules, runs, stop
from soleflip.services.changes import Wish
from soleflip.services.market_memory import NOTHING, as_quote, recall
from soleflip.services.runs import Books, Work
from soleflip.stockx import Lane

log = structlog.get_logger()

CHUNK = 500
HISTORY = timedelta(days=7)
"""How far back quotes and changes are looked at, to see a price war; what ages with a listing is kept on it."""


@dataclass(slots=True)
class _Tally:
    """What a run decided, by kind, and by guard for refusals."""

    looked_at: list[UUID] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    kept: int = 0
    failed: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def reprice(work: Work) -> str:
    """Reprice active listings, all or a selection; returns the closing sentence; raises RetryLater to go on later.

    Decisions are made once per run: a second attempt after a crash only carries out what was decided.
    """
    if not _has_decided(work):
        if _must_wait(work):
            return "Writes are stopped: nothing was planned."
        listing_ids = _selection(work)
        refresh_quotes(work, listing_ids)
        tally = _Tally()
        for start in range(0, len(listing_ids), CHUNK):
            _decide(work, listing_ids[start : start + CHUNK], tally)
            work.progress(done=len(tally.looked_at), total=len(listing_ids))
        _write_down(work, tally)
    if work.params.get("dry_run") or work.params.get("approve"):
        return _proposal_sentence(work)
    return change_batches.carry_out(work)


def _must_wait(work: Work) -> bool:
    """Whether this repricing of the timetable would plan prices that can't go out, and be old when they can."""
    if work.actor != "timetable" or work.params.get("approve"):
        return False
    with work.transaction() as session:
        return stop.is_stopped(session)


def _has_decided(work: Work) -> bool:
    with work.transaction() as session:
        return bool(runs.get(session, work.run_id).counts.get("looked_at") is not None)


def _selection(work: Work) -> list[UUID]:
    """Return the listings to look at, those with most at stake and the oldest data first."""
    chosen = [UUID(each) for each in work.params.get("listing_ids", [])]
    with work.transaction() as session:
        query = select(StockxListing.id).where(StockxListing.status == "active")
        if chosen:
            query = query.where(StockxListing.id.in_(chosen))
        return list(session.scalars(query.order_by(StockxListing.ask_price.desc(), StockxListing.id)))


def refresh_quotes(work: Work, listing_ids: Sequence[UUID]) -> None:
    """Ask for the market of each product whose quotes are older than half of what the guards allow: one call each.

    Those that were never asked about come first, then by what our asks on them sum up to times the age of what we know.
    Quotes from the future are left over from a clock that jumped: they are asked for anew.
    """
    with work.transaction() as session:
        now = work.clock()
        limit = now - timedelta(minutes=_shortest_age(session, listing_ids) / 2)
        stake = func.sum(StockxListing.ask_price) * func.extract("epoch", now - Product.quoted_at)
        stale = session.execute(
            select(Product.id, Product.stockx_product_id)
            .join(StockxListing, StockxListing.product_id == Product.id)
            .where(
                StockxListing.id.in_(listing_ids),
                Product.stockx_product_id.is_not(None),
                (Product.quoted_at.is_(None)) | (Product.quoted_at < limit) | (Product.quoted_at > now + CLOCKS_APART),
            )
            .group_by(Product.id)
            .order_by(Product.quoted_at.is_not(None), stake.desc(), Product.id)
        ).all()
    for done, (product_id, stockx_id) in enumerate(stale):
        work.progress(
            done=done, total=len(stale), message=f"Asking for the market of {count_of(len(stale), 'product')}"
        )
        market.fetch_quotes(work, product_id, stockx_id or "", Lane.HOT)


def _shortest_age(session: Session, listing_ids: Sequence[UUID]) -> int:
    """Return the smallest age in minutes that a rule of tag, brand or default, or one of these listings, allows."""
    text = StockxListing.guards["max_age_minutes"].astext
    own = select(func.min(text.cast(Integer))).where(text.regexp_match("^[0-9]{1,7}$"))
    shortest = session.scalar(own.where(StockxListing.id.in_(listing_ids)))
    return min(pricing_rules.load(session).shortest_quote_age, shortest or 1_000_000)


def _decide(work: Work, listing_ids: Sequence[UUID], tally: _Tally) -> None:
    """Decide about one chunk of listings from what the database knows."""
    now = work.clock()
    with work.transaction() as session:
        rulebook = pricing_rules.load(session)
        found = list(facts(session, listing_ids, now, work.books))
        brands = pricing_rules.brands_of(session, {listing.product_id for listing, _ in found})
        for listing, given in found:
            tally.looked_at.append(listing.id)
            try:
                rule = rulebook.acting(brands.get(listing.product_id), listing, strategy=work.params.get("strategy"))
                decision = _foreign(listing, given) or pricing.decide(
                    rule.strategy, rule.settings.values, given, rule.guards
                )
            except Exception as error:  # noqa: BLE001 - one listing that can't be priced must not stop the others
                tally.failed += 1
                session.add(_line(work, listing, "failed", _failure(work, listing, error)))
                continue
            if listing.currency == given.fees.currency:
                _note_market(listing, given, decision)
            if decision.kind == "change" and decision.ask is not None:
                tally.wishes.append(_wish(listing, rule.strategy, decision))
            elif decision.kind == "keep":
                tally.kept += 1
            else:
                tally.refused[decision.guard or "refused"] += 1
                session.add(_line(work, listing, "refused", decision.reason))


def _note_market(listing: StockxListing, given: pricing.PricingInput, decision: pricing.Decision) -> None:
    listing.floor_price = decision.floor
    if given.quote is not None:
        listing.current_lowest_ask = given.quote.lowest_ask
        listing.current_highest_bid = given.quote.highest_bid


def _foreign(listing: StockxListing, given: pricing.PricingInput) -> pricing.Decision | None:
    """Refuse an ask in another currency than that of cost, quotes and sales: the numbers can't be compared."""
    ours = given.fees.currency
    if listing.currency == ours:
        return None
    reason = f"The ask is in {listing.currency}, but what is known of cost and market is in {ours}."
    return pricing.Decision("refuse", listing.ask_price, reason, "currency")


def _line(work: Work, listing: StockxListing, outcome: str, sentence: str) -> RunLine:
    return RunLine(run_id=work.run_id, outcome=outcome, sentence=sentence, subject_id=listing.id)


def _failure(work: Work, listing: StockxListing, error: Exception) -> str:
    """Return why a listing could not be priced: the operator's words, or where the log has it."""
    if isinstance(error, SoleFlipError):
        return f"Not priced: {error}"
    reference = uuid4().hex[:8]
    log.error("listing not priced", reference=reference, run=str(work.run_id), listing=str(listing.id), exc_info=error)
    return f"Not priced, by an unexpected error; the log has it under {reference}."


def _wish(listing: StockxListing, strategy: str, decision: pricing.Decision) -> Wish:
    reason = "competition" if strategy in ("competitive", "quick_sale") else "algorithm"
    return Wish(listing.id, "price", decision.ask, reason, decision.reason, dict(decision.inputs))


def facts(
    session: Session, listing_ids: Sequence[UUID], now: datetime, books: Books
) -> Iterator[tuple[StockxListing, pricing.PricingInput]]:
    """Yield each listing with everything its strategy and guards may look at."""
    book = fees.book(session)
    currency = book.standard(now.date()).currency
    rows = session.execute(
        select(StockxListing, Item.cost, Product.product_type)
        .join(Product, Product.id == StockxListing.product_id)
        .outerjoin(Item, Item.id == StockxListing.item_id)
        .where(StockxListing.id.in_(listing_ids))
        .order_by(StockxListing.ask_price.desc(), StockxListing.id)
    ).all()
    variant_ids = {row.catalog_variant_id for row, *_ in rows if row.catalog_variant_id}
    latest = session.scalars(
        select(LatestQuote).where(LatestQuote.variant_id.in_(variant_ids), LatestQuote.currency == currency)
    )
    quotes = {quote.variant_id: as_quote(quote) for quote in latest}
    earlier = _quote_history(session, variant_ids, currency, now)
    sales = recall(session, variant_ids, currency)
    own = _own_asks(session, variant_ids)
    past = _changes(session, [row.id for row, *_ in rows], now)
    local = now.astimezone(books.timezone)
    for row, cost, product_type in rows:
        variant_id = row.catalog_variant_id
        history, memory = past.get(row.id, []), sales.get(variant_id, NOTHING)
        others = [(ask, at) for other, ask, at in own.get(variant_id, []) if other != row.id]
        touched = [at for _, at in [*others, (row.ask_price, row.last_price_update)] if at is not None]
        today = local.replace(hour=0, minute=0, second=0, microsecond=0)
        falls = [each.old - each.new for each in history if each.at >= today and each.new < each.old]
        yield (
            row,
            pricing.PricingInput(
                fees=book.schedule(product_type, now.date()),
                now=now,
                ask=row.ask_price,
                original_ask=row.original_ask_price,
                cost=cost if row.item_id is not None else row.buy_price,
                listed_at=row.listed_at,
                last_change_at=row.last_price_update,
                own_changed_at=max(touched, default=None),
                falls_today=sum(falls, ZERO),
                changes=tuple(history),
                quote=quotes.get(variant_id) if variant_id else None,
                quotes=tuple(earlier.get(variant_id, ())) if variant_id else (),
                history=memory.history,
                others=memory.others,
                own_asks=tuple(ask for ask, _ in others),
                local_hour=local.hour,
            ),
        )


def _own_asks(
    session: Session, variant_ids: set[UUID]
) -> dict[UUID | None, list[tuple[UUID, Decimal, datetime | None]]]:
    own: dict[UUID | None, list[tuple[UUID, Decimal, datetime | None]]] = defaultdict(list)
    query = select(
        StockxListing.catalog_variant_id, StockxListing.id, StockxListing.ask_price, StockxListing.last_price_update
    ).where(StockxListing.catalog_variant_id.in_(variant_ids), StockxListing.status == "active")
    for variant_id, listing_id, ask, at in session.execute(query):
        own[variant_id].append((listing_id, ask, at))
    return own


def _quote_history(
    session: Session, variant_ids: set[UUID], currency: str, now: datetime
) -> dict[UUID, list[pricing.Quote]]:
    found: dict[UUID, list[pricing.Quote]] = defaultdict(list)
    query = select(Quote).where(
        Quote.variant_id.in_(variant_ids), Quote.currency == currency, Quote.at.between(now - HISTORY, now)
    )
    for quote in session.scalars(query.order_by(Quote.at, Quote.id)):
        found[quote.variant_id].append(as_quote(quote))
    return found


def _changes(session: Session, listing_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[pricing.PastChange]]:
    found: dict[UUID, list[pricing.PastChange]] = defaultdict(list)
    query = (
        select(PricingHistory)
        .where(PricingHistory.listing_id.in_(listing_ids), PricingHistory.created_at > now - HISTORY)
        .order_by(PricingHistory.created_at)
    )
    for change in session.scalars(query):
        if change.old_price is not None:
            found[change.listing_id].append(pricing.PastChange(change.created_at, change.old_price, change.new_price))
    return found


def _write_down(work: Work, tally: _Tally) -> None:
    """Write all decisions of the run in one transaction; from here on a repetition only carries them out."""
    state = "proposed" if work.params.get("dry_run") or work.params.get("approve") else "waiting"
    with work.transaction() as session:
        if not work.params.get("dry_run"):
            changes.supersede(session, tally.looked_at, "A newer repricing looked at this listing.", now=work.clock())
        asked = changes.ask(session, tally.wishes, run_id=work.run_id, actor=work.actor, now=work.clock(), state=state)
        for listing_id, sentence in asked.refused.items():
            session.add(RunLine(run_id=work.run_id, outcome="refused", sentence=sentence, subject_id=listing_id))
        by_guard = tally.refused + Counter(gate=len(asked.refused))
        counts = {"looked_at": len(tally.looked_at), "to_change": asked.waiting, "kept": tally.kept}
        counts |= {"refused": by_guard.total(), "failed": tally.failed}
        counts |= {f"refused_{guard}": number for guard, number in by_guard.items()}
        run = runs.get(session, work.run_id)
        run.counts = {**run.counts, **counts}
        if state == "waiting":
            run.total, run.done = asked.waiting, 0


def _proposal_sentence(work: Work) -> str:
    with work.transaction() as session:
        counts = runs.get(session, work.run_id).counts
        if work.params.get("dry_run"):
            session.execute(
                update(ListingChange)
                .where(ListingChange.run_id == work.run_id, ListingChange.state == "proposed")
                .values(state="dry")
            )
    verb = "would change" if work.params.get("dry_run") else "wait for your approval"
    told = f"{counts['looked_at']} looked at, {counts['to_change']} {verb}, {counts['kept']} kept"
    return ", ".join([told, *(f"{counts[each]} {each}" for each in ("refused", "failed") if counts[each])]) + "."
