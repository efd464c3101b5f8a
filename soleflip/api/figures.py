"""Figures of the books as the API writes them."""

from __future__ import annotations

from pydantic import Field

from soleflip.api.fields import Amount, Percent, Shape
from soleflip.domain.analytics import Figures


class FiguresShape(Shape):
    """Sums of the books, all in the books' currency; fees are negative, as StockX signs them."""

    sales: int
    revenue: Amount
    fees: Amount
    payout: Amount
    cost: Amount
    other: Amount = Field(description="Penalties and write-offs.")
    profit: Amount = Field(description="Of the sales whose cost is known, after penalties and write-offs.")
    margin: Percent | None = Field(description="Profit in percent of revenue.")
    roi: Percent | None = Field(description="Profit in percent of cost.")
    average_profit: Amount | None
    unknown_sales: int = Field(description="Sales whose cost is unknown; they are in no profit.")
    unknown_payout: Amount

    @classmethod
    def of(cls, figures: Figures) -> FiguresShape:
        """Write figures."""
        return cls.model_validate(figures)


class FeeShape(Shape):
    """What was charged under one name; charges are negative."""

    name: str
    amount: Amount
