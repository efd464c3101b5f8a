"""The monitor: looks at everything live and keeps what it finds, each thing once, closed when it is no longer so.

A look takes the same few statements whatever the number of listings: one finds and keeps, one closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, case, delete, func, literal, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from soleflip.domain.findings import FINDINGS, say
from soleflip.domain.money import HUNDRED
from soleflip.domain.words import count_of
from soleflip.models import Finding, PayoutLine, Product, StockxOrder
from soleflip.services import alerts, fees, order_book
from soleflip.services.alerts import Raised
from soleflip.services.finding_queries import (
    COLUMNS,
    LATELY,
    literal_row,
    of_listings,
    of_orders,
    of_pairs_to_buy,
    of_watched_offers,
    stale_quotes,
)
from soleflip.services.runs import Work
from soleflip.services.settings import MonitorSettings, Thresholds, load

KEPT_FOR = timedelta(days=180)
TOLD_ONE_BY_ONE = {"to_ship": "ship_by", "payout_overdue": "payout_late"}
"""Findings that are an alert each; of the others a kind is one."""
FEE_PARTS = {"transaction": "transaction_rate", "processing": "processing_rate", "shipping": "shipping"}


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found: how many findings are open, how many of them are new, and how many were closed."""

    open: int
    new: int
    solved: int


def watch(work: Work) -> str:
    """Look at everything live (run kind `monitor`)."""
    with work.transaction() as session:
        found = look(session, work.clock(), work.books.timezone)
    work.progress(done=found.open, open=found.open, new=found.new, solved=found.solved)
    return f"{count_of(found.open, 'finding')} open, {found.new} of them new, {found.solved} solved."


def look(session: Session, now: datetime, zone: ZoneInfo) -> Looked:
    """Keep what there is to find now, close what is no longer so, and raise alerts for what is new."""
    told = _keep(session, _everything(session, now), now)
    gone = update(Finding).where(Finding.solved_at.is_(None), Finding.last_seen < now).values(solved_at=now)
    solved = session.scalars(gone.returning(Finding.id)).all()
    session.execute(delete(Finding).where(Finding.solved_at < now - KEPT_FOR))
    new = [found for found in told if found.opened_at == now]
    alerts.raise_alerts(session, _alerts(told, new, zone), now)
    open_now = session.scalar(select(func.count()).select_from(Finding).where(Finding.solved_at.is_(None)))
    return Looked(open_now or 0, len(new), len(solved))


def _everything(session: Session, now: datetime) -> Select[Any]:
    wanted, thresholds = load(session, MonitorSettings), load(session, Thresholds)
    max_age = timedelta(hours=thresholds.max_quote_age_hours)
    wait, _ = order_book.wait_and_sync(session)
    selects = [
        *of_listings(wanted, now, max_age),
        *of_orders(wanted, now, wait),
        *of_pairs_to_buy(now),
        of_watched_offers(now),
        stale_quotes(now, max_age),
        *_changed_fees(session, now),
    ]
    rows = union_all(*selects).subquery("found")
    return select(*(rows.c[name] for name in COLUMNS), literal(now), literal(now), literal(now))


def _keep(session: Session, everything: Select[Any], now: datetime) -> Sequence[Any]:
    """Write what was found: a new row, or the row there is, opened again if it was closed.

    Returns what is new, and what is told one by one; a house in which thousands stay as they were reads none of them.
    """
    statement = insert(Finding).from_select([*COLUMNS, "first_seen", "opened_at", "last_seen"], everything)
    new, was_closed = statement.excluded, Finding.solved_at.is_not(None)
    kept = statement.on_conflict_do_update(
        index_elements=["kind", "subject_type", "subject_id"],
        set_={
            "title": new.title,
            "figures": new.figures,
            "last_seen": now,
            "opened_at": case((was_closed, literal(now)), else_=Finding.opened_at),
            "times": case((was_closed, Finding.times + 1), else_=Finding.times),
            "dismissed_until": case((was_closed, null()), else_=Finding.dismissed_until),
            "solved_at": None,
        },
    ).returning(Finding.kind, Finding.subject_id, Finding.title, Finding.figures, Finding.opened_at)
    written = kept.cte("kept")
    to_tell = or_(written.c.opened_at == now, written.c.kind.in_(TOLD_ONE_BY_ONE))
    return session.execute(select(written).where(to_tell)).all()


def _alerts(told: Sequence[Any], new: Sequence[Any], zone: ZoneInfo) -> list[Raised]:
    """Return what is to be told: deadlines and late payouts one by one, the other new findings by kind."""
    raised = [
        Raised(
            TOLD_ONE_BY_ONE[found.kind],
            f"{found.subject_id} {found.figures.get('ship_by') or ''}".strip(),
            f"{FINDINGS[found.kind].label}: {found.title}",
            say(found.kind, found.title, found.figures, zone),
            f"/orders/{found.subject_id}",
        )
        for found in told
        if found.kind in TOLD_ONE_BY_ONE
    ]
    for kind, words in FINDINGS.items():
        mine = [found for found in new if found.kind == kind]
        if mine and kind not in TOLD_ONE_BY_ONE:
            title = words.label if len(mine) == 1 else f"{len(mine)} {words.many}"
            body = "\n".join(say(kind, found.title, found.figures, zone) for found in mine[:5])
            raised.append(Raised("finding", kind, title, body, f"/automation/findings?kind={kind}"))
    return raised


def _changed_fees(session: Session, now: datetime) -> list[Select[Any]]:
    """Select a row for each part of the fees that StockX last took otherwise than the schedule of today says."""
    newest = (
        select(
            PayoutLine.kind,
            PayoutLine.amount,
            PayoutLine.percentage,
            StockxOrder.id,
            StockxOrder.stockx_order_number,
            StockxOrder.currency,
            Product.product_type,
            func.row_number()
            .over(partition_by=PayoutLine.kind, order_by=StockxOrder.realised_at.desc())
            .label("place"),
        )
        .join(StockxOrder, StockxOrder.id == PayoutLine.order_id)
        .outerjoin(Product, Product.id == StockxOrder.product_id)
        .where(PayoutLine.kind.in_(FEE_PARTS), StockxOrder.realised_at > now - LATELY, StockxOrder.source == "stockx")
        .subquery()
    )
    rows = session.execute(select(newest).where(newest.c.place == 1)).all()
    book = fees.book(session) if rows else None
    found = []
    for row in rows:
        assert book is not None  # noqa: S101 - there are rows
        schedule = book.schedule(row.product_type, now.date())
        field = FEE_PARTS[row.kind]
        expected, paid = getattr(schedule, field), row.percentage if field != "shipping" else -row.amount
        if paid is None or row.currency != schedule.currency or abs(paid - expected) < Decimal("0.0005"):
            continue
        figures = {
            "number": row.stockx_order_number,
            "order_id": str(row.id),
            "product_type": row.product_type,
            "value": str(paid),
            "paid": _fee(field, paid, row.currency),
            "expected": _fee(field, expected, row.currency),
        }
        found.append(literal_row("fees_changed", "fee", row.kind, f"the {row.kind} fee", figures))
    return found


def _fee(field: str, value: Decimal, currency: str) -> str:
    return f"{value:.2f} {currency}" if field == "shipping" else f"{(value * HUNDRED).normalize():f} %"
