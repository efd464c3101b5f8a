"""From an opportunity to a booked sale: what of it is due is done, step by step, and every step only once.

The rest of the way other runs take: submission, repricing, order sync and the books. Each pair's row tells where it is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from soleflip.domain.pipeline import MOST_REOPENED, MOST_TRIES, wait_before
from soleflip.models import AutomatedPair, Run, RunLine
from soleflip.services import asks, away, carrying_out, decisions, placing, runs, stop
from soleflip.services.asks import Preview
from soleflip.services.runs import Books, Work

BATCH = 200

_CAME_BACK = text("""
    SELECT pairs.item_id
    FROM automation.pairs AS pairs
    JOIN inventory.items AS items ON items.id = pairs.item_id AND items.state IN ('in_stock', 'ordered', 'returned')
    JOIN LATERAL (
        SELECT * FROM selling.stockx_listings WHERE item_id = items.id ORDER BY created_at DESC, id DESC LIMIT 1
    ) AS listing ON true
    WHERE pairs.is_kept_listed AND pairs.tries < :most
    AND (listing.status IN ('failed', 'expired') OR (listing.status = 'delisted' AND EXISTS (
        SELECT FROM selling.stockx_orders WHERE listing_id = listing.id AND order_status = 'cancelled'
    )))
    AND NOT EXISTS (SELECT FROM selling.stockx_listings AS live WHERE live.item_id = items.id
        AND live.status IN ('pending', 'submitting', 'review', 'active', 'inactive', 'sold'))
    ORDER BY pairs.item_id LIMIT :batch
    FOR UPDATE OF pairs SKIP LOCKED
""")
_HALTED = text("""
    SELECT runs.id FROM ops.runs AS runs
    WHERE runs.state = 'failed' AND runs.kind = ANY(:kinds) AND runs.actor LIKE 'rule%'
    AND runs.finished_at < clock_timestamp() - make_interval(secs => :quiet)
    AND COALESCE((runs.params->>'reopened')::int, 0) < :most
    AND (EXISTS (SELECT FROM selling.stockx_listings AS listing
        WHERE listing.run_id = runs.id AND listing.status IN ('pending', 'submitting'))
      OR EXISTS (SELECT FROM selling.listing_changes AS change
        WHERE change.run_id = runs.id AND change.state IN ('waiting', 'sending')))
    ORDER BY runs.created_at
""")


def process_quickflip_to_sale(work: Work) -> str:
    """Do what is due on the way from opportunities to booked sales (run kind `automate`).

    1. What waits but has moved ends; every rule looks at everything and decides.
    2. What is approved is carried out inside the limits: pairs are committed to, listings ordered.
    3. Pairs whose listing failed or came to nothing go up again, and runs of rules that stood still go on.

    Killed anywhere it starts again from the top: each step is one transaction, and finds done what was done.
    """
    work.progress(message="Looking at what waits")
    with work.transaction() as session:
        gone = decisions.drop_stale(session, work.clock())
    with work.transaction() as session:
        new = decisions.propose(session, work.clock(), run_id=work.run_id)
    work.progress(decided=new, expired=gone, message="Carrying out what is approved")
    with work.transaction() as session:
        carried = carrying_out.carry_out(session, None, books=work.books, now=work.clock())
        session.add_all(
            RunLine(run_id=work.run_id, outcome=outcome, sentence=sentence, subject_id=subject)
            for outcome, subject, sentence in carried.notes
        )
    with work.transaction() as session:
        again = list_again(session, books=work.books, now=work.clock())
        resumed = _reopen(session, work)
    for run in [*carried.runs, *again, *resumed]:
        work.wake(run.id, run.kind)
    relisted = sum(run.total or 0 for run in again)
    work.progress(
        done=carried.done, failed=carried.failed, listed_again=relisted, waiting=carried.waiting, resumed=len(resumed)
    )
    said = f"{new} decided, {carried.done} carried out, {carried.waiting} wait for room, {relisted} listed again"
    return f"{said}, {gone + carried.expired} expired."


def list_again(session: Session, *, books: Books, now: datetime) -> list[Run]:
    """Put up once more the pairs of rules whose listing failed, ran out, or lost its buyer; each tries a few times.

    A pair that the operator took off the market stays off; while the operator is away nothing goes up.
    """
    if stop.is_stopped(session) or away.in_force(session) is not None:
        return []
    ids = session.scalars(_CAME_BACK, {"most": MOST_TRIES, "batch": BATCH}).all()
    due = [pair for pair in _pairs(session, ids) if pair.tried_at is None or now - pair.tried_at >= _pause(pair)]
    by_strategy: dict[str | None, list[AutomatedPair]] = {}
    for pair in due:
        by_strategy.setdefault(pair.strategy, []).append(pair)
    started = [_list_again(session, strategy, pairs, books, now) for strategy, pairs in by_strategy.items()]
    return [run for run in started if run is not None]


def _pause(pair: AutomatedPair) -> timedelta:
    return wait_before(pair.tries)


def _pairs(session: Session, ids: object) -> list[AutomatedPair]:
    wanted: list[UUID] = list(ids)  # type: ignore[call-overload]
    return [session.get_one(AutomatedPair, each) for each in wanted]


def _list_again(
    session: Session, strategy: str | None, pairs: list[AutomatedPair], books: Books, now: datetime
) -> Run | None:
    hour = now.astimezone(books.timezone).hour
    items = {pair.item_id: pair for pair in pairs}
    shown = asks.preview(session, now=now, local_hour=hour, item_ids=list(items), strategy=strategy)
    for row in shown.rows:
        pair = items[row.source]
        pair.tries, pair.tried_at, pair.note = pair.tries + 1, now, row.refused
    if not shown.listable:
        return None
    plan = Preview(shown.listable, shown.strategy, shown.rate, by_rules=strategy is None)
    return placing.order(session, plan, actor="rules", now=now, created_from="quickflip")


def _reopen(session: Session, work: Work) -> list[Run]:
    """Let listing and change runs of rules that failed half-way go on, unless writes are stopped.

    What lists waits until the operator is back.
    """
    if stop.is_stopped(session):
        return []
    kinds = ["change"] if away.in_force(session) is not None else ["list", "change"]
    halted = session.scalars(_HALTED, {"most": MOST_REOPENED, "quiet": 60 / work.tempo, "kinds": kinds}).all()
    opened = []
    for run_id in halted:
        run = runs.reopen(session, run_id)
        run.params = run.params | {"reopened": int(run.params.get("reopened", 0)) + 1}
        opened.append(run)
    session.flush()
    return opened
