"""The asks of a time away: paused once each, looked at beside the market, and brought back by the operator's word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from soleflip.domain import pricing
from soleflip.domain.errors import Conflict, InvalidInput, RetryLater
from soleflip.domain.money import HUNDRED
from soleflip.domain.words import count_of
from soleflip.models import Away, AwayAsk, ListingChange, Product, Run, StockxListing
from soleflip.services import away, change_batches, changes, market, pricing_rules, runs
from soleflip.services.changes import Asked, Wish
from soleflip.services.pricing import facts
from soleflip.services.runs import Work
from soleflip.stockx import Lane

LOOK = "away_look"
STALE_PERCENT = Decimal(5)
"""An ask is stale when what its strategy would ask today differs by more than this."""
YOUNG = timedelta(hours=2)
"""How old a look at the market may be when an ask goes up again."""
MOST = 1000
MODES = ("old", "proposed", "typed", "keep")
"""How a paused ask is decided: back at its old ask, at the proposed one, at a typed one, or kept down."""


@dataclass(frozen=True, slots=True)
class Return:
    """One paused ask as it would go up again; amounts in its currency, `change` in percent of the old ask."""

    row: AwayAsk
    listing: StockxListing

    @property
    def change(self) -> Decimal | None:
        """By how much the proposed ask differs from the old one."""
        if self.row.proposed is None or not self.row.ask:
            return None
        return (self.row.proposed - self.row.ask) / self.row.ask * HUNDRED

    @property
    def is_below_floor(self) -> bool:
        """Whether the old ask would lose money by what is known now."""
        return self.listing.floor_price is not None and self.row.ask < self.listing.floor_price

    @property
    def is_stale(self) -> bool:
        """Whether the market has moved away from the old ask, or nothing is known of it."""
        return self.change is None or abs(self.change) > STALE_PERCENT or self.is_below_floor


@dataclass(frozen=True, slots=True)
class AwayView:
    """The time away in force with its asks by state, those planned, and those that are over."""

    now: Away | None
    run: Run | None
    still_live: int
    waiting: Sequence[Return]
    waiting_count: int
    sold: int
    back: int
    planned: Sequence[Away]
    past: Sequence[Away]

    @property
    def is_looked_at(self) -> bool:
        """Whether the market of any of the asks shown was looked at since they were paused."""
        return any(each.row.looked_at for each in self.waiting)

    @property
    def stale(self) -> int:
        """How many of the asks shown have grown stale."""
        return sum(each.is_stale for each in self.waiting)


def pause(work: Work) -> str:
    """Pause every live ask, each once, and those that come up meanwhile (run kind `away`)."""
    while True:
        with work.transaction() as session:
            wanted, busy = _ask_to_pause(session, work)
        change_batches.carry_out(work)
        if busy:
            raise RetryLater(
                f"{count_of(busy, 'ask is', 'asks are')} under way otherwise, to be paused as soon as that is over."
            )
        if not wanted:
            return change_batches.report(work)


def _ask_to_pause(session: Session, work: Work) -> tuple[int, int]:
    """Write the wish to pause what is live and was not asked before; returns how many, and how many are busy."""
    tried = select(ListingChange.listing_id).where(ListingChange.run_id == work.run_id)
    live = select(StockxListing).where(StockxListing.status == "active", StockxListing.id.not_in(tried))
    # A change that waits, maybe for a run that stands still, would keep its ask up: the pause comes first.
    changes.drop_waiting(session, live.with_only_columns(StockxListing.id), "Dropped on going away.", work.clock())
    rows = session.scalars(live.order_by(StockxListing.id).limit(MOST)).all()
    away_id = UUID(work.params["away_id"])
    wishes = [Wish(row.id, "deactivate", sentence="Paused while away.") for row in rows]
    asked = changes.ask(session, wishes, run_id=work.run_id, actor=work.actor, now=work.clock()) if rows else None
    refused = asked.refused if asked else {}
    taken = [
        {"away_id": away_id, "listing_id": row.id, "currency": row.currency, "ask": row.ask_price}
        for row in rows
        if row.id not in refused
    ]
    if taken:
        session.execute(insert(AwayAsk).values(taken).on_conflict_do_nothing())
    coming = session.scalar(select(func.count()).select_from(StockxListing).where(StockxListing.status == "submitting"))
    run = runs.get(session, work.run_id)
    run.total = (run.total or 0) + len(taken)
    return len(taken), len(refused) + int(coming or 0)


def start_look(session: Session, *, actor: str) -> Run:
    """Start a look at the market of what is paused; raises Conflict when nobody is away or one is open."""
    current = away.current(session)
    if runs.is_open(session, LOOK):
        raise Conflict("The market is being asked already.")
    return runs.start(session, LOOK, actor=actor, params={"away_id": str(current.id)})


def look(work: Work) -> str:
    """Ask for the market of every paused ask and what its strategy would ask today (run kind `away_look`)."""
    away_id = UUID(work.params["away_id"])
    with work.transaction() as session:
        paused = select(StockxListing.id).join(AwayAsk, AwayAsk.listing_id == StockxListing.id)
        paused = paused.where(
            AwayAsk.away_id == away_id, AwayAsk.decision.is_(None), StockxListing.status == "inactive"
        )
        ids = list(session.scalars(paused))
        query = select(Product.id, Product.stockx_product_id).where(
            Product.id.in_(select(StockxListing.product_id).where(StockxListing.id.in_(ids))),
            Product.stockx_product_id.is_not(None),
        )
        products = session.execute(query.order_by(Product.id)).all()
    for done, (product_id, stockx_id) in enumerate(products):
        work.progress(
            done=done, total=len(products), message=f"Asking for the market of {count_of(len(products), 'product')}"
        )
        market.fetch_quotes(work, product_id, stockx_id or "", Lane.HOT)
    for start in range(0, len(ids), MOST):
        _note_proposals(work, away_id, ids[start : start + MOST])
    work.progress(done=len(products))
    return f"{count_of(len(ids), 'paused ask')} looked at."


def _note_proposals(work: Work, away_id: UUID, listing_ids: Sequence[UUID]) -> None:
    """Write beside each paused ask what the market and its strategy say now."""
    now = work.clock()
    with work.transaction() as session:
        rulebook = pricing_rules.load(session)
        found = list(facts(session, listing_ids, now, work.books))
        brands = pricing_rules.brands_of(session, {listing.product_id for listing, _ in found})
        rows = {row.listing_id: row for row in session.scalars(select(AwayAsk).where(AwayAsk.away_id == away_id))}
        for listing, given in found:
            rule = rulebook.acting(brands.get(listing.product_id), listing)
            decision = pricing.decide(rule.strategy, rule.settings.values, given, rule.guards)
            listing.floor_price = decision.floor
            row = rows[listing.id]
            row.looked_at, row.sentence = now, decision.reason
            row.proposed = decision.ask if decision.kind == "change" else row.ask if decision.kind == "keep" else None
            if given.quote is not None:
                row.lowest_ask, row.highest_bid = given.quote.lowest_ask, given.quote.highest_bid


def decide(
    session: Session,
    choices: Mapping[UUID, tuple[str, Decimal | None]],
    *,
    actor: str,
    now: datetime,
) -> tuple[Run | None, Asked]:
    """Carry out the operator's word on paused asks, (mode, typed price) by listing; returns the run and the refusals.

    Raises Conflict when nobody is away, when the last look at the market is too old, or when nothing is left to do.
    """
    current = away.current(session)
    rows = session.scalars(
        select(AwayAsk)
        .where(AwayAsk.away_id == current.id, AwayAsk.listing_id.in_(choices), AwayAsk.decision.is_(None))
        .order_by(AwayAsk.listing_id)
        .with_for_update()
    ).all()
    if not rows:
        raise Conflict("Nothing of this waits any more: choose asks that are still paused.")
    wishes = [wish for row in rows if (wish := _wish(row, *choices[row.listing_id], now)) is not None]
    run = runs.start(session, "change", actor=actor, params={"away_id": str(current.id)}) if wishes else None
    asked = Asked(0, {})
    if run is not None:
        asked = changes.ask(session, wishes, run_id=run.id, actor=actor, now=now, is_home=True)
        run.total = asked.waiting
        if not asked.waiting and len(wishes) == len(rows):
            raise asked.why_nothing("Nothing goes up.")
    for row in rows:
        if row.listing_id not in asked.refused:
            row.decision = "kept" if choices[row.listing_id][0] == "keep" else "back"
            row.decided_at, row.decided_by, row.run_id = now, actor, run.id if run else None
    session.flush()
    return run, asked


def _wish(row: AwayAsk, mode: str, typed: Decimal | None, now: datetime) -> Wish | None:
    if mode not in MODES:
        raise InvalidInput("Choose what becomes of each ask.", field="mode")
    if mode == "keep":
        return None
    if row.looked_at is None or now - row.looked_at > YOUNG:
        raise Conflict("The last look at the market is too old: look again, then decide.")
    price = {"old": row.ask, "proposed": row.proposed, "typed": typed}[mode]
    if price is None:
        raise InvalidInput("There is no such price for one of the asks: type one, or keep it down.", field="price")
    return Wish(row.listing_id, "activate", price, sentence=f"Back after being away, at the {mode} ask.")


def choose(session: Session, mode: str, listing_ids: Sequence[UUID] | None) -> dict[UUID, tuple[str, Decimal | None]]:
    """Apply one mode to listings, or without ids to every paused ask that it fits: `old` to what is not stale.

    Raises Conflict when none fits, or before the market was looked at.
    """
    current = away.current(session)
    if listing_ids is not None:
        return dict.fromkeys(listing_ids, (mode, None))
    found = _waiting(session, current, MOST)
    if mode != "keep" and found and not any(each.row.looked_at for each in found):
        raise Conflict("Nobody has looked at the market of these asks yet: look first, then decide.")
    fitting = [each for each in found if mode == "keep" or each.row.proposed is not None]
    if mode == "old":
        fitting = [each for each in fitting if not each.is_stale]
    if found and not fitting:
        raise Conflict("No paused ask fits: all have grown stale. Take the proposed asks, or tick those you mean.")
    return {each.listing.id: (mode, None) for each in fitting}


def view(session: Session, *, limit: int = 200) -> AwayView:
    """Return what the Away page shows."""
    current = away.in_force(session)
    listed = session.scalars(
        select(Away).where(Away.state.in_(("planned", "over"))).order_by(Away.starts_at.desc()).limit(20)
    ).all()
    live = select(func.count()).select_from(StockxListing).where(StockxListing.status == "active")
    decided: dict[str | None, int] = {}
    sold = 0
    if current is not None:
        by_decision = select(AwayAsk.decision, func.count()).where(AwayAsk.away_id == current.id)
        decided = dict(session.execute(by_decision.group_by(AwayAsk.decision)).all())
        gone = select(func.count()).select_from(AwayAsk).join(StockxListing)
        sold = session.scalar(gone.where(AwayAsk.away_id == current.id, StockxListing.status == "sold")) or 0
    return AwayView(
        now=current,
        run=session.get(Run, current.run_id) if current and current.run_id else None,
        still_live=session.scalar(live) or 0,
        waiting=_waiting(session, current, limit) if current else (),
        waiting_count=away.waiting(session, current) if current else 0,
        sold=sold,
        back=decided.get("back", 0),
        planned=[each for each in listed if each.state == "planned"],
        past=[each for each in listed if each.state == "over"],
    )


def _waiting(session: Session, current: Away, limit: int) -> list[Return]:
    """Return paused asks without a word, those with most at stake first."""
    rows = session.scalars(
        select(AwayAsk)
        .join(StockxListing)
        .where(AwayAsk.away_id == current.id, AwayAsk.decision.is_(None), StockxListing.status == "inactive")
        .options(
            joinedload(AwayAsk.listing).joinedload(StockxListing.product),
            joinedload(AwayAsk.listing).joinedload(StockxListing.variant),
        )
        .order_by(AwayAsk.ask.desc(), AwayAsk.listing_id)
        .limit(limit)
    )
    return [Return(row, row.listing) for row in rows]
