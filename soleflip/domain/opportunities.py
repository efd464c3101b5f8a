"""What a pair would really earn: an offer and a quote put together, line by line.

Amounts are in the books' currency unless a name says otherwise; every figure opens to the lines it was made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from soleflip.domain.errors import InvalidInput
from soleflip.domain.fees import FeeSchedule, PayoutEstimate, Penalty, estimate_payout
from soleflip.domain.money import CENT, HUNDRED, ZERO, cents, cents_up, percent, tenths

LEAST_SALES = 3
"""With fewer sales nobody knows how long the next one takes."""
TREATMENTS = ("none", "vat_registered", "small_business", "margin_scheme")


@dataclass(frozen=True, slots=True)
class Vat:
    """How the operator is taxed: one of TREATMENTS, with the rate in percent.

    `vat_registered` gets the VAT in a shop's price back and sells to StockX without VAT (intra-EU supply);
    `margin_scheme` gets none back and owes the VAT in the difference of payout and cost.
    """

    treatment: str = "none"
    rate: Decimal = Decimal(19)

    def __post_init__(self) -> None:
        if self.treatment not in TREATMENTS:
            raise InvalidInput(f"There is no VAT treatment {self.treatment!r}.", field="treatment")

    def inside(self, gross: Decimal) -> Decimal:
        """Return the VAT that is contained in a gross amount, to the cent."""
        return cents(gross * self.rate / (HUNDRED + self.rate))


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every pair of this operator: fees, VAT, delivery where a shop names none, expected failures.

    `failure_rate` is the share of sales that come back, `failure_cost` what one of them costs; `unshipped_rate` is the
    share that we fail to ship, each of which costs StockX's `penalty`.
    """

    fees: FeeSchedule
    vat: Vat = Vat()
    default_delivery: Decimal = ZERO
    failure_rate: Decimal = ZERO
    failure_cost: Decimal = ZERO
    unshipped_rate: Decimal = ZERO
    penalty: Penalty | None = None

    @property
    def currency(self) -> str:
        """The books' currency, in which all results are."""
        return self.fees.currency

    def failure_allowance(self, price: Decimal) -> Decimal:
        """Return what to expect for failed sales per pair that is sold at `price`."""
        penalty = self.penalty.of(price) if self.penalty else ZERO
        return cents_up(self.failure_rate * self.failure_cost + self.unshipped_rate * penalty)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a sum: a cost or fee is negative."""

    name: str
    amount: Decimal

    def stored(self) -> list[str]:
        """Return name and amount as texts."""
        return [self.name, str(self.amount)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one pair truly costs; `lines` lead from the shop's price to the total, all positive but the VAT."""

    total: Decimal
    vat: Decimal
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Sale:
    """One way to sell: at `price`, paid out by the estimate.

    `profit` is what the books will show when it sells at that price; `expected` is what of it is left after the VAT
    inside the margin, which the tax report owes and no payout shows, and after the allowance for failed sales.
    """

    price: Decimal
    estimate: PayoutEstimate
    vat_due: Decimal
    allowance: Decimal
    cost: Decimal

    @property
    def payout(self) -> Decimal:
        """What StockX should pay."""
        return self.estimate.payout

    @property
    def profit(self) -> Decimal:
        """Payout less cost: the profit that a sale at this price books."""
        return self.payout - self.cost

    @property
    def expected(self) -> Decimal:
        """What is left of the profit after VAT due and the allowance for failed sales."""
        return self.profit - self.vat_due - self.allowance

    @property
    def margin(self) -> Decimal | None:
        """Profit in percent of the sale price."""
        return percent(self.profit, self.price)

    @property
    def roi(self) -> Decimal | None:
        """Profit in percent of the cost; None for a pair that costs nothing."""
        return percent(self.profit, self.cost)

    def lines(self) -> tuple[Line, ...]:
        """Return the sum that leads from the sale price to the profit."""
        fees = (Line(each.name, each.amount) for each in self.estimate.lines)
        return (Line("Sale price", self.price), *fees, Line("Cost of the pair", -self.cost))

    def lines_after(self) -> tuple[Line, ...]:
        """Return what leads from the profit to the expected one."""
        after = (Line("VAT inside the margin", -self.vat_due), Line("Allowance for failed sales", -self.allowance))
        return tuple(line for line in after if line.amount)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An offer put together with a quote: its cost, and both ways to sell where the market allows them."""

    cost: Cost
    listed: Sale | None
    now: Sale | None

    def arithmetic(self) -> dict[str, Any]:
        """Return every line of the sums as plain texts, for storing and showing."""
        sums: dict[str, Any] = {"cost": [line.stored() for line in self.cost.lines]}
        for name, sale in (("listed", self.listed), ("now", self.now)):
            sums[name] = [line.stored() for line in sale.lines()] if sale else None
            sums[f"{name}_after"] = [line.stored() for line in sale.lines_after()] if sale else None
        return sums


def cost_of(price: Decimal, delivery: Decimal | None, terms: Terms, *, rate: Decimal = Decimal(1)) -> Cost:
    """Return what a pair costs that a shop asks `price` for, delivery beside it, both gross in the shop's currency.

    `rate` is what one unit of that currency is worth in the books'. EUR 100 at 19 % cost 84.03 with input VAT, and
    100 without.
    """
    lines = [Line("Shop's price", cents(price * rate))]
    # The default delivery is an operator's setting and therefore already in the books' currency.
    charge = terms.default_delivery if delivery is None else cents(delivery * rate)
    if charge:
        lines.append(Line("Delivery", charge))
    gross = sum((line.amount for line in lines), ZERO)
    vat = terms.vat.inside(gross)
    if terms.vat.treatment != "vat_registered":
        return Cost(gross, ZERO, tuple(lines))
    lines.append(Line(f"Input VAT of {terms.vat.rate.normalize():f} %", -vat))
    return Cost(gross - vat, vat, tuple(lines))


def sale_of(price: Decimal, cost: Decimal, terms: Terms) -> Sale:
    """Return what selling at `price` would earn on a pair of that cost."""
    estimate = estimate_payout(price, terms.fees)
    due = ZERO
    if terms.vat.treatment == "margin_scheme" and estimate.payout > cost:
        # The same margin as the tax report's: payout less cost.
        due = terms.vat.inside(estimate.payout - cost)
    return Sale(price, estimate, due, terms.failure_allowance(price), cost)


def evaluate(cost: Cost, ask: Decimal | None, bid: Decimal | None, terms: Terms) -> Evaluation:
    """Evaluate both ways to sell: listed at `ask`, and now into the highest `bid`; None where the market has none."""
    listed = sale_of(ask, cost.total, terms) if ask is not None and ask > ZERO else None
    now = sale_of(bid, cost.total, terms) if bid is not None and bid > ZERO else None
    return Evaluation(cost, listed, now)


def break_even(sale: Sale, terms: Terms) -> Decimal:
    """Return the highest gross price, delivery included, at which buying for this sale is expected to lose nothing."""
    if terms.vat.treatment == "vat_registered":
        most = (sale.payout - sale.allowance) * (HUNDRED + terms.vat.rate) / HUNDRED
        return max(_largest(most, lambda gross: sale_of(sale.price, gross - terms.vat.inside(gross), terms)), ZERO)
    return max(_largest(sale.payout - sale.allowance, lambda gross: sale_of(sale.price, gross, terms)), ZERO)


def _largest(start: Decimal, sale_at: Callable[[Decimal], Sale]) -> Decimal:
    """Return the largest gross price of a cent or more whose sale earns at least nothing, looked for below `start`."""
    high = cents(start) + CENT
    if high <= ZERO:
        return ZERO
    low, top = 0, int(high * 100)
    while low < top:
        middle = (low + top + 1) // 2
        if sale_at(Decimal(middle) / 100).expected >= ZERO:
            low = middle
        else:
            top = middle - 1
    return cents(Decimal(low) / 100)


def has_moved(old_price: Decimal | None, price: Decimal, *, by_percent: Decimal) -> bool:
    """Tell whether a dismissed offer comes back: its price moved by at least so many percent since."""
    if old_price is None or old_price <= ZERO:
        return True
    return abs(price - old_price) / old_price * HUNDRED >= by_percent


def lines_of(arithmetic: Mapping[str, Any], part: str) -> list[tuple[str, Decimal]]:
    """Return the stored lines of one part of the arithmetic: cost, listed, listed_after, now or now_after."""
    return [(str(name), Decimal(amount)) for name, amount in arithmetic.get(part) or ()]


def days_between_sales(days: Sequence[date]) -> Decimal | None:
    """Return how many days pass from one sale of a size to its next, to a tenth; None with fewer than three sales."""
    if len(days) < LEAST_SALES:
        return None
    first, last = min(days), max(days)
    return tenths(Decimal((last - first).days) / (len(days) - 1))
