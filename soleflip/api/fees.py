"""StockX's fees over the API: figures with the day from which they hold."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Amount, Asked, AskedDay, Number, Settings, Shape
from soleflip.api.unit import actor, now, session, start_run
from soleflip.domain.fee_book import FeeBook
from soleflip.domain.fee_tables import CATEGORIES
from soleflip.services import fees

bp = Blueprint("fees", __name__)

TAG = "Settings"


class FeeDay(Asked):
    """The day (UTC) of which the schedules are wanted: today without one."""

    day: AskedDay | None = None


class FigureValues(Asked):
    """Figures of a part by name, `valid_from` among them; what is missing is as it was on that day."""

    values: Settings = Field(
        max_length=20, examples=[{"valid_from": "2026-03-01", "category": "standard", "shipping": "5.20"}]
    )


class FigureKey(Asked):
    """Which figures: by their day, and the category where there are several."""

    valid_from: AskedDay
    category: str = Field(default="", max_length=40)


class ScheduleShape(Shape):
    """What StockX takes of a category: rates are fractions, amounts in `currency`."""

    category: str
    currency: str
    transaction_rate: Number
    minimum_fee: Amount
    processing_rate: Number
    shipping: Amount


class PenaltyShape(Shape):
    """What failing to complete a sale costs: a fraction of the price, at least `minimum` in `currency`."""

    currency: str
    rate: Number
    minimum: Amount


class FeesShape(Shape):
    """The schedules of a day, and the operator's figures as entered, by part: figures, levels, penalties."""

    day: date
    schedules: list[ScheduleShape]
    penalty: PenaltyShape | None
    entered: dict[str, list[dict[str, Any]]]


@bp.get("/settings/fees")
@operation(TAG, "read", FeesShape)
def show_fees(query: FeeDay) -> FeesShape:
    """Show what StockX takes of each category on a day, and the figures entered with their days."""
    return _shape(fees.book(session()), query.day)


@bp.post("/settings/fees/<any(figures, levels, penalties):part>")
@operation(TAG, "admin", FeesShape, acts=True)
def enter_fees(part: str, json: FigureValues) -> FeesShape:
    """Add figures that hold from a day on, or replace those of the same day; nothing that is booked changes."""
    found = fees.enter(session(), part, json.values, actor=actor(), now=now())
    start_run("compute")
    return _shape(found)


@bp.post("/settings/fees/<any(figures, levels, penalties):part>/remove")
@operation(TAG, "admin", FeesShape, acts=True)
def remove_fees(part: str, json: FigureKey) -> FeesShape:
    """Take figures out; those of the day before hold on."""
    return _shape(fees.remove(session(), part, json.valid_from, json.category, actor=actor()))


def _shape(book: FeeBook, day: date | None = None) -> FeesShape:
    on = day or now().date()
    found = book.penalty(on)
    schedules = []
    for name in CATEGORIES:
        schedule = book.schedule(name, on)
        schedules.append(
            ScheduleShape(
                category=name,
                currency=schedule.currency,
                transaction_rate=schedule.transaction_rate,
                minimum_fee=schedule.minimum_fee,
                processing_rate=schedule.processing_rate,
                shipping=schedule.shipping,
            )
        )
    penalty = (
        PenaltyShape(currency=book.standard(on).currency, rate=found.rate, minimum=found.minimum) if found else None
    )
    return FeesShape(day=on, schedules=schedules, penalty=penalty, entered=fees.written(book))
