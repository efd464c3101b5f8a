"""What automation did in a stretch of days."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from soleflip.api.contract import operation
from soleflip.api.fields import Amount, Asked, AskedDay, Moment, Shape
from soleflip.api.unit import runtime, session
from soleflip.services import automation_report

bp = Blueprint("automation_report", __name__, url_prefix="/automation")


class ReportQuery(Asked):
    """Which days are wanted, both included."""

    first: AskedDay
    last: AskedDay


class HaltShape(Shape):
    """An automatic halt."""

    at: Moment
    why: str


class ReportShape(Shape):
    """What came of the pairs that rules bought: amounts in `currency`."""

    first: str
    last: str
    currency: str
    bought: int
    spent: Amount
    listed: int
    repriced: int
    sold: int
    sales: Amount
    payouts: Amount
    cost_of_sold: Amount
    earned: Amount = Field(description="Payouts - cost of what was booked in these days.")
    decisions: dict[str, int] = Field(description="Decisions of these days by what became of them.")
    refused: int = Field(description="Prices that a guard held back on their way out.")
    halts: list[HaltShape]


@bp.get("/report")
@operation("Automation", "read", ReportShape)
def show_automation_report(query: ReportQuery) -> ReportShape:
    """Show what automation bought, listed, sold and earned, and what was refused and halted."""
    found = automation_report.report(session(), query.first, query.last, runtime().books)
    values = {name: getattr(found, name) for name in ReportShape.model_fields}
    return ReportShape.model_validate(
        values
        | {
            "first": found.first.isoformat(),
            "last": found.last.isoformat(),
            "halts": [HaltShape.model_validate(each) for each in found.halts],
        }
    )
